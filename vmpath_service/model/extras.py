"""What a reading of a cloud leaves in the ``extra`` of an instance, beside what constraints read there."""

from __future__ import annotations

from vmpath_service.model.snapshot import Instance

SCHEDULER_DECIDES = "scheduler_decides"
"""Reasons why Placement's figures do not prove that the instance fits where they say so, one phrase each."""
FLAVOR_WISHES = "flavor_wishes"
"""Of its flavor's extra specs, those that say something to vmpath."""
HELD_BY_CAUTION = "held_by_caution"
"""True for one that is not movable by what is feared and not known: more knowledge might let it move."""


def held_by_caution(instance: Instance) -> bool:
    """Whether it is not movable for want of knowledge only."""
    return instance.movable == "no" and instance.extra.get(HELD_BY_CAUTION) is True


def undecided(instance: Instance) -> tuple[str, ...]:
    """What only Nova's scheduler can judge of it: such a migration is best tried early."""
    found = instance.extra.get(SCHEDULER_DECIDES)
    return tuple(str(reason) for reason in found) if isinstance(found, (list, tuple)) else ()


def wish(instance: Instance, key: str) -> str | None:
    """What it says under a key: by its metadata, else by its flavor."""
    if key in instance.metadata:
        return instance.metadata[key]
    wishes = instance.extra.get(FLAVOR_WISHES)
    said = wishes.get(key) if isinstance(wishes, dict) else None
    return said if isinstance(said, str) else None
