"""Migrations in time that are shifted, one by one, and sent by stops; all of it can be taken back.

An instance holds its destination from the start of its migration and its source until the end. A migration that
begins earlier needs room at its destination for that time, and one that ends later, at its source.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from vmpath_service.pathfinder.hastening.timeline import INFINITY, Timeline, room_since, room_until
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.ways import Share

# Shifts by less than this, in seconds, are none; moments that are no further apart are the same.
LEAST = 1e-6
# Above every number of members of a group: set as long as there is no less than none free.
GUARD = 1 << 40
# How many migrations are tried to be started earlier after one change.
CASCADE = 600

Demand = tuple[int, int, int]
"""The account of the first host, with those of all hosts one after the other; what an instance takes, packed; the
guard bits that tell whether there is as much."""
Hint = tuple[bool, int, float, float]
"""Whether arrivals (or departures), of which host, that start after the one moment and not after the other, may start
earlier now."""


class Shifts:
    """Migrations by position, with accounts of what is free and in use at all times."""

    def __init__(
        self, problem: Problem, moves: Sequence[Move], starts: Sequence[float], ends: Sequence[float]
    ) -> None:
        self.problem = problem
        self._room = room = problem.room()
        hosts = len(room.free)
        self.guests = [move.guest for move in moves]
        self.sources = [move.source for move in moves]
        self.dests = [move.dest for move in moves]
        self.starts, self.ends = list(starts), list(ends)
        self.arrivals: list[set[int]] = [set() for _ in range(hosts)]
        self.departures: list[set[int]] = [set() for _ in range(hosts)]
        self.previous: dict[int, int] = {}
        self.following: dict[int, int] = {}
        self.free = [Timeline(free) for free in room.free]
        """Per host: its free room, packed."""
        self._counts: dict[int, Timeline[int]] = {}
        self._used: dict[int, Timeline[float]] = {}
        self.work = 0
        self.before: dict[int, float] = {}
        """Since ``begin``, per migration that has been changed: its end before; 0 for a new one."""
        self._log: list[tuple[int, float, float, bool]] = []
        latest: dict[int, int] = {}
        for position in sorted(range(len(moves)), key=lambda each: (self.starts[each], each)):
            guest = self.guests[position]
            if guest in latest:
                self.previous[position] = latest[guest]
                self.following[latest[guest]] = position
            latest[guest] = position
            self.arrivals[self.dests[position]].add(position)
            self.departures[self.sources[position]].add(position)
            self._count(position, 1)

    def moves(self) -> list[Move]:
        """The migrations, by position."""
        return [Move(*each) for each in zip(self.guests, self.sources, self.dests, strict=True)]

    def begin(self) -> None:
        """What has been done is done; what is done from now on can be taken back."""
        self._log.clear()
        self.before.clear()

    def take_back(self) -> None:
        """Undo all since ``begin``."""
        while self._log:
            position, start, end, by_stop = self._log.pop()
            if by_stop:
                self._join(position, start, end)
            else:
                self._retime(position, start, end)
        self.before.clear()

    def demands(self, guest: int) -> list[Demand]:
        """What the instance takes on a host: room, and for each counter one of what is an account of its own."""
        room, hosts = self._room, len(self.free)
        counters = room.counters_of.get(guest, ())
        return [
            (0, room.need[guest], room.mask[guest]),
            *((hosts * (1 + counter), 1, GUARD) for counter in counters),
        ]

    def account(self, number: int) -> Timeline[int]:
        """What is free of one thing on one host."""
        counter, host = divmod(number, len(self.free))
        if not counter:
            return self.free[host]
        found = self._counts.get(number)
        if found is None:
            limit = self.problem.cloud.counter_limits[counter - 1]
            found = Timeline(GUARD + limit - self._room.counts[counter - 1].get(host, 0))
            self._counts[number] = found
        return found

    def shares(self, position: int) -> tuple[Share, ...]:
        return self.problem.ways.shares(self.guests[position], self.sources[position], self.dests[position])

    def used(self, key: int) -> Timeline[float]:
        """What is in use of something limited."""
        found = self._used.get(key)
        if found is None:
            found = self._used[key] = Timeline(0.0)
        return found

    def _count(self, position: int, sign: int) -> None:
        start, end = self.starts[position], self.ends[position]
        source, dest = self.sources[position], self.dests[position]
        for first, need, _ in self.demands(self.guests[position]):
            self.account(first + dest).add(start, INFINITY, -sign * need)
            self.account(first + source).add(end, INFINITY, sign * need)
        self.occupy(position, sign)

    def occupy(self, position: int, sign: int) -> None:
        """Take (1) or give back (-1) slots."""
        start, end = self.starts[position], self.ends[position]
        for key, amount, _ in self.shares(position):
            self.used(key).add(start, end, sign * amount)

    def _note(self, position: int, by_stop: bool = False) -> None:
        self._log.append((position, self.starts[position], self.ends[position], by_stop))
        self.before.setdefault(position, self.ends[position])

    def _retime(self, position: int, start: float, end: float) -> None:
        first_start, first_end = self.starts[position], self.ends[position]
        source, dest = self.sources[position], self.dests[position]
        for first, need, _ in self.demands(self.guests[position]):
            if start < first_start:
                self.account(first + dest).add(start, first_start, -need)
            elif start > first_start:
                self.account(first + dest).add(first_start, start, need)
            if end < first_end:
                self.account(first + source).add(end, first_end, need)
            elif end > first_end:
                self.account(first + source).add(first_end, end, -need)
        self.occupy(position, -1)
        self.starts[position], self.ends[position] = start, end
        self.occupy(position, 1)

    def split(self, position: int, stop: int, start: float, onward: float) -> None:
        """Let a migration go to a stop, and from there on later, by a new one that becomes the last position."""
        self._note(position, by_stop=True)
        length = self.ends[position] - self.starts[position]
        self._count(position, -1)
        dest, new = self.dests[position], len(self.guests)
        self.guests.append(self.guests[position])
        self.sources.append(stop)
        self.dests.append(dest)
        self.starts.append(onward)
        self.ends.append(onward + length)
        self.dests[position] = stop
        self.starts[position], self.ends[position] = start, start + length
        self.arrivals[dest].remove(position)
        self.arrivals[dest].add(new)
        self.arrivals[stop].add(position)
        self.departures[stop].add(new)
        self.previous[new], self.following[position] = position, new
        self._count(position, 1)
        self._count(new, 1)
        self.before[new] = 0.0

    def _join(self, position: int, start: float, end: float) -> None:
        """Undo ``split``; what was done later has been undone."""
        new = self.following.pop(position)
        del self.previous[new]
        self._count(position, -1)
        self._count(new, -1)
        stop, dest = self.dests[position], self.dests[new]
        self.arrivals[stop].remove(position)
        self.departures[stop].remove(new)
        self.arrivals[dest].remove(new)
        self.arrivals[dest].add(position)
        for column in (self.guests, self.sources, self.dests):
            column.pop()
        self.starts.pop()
        self.ends.pop()
        self.dests[position] = dest
        self.starts[position], self.ends[position] = start, end
        self._count(position, 1)

    def admitted(self, shares: Iterable[Share], earliest: float, length: float, latest: float) -> float:
        """The earliest moment from which on limits admit these shares for this long; more than ``latest`` if none."""
        settled = False
        while not settled and earliest <= latest:
            settled = True
            for key, amount, limit in shares:
                found = self.used(key).below_since(limit - amount, earliest, length)
                if found > earliest:
                    earliest, settled = found, False
        return earliest

    def advance(self, position: int) -> bool:
        """Let a migration start as early as the others admit; whether that is earlier than before."""
        self.work += 1
        start, end = self.starts[position], self.ends[position]
        dest = self.dests[position]
        earliest = self.problem.boots.get(dest, 0.0)
        if position in self.previous:
            earliest = max(earliest, self.ends[self.previous[position]])
        for first, need, mask in self.demands(self.guests[position]):
            if start - earliest < LEAST:
                return False
            earliest = room_since(self.account(first + dest), need, mask, start, earliest)
        if start - earliest < LEAST:
            return False
        self.occupy(position, -1)
        earliest = self.admitted(self.shares(position), earliest, end - start, start)
        self.occupy(position, 1)
        if start - earliest < LEAST:
            return False
        self._note(position)
        self._retime(position, earliest, earliest + (end - start))
        return True

    def delay(self, position: int, latest: float) -> bool:
        """Let a migration end as late as the others admit, by ``latest``; whether that is later than before."""
        self.work += 1
        start, end = self.starts[position], self.ends[position]
        source = self.sources[position]
        if position in self.following:
            latest = min(latest, self.starts[self.following[position]])
        for first, need, mask in self.demands(self.guests[position]):
            if latest - end < LEAST:
                return False
            latest = room_until(self.account(first + source), need, mask, end, latest)
        if latest - end < LEAST:
            return False
        self.occupy(position, -1)
        settled = False
        while not settled and latest > end:
            settled = True
            for key, amount, limit in self.shares(position):
                found = self.used(key).below_until(limit - amount, latest, end - start)
                if found < latest:
                    latest, settled = found, False
        self.occupy(position, 1)
        if latest - end < LEAST:
            return False
        self._note(position)
        self._retime(position, latest - (end - start), latest)
        return True

    def cascade(self, hints: Iterable[Hint]) -> None:
        """Start those earlier who can be, and those who can be because of that, as far as not too many are tried."""
        starts, ends = self.starts, self.ends
        heap: list[tuple[float, int]] = []
        queued: set[int] = set()

        def offer(positions: Iterable[int], after: float, until: float) -> None:
            for each in positions:
                if after < starts[each] <= until and each not in queued:
                    queued.add(each)
                    heapq.heappush(heap, (starts[each], each))

        for inward, host, after, until in hints:
            offer((self.arrivals if inward else self.departures)[host], after, until)
        tries = CASCADE
        while heap and tries:
            tries -= 1
            _, position = heapq.heappop(heap)
            queued.discard(position)
            until = ends[position] + LEAST
            if self.advance(position):
                offer(self.arrivals[self.sources[position]], ends[position], until)
                offer(self.departures[self.sources[position]], starts[position], until)
                offer(self.arrivals[self.dests[position]], starts[position], until)
                if position in self.following:
                    offer((self.following[position],), -INFINITY, INFINITY)
