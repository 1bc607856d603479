"""Who can never move because no arrangement at all has room for it twice: a proof by packing, for tight clouds.

While an instance moves, it counts at its source and at its destination, and all others are somewhere. If they cannot
be put on the hosts so, in whatever way they got there, the instance never moves, whatever path the others take.

Whether they can is decided host by host: which numbers of instances of each kind the hosts looked at so far can hold
together. What some of them leave over is lost to all, so in a tight cloud each has to be filled nearly to the brim,
and few combinations come into question. In others there are too many, and nothing is proved.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room

Vector = tuple[int, ...]
Integers = NDArray[np.int64]

# Steps of the budget for one kind, and how many combinations are looked at in a step.
KIND = 20_000
PER_STEP = 64
# Combinations are numbered by integers of the machine, and amounts added up.
MOST = 2**62
# In how many ways one host may be filled.
FILLS = 5_000


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
        self.applicable = sum(map(sum, bare)) < MOST
        """Whether amounts are small enough to be computed with."""
        if not self.applicable:
            return
        self._room = np.array(bare, dtype=np.int64)
        """Per host and dimension: what it has beside those who stay."""
        self._kinds = [
            _Kind(need, places.union(room.where[guest] for guest in guests), tuple(guests))
            for (need, places), guests in groups.items()
        ]
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
        kinds = [double, *(kind for kind in self._kinds if kind is not double)]
        at_most = [len(kind.guests) for kind in kinds]
        wanted = np.array([at_most[0] + 1, *at_most[1:]], dtype=np.int64)
        if math.prod(int(number) + 1 for number in wanted) > MOST:
            return True
        radix = np.concatenate((np.ones(1, dtype=np.int64), np.cumprod(wanted[:-1] + 1)))
        needs = np.array([kind.need for kind in kinds], dtype=np.int64)
        spare = self._room.sum(axis=0) - wanted @ needs
        if (spare < 0).any():
            return False
        codes = np.zeros(1, dtype=np.int64)
        wasted = np.zeros((1, len(spare)), dtype=np.int64)
        known: dict[tuple[object, ...], Integers | None] = {}
        for host, room in enumerate(self._room):
            takes = tuple(number for number, kind in enumerate(kinds) if host in kind.places)
            key = (takes, *room.tolist())
            if key not in known:
                known[key] = _fills(room, needs, takes, at_most, spare)
            fills = known[key]
            if fills is None or not budget.spend(1 + len(codes) * len(fills) // PER_STEP):
                return True
            waste = room - fills @ needs
            held = codes[:, np.newaxis] // radix % (wanted + 1)
            reached, lost = [codes[:0]], [wasted[:0]]
            for fill, left in zip(fills, waste, strict=True):
                rows = (wasted + left <= spare).all(axis=1) & (held + fill <= wanted).all(axis=1)
                reached.append(codes[rows] + fill @ radix)
                lost.append(wasted[rows] + left)
            codes, first = np.unique(np.concatenate(reached), return_index=True)
            wasted = np.concatenate(lost)[first]
            if not len(codes):
                return False
        return bool((codes == wanted @ radix).any())


def _fills(
    room: Integers, needs: Integers, takes: Sequence[int], at_most: Sequence[int], spare: Integers
) -> Integers | None:
    """All numbers of each kind that a host holds so that it leaves over no more than ``spare``; None: too many."""
    fills = np.zeros((1, len(needs)), dtype=np.int64)
    left = room[np.newaxis]
    for kind in takes:
        need = needs[kind]
        each, rest = [fills], [left]
        for _ in range(at_most[kind]):
            fits = (rest[-1] >= need).all(axis=1)
            if not fits.any():
                break
            one_more = each[-1][fits]
            one_more[:, kind] += 1
            each.append(one_more)
            rest.append(rest[-1][fits] - need)
        fills, left = np.concatenate(each), np.concatenate(rest)
        if len(fills) > FILLS:
            return None
    return fills[(left <= spare).all(axis=1)]
