"""Lower bounds that no plan can beat, and which of them binds."""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.model.plan import Bounds
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.traffic import Traffic


def lower_bounds(problem: Problem) -> Bounds:
    """Bounds on the number of migrations, the memory moved (MiB) and the makespan (s).

    The makespan is bounded under the assumption that each instance takes its direct way. A detour can only use a
    faster link than the direct way where the network has one, so with a network the bounds of single links and
    the longest migration hold for direct plans.
    """
    best, binding = 0.0, None
    for seconds, what in _makespans(problem):
        if seconds > best + 1e-9:
            best, binding = seconds, what
    instances = problem.cloud.snapshot.instances
    return Bounds(
        migrations=len(problem.movers),
        memory_mb=sum(instances[guest].memory_mb() for guest in problem.movers),
        makespan_s=round(best, 3),
        binding=binding,
    )


def _makespans(problem: Problem) -> Iterator[tuple[float, str]]:
    cloud, limits = problem.cloud, problem.limits
    hosts, instances = cloud.snapshot.hosts, cloud.snapshot.instances
    traffic = Traffic(cloud, limits)
    outward: dict[int, float] = {}
    inward: dict[int, float] = {}
    links: dict[int, float] = {}
    release: dict[int, float] = {}
    groups: dict[str, float] = {}
    spacetime = [0.0] * len(cloud.dimensions)
    total = longest = 0.0
    longest_guest = -1
    member_of: dict[int, list[str]] = {}
    if limits.per_group is not None:
        for group in cloud.snapshot.server_groups:
            for member in group.members:
                member_of.setdefault(cloud.instance_index[member], []).append(group.name or group.uuid)
    for guest in problem.movers:
        source, dest = cloud.home[guest], problem.goal[guest]
        rate, ends = traffic.path(source, dest)
        seconds = traffic.seconds(guest, rate)
        boot = problem.boots.get(dest, 0.0)
        outward[source] = outward.get(source, 0.0) + seconds
        inward[dest] = inward.get(dest, 0.0) + seconds
        total += seconds
        if boot + seconds > longest:
            longest, longest_guest = boot + seconds, guest
        for end in ends:
            links[end] = links.get(end, 0.0) + rate * seconds
            release[end] = min(release.get(end, boot), boot)
        for name in member_of.get(guest, ()):
            groups[name] = groups.get(name, 0.0) + seconds
        for number, amount in enumerate(cloud.demand(guest)):
            spacetime[number] += amount * seconds
    if longest_guest >= 0:
        dest = problem.goal[longest_guest]
        extra = f" after the boot of {hosts[dest].name}" if dest in problem.boots else ""
        yield longest, f"migration of {instances[longest_guest].label()}{extra}"
    for host in sorted(problem.boots):
        if host in inward or any(problem.goal[guest] == host for guest in problem.arrivals):
            yield problem.boots[host], f"boot of {hosts[host].name}"
    if limits.per_host is not None:
        for host, seconds in sorted(outward.items()):
            yield seconds / limits.per_host, f"work of the {limits.per_host} outgoing slots of {hosts[host].name}"
        for host, seconds in sorted(inward.items()):
            yield (
                problem.boots.get(host, 0.0) + seconds / limits.per_host,
                f"work of the {limits.per_host} incoming slots of {hosts[host].name}",
            )
    if limits.in_total is not None:
        yield total / limits.in_total, f"work of {limits.in_total} migrations at once"
    if limits.per_group is not None:
        for name, seconds in sorted(groups.items()):
            yield seconds / limits.per_group, f"work of server group {name}"
    for end, work in sorted(links.items()):
        name, limit = traffic.link(end)
        yield release[end] + work / limit, f"work of link {name} {'outward' if end & 1 else 'inward'}"
    # What is in flight takes free room at its destination as well; there is only so much of it.
    room = Room(cloud, problem.departures)
    free = [0] * len(cloud.dimensions)
    for host, packed in enumerate(room.free):
        if problem.receives[host]:
            for number, amount in enumerate(room.amounts(packed)):
                free[number] += max(0, amount)
    for number, work in enumerate(spacetime):
        if work and free[number]:
            yield work / free[number], f"free {cloud.dimensions[number]} of all hosts"
