"""Layer 3: a search that prefers what it has not seen yet, where there are too many placements to look at all.

Best-first width search (Lipovetzky and Geffner, "Best-First Width Search: Exploration and Exploitation in Classical
Planning", AAAI 2017), from both ends at once. First comes a placement in which some instance is where it never was in
any placement with as many instances misplaced; then one in which two instances are where they never were together;
then the others. Among equals, that which has less left to do comes first; that can be counted in several ways, each of
which finds what others do not. It finds ways through clouds that are full of big instances and settle for no simple
order; that it finds none proves nothing.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from numpy.typing import NDArray

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.placements import Placements, Places, steps
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.search import Result
from vmpath_service.pathfinder.seen import Keys, Seen, among
from vmpath_service.pathfinder.trace import told

# What is looked at in a step of a budget: moves, and instances of new placements.
WORTH = 1000
# Moves that are looked at together.
TOGETHER = 12_000
# Entries of the table of pairs that were seen; beyond, pairs share entries, and some count as seen that were not.
PAIRS = 1 << 24
# Placements that wait on each side, and placements that are kept on each side.
WAITING = 200_000
KEPT = 1_000_000
# What a misplaced instance counts, where it does not count by its size, as a share of the biggest host.
MISPLACED = 0.2
# Above all that can be left to do.
FAR = 1e6


class NoveltySearch:
    """``fixed``: instances that are known to stay where they are. To be asked only where ``applicable``."""

    def __init__(self, problem: Problem, fixed: Container[int] = ()) -> None:
        self._world = Placements(problem, fixed)
        self.applicable = self._world.applicable

    @told("search from both ends what was not seen yet")
    def find(self, budget: Budget, *, by_size: bool = False, by_room: bool = True) -> Result:
        """A path, if it comes upon one.

        ``by_size``: whether who is misplaced counts by size; ``by_room``: whether it counts how much room each of them
        lacks where it is to be.
        """
        if bool((self._world.start == self._world.goal).all()):
            return Result("found")
        world = self._world
        onward = _Side(world, world.start, world.goal, back=False, by_size=by_size, by_room=by_room)
        backward = _Side(world, world.goal, world.start, back=True, by_size=by_size, by_room=by_room)
        # what holds more than its capacity at the start cannot be come upon from behind
        turns = [onward] if world.crowded else [onward, backward]
        while True:
            for side in turns:
                work = side.expand() if side.waits else 0
                met = side.met(backward if side is onward else onward)
                if met is not None:
                    ours, theirs = met if side is onward else met[::-1]
                    way = [*steps(onward.chain(ours)), *steps(backward.chain(theirs)[::-1])]
                    return Result("found", world.moves(way))
                if not work or side.full or not budget.spend(1 + work // WORTH):
                    return Result("given up")


class _Side:
    """What was seen from one end; ``aim``: where it is to lead. ``back``: moves are undone."""

    def __init__(
        self, world: Placements, begin: Places, aim: Places, *, back: bool, by_size: bool, by_room: bool
    ) -> None:
        self._world, self._aim, self.back, self._by_room = world, aim, back, by_room
        guests, hosts = world.admits.shape
        self._batch = max(1, TOGETHER // (guests * hosts))
        self._scale = 1 / np.maximum(1, world.bare.max(axis=0))
        self._shares = (world.need * self._scale).astype(np.float32)
        """Per instance and dimension, what it asks for of the biggest host."""
        self._counts = self._shares.max(axis=1) if by_size else np.full(guests, MISPLACED, dtype=np.float32)
        self._atoms = np.arange(guests) * hosts
        """Per instance where the numbers begin that say that it is on a host."""
        self._count_of_atoms = guests * hosts
        self._once = np.zeros((guests + 1) * guests * hosts, dtype=np.int32)
        self._twice = np.zeros(min(PAIRS, (guests + 1) * (guests * hosts) ** 2), dtype=np.int32)
        self._places = np.empty((1024, guests), dtype=np.int16)
        self._keys = np.empty(1024, dtype=np.int64)
        self._parents = np.empty(1024, dtype=np.int32)
        self._count = 0
        self._seen = Seen()
        self._waiting = np.zeros(0, dtype=np.int64)
        self._ranks = np.zeros(0)
        self._fresh = self._keep(begin[np.newaxis], np.array([self._key(begin)]), np.array([-1]))
        self._wait(self._fresh, np.zeros(1))

    @property
    def waits(self) -> bool:
        """Whether there is anything to expand."""
        return bool(len(self._waiting))

    @property
    def full(self) -> bool:
        """Whether no more can be kept."""
        return self._count > KEPT

    def _key(self, places: Places) -> int:
        return int(self._world.keys(places[np.newaxis])[0])

    def _keep(self, places: Places, keys: Keys, parents: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put away placements that are new; returns their rows."""
        end = self._count + len(places)
        if end > len(self._keys):
            more = max(end, 2 * len(self._keys))
            self._places, self._keys, self._parents = (
                np.concatenate((part, np.empty((more - len(part), *part.shape[1:]), dtype=part.dtype)))
                for part in (self._places, self._keys, self._parents)
            )
        rows = np.arange(self._count, end)
        self._places[rows], self._keys[rows], self._parents[rows] = places, keys, parents
        self._count = end
        self._seen.add(np.sort(keys))
        return rows

    def _wait(self, rows: NDArray[np.int64], ranks: NDArray[np.float64]) -> None:
        self._waiting = np.concatenate((self._waiting, rows))
        self._ranks = np.concatenate((self._ranks, ranks))
        if len(self._waiting) > WAITING:
            best = np.argpartition(self._ranks, WAITING // 2)[: WAITING // 2]
            self._waiting, self._ranks = self._waiting[best], self._ranks[best]

    def _next(self) -> NDArray[np.int64]:
        """The best of those that wait."""
        if len(self._waiting) <= self._batch:
            rows, self._waiting, self._ranks = self._waiting, self._waiting[:0], self._ranks[:0]
            return rows
        order = np.argpartition(self._ranks, self._batch)
        rows = self._waiting[order[: self._batch]]
        self._waiting, self._ranks = self._waiting[order[self._batch :]], self._ranks[order[self._batch :]]
        return rows

    def expand(self) -> int:
        """Look at what is one move from the best of those that wait; returns how much was looked at."""
        world = self._world
        parents = self._next()
        places = self._places[parents]
        free = world.free(places)
        rows, who, host = world.ways(places, free, back=self.back)
        looked = len(places) * world.admits.size
        self._fresh = parents[:0]
        if not len(rows):
            return looked
        there = places[rows, who]
        keys = self._keys[parents[rows]] + (world.marks[who, host] - world.marks[who, there])
        unique, first = np.unique(keys, return_index=True)
        first = first[among(unique, self._seen.new(unique))]
        if not len(first):
            return looked
        rows, who, host, keys = rows[first], who[first], host[first], keys[first]
        after, room = places[rows], free[rows]
        each = np.arange(len(rows))
        room[each, after[each, who]] += world.need[who]
        room[each, host] -= world.need[who]
        after[each, who] = host
        self._fresh = self._keep(after, keys, parents[rows])
        self._wait(self._fresh, self._ranked(after, room, who))
        return looked + after.size

    def _ranked(self, places: Places, free: NDArray[np.int64], who: NDArray[np.int64]) -> NDArray[np.float64]:
        """What to expand first, per placement; the least first. ``who``: who has moved last."""
        astray = places != self._aim
        count = astray.sum(axis=1)
        left = self._left(astray, free)
        atoms = self._atoms + places
        each = np.arange(len(who))
        # the most promising are the first to be new in something
        order = np.argsort(left, kind="stable")[::-1]
        alone = count[:, np.newaxis] * self._count_of_atoms + atoms
        pairs = self._pairs(count[:, np.newaxis], atoms[each, who][:, np.newaxis], atoms)
        novel = np.where(_first(self._once, alone, order), 0, np.where(_first(self._twice, pairs, order), 1, 2))
        result: NDArray[np.float64] = novel * FAR + left
        return result

    def _left(self, astray: NDArray[np.bool_], free: NDArray[np.int64]) -> NDArray[np.float64]:
        """Per placement what is left to do; ``astray``: who is misplaced."""
        counts = self._counts
        if self._by_room:
            short = np.zeros(astray.shape, dtype=np.float32)
            part = np.empty_like(short)
            for need, room in zip(self._shares.T, np.moveaxis(free * self._scale, 2, 0), strict=True):
                np.subtract(need, room.astype(np.float32)[:, self._aim], out=part)
                np.maximum(short, part, out=short)
            counts = counts + short
        left: NDArray[np.float64] = (astray * counts).sum(axis=1)
        return left

    def _pairs(self, count: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the table says whether two were seen together."""
        low, high = np.minimum(one, other), np.maximum(one, other)
        pairs: NDArray[np.int64] = (count * self._count_of_atoms + low) * self._count_of_atoms + high
        return pairs % len(self._twice)

    def met(self, other: _Side) -> tuple[int, int] | None:
        """The rows of a placement that was just found and that the other side knows: ours, theirs."""
        keys = self._keys[self._fresh]
        ordered = np.sort(keys)
        common = ordered[~among(ordered, other._seen.new(ordered))]
        if not len(common):
            return None
        ours, theirs = self._fresh[keys == common[0]], np.flatnonzero(other._keys[: other._count] == common[0])
        return int(ours[0]), int(theirs[0])

    def chain(self, row: int) -> list[Places]:
        """The placements from the first to this one."""
        states = []
        while row >= 0:
            states.append(self._places[row])
            row = int(self._parents[row])
        return states[::-1]


def _first(table: NDArray[np.int32], entries: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Per row of ``entries``: whether it is the first that has some entry; the table remembers.

    ``order``: the rows, the last first.
    """
    blank = table[entries] == 0
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(len(order), 0, -1)
    rows, columns = np.nonzero(blank[order])
    rows = order[rows]
    table[entries[rows, columns]] = number[rows]  # of those with the same entry, the last that is written stays
    new = blank & (table[entries] == number[:, np.newaxis])
    result: NDArray[np.bool_] = new.any(axis=1)
    table[entries] = 1
    return result
