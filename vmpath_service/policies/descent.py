"""Steepest descent towards even hosts: single moves, and exchanges of two instances where those are stuck."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from vmpath_service.policies.board import Board, obstacle

# How many of the emptiest hosts are looked at for each kind of instance, and for exchanges.
_DESTINATIONS = 12
_PARTNERS = 24


@dataclass(frozen=True, slots=True)
class Goal:
    """Which hosts (positions) are to be even, in which dimensions, with weights that add up to one.

    ``aims``: per dimension, the share of its capacity that each host should be filled to.
    """

    hosts: tuple[int, ...]
    dimensions: tuple[int, ...]
    weights: tuple[float, ...]
    aims: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    gain: float
    moves: tuple[tuple[int, int], ...]


class Descent:
    """Moves instances on the board until it is even enough or nothing gains enough.

    ``least``: what a migration must lower the weighted sum of squared distances by, with fills as shares of
    one. ``threshold``: difference between fullest and emptiest that is good enough. ``limit``: how many
    instances may be elsewhere than at the start.
    """

    def __init__(self, board: Board, goal: Goal, least: float, threshold: float, limit: int | None) -> None:
        self.board = board
        self.goal = goal
        self.least = least
        self.threshold = threshold
        self.limit = limit
        self.limited = False
        cloud = board.cloud
        self._asked = [tuple(kind.demand[at] for at in goal.dimensions) for kind in cloud.classes]
        self._parts = {host: tuple(1 / cloud.capacity[host][at] for at in goal.dimensions) for host in goal.hosts}
        self._fixed = {guest for guest in range(len(cloud.home)) if obstacle(cloud, guest) is not None}
        self._off = {host: self._distances(host) for host in goal.hosts}
        # kept sorted while hosts change: distances per class, hosts from coldest to hottest, from worst to best
        self._levels = [sorted(off[at] for off in self._off.values()) for at in range(len(goal.dimensions))]
        self._coldest = sorted((self._pressure(host), host) for host in goal.hosts)
        self._worst = sorted((-self._badness(host), host) for host in goal.hosts)
        self._stuck: set[int] = set()

    def run(self) -> None:
        """Descend; every step lowers the sum by at least ``least``, so it ends."""
        progress = True
        while progress:
            progress = False
            for host in self._stuck:
                insort(self._worst, (-self._badness(host), host))
            self._stuck.clear()
            while self.spread() > self.threshold:
                step = self._next()
                if step is None:
                    break
                for guest, host in step.moves:
                    self._move(guest, host)
                progress = True
            else:
                return

    def spread(self) -> float:
        """The largest difference between two hosts in any class, as a share."""
        return max((level[-1] - level[0] for level in self._levels), default=0.0)

    def furthest(self) -> int:
        """The host that is furthest from the aim."""
        return max(self.goal.hosts, key=lambda host: (self._badness(host), -host))

    def _next(self) -> _Step | None:
        """The best step for the host furthest off that has one."""
        while self._worst:
            _, host = self._worst[0]
            step = self._best_move(host) or self._best_exchange(host)
            if step is not None:
                return step
            # what has no step now may have one after others have changed: it is looked at in the next round
            self._stuck.add(host)
            del self._worst[0]
        return None

    def _best_move(self, source: int) -> _Step | None:
        best: _Step | None = None
        for guest in self._kinds(source):
            looked = 0
            for _, dest in self._coldest:
                if dest == source:
                    continue
                gain = self._gain(source, dest, guest, None)
                if gain < self.least:
                    # hosts come emptiest first: where all capacities are alike no later one gains more
                    looked += 1
                elif (best is None or gain > best.gain) and self._allowed(guest, dest):
                    best = _Step(gain, ((guest, dest),))
                    looked += 1
                if looked >= _DESTINATIONS:
                    break
        return best

    def _best_exchange(self, source: int) -> _Step | None:
        """Two instances change places; one of them must have room before the other has left."""
        best: _Step | None = None
        far = self._coldest[:_PARTNERS] if self._pressure(source) >= 0 else self._coldest[-_PARTNERS:]
        partners = [host for _, host in far if host != source]
        for dest in partners:
            for guest in self._kinds(source):
                for other in self._kinds(dest):
                    gain = self._gain(source, dest, guest, other)
                    if gain < 2 * self.least or (best is not None and gain <= best.gain):
                        continue
                    moves = self._exchange(guest, source, other, dest)
                    if moves is not None:
                        best = _Step(gain, moves)
        return best

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

    def _kinds(self, host: int) -> Iterator[int]:
        """One movable instance of each kind on the host, and each that counters restrict.

        One that has left its first host already is preferred: moving it on costs no further migration.
        """
        cloud, moved = self.board.cloud, self.board.moved
        chosen: dict[int, int] = {}
        for guest in self.board.guests[host]:
            if guest in self._fixed:
                continue
            key = -1 - guest if guest in cloud.counters_of else cloud.class_of[guest]
            if key not in chosen or (guest in moved and chosen[key] not in moved):
                chosen[key] = guest
        yield from chosen.values()

    def _allowed(self, guest: int, dest: int) -> bool:
        return self.board.may_arrive(guest, dest) and self._within_limit(guest, dest)

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

    def _gain(self, source: int, dest: int, guest: int, other: int | None) -> float:
        """What the sum of squares falls by if the instance goes, and the other comes back for it."""
        asked = self._asked[self.board.cloud.class_of[guest]]
        if other is not None:
            back = self._asked[self.board.cloud.class_of[other]]
            asked = tuple(one - two for one, two in zip(asked, back, strict=True))
        gain = 0.0
        for weight, amount, here, there, of_source, of_dest in zip(
            self.goal.weights,
            asked,
            self._off[source],
            self._off[dest],
            self._parts[source],
            self._parts[dest],
            strict=True,
        ):
            out, into = amount * of_source, amount * of_dest
            gain += weight * (out * (2 * here - out) - into * (2 * there + into))
        return gain

    def _move(self, guest: int, host: int) -> None:
        source = self.board.accounts.where[guest]
        for end in (source, host):
            self._forget(end)
        self.board.move(guest, host)
        for end in (source, host):
            self._enter(end)

    def _forget(self, host: int) -> None:
        """Take the host out of the sorted lists."""
        for level, off in zip(self._levels, self._off[host], strict=True):
            del level[bisect_left(level, off)]
        del self._coldest[bisect_left(self._coldest, (self._pressure(host), host))]
        if host not in self._stuck:
            del self._worst[bisect_left(self._worst, (-self._badness(host), host))]

    def _enter(self, host: int) -> None:
        """Put the host into the sorted lists with its new distances."""
        self._off[host] = self._distances(host)
        for level, off in zip(self._levels, self._off[host], strict=True):
            insort(level, off)
        insort(self._coldest, (self._pressure(host), host))
        self._stuck.discard(host)
        insort(self._worst, (-self._badness(host), host))

    def _distances(self, host: int) -> tuple[float, ...]:
        used, capacity = self.board.accounts.used[host], self.board.cloud.capacity[host]
        return tuple(
            used[at] / capacity[at] - aim for at, aim in zip(self.goal.dimensions, self.goal.aims, strict=True)
        )

    def _pressure(self, host: int) -> float:
        return sum([weight * off for weight, off in zip(self.goal.weights, self._off[host], strict=True)])

    def _badness(self, host: int) -> float:
        return sum([weight * off * off for weight, off in zip(self.goal.weights, self._off[host], strict=True)])
