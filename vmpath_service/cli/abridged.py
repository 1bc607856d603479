"""Long lists as a person reads them: the first few, and how many more there are."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST = 10

_BEHIND_A_NAME = re.compile(r"\(([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\)")


def in_line(names: Sequence[object], most: int = MOST) -> str:
    """``names`` in one line, no more than ``most`` of them; "" for none."""
    named = ", ".join(map(str, names[:most]))
    return f"{named} and {len(names) - most} more" if len(names) > most else named


def lines(items: Sequence[str], hint: str) -> list[str]:
    """No more than ``MOST`` of ``items``, and a line that counts the rest; ``hint`` says how to see them all."""
    if len(items) <= MOST:
        return list(items)
    return [*items[:MOST], f"and {len(items) - MOST} more ({hint})"]


def short(text: str) -> str:
    """A sentence for a screen: of uuids that stand behind a name no more than their beginning."""
    return _BEHIND_A_NAME.sub(r"(\1)", text)


def moment(text: str) -> str:
    """A time of the API as people read one: to the second."""
    return f"{text[:19]}Z"
