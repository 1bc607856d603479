"""Justification: what has been laid out in time is pushed towards its end, then towards its beginning.

Known from project scheduling under limited resources (Valls, Ballestin, Quintanilla, "Justification and RCPSP", 2005).
Pushed to the end, last things first, each migration runs as late as the others leave it: those that nothing
waits for make way for those that others wait for. Pushed back to the beginning, first things first, all start as
early as they can. The makespan never grows.

An instance holds its destination from the start of its migration and its source until the end, so a migration that
begins earlier needs room at its destination for that time. Those that have begun before it have been put where they
are to be by then, and of all others nothing is to be heeded before it begins itself: so slots, links and room are
accounted for anew in each pass, from those that have had their turn. Backwards in time it is the same, with source and
destination exchanged and the end for the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmpath_service.pathfinder.hastening.steps import INFINITY, Free, Use
from vmpath_service.pathfinder.problem import Move, Problem

# Migrations that are shifted by less than this, in seconds, stay.
LEAST = 1e-6
# Above every number of members of a group: set as long as there is no less than none free.
GUARD = 1 << 40

Take = tuple[int, float, float]
"""Something limited, how much of it a migration takes, and how much others may have in use meanwhile."""
Demand = tuple[int, int, int]
"""The account of the first host, with those of all hosts one after the other; what an instance takes, packed; the
guard bits that tell whether there is as much."""


class Layout:
    """Migrations in time, within all that is limited."""

    def __init__(
        self, problem: Problem, moves: Sequence[Move], starts: Sequence[float], ends: Sequence[float]
    ) -> None:
        self.problem = problem
        self.moves, self.starts, self.ends = list(moves), list(starts), list(ends)
        self._room = room = problem.room()
        self._sources = [move.source for move in self.moves]
        self._dests = [move.dest for move in self.moves]
        self._demands: list[tuple[Demand, ...]] = []
        """Per migration: for room, and for each counter, which is one more account of each host."""
        hosts = len(room.free)
        for move in self.moves:
            demand = (0, room.need[move.guest], room.mask[move.guest])
            counters = room.counters_of.get(move.guest)
            if counters is None:
                self._demands.append((demand,))
            else:
                self._demands.append((demand, *((hosts * (1 + counter), 1, GUARD) for counter in counters)))
        self._gained: dict[int, int] = {}
        """By account: how much more is free in the end than in the beginning."""
        self._previous: dict[int, int] = {}
        self._next: dict[int, int] = {}
        latest: dict[int, int] = {}
        gained = self._gained
        for position, move in enumerate(self.moves):
            if move.guest in latest:
                self._previous[position] = latest[move.guest]
                self._next[latest[move.guest]] = position
            latest[move.guest] = position
            for first, need, _ in self._demands[position]:
                gained[first + move.source] = gained.get(first + move.source, 0) + need
                gained[first + move.dest] = gained.get(first + move.dest, 0) - need
        self._look_up_takes()

    def _look_up_takes(self) -> None:
        """What each migration takes of what is limited, first of what most others take of too."""
        shares = self.problem.ways.shares
        mine = [shares(move.guest, move.source, move.dest) for move in self.moves]
        users: dict[int, int] = {}
        for taken in mine:
            for key, _, _ in taken:
                users[key] = users.get(key, 0) + 1
        # those of which most take come first
        numbers = {key: number for number, key in enumerate(sorted(users, key=lambda key: -users[key]))}
        scarce, shortest = [-INFINITY] * len(users), [INFINITY] * len(users)
        self._scarce, self._shortest = scarce, shortest
        self._takes: list[list[Take]] = []
        for taken, start, end in zip(mine, self.starts, self.ends, strict=True):
            took = end - start
            takes = []
            for key, amount, limit in taken:
                number, most = numbers[key], limit - amount
                takes.append((number, amount, most))
                if most > scarce[number]:
                    scarce[number] = most
                if took < shortest[number]:
                    shortest[number] = took
            takes.sort()
            self._takes.append(takes)

    @property
    def makespan(self) -> float:
        return max(self.ends, default=0.0)

    def justify(self) -> None:
        """Push everything to the end, and then back to the beginning."""
        hosts = range(len(self._room.free))
        most = self.makespan
        backwards = [-end for end in self.ends], [-start for start in self.starts]
        self._push(*backwards, self._sources, self._dests, self._next, [-most for _ in hosts], self._gained)
        self.starts, self.ends = [-end for end in backwards[1]], [-start for start in backwards[0]]
        self.advance()

    def advance(self) -> None:
        """Push everything back to the beginning."""
        boots = self.problem.boots
        up = [boots.get(host, 0.0) for host in range(len(self._room.free))]
        self._push(self.starts, self.ends, self._dests, self._sources, self._previous, up, {})

    def _push(
        self,
        starts: list[float],
        ends: list[float],
        taken: Sequence[int],
        left: Sequence[int],
        previous: Mapping[int, int],
        lower: Sequence[float],
        gained: Mapping[int, int],
    ) -> None:
        """Let all start as early as those before them admit.

        ``taken``, ``left``: per migration, the host where it takes room when it starts, and the one where it gives
        room back when it ends; ``previous``: who has to end before; ``lower``: per host, since when room can be taken
        there; ``gained``: by account, how much more is free in the beginning than in the cloud as it is.
        """
        uses = [Use(*each) for each in zip(self._scarce, self._shortest, strict=True)]
        accounts: dict[int, Free] = {}
        for position in sorted(range(len(starts)), key=lambda each: (starts[each], each)):
            start, end = starts[position], ends[position]
            there, away = taken[position], left[position]
            demands, takes = self._demands[position], self._takes[position]
            earliest = lower[there]
            if position in previous:
                earliest = max(earliest, ends[previous[position]])
            for first, need, mask in demands:
                account = accounts.get(first + there)
                if account is None:
                    account = accounts[first + there] = self._opened(first + there, gained)
                if start - earliest >= LEAST:
                    earliest = account.since(need, mask, start, earliest)
            if start - earliest >= LEAST:
                earliest = self._admitted(uses, takes, earliest, start, end - start)
                if start - earliest >= LEAST:
                    starts[position], ends[position] = start, end = earliest, earliest + (end - start)
            for first, need, _ in demands:
                accounts[first + there].go_on(start, -need)
                account = accounts.get(first + away)
                if account is None:
                    account = accounts[first + away] = self._opened(first + away, gained)
                account.go_on(end, need)
            for number, amount, _ in takes:
                uses[number].add(start, end, amount)

    def _opened(self, account: int, gained: Mapping[int, int]) -> Free:
        """An account as it is before all migrations."""
        counter, host = divmod(account, len(self._room.free))
        if counter:
            limit = self.problem.cloud.counter_limits[counter - 1]
            free = GUARD + limit - self._room.counts[counter - 1].get(host, 0)
        else:
            free = self._room.free[host]
        return Free(free + gained.get(account, 0))

    @staticmethod
    def _admitted(uses: Sequence[Use], takes: Sequence[Take], earliest: float, start: float, length: float) -> float:
        """The earliest moment from ``earliest`` on at which all that is limited admits a migration that begins at
        ``start`` by now, if that is before."""
        settled = False
        while not settled:
            settled = True
            for number, _, most in takes:
                found = uses[number].since(most, earliest, length, start)
                if found > earliest:
                    if start - found < LEAST:
                        return start
                    earliest, settled = found, False
        return earliest
