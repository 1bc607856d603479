"""Before any search: whether the target makes sense, and what can be seen at a glance to be impossible."""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.model import semantics
from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.placement import Placement
from vmpath_service.pathfinder.problem import Problem


def check_target(cloud: CompiledCloud, target: Placement, *, departures: bool) -> None:
    """The names of a target; raises NotFound or InvalidTarget."""
    semantics.check_target(cloud.snapshot, target, departures=departures)


def check_sanity(problem: Problem) -> None:
    """Raise InvalidTarget where the target asks for what is worse than the start.

    That is: a host over capacity or with too many members of a group, and more so than now; an instance put
    where a filter refuses it, or on a host that takes nothing in; a strict affinity group split.
    """
    cloud = problem.cloud
    hosts, instances = cloud.snapshot.hosts, cloud.snapshot.instances
    for guest in (*problem.movers, *problem.arrivals):
        host = problem.goal[guest]
        if not problem.receives[host]:
            raise InvalidTarget(
                f"the target puts {instances[guest].label()} on {hosts[host].name}, which is {_condition(cloud, host)}"
                " and takes nothing in"
            )
        if not cloud.admits(guest, host):
            raise InvalidTarget(
                f"the target puts {instances[guest].label()} on {hosts[host].name}, but {cloud.refusal(guest, host)}"
            )
    for host, before, after in _changed_totals(problem):
        for number, limit in enumerate(cloud.capacity[host]):
            if after[number] > limit and after[number] > before[number]:
                raise InvalidTarget(
                    f"the target asks for {after[number]} {cloud.dimensions[number]} on {hosts[host].name},"
                    f" which has {limit}" + (f" and holds {before[number]} now" if before[number] > limit else "")
                )
    for counter, host, had, has in _changed_counts(problem):
        limit = cloud.counter_limits[counter]
        if has > limit and has > had:
            raise InvalidTarget(
                f"the target puts {has} members of {cloud.counter_names[counter]} on {hosts[host].name},"
                f" where at most {limit} may be"
            )
    for group in cloud.snapshot.server_groups:
        if group.policy == "affinity":
            members = [cloud.instance_index[member] for member in group.members]
            now = {cloud.home[member] for member in members} - {NOWHERE}
            then = {problem.goal[member] for member in members} - {NOWHERE}
            if len(then) > max(1, len(now)):
                names = ", ".join(hosts[host].name for host in sorted(then))
                raise InvalidTarget(
                    f"the target splits the strict affinity server group {group.name or group.uuid} over {names}"
                )


def obstacles(problem: Problem) -> Iterator[tuple[int, str]]:
    """Instances for which a legal target can be seen to be out of reach, each with the proof in words."""
    cloud = problem.cloud
    hosts, instances = cloud.snapshot.hosts, cloud.snapshot.instances
    for guest in problem.movers:
        home, goal = cloud.home[guest], problem.goal[guest]
        label = instances[guest].label()
        if guest in cloud.pinned:
            yield guest, f"{label} cannot be moved from {hosts[home].name}: {cloud.pinned[guest]}"
        elif hosts[home].state != "up":
            yield guest, f"{label} cannot leave {hosts[home].name}, which is {_condition(cloud, home)}"
        elif not cloud.may_pass(home, goal) and relay(problem, guest, home) is None:
            yield guest, f"{label} cannot get from {hosts[home].name}: {cloud.passage_refusal(home, goal)}"
    newcomers: dict[int, list[int]] = {}
    for guest in (*problem.movers, *problem.arrivals):
        newcomers.setdefault(problem.goal[guest], []).append(guest)
    # Of those who ask for it, the last to come would find the host over its limit.
    for host, _, after in _changed_totals(problem):
        name = hosts[host].name
        for number, limit in enumerate(cloud.capacity[host]):
            last = next((each for each in newcomers.get(host, ()) if cloud.demand(each)[number]), None)
            if after[number] > limit and last is not None:
                excess = f"{after[number] - limit} {cloud.dimensions[number]} over its {limit}"
                label = instances[last].label()
                yield last, f"{label} can never arrive on {name}: with all the target puts there it is {excess}"
    for counter, host, _, has in _changed_counts(problem):
        limit = cloud.counter_limits[counter]
        last = next((each for each in newcomers.get(host, ()) if counter in cloud.counters_of.get(each, ())), None)
        if has > limit and last is not None:
            crowd = f"{has} members of {cloud.counter_names[counter]}, where at most {limit} may be"
            yield last, f"{instances[last].label()} can never arrive on {hosts[host].name}: the target wants {crowd}"


def relay(problem: Problem, guest: int, home: int) -> list[int] | None:
    """The fewest stops, the goal included, by which passages and filters let an instance get to its goal.

    None where there is no such way; room is not considered.
    """
    cloud, goal = problem.cloud, problem.goal[guest]
    if cloud.may_pass(home, goal):
        return [goal]
    back: dict[int, int] = {home: home}
    ring = [home]
    while ring:
        following = []
        for stop in ring:
            for host in range(len(cloud.snapshot.hosts)):
                if host in back or not problem.receives[host]:
                    continue
                if cloud.admits(guest, host) and cloud.may_pass(stop, host):
                    back[host] = stop
                    following.append(host)
        if goal in back:
            stops = [goal]
            while back[stops[-1]] != home:
                stops.append(back[stops[-1]])
            return stops[::-1]
        ring = following
    return None


def _condition(cloud: CompiledCloud, host: int) -> str:
    place = cloud.snapshot.hosts[host]
    return place.state if place.state != "up" else place.status


def _changed_totals(problem: Problem) -> Iterator[tuple[int, list[int], list[int]]]:
    """Hosts whose residents change: what was held there, and what will be, per dimension."""
    cloud = problem.cloud
    changed = {problem.goal[guest] for guest in (*problem.movers, *problem.arrivals)}
    before = {host: list(cloud.taken[host]) for host in changed}
    after = {host: list(cloud.taken[host]) for host in changed}

    def add(totals: dict[int, list[int]], host: int, guest: int) -> None:
        row = totals[host]
        for number, amount in enumerate(cloud.demand(guest)):
            row[number] += amount

    for guest, (home, goal) in enumerate(zip(cloud.home, problem.goal, strict=True)):
        if home in changed:
            add(before, home, guest)
        if goal in changed:
            add(after, goal, guest)
    for guest, host in cloud.also_at.items():
        if host in changed:
            add(before, host, guest)
            if problem.goal[guest] != host:
                add(after, host, guest)
    for host in sorted(changed):
        yield host, before[host], after[host]


def _changed_counts(problem: Problem) -> Iterator[tuple[int, int, int, int]]:
    """Counter, host, members counted there now and then, wherever a member comes to."""
    cloud = problem.cloud
    now: dict[tuple[int, int], int] = {}
    then: dict[tuple[int, int], int] = {}
    for guest, counters in cloud.counters_of.items():
        extra = cloud.also_at.get(guest, NOWHERE)
        for counter in counters:
            for totals, host in ((now, cloud.home[guest]), (then, problem.goal[guest])):
                totals[counter, host] = totals.get((counter, host), 0) + 1
                if extra not in (NOWHERE, host):
                    totals[counter, extra] = totals.get((counter, extra), 0) + 1
    for (counter, host), has in sorted(then.items()):
        had = now.get((counter, host), 0)
        if host != NOWHERE:
            yield counter, host, had, has
