"""Lower bounds that no plan can beat, detours allowed, and which of them binds."""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.model.plan import Bounds
from vmpath_service.pathfinder.crowds import crowded
from vmpath_service.pathfinder.leastwork import LeastWork
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.spacetime import Spaces

Found = tuple[float, str]


def lower_bounds(problem: Problem) -> Bounds:
    """Bounds on the number of migrations, the memory moved (MiB) and the makespan (s)."""
    best, binding = 0.0, None
    least = LeastWork(problem)
    room = problem.room()
    spaces = Spaces(problem, least, room)
    for seconds, what in (*_makespans(problem, least), *spaces.plain()):
        if seconds > best + 1e-9:
            best, binding = seconds, what
    longer = crowded(problem, least, room, best)
    if longer is not None:
        best, binding = longer
    for seconds, what in spaces.sharp(best):
        if seconds > best + 1e-9:
            best, binding = seconds, what
    instances = problem.cloud.snapshot.instances
    return Bounds(
        migrations=len(problem.movers),
        memory_mb=sum(instances[guest].memory_mb() for guest in problem.movers),
        makespan_s=round(best, 3),
        binding=binding,
    )


def _makespans(problem: Problem, least: LeastWork) -> Iterator[Found]:
    yield from _boots_and_longest(problem, least)
    yield from _slots(problem, least)
    yield from _links(problem, least)


def _boots_and_longest(problem: Problem, least: LeastWork) -> Iterator[Found]:
    """Nobody is done before its own migration, which does not begin before its destination is up."""
    hosts, instances = problem.cloud.snapshot.hosts, problem.cloud.snapshot.instances
    longest, who = 0.0, -1
    for guest in problem.movers:
        dest = problem.goal[guest]
        boot = problem.boots.get(dest, 0.0)
        # only the last leg has to wait for the destination
        seconds = max(least.whole(guest), boot + least.seconds(guest, dest))
        if seconds > longest:
            longest, who = seconds, guest
    if who >= 0:
        dest = problem.goal[who]
        after = f" after the boot of {hosts[dest].name}" if dest in problem.boots else ""
        yield longest, f"migration of {instances[who].label()}{after}"
    for host in sorted({problem.goal[guest] for guest in (*problem.movers, *problem.arrivals)} & set(problem.boots)):
        yield problem.boots[host], f"boot of {hosts[host].name}"


def _slots(problem: Problem, least: LeastWork) -> Iterator[Found]:
    """The work of slots: each instance leaves its first host once and arrives on its last one once at least."""
    cloud, limits = problem.cloud, problem.limits
    hosts = cloud.snapshot.hosts
    if limits.per_host is not None:
        outward: dict[int, float] = {}
        inward: dict[int, float] = {}
        for guest in problem.movers:
            home, goal = cloud.home[guest], problem.goal[guest]
            outward[home] = outward.get(home, 0.0) + least.seconds(guest, home)
            inward[goal] = inward.get(goal, 0.0) + least.seconds(guest, goal)
        for host, seconds in sorted(outward.items()):
            yield seconds / limits.per_host, f"work of the {limits.per_host} outgoing slots of {hosts[host].name}"
        for host, seconds in sorted(inward.items()):
            boot = problem.boots.get(host, 0.0)
            name = f"work of the {limits.per_host} incoming slots of {hosts[host].name}"
            yield boot + seconds / limits.per_host, name
    if limits.in_total is not None:
        total = sum(least.whole(guest) for guest in problem.movers)
        yield total / limits.in_total, f"work of {limits.in_total} migrations at once"
    if limits.per_group is not None:
        for group in cloud.snapshot.server_groups:
            members = {cloud.instance_index[member] for member in group.members}.intersection(problem.movers)
            seconds = sum(least.whole(guest) for guest in members)
            yield seconds / limits.per_group, f"work of server group {group.name or group.uuid}"


def _links(problem: Problem, least: LeastWork) -> Iterator[Found]:
    """What has to cross each link, after the boots it waits for.

    Who is to end behind a link and does not start there crosses it inward some time, whatever way it goes; the other
    way round outward. Nothing crosses it inward before one of the hosts behind it is up.
    """
    network = problem.cloud.snapshot.network
    if network is None:
        return
    cloud, hosts = problem.cloud, problem.cloud.snapshot.hosts
    ways = problem.ways
    behind: dict[str, list[int]] = {}
    for number, host in enumerate(hosts):
        for link in host.links:
            behind.setdefault(link, []).append(number)
    fastest = max(least.fastest)
    jobs: dict[int, list[tuple[float, float]]] = {}
    known: dict[int, tuple[float, float]] = {}
    for guest in problem.movers:
        home, goal = cloud.home[guest], problem.goal[guest]
        for end in ways.path(home, goal)[1]:
            if end not in known:
                name, limit = ways.link(end)
                inside = behind[name]
                boot = 0.0 if end & 1 else min(problem.boots.get(host, 0.0) for host in inside)
                known[end] = boot, min(limit, fastest, max(least.fastest[host] for host in inside))
            boot, rate = known[end]
            jobs.setdefault(end, []).append((boot, least.sent(guest, rate)))
    for end, work in sorted(jobs.items()):
        name, limit = ways.link(end)
        what = f"work of link {name} {'outward' if end & 1 else 'inward'}"
        sent = 0.0
        for release, amount in sorted(work, reverse=True):
            sent += amount
            yield release + sent / limit, what
