"""Providers that several hosts share: what is left of them, and who cannot move for want of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Pool:
    """A sharing provider of Placement: capacity and use per resource class, and what each consumer holds."""

    uuid: str
    name: str
    capacity: Mapping[str, int]
    used: Mapping[str, int]
    held: Mapping[str, Mapping[str, int]]

    def free(self, resource_class: str) -> int:
        """Never below 0."""
        return max(0, self.capacity.get(resource_class, 0) - self.used.get(resource_class, 0))


def shortages(pools: Iterable[Pool]) -> Mapping[str, str]:
    """Consumers that hold more of a pool than is free there, each with a sentence.

    While an instance is migrated Nova asks Placement for its share a second time, of what is shared too, though
    nothing is copied there.
    """
    found: dict[str, str] = {}
    for pool in pools:
        for consumer, amounts in pool.held.items():
            for name, amount in amounts.items():
                if amount > pool.free(name):
                    found.setdefault(
                        consumer,
                        f"of the {name} that hosts share ({pool.name}) {pool.free(name)} are free, and while it moves"
                        f" Nova counts its {amount} twice",
                    )
    return found


def extra_of(pools: Iterable[Pool]) -> dict[str, Any]:
    """What a snapshot's ``extra`` says of them; nothing where there are none."""
    listed = [
        {"uuid": pool.uuid, "name": pool.name, "capacity": dict(pool.capacity), "used": dict(pool.used)}
        for pool in sorted(pools, key=lambda each: each.uuid)
    ]
    return {"shared_pools": listed} if listed else {}
