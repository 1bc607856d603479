"""Who can never move because no arrangement at all has room for it twice: a proof by packing, for tight clouds.

While an instance moves, it counts at its source and at its destination, and all others are somewhere. If they cannot
be put on the hosts so, in whatever way they got there, the instance never moves, whatever path the others take.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.brim import MOST, Brim, Vector
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room

# Steps of the budget for one kind.
KIND = 20_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """Movable instances that ask for the same and may be on the same hosts."""

    need: Vector
    places: frozenset[int]
    guests: tuple[int, ...]


class Packing:
    """The instances of a cloud, to be put on its hosts anew. ``fixed``: instances that are known to stay.

    A host holds no more than its capacity or, where that is less, what it held at the start: no path leads beyond.
    Groups are left out of account: what cannot be without them cannot be with them.
    """

    def __init__(self, problem: Problem, fixed: Container[int]) -> None:
        cloud = problem.cloud
        self._start = room = Room(cloud, problem.departures)
        bare = [[max(0, amount) for amount in room.amounts(free)] for free in room.free]
        open_to: dict[int, frozenset[int]] = {}
        groups: dict[tuple[Vector, frozenset[int]], list[int]] = {}
        for guest, host in enumerate(room.where):
            if host == NOWHERE or not problem.mobile[guest] or guest in fixed:
                continue
            number = cloud.class_of[guest]
            if number not in open_to:
                open_to[number] = frozenset(
                    other for other, receives in enumerate(problem.receives) if receives and cloud.admits(guest, other)
                )
            groups.setdefault((cloud.demand(guest), open_to[number]), []).append(guest)
            bare[host] = list(map(int.__add__, bare[host], cloud.demand(guest)))
        self.applicable = bool(groups) and sum(map(sum, bare)) < MOST
        """Whether anybody may move, and amounts are small enough to be computed with."""
        if not self.applicable:
            return
        self._kinds = [
            _Kind(need, places.union(room.where[guest] for guest in guests), tuple(guests))
            for (need, places), guests in groups.items()
        ]
        self._brim = Brim([kind.need for kind in self._kinds], [len(kind.guests) for kind in self._kinds])
        self._bins = [
            (tuple(row), tuple(number for number, kind in enumerate(self._kinds) if host in kind.places))
            for host, row in enumerate(bare)
        ]
        """Per host: what it has beside those who stay, and who may be there."""
        self._open = {kind.guests[0]: open_to[cloud.class_of[kind.guests[0]]] for kind in self._kinds}

    def never_moving(self, budget: Budget) -> Iterator[int]:
        """Instances of which it is proved; those first who ask for most of what is free. Only where ``applicable``."""
        free = np.array([[max(0, a) for a in self._start.amounts(packed)] for packed in self._start.free])
        total = np.maximum(1, free.sum(axis=0))
        share = {kind.guests: float(np.max(np.array(kind.need) / total, initial=0.0)) for kind in self._kinds}
        for kind in sorted(self._kinds, key=lambda kind: (-share[kind.guests], kind.guests)):
            if budget.left <= 0 or self._moves_at_once(kind):
                continue
            if not self._holds_twice(kind, budget.share(KIND)):
                yield from kind.guests

    def _moves_at_once(self, kind: _Kind) -> bool:
        """Whether one of the kind can move at the start."""
        room = self._start
        return any(
            host != room.where[guest] and room.fits(guest, host)
            for guest in kind.guests
            for host in self._open[kind.guests[0]]
        )

    def _holds_twice(self, double: _Kind, budget: Budget) -> bool:
        """Whether all can be packed with one more of a kind, who are not all on one host; True if not known."""
        wanted = [len(kind.guests) + (kind is double) for kind in self._kinds]
        return self._brim.packs(self._bins, wanted, budget) is not False
