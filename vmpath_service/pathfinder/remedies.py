"""What would make a path possible: each thing that is named was tried out, on a cloud in which just that differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from vmpath_service.model.compiled import NOWHERE, Vector
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.pathfinder import admission
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.fixity import never_moving
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.search import Search
from vmpath_service.pathfinder.serial.task import with_time
from vmpath_service.pathfinder.serial.walk import Manner, Walk
from vmpath_service.pathfinder.trace import told

# Hosts times movable instances up to which all sorts of remedies are looked for.
SMALL = 2_000
# Steps of the budget for all in bigger clouds, and of how many of those who are the trouble.
STEPS_OF_MANY = 400_000
FEW = 3
# Steps of the budget for all, and for the search after the walk of each.
STEPS = 200_000
SEARCHED = 4_000
# How many amounts of room, and instances, are tried.
AMOUNTS = 8
INSTANCES = 40
# How many hosts are named.
NAMED = 3


@told("look for what would help, one change after the other")
def what_would_help(problem: Problem, budget: Budget) -> str | None:
    """A sentence on what makes the path possible; None where nothing that was tried does.

    In big clouds only what has to do with those who are the trouble is tried.
    """
    if small(problem):
        share = budget.share(STEPS)
        tried = (_more_room(problem, share), _shelving(problem, share), _staying(problem, share))
    else:
        share = budget.share(STEPS_OF_MANY)
        troubled = _troubled(problem, share)
        if not troubled:
            return None
        tried = (
            _more_room_for(problem, troubled, share),
            _shelving(problem, share, troubled[:FEW]),
            _staying_together(problem, troubled, share),
        )
    found = [each for each in tried if each]
    if not found:
        return None
    last = f", or {found[-1]}" if len(found) > 1 else found[-1]
    return "It would help " + ", ".join(found[:-1]) + last


def small(problem: Problem) -> bool:
    """Whether all sorts of remedies are tried."""
    return len(problem.receives) * sum(problem.mobile) <= SMALL


def _troubled(problem: Problem, budget: Budget) -> list[int]:
    """Who cannot be brought to where it is to be, as far as that is known, the biggest first."""
    found = {guest for guest, _ in admission.obstacles(problem)}
    if not found:
        fixed = never_moving(problem)
        found = {guest for guest in problem.movers if guest in fixed}
    if not found and (task := with_time(problem)) is not None:
        walk = Walk(task, Manner())
        if not walk.run(budget):
            found = {guest for guest in problem.movers if walk.ledger.where[guest] != problem.goal[guest]}
    instances = problem.cloud.snapshot.instances
    return sorted(found, key=lambda guest: (-instances[guest].memory_mb(), guest))


def _more_room_for(problem: Problem, troubled: Sequence[int], budget: Budget) -> str | None:
    """Room on the host where one of the troubled is to be: as much as is missing there, or as it asks for."""
    cloud = problem.cloud
    room = Room(cloud, problem.departures)
    over = dict(enumerate(_overloads(problem)))
    for guest in troubled[:FEW]:
        host, demand = problem.goal[guest], cloud.demand(guest)
        free = room.amounts(room.free[host])
        missing = tuple(max(0, asked - have) if asked else 0 for asked, have in zip(demand, free, strict=True))
        for amount in (over[host], missing, demand):
            if any(amount) and _solvable(_with_room(problem, [host], amount), budget):
                return f"to have {_in_words(problem, amount)} more on {cloud.snapshot.hosts[host].name}"
    return None


def _staying_together(problem: Problem, troubled: Sequence[int], budget: Budget) -> str | None:
    """To give up moving all who are the trouble."""
    cloud, left = problem.cloud, set(troubled)
    goal = [cloud.home[guest] if guest in left else host for guest, host in enumerate(problem.goal)]
    arrivals = tuple(guest for guest in problem.arrivals if guest not in left)
    movers = tuple(guest for guest in problem.movers if guest not in left)
    changed = dataclasses.replace(problem, goal=goal, movers=movers, arrivals=arrivals)
    try:
        admission.check_sanity(changed)
    except InvalidTarget:
        return None
    if not movers or not _solvable(changed, budget):
        return None
    shown = ", ".join(cloud.snapshot.instances[guest].label() for guest in troubled[:NAMED])
    more = f" and {len(troubled) - NAMED} more" if len(troubled) > NAMED else ""
    return f"to leave {shown}{more} where {'it is' if len(troubled) == 1 else 'they are'}"


def _solvable(problem: Problem, budget: Budget) -> bool:
    if budget.left <= 0 or next(admission.obstacles(problem), None) is not None:
        return False
    task = with_time(problem)
    if task is not None and Walk(task, Manner()).run(budget):
        return True
    if not small(problem):
        return False
    room = Room(problem.cloud, problem.departures)
    search = Search(problem, room, problem.goal, range(len(problem.receives)))
    return search.forward(budget.share(SEARCHED), haste=5).verdict == "found"


def _more_room(problem: Problem, budget: Budget) -> str | None:
    """The least of some amounts that one host has to have more."""
    hosts = [host for host, receives in enumerate(problem.receives) if receives]
    for amount in _amounts(problem):
        # what does not suffice on all hosts together does not on one of them
        if not _solvable(_with_room(problem, hosts, amount), budget):
            continue
        able = [host for host in hosts if _solvable(_with_room(problem, [host], amount), budget)]
        if able:
            return f"to have {_in_words(problem, amount)} more on {_named(problem, able, hosts)}"
    return None


def _in_words(problem: Problem, amount: Vector) -> str:
    named = zip(amount, problem.cloud.dimensions, strict=True)
    return " and ".join(f"{most} {name}" for most, name in named if most)


def _named(problem: Problem, able: Sequence[int], hosts: Sequence[int]) -> str:
    snapshot = problem.cloud.snapshot
    if len(able) == len(hosts):
        return "any host"
    zones = {snapshot.hosts[host].availability_zone for host in able}
    if len(zones) == 1 and len(able) > 1:
        (zone,) = zones
        if zone is not None and len(able) == sum(snapshot.hosts[host].availability_zone == zone for host in hosts):
            return f"any host of {zone}"
    return " or ".join(snapshot.hosts[host].name for host in able[:NAMED])


def _amounts(problem: Problem) -> list[Vector]:
    """Amounts of room that could be what is missing, small ones first."""
    cloud = problem.cloud
    room = Room(cloud, problem.departures)
    found: set[Vector] = set()
    for guest in (*problem.movers, *problem.arrivals):
        demand = cloud.demand(guest)
        free = room.amounts(room.free[problem.goal[guest]])
        found.add(demand)
        found.add(tuple(max(0, asked - have) if asked else 0 for asked, have in zip(demand, free, strict=True)))
    found.update(_overloads(problem))
    found.discard((0,) * len(cloud.dimensions))
    total = [max(1, sum(row[d] for row in cloud.capacity)) for d in range(len(cloud.dimensions))]

    def size(amount: Vector) -> tuple[float, Vector]:
        return sum(most / whole for most, whole in zip(amount, total, strict=True)), amount

    ordered = sorted(found, key=size)
    step = max(1, -(-len(ordered) // AMOUNTS))
    return ordered[step - 1 :: step] if len(ordered) > AMOUNTS else ordered


def _overloads(problem: Problem) -> Iterator[Vector]:
    """Per host that the target overloads: by how much."""
    cloud = problem.cloud
    held = [list(row) for row in cloud.taken]
    for guest, host in enumerate(problem.goal):
        if host != NOWHERE:
            for number, amount in enumerate(cloud.demand(guest)):
                held[host][number] += amount
    for row, limits in zip(held, cloud.capacity, strict=True):
        yield tuple(max(0, amount - limit) for amount, limit in zip(row, limits, strict=True))


def _with_room(problem: Problem, hosts: Sequence[int], amount: Vector) -> Problem:
    capacity = list(problem.cloud.capacity)
    for host in hosts:
        capacity[host] = tuple(map(int.__add__, capacity[host], amount))
    return dataclasses.replace(problem, cloud=dataclasses.replace(problem.cloud, capacity=tuple(capacity)))


def _by_memory(problem: Problem, guests: Sequence[int]) -> list[int]:
    instances = problem.cloud.snapshot.instances
    return sorted(guests, key=lambda guest: (instances[guest].memory_mb(), guest))[:INSTANCES]


def _shelving(problem: Problem, budget: Budget, among: Sequence[int] | None = None) -> str | None:
    """The smallest instance without which there is a path; ``among``: of these."""
    candidates = range(len(problem.goal)) if among is None else among
    placed = [guest for guest in candidates if problem.cloud.home[guest] != NOWHERE]
    for guest in _by_memory(problem, [guest for guest in placed if guest not in problem.departures]):
        goal, mobile = list(problem.goal), list(problem.mobile)
        goal[guest], mobile[guest] = NOWHERE, False
        movers = tuple(mover for mover in problem.movers if mover != guest)
        changed = dataclasses.replace(
            problem, goal=goal, mobile=mobile, movers=movers, departures=(*problem.departures, guest)
        )
        if _solvable(changed, budget):
            return f"to shelve {problem.cloud.snapshot.instances[guest].label()}"
    return None


def _staying(problem: Problem, budget: Budget) -> str | None:
    """The smallest instance that makes a path possible by staying where it is."""
    cloud = problem.cloud
    for guest in _by_memory(problem, problem.movers):
        home = cloud.home[guest]
        goal = list(problem.goal)
        goal[guest] = home
        changed = dataclasses.replace(
            problem, goal=goal, movers=tuple(mover for mover in problem.movers if mover != guest)
        )
        try:
            admission.check_sanity(changed)
        except InvalidTarget:
            continue
        if changed.movers and _solvable(changed, budget):
            return f"to leave {cloud.snapshot.instances[guest].label()} on {cloud.snapshot.hosts[home].name}"
    return None
