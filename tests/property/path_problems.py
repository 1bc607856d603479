"""Random small path problems with everything in them, and an oracle that tries all ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from hypothesis import assume
from hypothesis import strategies as st

from tests.clouds import cloud
from vmpath_service.model.compiled import NOWHERE, CompiledCloud, compile_cloud
from vmpath_service.model.errors import InvalidTarget
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder.admission import check_sanity, obstacles
from vmpath_service.pathfinder.problem import Problem as PathProblem
from vmpath_service.pathfinder.problem import pose

Problem = tuple[Snapshot, Placement]
State = tuple[int, ...]


@st.composite
def problems(draw: st.DrawFn, most_hosts: int = 5, most_instances: int = 9) -> Problem:
    """A cloud of mixed hosts, tight in two classes, and a target that shuffles some of its instances.

    Placements are drawn by putting instances on random hosts that have room, so that starts and targets are
    mostly legal; some hosts are made smaller afterwards, so that they are over capacity. Some instances ask for a
    trait that some hosts have lost, maybe the one they are on.
    """
    count = draw(st.integers(2, most_hosts))
    hosts = [f"h{number}" for number in range(count)]
    size = {host: (draw(st.integers(4, 12)), draw(st.integers(4, 12))) for host in hosts}
    names = [f"i{number}" for number in range(draw(st.integers(1, most_instances)))]
    needs = {name: (draw(st.integers(0, 6)), draw(st.integers(0, 6))) for name in names}
    apart = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))

    def place(wanted: dict[str, str | None]) -> dict[str, str | None]:
        left = {host: list(size[host]) for host in hosts}
        where: dict[str, str | None] = {}
        taken: set[str] = set()
        for name in names:
            first = hosts.index(wanted[name] or hosts[0])
            where[name] = None
            for host in hosts[first:] + hosts[:first]:
                grouped = name in apart
                if all(a <= b for a, b in zip(needs[name], left[host], strict=True)) and not (
                    grouped and host in taken
                ):
                    left[host] = [b - a for a, b in zip(needs[name], left[host], strict=True)]
                    where[name] = host
                    if grouped:
                        taken.add(host)
                    break
        return where

    start = place({name: draw(st.sampled_from(hosts)) for name in names})
    end = place({name: draw(st.sampled_from([*hosts, start[name]])) for name in names})
    rarely = st.integers(0, 7).map(lambda number: number == 0)
    tight = draw(st.booleans())
    for host in hosts:
        if tight:
            held = [[needs[name] for name in names if where[name] == host] for where in (start, end)]
            most = [max(sum(need[number] for need in each) for each in held) for number in (0, 1)]
            size[host] = (most[0] + draw(st.integers(0, 2)), most[1] + draw(st.integers(0, 2)))
        if draw(rarely):
            size[host] = (max(0, size[host][0] - 3), size[host][1])
    placed = [name for name in names if start[name]]
    snapshot = cloud(
        {host: {"MEMORY_MB": size[host][0], "DISK_GB": size[host][1]} for host in hosts},
        {name: (start[name], {"MEMORY_MB": needs[name][0], "DISK_GB": needs[name][1]}) for name in names},
        apart={"g": apart} if len(apart) > 1 else {},
        off=[host for host in hosts if host not in start.values() and draw(rarely)],
        disabled=[host for host in hosts if draw(rarely)],
        immovable=[name for name in names if draw(rarely)],
        of_host={host: {"traits": [] if draw(rarely) else ["T"]} for host in hosts},
        of_instance={name: {"required_traits": ["T"]} for name in names if draw(rarely)},
        in_flight={
            placed[0]: (
                str(start[placed[0]]),
                draw(st.sampled_from([host for host in hosts if host != start[placed[0]]])),
            )
        }
        if placed and draw(rarely)
        else {},
    )
    target: dict[str, str | None] = {name: host for name, host in end.items() if host is not None}
    for name in placed:
        if draw(rarely):
            target[name] = None
    return snapshot, Placement(target)


def reachable(compiled: CompiledCloud, target: Placement) -> bool:
    """Whether any sequence of single migrations reaches the target: breadth first, over all placements."""
    goal = _goal(compiled, target)
    gone = [guest for guest, host in enumerate(goal) if host == NOWHERE]
    arrivals = [guest for guest, host in enumerate(goal) if host != NOWHERE == compiled.home[guest]]
    for state in placements(compiled, target):
        if all(host == goal[guest] or guest in arrivals for guest, host in enumerate(state)):
            return _all_arrive(compiled, _accounts(compiled, gone, state), arrivals, goal)
    return False


def placements(compiled: CompiledCloud, target: Placement) -> Iterator[State]:
    """All placements that sequences of single migrations lead to, once those have left who are to be gone."""
    gone = [guest for guest, host in enumerate(_goal(compiled, target)) if host == NOWHERE]
    start = tuple(Occupancy(compiled, gone).where)
    seen = {start}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        yield state
        for guest, host in legal_moves(compiled, _accounts(compiled, gone, state), state):
            following = (*state[:guest], host, *state[guest + 1 :])
            if following not in seen:
                seen.add(following)
                queue.append(following)


def _goal(compiled: CompiledCloud, target: Placement) -> list[int]:
    goal = list(compiled.home)
    for uuid, host in target.placement.items():
        goal[compiled.instance_index[uuid]] = NOWHERE if host is None else compiled.host_index[host]
    return goal


def _accounts(compiled: CompiledCloud, gone: list[int], state: State) -> Occupancy:
    accounts = Occupancy(compiled, gone)
    for guest, host in enumerate(state):
        if host != accounts.where[guest]:
            accounts.move(guest, host)
    return accounts


def legal_moves(compiled: CompiledCloud, accounts: Occupancy, state: State) -> Iterator[tuple[int, int]]:
    """Single migrations that are legal in a state, as (instance, destination)."""
    hosts = compiled.snapshot.hosts
    for guest, source in enumerate(state):
        if source == NOWHERE or guest in compiled.pinned:
            continue
        if hosts[compiled.home[guest]].state != "up":
            continue
        for dest, host in enumerate(hosts):
            open_to = host.status == "enabled" and host.state in ("up", "off")
            suits = open_to and compiled.admits(guest, dest) and compiled.may_pass(source, dest)
            if dest != source and suits and accounts.fits(guest, dest):
                yield guest, dest


def _all_arrive(compiled: CompiledCloud, accounts: Occupancy, arrivals: list[int], goal: list[int]) -> bool:
    for guest in arrivals:
        if not accounts.fits(guest, goal[guest]):
            return False
        accounts.hold(guest, goal[guest])
    return True


def posed(drawn: Problem) -> PathProblem:
    """What a strategy is asked; a target that makes no sense, or that something forbids outright, is drawn anew."""
    problem = pose(compile_cloud(drawn[0]), drawn[1], Limits())
    try:
        check_sanity(problem)
    except InvalidTarget:
        assume(False)
    assume(not list(obstacles(problem)))
    return problem
