"""What somebody may have meant by a name that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 5


def hint(name: str, known: Iterable[str], most: int | None = MOST) -> str:
    """The end of a sentence that says that there is no ``name``: the nearest of those ``known``, else at most ``most``
    of them (None: all)."""
    there_are = sorted(set(known))
    if near := nearest(name, there_are):
        return near
    some = ", ".join(there_are[:most]) + (", ..." if most is not None and len(there_are) > most else "")
    return f"; there are: {some or 'none'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of such a sentence with the nearest of those ``known``; empty if none is near."""
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
