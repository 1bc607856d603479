"""Justification: what has been laid out in time is pushed towards its end, then towards its beginning.

Known from project scheduling under limited resources (Valls, Ballestin, Quintanilla, "Justification and RCPSP", 2005).
Pushed to the end, last things first, each migration runs as late as the others leave it: those that nothing
waits for make way for those that others wait for. Pushed back to the beginning, first things first, all start as
early as they can. The makespan never grows.

An instance holds its destination from the start of its migration and its source until the end, so a migration that
begins earlier needs room at its destination for that time, and one that ends later, at its source. Where the free
room, slots, links and counters of the others are known as functions of time, that is all that has to be looked up.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.pathfinder.hastening.steps import (
    INFINITY,
    Steps,
    below_since,
    below_until,
    room_since,
    room_until,
)
from vmpath_service.pathfinder.problem import Move, Problem

# Migrations that are shifted by less than this, in seconds, stay.
LEAST = 1e-6


class Layout:
    """Migrations in time, with what is free on the hosts, and what is in use of all that is limited."""

    def __init__(
        self, problem: Problem, moves: Sequence[Move], starts: Sequence[float], ends: Sequence[float]
    ) -> None:
        self.problem = problem
        self.moves, self.starts, self.ends = list(moves), list(starts), list(ends)
        self._room = problem.room()
        self._shares = [problem.ways.shares(move.guest, move.source, move.dest) for move in self.moves]
        self._previous: dict[int, int] = {}
        self._next: dict[int, int] = {}
        latest: dict[int, int] = {}
        for position, move in enumerate(self.moves):
            if move.guest in latest:
                self._previous[position] = latest[move.guest]
                self._next[latest[move.guest]] = position
            latest[move.guest] = position
        self._account()

    @property
    def makespan(self) -> float:
        return max(self.ends, default=0.0)

    def _account(self) -> None:
        """What is free and what is in use, from all migrations."""
        room = self._room
        self._free: dict[int, Steps[int]] = {}
        self._counts: dict[tuple[int, int], Steps[int]] = {}
        self._used: dict[int, Steps[float]] = {}
        events = [(start, 1, position) for position, start in enumerate(self.starts)]
        events += [(end, 0, position) for position, end in enumerate(self.ends)]
        events.sort()
        for moment, begins, position in events:
            move = self.moves[position]
            host, sign = (move.dest, -1) if begins else (move.source, 1)
            self._free_of(host).go_on(moment, sign * room.need[move.guest])
            for counter in room.counters_of.get(move.guest, ()):
                self._count_of(counter, host).go_on(moment, -sign)
            for key, amount, _ in self._shares[position]:
                self._used_of(key).go_on(moment, amount if begins else -amount)
        self._stale = False

    def _free_of(self, host: int) -> Steps[int]:
        found = self._free.get(host)
        if found is None:
            found = self._free[host] = Steps(self._room.free[host])
        return found

    def _count_of(self, counter: int, host: int) -> Steps[int]:
        found = self._counts.get((counter, host))
        if found is None:
            found = self._counts[counter, host] = Steps(self._room.counts[counter].get(host, 0))
        return found

    def _used_of(self, key: int) -> Steps[float]:
        found = self._used.get(key)
        if found is None:
            found = self._used[key] = Steps(0.0)
        return found

    def _put(self, position: int, start: float, end: float) -> None:
        """Let a migration run then instead, with its shares already given back."""
        move, room = self.moves[position], self._room
        before, until = self.starts[position], self.ends[position]
        need = room.need[move.guest]
        counters = room.counters_of.get(move.guest, ())
        if start != before:
            first, last, sign = (start, before, -1) if start < before else (before, start, 1)
            self._free_of(move.dest).add(first, last, sign * need)
            for counter in counters:
                self._count_of(counter, move.dest).add(first, last, -sign)
        if end != until:
            first, last, sign = (end, until, 1) if end < until else (until, end, -1)
            self._free_of(move.source).add(first, last, sign * need)
            for counter in counters:
                self._count_of(counter, move.source).add(first, last, -sign)
        self.starts[position], self.ends[position] = start, end

    def _occupy(self, position: int, sign: int) -> None:
        begin, end = self.starts[position], self.ends[position]
        for key, amount, _ in self._shares[position]:
            self._used[key].add(begin, end, sign * amount)

    def advance(self, position: int) -> bool:
        """Let a migration start as early as the others admit; whether that is earlier than before."""
        move, room = self.moves[position], self._room
        start, end = self.starts[position], self.ends[position]
        lower = self.problem.boots.get(move.dest, 0.0)
        previous = self._previous.get(position)
        if previous is not None:
            lower = max(lower, self.ends[previous])
        if start - lower < LEAST:
            return False
        guest = move.guest
        earliest = room_since(self._free_of(move.dest), room.need[guest], room.mask[guest], start, lower)
        for counter in room.counters_of.get(guest, ()):
            earliest = self._countable_since(counter, move.dest, start, earliest)
        if start - earliest < LEAST:
            return False
        self._occupy(position, -1)
        length = end - start
        settled = False
        while not settled and earliest < start:
            settled = True
            for key, amount, limit in self._shares[position]:
                found = below_since(self._used[key], limit - amount, earliest, length)
                if found > earliest:
                    earliest, settled = found, False
        sooner = start - earliest >= LEAST
        if sooner:
            self._put(position, earliest, earliest + length)
        self._occupy(position, 1)
        return sooner

    def delay(self, position: int, most: float) -> bool:
        """Let a migration end as late as the others admit, by ``most``; whether that is later than before."""
        move, room = self.moves[position], self._room
        start, end = self.starts[position], self.ends[position]
        following = self._next.get(position)
        upper = most if following is None else self.starts[following]
        if upper - end < LEAST:
            return False
        guest = move.guest
        latest = room_until(self._free_of(move.source), room.need[guest], room.mask[guest], end, upper)
        for counter in room.counters_of.get(guest, ()):
            latest = self._countable_until(counter, move.source, end, latest)
        if latest - end < LEAST:
            return False
        self._occupy(position, -1)
        length = end - start
        settled = False
        while not settled and latest > end:
            settled = True
            for key, amount, limit in self._shares[position]:
                found = below_until(self._used[key], limit - amount, latest, length)
                if found < latest:
                    latest, settled = found, False
        later = latest - end >= LEAST
        if later:
            self._put(position, latest - length, latest)
        self._occupy(position, 1)
        return later

    def _countable_since(self, counter: int, host: int, until: float, lower: float) -> float:
        counts = self._count_of(counter, host)
        most = self.problem.cloud.counter_limits[counter]
        for begin, value in zip(reversed(counts.times), reversed(counts.values), strict=True):
            if begin >= until:
                continue
            if value + 1 > most:
                return until
            until = max(begin, lower)
            if until == lower:
                break
        return until

    def _countable_until(self, counter: int, host: int, since: float, upper: float) -> float:
        counts = self._count_of(counter, host)
        most = self.problem.cloud.counter_limits[counter]
        following = [*counts.times[1:], INFINITY]
        for end, value in zip(following, counts.values, strict=True):
            if end <= since:
                continue
            if value + 1 > most:
                return since
            since = min(end, upper)
            if since == upper:
                break
        return since

    def justify(self) -> None:
        """Push everything to the end, and then back to the beginning."""
        if self._stale:
            self._account()
        positions = range(len(self.moves))
        most = self.makespan
        for position in sorted(positions, key=lambda each: (-self.ends[each], each)):
            self.delay(position, most)
        for position in sorted(positions, key=lambda each: (self.starts[each], each)):
            self.advance(position)
        # moments at which nothing changes any more have piled up
        self._stale = True
