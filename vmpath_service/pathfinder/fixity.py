"""Who can never move, whatever the others do: cheap proofs that need no search.

Three things do not grow along any path, and each new one who can never move may pin down more:

* the open places of a group: how many members may still come to the hosts that admit one. Only a member's own move
  opens a place, so where there is none at the start, no member ever moves;
* the free amount of a resource class on all hosts that take something in, added up: a move takes at its destination
  what it gives at its source. Who asks for more than all of it together never moves;
* what a host has beside those who can never leave it. Who would have to go beyond it never arrives.

Where none of these finds any more, ``packing`` looks whether all can be put on the hosts with one of them twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room

UNPACKED = "however all instances are put on the hosts, there is no room for it on two hosts at once"


def never_moving(problem: Problem, budget: Budget | None = None) -> dict[int, str]:
    """Placed instances that no sequence of migrations moves, though not pinned, each with the proof in words.

    ``budget``: what proofs by packing may take; without it, there are none.
    """
    room = Room(problem.cloud, problem.departures)
    open_hosts = [host for host, receives in enumerate(problem.receives) if receives]
    found: dict[int, str] = {}
    bare = _bare(problem, room)
    grew = True
    while grew:
        fresh = {**_crowded(problem, room, open_hosts, found)}
        fresh.update(_too_big(problem, room, open_hosts, bare, {**found, **fresh}))
        if not fresh and budget is not None:
            fresh = _not_packed(problem, found, budget)
        grew = bool(fresh)
        for guest, reason in fresh.items():
            found[guest] = reason
            bare[room.where[guest]] -= room.need[guest]
    return found


def _bare(problem: Problem, room: Room) -> list[int]:
    """Per host: the packed amounts beside all who cannot be moved."""
    bare = list(room.free)
    for guest, host in enumerate(room.where):
        if host != NOWHERE and problem.mobile[guest]:
            bare[host] += room.need[guest]
    return bare


def _crowded(problem: Problem, room: Room, open_hosts: list[int], known: Mapping[int, str]) -> dict[int, str]:
    """Members of groups that have no open place left."""
    cloud = problem.cloud
    members: dict[int, list[int]] = {}
    for guest, counters in cloud.counters_of.items():
        if problem.mobile[guest] and guest not in known:
            for counter in counters:
                members.setdefault(counter, []).append(guest)
    found: dict[int, str] = {}
    for counter, guests in members.items():
        limit, counts = cloud.counter_limits[counter], room.counts[counter]
        examples = {cloud.class_of[guest]: guest for guest in guests}.values()
        places = [host for host in open_hosts if any(cloud.admits(guest, host) for guest in examples)]
        if all(counts.get(host, 0) >= limit for host in places):
            reason = (
                f"no member of {cloud.counter_names[counter]} can move: each of the {len(places)} hosts that admit"
                f" one holds as many as it may ({limit}), and only a member that moves would make way"
            )
            found.update(dict.fromkeys(guests, reason))
    return found


def _too_big(
    problem: Problem, room: Room, open_hosts: list[int], bare: list[int], known: Mapping[int, str]
) -> dict[int, str]:
    """Instances for which no other host can ever have room."""
    cloud = problem.cloud
    total = [0] * len(cloud.dimensions)
    for host in open_hosts:
        for number, amount in enumerate(room.amounts(room.free[host])):
            total[number] += max(0, amount)
    found: dict[int, str] = {}
    for guest, home in enumerate(room.where):
        if home == NOWHERE or not problem.mobile[guest] or guest in known:
            continue
        for number, asked in enumerate(cloud.demand(guest)):
            if asked > total[number]:
                name = cloud.dimensions[number]
                found[guest] = f"it asks for {asked} {name}, and all hosts together have {total[number]} free"
                break
        else:
            need, mask = room.need[guest], room.mask[guest]
            if not any(
                host != home and (bare[host] - need) & mask == mask and cloud.admits(guest, host)
                for host in open_hosts
            ):
                found[guest] = "no other host that admits it has room for it beside those who can never leave"
    return found


def _not_packed(problem: Problem, known: Mapping[int, str], budget: Budget) -> dict[int, str]:
    """Instances that no arrangement has room for twice."""
    # numpy takes long to be imported, and few problems come here
    from vmpath_service.pathfinder.packing import Packing

    packing = Packing(problem, known)
    return dict.fromkeys(packing.never_moving(budget), UNPACKED) if packing.applicable else {}


def proofs(problem: Problem, fixed: Mapping[int, str]) -> list[str]:
    """Sentences: the misplaced ones among those who never move, grouped by reason."""
    groups: dict[str, list[str]] = {}
    hosts, instances = problem.cloud.snapshot.hosts, problem.cloud.snapshot.instances
    for guest in problem.movers:
        if guest in fixed:
            way = f"{instances[guest].label()} from {hosts[problem.cloud.home[guest]].name}"
            groups.setdefault(fixed[guest], []).append(f"{way} to {hosts[problem.goal[guest]].name}")
    return [f"{' and '.join(ways)} is out of reach: {reason}" for reason, ways in groups.items()]
