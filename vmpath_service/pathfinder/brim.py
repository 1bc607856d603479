"""Whether instances can be put on hosts at all, exactly: vector bin packing of few kinds, for proofs.

Host by host it is noted how many of each kind can be on the hosts looked at so far. Only fills of a host to which
nothing can be added count, since whoever is held twice so can be left out again; and what hosts leave over is lost,
so that in tight clouds few combinations come into question. First only the most promising combinations are followed:
mostly there is a packing, and that finds one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vmpath_service.pathfinder.budget import Budget

Vector = tuple[int, ...]
Integers = NDArray[np.int64]
Bin = tuple[Vector, Vector]
"""What a host has room for, per dimension, and the kinds that may be on it, by number."""

# Combinations are numbered by integers of the machine, and amounts added up.
MOST = 2**62
# How many combinations are looked at in a step of a budget, and what a look at a host takes.
PER_STEP = 12
HOST = 16
# In how many ways one host may be filled, and how many ways are looked at to find those.
FILLS = 4_000
PARTIAL_FILLS = 60_000
# How many combinations are followed at first, and how many at most.
NARROW = 48
WIDE = 60_000
# How many combinations are compared each with each, to drop those that hold less than another.
COMPARED = 256
# Combinations times fills that are computed together.
TOGETHER = 1 << 17


class Brim:
    """Packs instances of some kinds. ``needs``: per kind; ``at_most``: how many of a kind one host may hold.

    What it found out is remembered, since the same question is asked of hosts in another order again and again.
    """

    def __init__(self, needs: Sequence[Vector], at_most: Sequence[int]) -> None:
        self._needs = np.array(needs, dtype=np.int64).reshape(len(needs), -1)
        self._at_most = np.array(at_most, dtype=np.int64)
        total = np.maximum(1, self._needs.T @ self._at_most)
        self._size = (self._needs / total).max(axis=1, initial=0.0)
        # the big ones first: what is left of a host is decided by them
        self._order = np.argsort(-self._size, kind="stable")
        self._fills: dict[tuple[Bin, Vector], Integers | None] = {}

    def packs(self, bins: Sequence[Bin], wanted: Sequence[int], budget: Budget) -> bool | None:
        """Whether so many of each kind can be put on the hosts; None if that was not found out."""
        count = np.array(wanted, dtype=np.int64)
        if math.prod(int(number) + 1 for number in count) > MOST:
            return None
        if not budget.spend(HOST * len(bins)):
            return None
        room = np.array([amounts for amounts, _ in bins], dtype=np.int64)
        if (room < 0).any():
            return False
        spare = room.sum(axis=0) - count @ self._needs
        if (spare < 0).any():
            return False
        fills = []
        for each in bins:
            found = self._filled(each, spare, count, budget)
            if found is None:
                return None
            if not len(found):
                return False
            fills.append(found)
        order = sorted(range(len(bins)), key=lambda number: (len(fills[number]), bins[number]))
        lists = [(room[number], fills[number]) for number in order]
        verdict = self._together(lists, count, spare, NARROW, budget)
        return self._together(lists, count, spare, WIDE, budget) if verdict is None else verdict

    def _together(
        self, lists: Sequence[tuple[Integers, Integers]], wanted: Integers, spare: Integers, most: int, budget: Budget
    ) -> bool | None:
        """The same, with up to ``most`` combinations followed."""
        radix = np.concatenate((np.ones(1, dtype=np.int64), np.cumprod(wanted[:-1] + 1)))
        held = np.zeros((1, len(wanted)), dtype=np.int64)
        so_far = np.zeros(len(spare), dtype=np.int64)
        complete = True
        for room, fills in lists:
            so_far = so_far + room
            step = max(1, TOGETHER // len(fills))
            parts = []
            for begin in range(0, len(held), step):
                if not budget.spend(1 + len(held[begin : begin + step]) * len(fills) // PER_STEP):
                    return None
                sums = np.minimum(held[begin : begin + step, np.newaxis] + fills, wanted).reshape(-1, len(wanted))
                kept = (so_far - sums @ self._needs <= spare).all(axis=1)
                parts.append(np.unique(sums[kept] @ radix))
            codes = np.unique(np.concatenate(parts))
            if not len(codes):
                return False if complete else None
            held = codes[:, np.newaxis] // radix % (wanted + 1)
            if len(held) <= COMPARED:
                held = held[_greatest(held)]
            if (held[-1] == wanted).all():
                return True
            if len(held) > most:
                complete = False
                weight = self._size**2
                held = held[np.argsort(-(held @ weight), kind="stable")[:most]]
                held = held[np.argsort(held @ radix, kind="stable")]
        return False if complete else None

    def _filled(self, each: Bin, spare: Integers, wanted: Integers, budget: Budget) -> Integers | None:
        """The fills of a host to which nothing can be added and that leave over no more than ``spare``."""
        limit = np.minimum(self._at_most, wanted)
        key = (each, tuple(limit.tolist()))
        if key not in self._fills:
            self._fills[key] = self._all_fills(each, limit, budget)
        fills = self._fills[key]
        if fills is None:
            return self._tight_fills(each, limit, spare, budget)
        kept: Integers = fills[np.all(np.array(each[0]) - fills @ self._needs <= spare, axis=1)]
        return kept

    def _all_fills(self, each: Bin, limit: Integers, budget: Budget) -> Integers | None:
        return self._tight_fills(each, limit, np.full(self._needs.shape[1], MOST), budget)

    def _tight_fills(self, each: Bin, limit: Integers, spare: Integers, budget: Budget) -> Integers | None:
        room, takes = np.array(each[0], dtype=np.int64), set(each[1])
        order = [int(kind) for kind in self._order if int(kind) in takes and limit[kind]]
        fills = np.zeros((1, len(self._needs)), dtype=np.int64)
        left = room[np.newaxis]
        for position, kind in enumerate(order):
            need = self._needs[kind]
            last = position == len(order) - 1
            fitting = _how_often(left, need, int(limit[kind]))
            if last:
                fills = fills.copy()
                fills[:, kind] = fitting
                left = left - fitting[:, np.newaxis] * need
            else:
                rows = np.repeat(np.arange(len(fills)), fitting + 1)
                begins = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(fitting + 1)[:-1]))
                number = np.arange(len(rows)) - np.repeat(begins, fitting + 1)
                fills = fills[rows]
                fills[:, kind] = number
                left = left[rows] - number[:, np.newaxis] * need
            rest = order[position + 1 :]
            more = limit[rest] @ self._needs[rest] if rest else np.zeros(len(spare), dtype=np.int64)
            kept = (left - more <= spare).all(axis=1)
            fills, left = fills[kept], left[kept]
            if len(fills) > PARTIAL_FILLS or not budget.spend(1 + len(fills) // PER_STEP):
                return None
        for kind in order:
            full = (fills[:, kind] == limit[kind]) | (left < self._needs[kind]).any(axis=1)
            fills, left = fills[full], left[full]
        return fills if len(fills) <= FILLS else None


def _how_often(left: Integers, need: Integers, limit: int) -> Integers:
    """Per row how often the need fits, at most ``limit``."""
    asks = np.flatnonzero(need)
    if not len(asks):
        return np.full(len(left), limit, dtype=np.int64)
    times: Integers = np.minimum((left[:, asks] // need[asks]).min(axis=1), limit)
    return times


def _greatest(held: Integers) -> NDArray[np.bool_]:
    """Which combinations are not contained in another one; all differ."""
    within = np.less_equal(held[:, np.newaxis], held[np.newaxis])
    # each is contained in itself
    result: NDArray[np.bool_] = np.sum(np.all(within, axis=2), axis=1) == 1
    return result
