"""What can still be asked for of a target that was made for another moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.placement import Placement
from vmpath_service.pathfinder import admission
from vmpath_service.pathfinder.problem import Problem, pose
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.settings import PathSettings

Wish = Mapping[str, str | None]
"""Instance to host (None: gone), by names that the cloud need not have."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An instance that will not come to ``host`` (None: be gone), where the old plan would have left it, and why."""

    instance: str
    host: str | None
    reason: str


def possible(cloud: CompiledCloud, wish: Wish, settings: PathSettings) -> tuple[Placement, list[GivenUp]]:
    """What of a wish makes sense in this cloud, and what does not, with the reason."""
    given_up: list[GivenUp] = []
    wanted: dict[str, str | None] = {}
    for uuid, host in wish.items():
        reason = _why_not(cloud, uuid, host, settings)
        if reason is None:
            wanted[uuid] = host
        elif uuid in cloud.instance_index or host is not None:
            given_up.append(GivenUp(uuid, host, reason))
    while True:
        problem = pose(cloud, Placement(wanted), settings.limits, settings.cost)
        too_much = dict(_unreachable(problem))
        too_much.update(_crowded_out(problem))
        if not too_much:
            return Placement(wanted), given_up
        for guest, reason in sorted(too_much.items()):
            uuid = cloud.snapshot.instances[guest].uuid
            given_up.append(GivenUp(uuid, wanted.pop(uuid), reason))


def _why_not(cloud: CompiledCloud, uuid: str, host: str | None, settings: PathSettings) -> str | None:
    """Why an instance cannot be wanted there, whatever the others do, or None."""
    if uuid not in cloud.instance_index:
        return "it is gone"
    if host is None:
        return None if settings.departures else "it was to be gone, and is still there"
    if host not in cloud.host_index:
        return f"{host} is gone"
    guest, dest = cloud.instance_index[uuid], cloud.host_index[host]
    if cloud.home[guest] == dest:
        return None
    place = cloud.snapshot.hosts[dest]
    if place.status != "enabled" or place.state == "down":
        return f"{host} is {place.state if place.state != 'up' else place.status} and takes nothing in"
    return cloud.refusal(guest, dest)


def _unreachable(problem: Problem) -> Iterator[tuple[int, str]]:
    """Movers that cannot be moved at all, or not to where they are to be."""
    cloud = problem.cloud
    hosts = cloud.snapshot.hosts
    for guest in problem.movers:
        home = cloud.home[guest]
        if guest in cloud.pinned:
            yield guest, cloud.pinned[guest]
        elif hosts[home].state != "up":
            yield guest, f"{hosts[home].name} is {hosts[home].state}"
        elif admission.relay(problem, guest, home) is None:
            yield guest, cloud.passage_refusal(home, problem.goal[guest]) or "no host leads there"


def _crowded_out(problem: Problem) -> Iterator[tuple[int, str]]:
    """Newcomers without whom a host would not be beyond its limits in the end: at most one of each host.

    The smallest whose absence suffices, else the biggest.
    """
    cloud = problem.cloud
    room = Room(cloud, problem.departures)
    newcomers: dict[int, list[int]] = {}
    for guest in (*problem.movers, *problem.arrivals):
        host = problem.goal[guest]
        if room.where[guest] == NOWHERE:
            room.hold(guest, host)
        else:
            room.move(guest, host)
        newcomers.setdefault(host, []).append(guest)
    for host in sorted(newcomers):
        name = cloud.snapshot.hosts[host].name
        for number, free in enumerate(room.amounts(room.free[host])):
            asking = [guest for guest in newcomers[host] if cloud.demand(guest)[number]]
            if free < 0 and asking:
                sizes = {guest: cloud.demand(guest)[number] for guest in asking}
                out = min(asking, key=lambda g: (sizes[g] + free < 0, abs(sizes[g] + free), g))
                yield out, f"{name} would be {-free} {cloud.dimensions[number]} short"
                break
        else:
            for counter, limit in enumerate(cloud.counter_limits):
                asking = [guest for guest in newcomers[host] if counter in cloud.counters_of.get(guest, ())]
                if asking and room.counts[counter].get(host, 0) > limit:
                    yield asking[-1], f"{name} would hold too many of {cloud.counter_names[counter]}"
                    break
