"""Text in columns of a terminal: how wide it is, cut to fit, with nothing in it that a terminal would act upon."""

from __future__ import annotations

import collections
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmpath_service.model.snapshot import Instance

_NOTHING_WIDE = ("Mn", "Me", "Cf")
# Surrogates and separators of lines do no good on a terminal or in a file either; tabulators have no width.
_ACTING = ("Cc", "Cs", "Zl", "Zp")
# They turn the direction of all that follows; the last two are no characters, and may be in no document.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
CUT = "~"


def plain(text: str) -> str:
    """The text with a question mark for each character that a terminal would act upon instead of showing it."""
    if text.isprintable():
        return text
    return "".join("?" if unicodedata.category(each) in _ACTING or each in _TURNING else each for each in text)


def width(text: str) -> int:
    """How many columns a terminal needs for it."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def clipped(text: str, room: int) -> str:
    """No wider than ``room`` columns; what had to be cut off at the end is marked."""
    return text if width(text) <= room else _head(text, room - 1) + CUT


def padded(text: str, room: int) -> str:
    """With blanks behind it up to ``room`` columns."""
    return text + " " * (room - width(text))


def folded_lines(text: str, room: int, further: int = 4) -> Iterator[str]:
    """The text in lines of no more than ``room`` columns, broken between words and in words that are wider than that;
    from the second line on ``further`` columns further in than the first."""
    if width(text) <= room:
        yield text
        return
    begin = len(text) - len(text.lstrip())
    indent = " " * min(begin + further, max(0, room // 2))
    line, empty = " " * begin, True
    for word in text.split():
        needed = width(word) + (0 if empty else 1)
        if width(line) + needed > room and not empty:
            yield line
            line, empty = indent, True
        while width(line) + width(word) > room:
            piece = _head(word, max(2, room - width(line)))
            yield line + piece
            word, line = word[len(piece) :], indent
        line, empty = line + ("" if empty else " ") + word, False
    yield line


def short_names(names: Sequence[str], room: int) -> Mapping[str, str]:
    """The names, none wider than ``room`` columns and, wherever that can be, no two alike.

    A domain that all too wide ones have in common goes first; what is too wide still loses its middle: names of a kind
    mostly differ at their end.
    """
    result = {name: plain(name) for name in names}
    wide = [name for name, shown in result.items() if width(shown) > room]
    domains = {"".join(result[name].partition(".")[1:]) for name in wide} - {""}
    if len(domains) == 1:
        domain = domains.pop()
        without = {name: shown.removesuffix(domain) or shown for name, shown in result.items()}
        if _differ(without):
            result, wide = without, [name for name in wide if width(without[name]) > room]
    tails = range(room // 2, room - 1)
    tries = ({**result, **{name: _without_middle(result[name], room, tail) for name in wide}} for tail in tails)
    return next(filter(_differ, tries), {**result, **{name: clipped(result[name], room) for name in wide}})


def labels(instances: Sequence[Instance]) -> dict[str, str]:
    """What people are told an instance is called, by uuid: its name, with the beginning of its uuid if others have it.
    """
    bearers = collections.Counter(each.name for each in instances)
    return {
        each.uuid: plain(
            each.uuid if not each.name else each.name if bearers[each.name] == 1 else f"{each.name} ({each.uuid[:8]})"
        )
        for each in instances
    }


def _differ(shown: Mapping[str, str]) -> bool:
    return len(set(shown.values())) == len(shown)


def _columns(character: str) -> int:
    if unicodedata.category(character) in _NOTHING_WIDE:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _head(text: str, room: int) -> str:
    """As much of the beginning as has room."""
    taken = 0
    for number, character in enumerate(text):
        taken += _columns(character)
        if taken > room:
            return text[:number]
    return text


def _without_middle(text: str, room: int, tail: int) -> str:
    end = _head(text[::-1], tail)[::-1]
    return _head(text, room - width(end) - 1) + CUT + end
