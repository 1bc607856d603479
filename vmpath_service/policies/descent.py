"""Steepest descent towards even hosts: single moves, and exchanges of two instances where those are stuck.

The aim is the sum of the standard deviations of how full the hosts are, as in Ganeti's cluster score. To first order
what a move lowers it by is a sum of a term of the host that is left and one of the host that is arrived at: both are
worked out for all hosts and kinds of instances at once, and only the most promising pairs exactly.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmpath_service.policies.balance import Goal
from vmpath_service.policies.board import Board, obstacle

Floats = NDArray[np.float64]

# Of how many sources, and of how many destinations for each, the exact gain is worked out; how many of the best pairs
# are then tried; of how many hosts exchanges are looked for.
_SOURCES = 64
_DESTINATIONS = 24
_TRIES = 16
_FURTHEST = 6
_SMALL = 2_500


@dataclass(frozen=True, slots=True)
class _Step:
    gain: float
    moves: tuple[tuple[int, int], ...]


class Descent:
    """Moves instances on the board until it is even enough or nothing gains enough.

    ``least``: what a migration must lower the weighted sum of deviations by, with fills as shares of one.
    ``threshold``: difference between fullest and emptiest that is good enough. ``limit``: how many instances may be
    elsewhere than at the start. ``work``: how many steps are looked for at most.
    """

    def __init__(
        self, board: Board, goal: Goal, least: float, threshold: float, limit: int | None, work: int = 200_000
    ) -> None:
        self.board = board
        self.goal = goal
        self.least = least
        self.threshold = threshold
        self.limit = limit
        self.limited = False
        self._work = work
        cloud = board.cloud
        dimensions = list(goal.dimensions)
        self._weights = np.array(goal.weights, dtype=np.float64)
        self._row = {host: at for at, host in enumerate(goal.hosts)}
        capacity = np.array([cloud.capacity[host] for host in goal.hosts], dtype=np.float64)
        self._limits = capacity
        self._taken = np.array([board.accounts.used[host] for host in goal.hosts], dtype=np.float64)
        self._capacity = capacity[:, dimensions]
        self._fills = self._taken[:, dimensions] / self._capacity
        self._fixed = {guest for guest in range(len(cloud.home)) if obstacle(cloud, guest) is not None}
        here = [guest for guest, host in enumerate(cloud.home) if host in self._row and guest not in self._fixed]
        # members of groups stand for themselves, all others for their class
        kinds = sorted({cloud.class_of[guest] for guest in here})
        self._kind = {number: at for at, number in enumerate(kinds)}
        demands = [cloud.classes[number].demand for number in kinds]
        self._demands = np.array(demands, dtype=np.float64).reshape(len(kinds), len(cloud.dimensions))
        # what each kind takes of each host, as a share: kinds x hosts x classes to be even
        self._shares = self._demands[:, None, dimensions] / self._capacity[None, :, :]
        self._counted = np.zeros((len(goal.hosts), len(kinds)), dtype=np.int64)
        for guest in here:
            self._counted[self._row[cloud.home[guest]], self._kind[cloud.class_of[guest]]] += 1
        self._admitted = np.ones((len(kinds), len(goal.hosts)), dtype=bool)
        for number, at in self._kind.items():
            mask = cloud.mask(cloud.classes[number].example)
            if mask is not None:
                self._admitted[at] = [mask[host] == 1 for host in goal.hosts]
        self._refused: set[tuple[int, int]] = set()

    def run(self) -> None:
        """Descend; every step lowers the sum by at least ``least``, so it ends."""
        if not self._kind or not self.goal.dimensions:
            return
        while self._work > 0 and self.spread() > self.threshold:
            step = self._best_move() or self._best_exchange()
            if step is None:
                if not self._refused:
                    return
                # what had no room, or a sibling in its way, may have none any more
                self._refused.clear()
                step = self._best_move() or self._best_exchange()
                if step is None:
                    return
            for guest, host in step.moves:
                self._move(guest, host)

    def spread(self) -> float:
        """The largest difference between two hosts in any class, as a share."""
        if not self.goal.dimensions:
            return 0.0
        return float((self._fills.max(axis=0) - self._fills.min(axis=0)).max())

    def furthest(self) -> int:
        """The host that is furthest from the mean."""
        off = np.abs(self._fills - self._fills.mean(axis=0)).max(axis=1)
        return self.goal.hosts[int(off.argmax())]

    def _best_move(self) -> _Step | None:
        self._work -= 1
        fills, shares = self._fills, self._shares
        number = len(self.goal.hosts)
        mean = fills.mean(axis=0)
        slope = self._slope()
        # to first order, by what leaving and arriving change the sum
        leaving = ((shares**2 - 2 * shares * (fills - mean)[None]) @ slope).T
        arriving = (shares**2 + 2 * shares * (fills - mean)[None]) @ slope
        asked = self._demands[:, None, :]
        room = self._admitted & ((self._taken[None] + asked <= self._limits[None]) | (asked == 0)).all(axis=2)
        arriving = np.where(room, arriving, np.inf)
        leaving = np.where(self._counted > 0, leaving, np.inf)
        sources, kinds = np.nonzero(self._counted > 0)
        if not len(sources):
            return None
        if len(sources) * number > _SMALL:
            hopes = leaving[sources, kinds] + arriving.min(axis=1)[kinds]
            if len(hopes) > _SOURCES:
                chosen = np.argpartition(hopes, _SOURCES)[:_SOURCES]
                chosen.sort()
                sources, kinds = sources[chosen], kinds[chosen]
            most = min(_DESTINATIONS, number)
            nearest = np.argpartition(arriving, most - 1, axis=1)[:, :most]
            nearest.sort(axis=1)
            ends = nearest[kinds]
        else:
            ends = np.broadcast_to(np.arange(number), (len(sources), number))
        gains = self._gains(sources[:, None], ends, shares[kinds, sources][:, None, :], shares[kinds[:, None], ends])
        gains = np.where(np.isfinite(arriving[kinds[:, None], ends]) & (ends != sources[:, None]), gains, -np.inf)
        flat = gains.ravel()
        for at in self._from_best(flat, self.least):
            row, column = divmod(at, ends.shape[1])
            source, dest = self.goal.hosts[sources[row]], self.goal.hosts[ends[row, column]]
            for guest in self._guests(source, int(kinds[row])):
                if (guest, dest) in self._refused:
                    continue
                if self.board.may_arrive(guest, dest) and self._within_limit(guest, dest):
                    return _Step(float(flat[at]), ((guest, dest),))
                self._refused.add((guest, dest))
        return None

    def _best_exchange(self) -> _Step | None:
        """Two instances change places; one of them must have room before the other has left."""
        off = np.abs(self._fills - self._fills.mean(axis=0)) @ self._weights
        others, theirs = np.nonzero(self._counted > 0)
        free = self._limits - self._taken
        for source in np.argsort(-off, kind="stable")[:_FURTHEST]:
            self._work -= 1
            mine = np.flatnonzero(self._counted[source] > 0)
            if not len(mine):
                continue
            ours = self._shares[mine, source][:, None, :] - self._shares[theirs, source][None]
            back = self._shares[mine[:, None], others[None]] - self._shares[theirs, others][None]
            gains = self._gains(np.array([[source]]), others[None], ours, back)
            more = self._demands[mine][:, None, :] - self._demands[theirs][None]
            fits = ((more <= free[others][None]) | (more <= 0)).all(axis=2)
            fits &= ((-more <= free[source]) | (more >= 0)).all(axis=2)
            fits &= self._admitted[mine[:, None], others[None]] & self._admitted[theirs, source][None]
            flat = np.where(fits & (others != source)[None], gains, -np.inf).ravel()
            for at in self._from_best(flat, 2 * self.least):
                row, column = divmod(at, len(others))
                step = self._exchanged(
                    int(source), int(mine[row]), int(others[column]), int(theirs[column]), float(flat[at])
                )
                if step is not None:
                    return step
        return None

    def _exchanged(self, source: int, kind: int, other: int, other_kind: int, gain: float) -> _Step | None:
        here, there = self.goal.hosts[source], self.goal.hosts[other]
        for guest in self._guests(here, kind):
            for partner in self._guests(there, other_kind):
                if (guest, -1 - partner) in self._refused:
                    continue
                moves = self._exchange(guest, here, partner, there)
                if moves is not None:
                    return _Step(gain, moves)
                self._refused.add((guest, -1 - partner))
        return None

    def _exchange(self, guest: int, source: int, other: int, dest: int) -> tuple[tuple[int, int], ...] | None:
        board = self.board
        if not self._within_limit(guest, dest, other, source):
            return None
        for first, second in (((guest, dest), (other, source)), ((other, source), (guest, dest))):
            if not board.may_arrive(*first):
                continue
            here = board.accounts.where[first[0]]
            board.move(*first)
            fine = board.may_arrive(*second)
            board.move(first[0], here)
            if fine:
                return (first, second)
        return None

    def _guests(self, host: int, kind: int) -> Iterator[int]:
        """Movable instances of the kind on the host: of those that are alike one, of those that count each.

        One that has left its first host already is preferred: moving it on costs no further migration.
        """
        cloud, moved = self.board.cloud, self.board.moved
        alike: int | None = None
        counted: list[int] = []
        for guest in self.board.guests[host]:
            if guest in self._fixed or self._kind.get(cloud.class_of[guest]) != kind:
                continue
            if guest in cloud.counters_of or cloud.vetoes or not cloud.free_passage():
                counted.append(guest)
            elif alike is None or (guest in moved and alike not in moved):
                alike = guest
        if alike is not None:
            yield alike
        yield from counted

    def _slope(self) -> Floats:
        """By what the sum changes with the sum of squared distances, per class."""
        deviations = self._fills.std(axis=0)
        slope: Floats = self._weights / (2 * len(self.goal.hosts) * np.maximum(deviations, 1e-9))
        return slope

    def _gains(self, sources: NDArray[np.int64], ends: NDArray[np.int64], out: Floats, into: Floats) -> Floats:
        """What the sum falls by where a host loses ``out`` and another gains ``into``, as shares of theirs."""
        number = len(self.goal.hosts)
        fills = self._fills
        sums, squares = fills.sum(axis=0), (fills**2).sum(axis=0)
        new_sums = sums + into - out
        new_squares = squares + (into**2 + 2 * into * fills[ends]) + (out**2 - 2 * out * fills[sources])
        after = np.sqrt(np.maximum(new_squares / number - (new_sums / number) ** 2, 0.0)) @ self._weights
        gained: Floats = float(fills.std(axis=0) @ self._weights) - after
        return gained

    def _from_best(self, gains: Floats, least: float) -> list[int]:
        """Positions of the largest gains of at least ``least``, the first of equal ones first."""
        enough = np.flatnonzero(gains >= max(least, 1e-12))
        if len(enough) > _TRIES:
            enough = enough[np.argpartition(-gains[enough], _TRIES)[:_TRIES]]
        return [int(at) for at in heapq.nsmallest(_TRIES, enough, key=lambda at: (-round(float(gains[at]), 12), at))]

    def _within_limit(self, *pairs: int) -> bool:
        """Whether no more instances than allowed are away from home after these moves (guest, host, ...)."""
        if self.limit is None:
            return True
        count = len(self.board.moved)
        for guest, host in zip(pairs[::2], pairs[1::2], strict=True):
            count += (host != self.board.cloud.home[guest]) - (guest in self.board.moved)
        if count > self.limit:
            self.limited = True
        return count <= self.limit

    def _move(self, guest: int, host: int) -> None:
        source = self.board.accounts.where[guest]
        self.board.move(guest, host)
        kind = self._kind[self.board.cloud.class_of[guest]]
        for end, step in ((source, -1), (host, 1)):
            row = self._row[end]
            self._counted[row, kind] += step
            self._taken[row] = self.board.accounts.used[end]
            self._fills[row] = self._taken[row][list(self.goal.dimensions)] / self._capacity[row]
