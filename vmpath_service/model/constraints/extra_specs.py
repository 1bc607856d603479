"""What a flavor's extra spec asks of a value, in the notation of Nova's scheduler filters."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
}
# a plain = means "at least"
_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}


def satisfies(value: str, requirement: str) -> bool:
    """Whether ``value`` is what ``requirement`` asks for.

    A requirement that does not begin with an operator must be equal. ``<in>``: contains this word; ``<all-in>``: all
    of these; ``<or> a <or> b``: one of these; ``s==`` and so on compare texts, ``=`` (at least), ``==`` and so on
    numbers. An operator without anything to compare with, or a number that is none, admits nothing.
    """
    words = requirement.split()
    sign = words[0] if words else ""
    if sign == "<or>":
        return value in words[1::2]
    if sign == "<all-in>":
        return len(words) > 1 and all(word in value for word in words[1:])
    if sign == "<in>":
        return len(words) > 1 and words[1] in value
    if sign in _TEXTS:
        return len(words) > 1 and _TEXTS[sign](value, words[1])
    if sign in _NUMBERS:
        try:
            return len(words) > 1 and _NUMBERS[sign](float(value), float(words[1]))
        except ValueError:
            return False
    return value == requirement
