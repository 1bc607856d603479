"""The host that is busy longest because arrivals wait for departures, or the reverse.

``bottleneck`` is asked about all hosts that may matter, ``onebyone`` about those where that is longest, and
``together`` about those where this is longest, as long as its steps suffice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.pathfinder.bottleneck import busy
from vmpath_service.pathfinder.leastwork import LeastWork
from vmpath_service.pathfinder.onebyone import OneByOne, Task
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.together import Together

# How much higher than its estimate the bound of a host is looked for.
AMPLE = 1.15
# Arrivals are taken one by one in so many cases, and only where there are no more multisets of them, and no more
# instances that may go, than that.
TIGHTEST = 16
ORDERS = 300
MANY = 40
# Departures are laid out with them on hosts whose bound is that near to the best, where there are no more multisets
# and slots than that, within so many steps for each instance that moves, and in all.
NEAR = 0.98
LAID_OUT = 4000
FEW_SLOTS = 4
STEPS_EACH = 15
STEPS = 150_000
# So much is free where nothing is known to be short.
PLENTY = 1 << 62

Found = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Turns:
    """What comes to a host and what may go from it (or the reverse, backwards in time), and what is free at first.

    ``settled``: whether some of those that may go need not.
    """

    what: str
    host: int
    coming: list[Task]
    going: list[Task]
    settled: bool
    free: list[int]

    def simple(self, number: int, slots: int) -> float:
        """The bound of ``bottleneck`` in one resource class."""
        if self.free[number] == PLENTY:
            return 0.0
        coming, going = ([(size[number], seconds) for size, seconds in tasks] for tasks in (self.coming, self.going))
        return busy(coming, going, self.free[number], slots)

    def most(self, slots: int) -> float:
        """What no bound exceeds: first all go, then all come."""
        return sum(
            sum(seconds for _, seconds in tasks) / slots + max((seconds for _, seconds in tasks), default=0.0)
            for tasks in (self.coming, self.going)
        )

    def strict(self, slots: int) -> OneByOne:
        """Those that come, one by one."""
        return OneByOne(self.coming, self.going, self.free, slots)


def crowded(problem: Problem, least: LeastWork, room: Room, best: float) -> Found | None:
    """Seconds that the busiest host takes at least, and what binds there; None if they are no more than ``best``."""
    slots = problem.limits.per_host
    if slots is None:
        return None
    dimensions = problem.cloud.dimensions
    result: Found | None = None
    tight: list[tuple[float, Turns]] = []
    for turns in _turns(problem, least, room, best):
        longest = 0.0
        for number, dimension in enumerate(dimensions):
            took = turns.simple(number, slots)
            longest = max(longest, took)
            if took > best + 1e-9:
                best = took
                result = took, f"{turns.what}, by turns for want of {dimension}"
        tight.append((longest, turns))
    tight.sort(key=lambda each: -each[0])
    strict = [turns for _, turns in tight if len(turns.going) <= MANY and _orders(turns.coming) <= ORDERS]
    busiest: dict[int, float] = {}
    for turns in strict[:TIGHTEST]:
        if turns.most(slots) <= best:
            continue
        arrivals = turns.strict(slots)
        took = arrivals.least()
        busiest[turns.host] = max(took, busiest.get(turns.host, 0.0))
        if took > best + 1e-9:
            best = took
            result = took, f"{turns.what}, one by one for want of {_named(arrivals, dimensions)}"
    if slots > FEW_SLOTS or best <= 0.0:
        return result
    steps = min(STEPS, STEPS_EACH * len(problem.movers))
    for host, known in sorted(busiest.items(), key=lambda each: (-each[1], each[0])):
        sides = [turns for _, turns in tight if turns.host == host and _orders(turns.coming) <= LAID_OUT]
        if known < NEAR * best or steps <= 0 or not sides:
            continue
        turns = min(sides, key=lambda each: _orders(each.going))
        arrivals = turns.strict(slots)
        together = Together(arrivals, turns.going, all_go=not turns.settled)
        took, steps = together.least(best, turns.most(slots), steps)
        if took > best + 1e-9:
            best = took
            result = took, f"{turns.what}, one by one for want of {_named(arrivals, dimensions)}"
    return result


def _turns(problem: Problem, least: LeastWork, room: Room, best: float) -> list[Turns]:
    """Those that may matter, the longest estimate first."""
    cloud, slots = problem.cloud, problem.limits.per_host or 1
    arriving: dict[int, list[int]] = {}
    departing: dict[int, list[int]] = {}
    settled: dict[int, list[int]] = {}
    final = list(room.free)
    for guest in problem.movers:
        home, goal = cloud.home[guest], problem.goal[guest]
        arriving.setdefault(goal, []).append(guest)
        departing.setdefault(home, []).append(guest)
        final[home] += room.need[guest]
        final[goal] -= room.need[guest]
    candidates = []
    for inward, moving in ((True, arriving), (False, departing)):
        for host, guests in moving.items():
            seconds = [least.seconds(guest, host) for guest in guests]
            # more than this the simple bound cannot be, unless room is freed slower than it is taken
            most = (sum(seconds) + max(seconds)) / slots
            if most > best or (most * AMPLE > best and _kinds(cloud, guests) <= ORDERS):
                candidates.append((most, inward, host))
    wanted = {host for _, _, host in candidates}
    for guest, host in enumerate(room.where):
        if host in wanted and problem.mobile[guest] and problem.goal[guest] == host:
            settled.setdefault(host, []).append(guest)

    def tasks(guests: Sequence[int], host: int) -> list[Task]:
        return [(cloud.demand(guest), least.seconds(guest, host)) for guest in guests]

    found = []
    for _, inward, host in sorted(candidates, key=lambda each: (-each[0], each[2], not each[1])):
        coming, going = (arriving, departing) if inward else (departing, arriving)
        start, end = list(room.amounts(room.free[host])), list(room.amounts(final[host]))
        if not inward:
            # backwards in time, nothing is known of what is beyond its capacity at the start
            end = [after if before >= 0 else PLENTY for before, after in zip(start, end, strict=True)]
        staying = settled.get(host, [])
        found.append(
            Turns(
                f"{'arrivals on' if inward else 'departures from'} {cloud.snapshot.hosts[host].name}",
                host,
                tasks(coming[host], host),
                tasks([*going.get(host, ()), *staying], host),
                bool(staying),
                start if inward else end,
            )
        )
    return found


def _kinds(cloud: CompiledCloud, guests: Sequence[int]) -> int:
    """How many multisets of classes there are among these."""
    return prod(count + 1 for count in Counter(cloud.class_of[guest] for guest in guests).values())


def _orders(tasks: Sequence[Task]) -> int:
    """How many multisets there are of these."""
    return prod(count + 1 for count in Counter(tasks).values())


def _named(arrivals: OneByOne, dimensions: Sequence[str]) -> str:
    return " and ".join(dimensions[number] for number in arrivals.scarce) or "slots"
