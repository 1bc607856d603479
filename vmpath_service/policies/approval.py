"""Whether a person is asked before anything moves: ``manual``, ``automatic`` or ``automatic-below N``."""

from __future__ import annotations

from vmpath_service.model.errors import InvalidInput

FORM = "manual, automatic, or automatic-below N"


def limit_of(approval: str) -> int | None:
    """From how many migrations on somebody is asked; None: never. Raises InvalidInput."""
    if approval == "manual":
        return 0
    if approval == "automatic":
        return None
    word, _, number = approval.partition(" ")
    if word == "automatic-below" and number.strip().isascii() and number.strip().isdigit() and int(number) > 0:
        return int(number)
    raise InvalidInput(f"found {approval!r}, expected {FORM}")


def needs_a_person(approval: str, migrations: int) -> bool:
    """Whether a plan of so many migrations waits until somebody has approved it."""
    limit = limit_of(approval)
    return limit is not None and migrations >= limit
