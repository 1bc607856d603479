"""Free room times time: what is in flight is counted at both its ends, and there is only so much room.

On the hosts that take something in, what is free (where it is not negative) never grows in all: who leaves one of them
goes to another. While an instance arrives where it is to end, it takes of that. For hosts to which some instances are
confined, the same holds of those, once all others are taken to be gone from there. What no whole instance can use at
the beginning and at the end (``idleroom``) counts on top.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.idleroom import STEPS, Idle, Leaver, Parcel, Yard
from vmpath_service.pathfinder.leastwork import LeastWork
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room

# For so many sets of hosts to which instances are bound, the free room is looked at by itself.
CONFINED = 32
# What is idle at both ends is worked out where the rest comes this near to the best bound.
NEAR = 0.85
# Where there are more instances, it would take too long for what it brings.
MOST = 30_000

Found = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Space:
    """Free room of one resource class on a set of hosts, and what takes of it.

    ``inside``: per host, whether it belongs to them; ``own``: the classes of instances that are confined to them;
    ``free``: what is free there in all, once all other instances are gone; ``work``: that times seconds.
    """

    name: str
    inside: Sequence[bool]
    own: frozenset[int]
    dimension: int
    free: int
    work: float


class Spaces:
    """Every set of hosts with every resource class that may bind."""

    def __init__(self, problem: Problem, least: LeastWork, room: Room) -> None:
        self._problem, self._least, self._room = problem, least, room
        self._spaces = list(self._all())

    def plain(self) -> Iterator[Found]:
        """Seconds that it takes at least if all free room can be used all the time, and what binds."""
        dimensions = self._problem.cloud.dimensions
        for space in self._spaces:
            yield space.work / space.free, f"free {dimensions[space.dimension]} of {space.name}"

    def sharp(self, best: float) -> Iterator[Found]:
        """The same with what is idle at both ends, where that may be more than ``best``, a bound that is known."""
        dimensions = self._problem.cloud.dimensions
        steps = STEPS if len(self._problem.goal) <= MOST else 0
        for space in sorted(self._spaces, key=lambda each: -each.work / each.free):
            plain = space.work / space.free
            if plain < NEAR * best or steps <= 0:
                break
            idle, steps = self._idle(space, max(plain, best), steps)
            yield (space.work + idle) / space.free, f"free {dimensions[space.dimension]} of {space.name}"

    def _all(self) -> Iterator[Space]:
        problem, least, room = self._problem, self._least, self._room
        cloud = problem.cloud
        sets: dict[bytes | None, None] = {None: None}
        for guest in problem.movers:
            mask = cloud.mask(guest)
            if mask not in sets and len(sets) <= CONFINED:
                sets[mask] = None
        free = [[max(0, amount) for amount in room.amounts(packed)] for packed in room.free]
        for mask in sets:
            inside = [receives and (mask is None or mask[host] == 1) for host, receives in enumerate(problem.receives)]
            own = frozenset(
                number for number, kind in enumerate(cloud.classes) if _within(cloud.mask(kind.example), mask)
            )
            there = [
                sum(column) for column in zip(*(free[host] for host in range(len(free)) if inside[host]), strict=True)
            ]
            if mask is not None:
                for guest, host in enumerate(room.where):
                    if host != NOWHERE and inside[host] and cloud.class_of[guest] not in own and problem.mobile[guest]:
                        there = [a + b for a, b in zip(there, cloud.demand(guest), strict=True)]
            work = [0.0] * len(cloud.dimensions)
            for guest in problem.movers:
                if cloud.class_of[guest] in own and inside[problem.goal[guest]]:
                    seconds = least.seconds(guest, problem.goal[guest])
                    for number, amount in enumerate(cloud.demand(guest)):
                        work[number] += amount * seconds
            where = "all hosts" if mask is None else _name(problem, inside)
            for number, amount in enumerate(there):
                if work[number] and amount:
                    yield Space(where, inside, own, number, amount, work[number])

    def _idle(self, space: Space, lasts: float, steps: int) -> tuple[float, int]:
        """What is idle in a space at both ends of what lasts at least so long, and the steps that are left."""
        problem, least, room = self._problem, self._least, self._room
        cloud, where, need = problem.cloud, room.where, room.need
        own = [guest for guest, able in enumerate(problem.mobile) if able and cloud.class_of[guest] in space.own]
        fastest = max(range(len(problem.receives)), key=lambda host: least.fastest[host])
        shortest = min((least.seconds(guest, fastest) for guest in own), default=0.0)
        if shortest <= 0.0:
            return 0.0, steps
        parcels = [
            Parcel(cloud.demand(guest)[space.dimension], need[guest], room.mask[guest], cloud.mask(guest))
            for guest in {cloud.class_of[guest]: guest for guest in own}.values()
        ]
        idle = Idle(parcels, shortest, problem.limits.per_host, steps)
        final = list(room.free)
        for guest in problem.movers:
            final[where[guest]] += need[guest]
            final[problem.goal[guest]] -= need[guest]
        ends = [NOWHERE if host == NOWHERE else end for host, end in zip(where, problem.goal, strict=True)]
        total = 0.0
        halves = lasts / 2, lasts
        for first, last in zip(self._yards(space, where, room.free), self._yards(space, ends, final), strict=True):
            start, end = idle.over(first, halves), [0.0, 0.0]
            # of what is beyond its capacity at first, more may be in use later than there is
            if min(room.amounts(room.free[first.host or 0])) >= 0:
                # who leaves last need not be one that might come
                end = idle.over(replace(last, host=None, opens=0.0), halves)
            total += max(start[0] + end[0], start[1], end[1])
        return total, idle.steps

    def _yards(self, space: Space, where: Sequence[int], free: Sequence[int]) -> Iterator[Yard]:
        """The hosts of a space, with these instances on them and so much free."""
        problem, least, room = self._problem, self._least, self._room
        cloud, dimension = problem.cloud, space.dimension
        leavers: dict[int, list[Leaver]] = {}
        others = [0] * len(free)
        for guest, host in enumerate(where):
            if host == NOWHERE or not space.inside[host] or not problem.mobile[guest]:
                continue
            amount = cloud.demand(guest)[dimension]
            is_own = cloud.class_of[guest] in space.own
            leavers.setdefault(host, []).append(
                Leaver(least.seconds(guest, host), amount if is_own else 0, room.need[guest])
            )
            if not is_own:
                others[host] += amount
        for host, inside in enumerate(space.inside):
            if inside:
                counted = list(room.amounts(free[host]))[dimension] + others[host]
                yield Yard(host, counted, free[host], leavers.get(host, ()), problem.boots.get(host, 0.0))


def _within(inner: bytes | None, outer: bytes | None) -> bool:
    """Whether a mask admits only what the other admits."""
    if outer is None or inner is outer:
        return True
    return inner is not None and not int.from_bytes(inner) & ~int.from_bytes(outer)


def _name(problem: Problem, inside: Sequence[bool]) -> str:
    hosts = problem.cloud.snapshot.hosts
    zones = {hosts[host].availability_zone for host, within in enumerate(inside) if within}
    if len(zones) == 1:
        return f"zone {zones.pop()}"
    return f"the {sum(inside)} hosts that some instances are bound to"
