"""Mending of what is laid out: the chains of migrations that end last are broken by stops, and by who can wait.

From a migration that ends late, the chain of those is followed backwards that each of them waits for: for room, or for
a slot. Somebody on the chain gets a stop on another host with room for it, so that it leaves sooner; or those make
way who took what it waits for, and can wait. Those behind it follow sooner then. What makes late ends sooner is kept,
else it is taken back.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.shifts import LEAST, Hint, Shifts
from vmpath_service.pathfinder.hastening.timeline import INFINITY, room_since

# What ends after this share of the makespan is late.
LATE = 0.9
# How many links of chains are looked at behind one migration.
LINKS = 14
# By what share of the longest migration a stop has to let somebody leave sooner.
SOONER = 0.01
# How many hosts are looked at closely for a stop, and how many of those make way who came to a host before.
PLACES = 8
WAITERS = 6
# Steps of the budget: for each try of a shift, for each migration that is accounted for in the beginning, and for a
# look at all hosts, in shifts.
STEP = 6
ACCOUNTED = 5
LOOK = 30


def mend(layout: Layout, enough: float, budget: Budget) -> Layout:
    """A layout that ends sooner, or the same one; it need not end before ``enough``.

    Only where no network limits what is under way: else it takes other times by other ways.
    """
    if not budget.spend(ACCOUNTED * len(layout.moves)):
        return layout
    return _Mender(layout, enough).mended(layout, budget)


def chain_behind(layout: Layout, last: int) -> list[int]:
    """The positions of a migration, of those it waits for, of those that they wait for, and so on; no network."""
    return list(_Mender(layout, 0.0)._chain(last))


class _Mender:
    def __init__(self, layout: Layout, enough: float) -> None:
        self.problem = layout.problem
        self.shifts = Shifts(layout.problem, layout.moves, layout.starts, layout.ends)
        self.enough = enough
        lengths = (end - start for start, end in zip(layout.starts, layout.ends, strict=True))
        self.sooner = SOONER * max(lengths, default=0.0)
        self.limit = layout.makespan
        self.late = 0.0

    def mended(self, layout: Layout, budget: Budget) -> Layout:
        shifts = self.shifts
        mended = False
        while True:
            self.limit = max(shifts.ends, default=0.0)
            self.late = max(self.enough, LATE * self.limit)
            if self.limit <= self.enough:
                break
            last = max(range(len(shifts.ends)), key=lambda each: (shifts.ends[each], -each))
            before = shifts.work
            better = self._better(last)
            mended = mended or better
            if not budget.spend(STEP * (shifts.work - before)) or not better:
                break
        return Layout(self.problem, shifts.moves(), shifts.starts, shifts.ends) if mended else layout

    def _better(self, last: int) -> bool:
        """Whether something was found that makes late ends sooner, around the chain that ends with this migration."""
        for link in self._chain(last):
            for change in (self._made_way_for, self._detour):
                if self._tried(change, link):
                    return True
        return False

    def _tried(self, change: Callable[[int], list[Hint] | None], link: int) -> bool:
        shifts = self.shifts
        shifts.begin()
        hints = change(link)
        if hints is not None:
            shifts.cascade(hints)
            gained = sum(self._weight(end) - self._weight(shifts.ends[each]) for each, end in shifts.before.items())
            if gained > LEAST and max(shifts.ends[each] for each in shifts.before) <= self.limit + LEAST:
                return True
        shifts.take_back()
        return False

    def _weight(self, end: float) -> float:
        """The last ends weigh most."""
        return (end - self.late) ** 3 if end > self.late else 0.0

    def _waits_for(self, position: int) -> tuple[bool, list[int]]:
        """Whether a migration waits for room, and the ends of which migrations it waits for."""
        shifts = self.shifts
        start, source, dest = shifts.starts[position], shifts.sources[position], shifts.dests[position]
        early, soon = start - LEAST, start + LEAST
        if early <= 0.0:
            return False, []
        previous = shifts.previous.get(position)
        if previous is not None and shifts.ends[previous] > early:
            return False, [previous]
        for first, need, mask in shifts.demands(shifts.guests[position]):
            account = shifts.account(first + dest)
            value = account.values[bisect_left(account.times, early) - 1]
            if (value - need) & mask != mask:
                return True, sorted(each for each in shifts.departures[dest] if early < shifts.ends[each] < soon)
        found = []
        slots = self.problem.limits.per_host
        for there in (shifts.departures[source], shifts.arrivals[dest]):
            busy = [each for each in there if shifts.starts[each] < early < shifts.ends[each]]
            if slots is not None and len(busy) >= slots:
                found += [each for each in busy if shifts.ends[each] < soon]
        return False, sorted(found)

    def _chain(self, last: int) -> Iterator[int]:
        """A migration, those it waits for, those that they wait for, and so on."""
        found, seen = [last], {last}
        for link in found:
            yield link
            if len(found) < LINKS:
                more = [each for each in self._waits_for(link)[1] if each not in seen]
                seen.update(more)
                found += more

    def _made_way_for(self, position: int) -> list[Hint] | None:
        """Those wait who took what a migration waits for, and can wait; what may go sooner now, if it does."""
        shifts = self.shifts
        for_room, waited_for = self._waits_for(position)
        source, dest, start = shifts.sources[position], shifts.dests[position], shifts.starts[position]
        if for_room:
            came = [each for each in shifts.arrivals[dest] if shifts.starts[each] < start]
            waited_for = sorted(came, key=lambda each: (-shifts.starts[each], each))[:WAITERS]
        waits = [each for each in waited_for if shifts.delay(each, self.late)]
        if not waits or not shifts.advance(position):
            return None
        hints = [
            (True, source, shifts.ends[position], INFINITY),
            (False, source, shifts.starts[position], INFINITY),
            (True, dest, 0.0, INFINITY),
        ]
        for each in waits:
            hints += [(inward, shifts.sources[each], 0.0, INFINITY) for inward in (True, False)]
            hints.append((True, shifts.dests[each], 0.0, INFINITY))
        return hints

    def _detour(self, position: int) -> list[Hint] | None:
        """A migration that ends where its instance is to stay goes by a stop, to leave sooner; what may follow it."""
        shifts = self.shifts
        start, end = shifts.starts[position], shifts.ends[position]
        guest, source, dest = shifts.guests[position], shifts.sources[position], shifts.dests[position]
        previous = shifts.previous.get(position)
        lower = 0.0 if previous is None else shifts.ends[previous]
        latest = start - self.sooner
        # who is counted in a group has few places to go to
        if position in shifts.following or latest < lower or guest in self.problem.cloud.counters_of:
            return None
        ways, length = self.problem.ways, end - start
        best: tuple[float, int, float] | None = None
        places = self._places(position, lower, latest)
        shifts.occupy(position, -1)
        for since, stop in places:
            if best is not None and since >= best[0]:
                break
            early = shifts.admitted(ways.shares(guest, source, stop), since, length, latest)
            if early > latest or (best is not None and early >= best[0]):
                continue
            onward = shifts.admitted(
                ways.shares(guest, stop, dest), max(start, early + length), length, self.limit - length
            )
            if onward + length <= self.limit and self._stays(guest, stop, early, onward + length):
                best = early, stop, onward
        shifts.occupy(position, 1)
        if best is None:
            return None
        early, stop, onward = best
        shifts.split(position, stop, early, onward)
        hints: list[Hint] = [(True, source, early + length, end + LEAST), (False, source, early, end + LEAST)]
        if onward > start:
            hints.append((True, dest, start, onward + LEAST))
        return hints

    def _stays(self, guest: int, host: int, since: float, until: float) -> bool:
        """Whether there is room for an instance all the time."""
        shifts = self.shifts
        return all(
            room_since(shifts.account(first + host), need, mask, until, since) <= since
            for first, need, mask in shifts.demands(guest)
        )

    def _places(self, position: int, lower: float, latest: float) -> list[tuple[float, int]]:
        """Since when hosts have room for an instance until its migration ends, and the hosts; earliest first."""
        shifts, problem = self.shifts, self.problem
        shifts.work += LOOK
        guest, until = shifts.guests[position], shifts.ends[position]
        source, dest = shifts.sources[position], shifts.dests[position]
        _, need, mask = shifts.demands(guest)[0]
        found = []
        for host, free in enumerate(shifts.free):
            times, values = free.times, free.values
            number = bisect_left(times, until) - 1
            if (values[number] - need) & mask != mask or not problem.receives[host]:
                continue
            while number >= 0 and (values[number] - need) & mask == mask:
                number -= 1
            since = max(lower, times[number + 1])
            if since <= latest and host != source and host != dest and host not in problem.boots:
                found.append((since, host))
        found.sort()
        cloud = problem.cloud
        places: list[tuple[float, int]] = []
        for since, host in found:
            if cloud.admits(guest, host) and cloud.may_pass(source, host) and cloud.may_pass(host, dest):
                places.append((since, host))
                if len(places) == PLACES:
                    break
        return places
