"""Whether a tiny rearrangement can be over before a given moment: all semi-active schedules, detours included."""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.traffic import Traffic

Flight = tuple[float, int, int]
"""When it ends, the instance, its source."""


def over_before(problem: Problem, moment: float, most: int = 4000) -> bool | None:
    """Whether all are where they are to be before this moment in some schedule; None after ``most`` states.

    It is enough to start migrations when others end or hosts come up: whatever starts in between can start then.
    """
    compiled = problem.cloud
    first = (tuple(Occupancy(compiled, problem.departures).where), (), 0.0)
    seen = {first}
    stack: list[tuple[tuple[int, ...], tuple[Flight, ...], float]] = [first]
    while stack:
        where, flights, now = stack.pop()
        # who is to stay may step aside, but has to be back
        if not flights and all(host in (problem.goal[guest], NOWHERE) for guest, host in enumerate(where)):
            return True
        following = list(_started(problem, where, flights, now, moment))
        moments = [end for end, _, _ in flights] + [up for up in problem.boots.values() if up > now]
        if moments:
            next_moment = min(moments)
            following.append((where, tuple(each for each in flights if each[0] > next_moment + 1e-9), next_moment))
        for state in following:
            if state not in seen:
                if len(seen) >= most:
                    return None
                seen.add(state)
                stack.append(state)
    return False


def _started(
    problem: Problem, where: tuple[int, ...], flights: tuple[Flight, ...], now: float, moment: float
) -> Iterator[tuple[tuple[int, ...], tuple[Flight, ...], float]]:
    compiled = problem.cloud
    accounts, traffic = Occupancy(compiled, problem.departures), Traffic(problem.ways)
    for guest, host in enumerate(where):
        if host != NOWHERE and host != accounts.where[guest]:
            accounts.move(guest, host)
    for _, guest, source in flights:
        accounts.hold(guest, source)
        traffic.start(guest, source, where[guest])
    flying = {guest for _, guest, _ in flights}
    for guest, source in enumerate(where):
        if source == NOWHERE or not problem.mobile[guest] or guest in flying:
            continue
        for dest in range(len(problem.receives)):
            if dest == source or not problem.receives[dest] or problem.boots.get(dest, 0.0) > now:
                continue
            if not compiled.admits(guest, dest) or not compiled.may_pass(source, dest):
                continue
            end = now + problem.ways.lasts(guest, source, dest)
            if end >= moment or not accounts.fits(guest, dest) or traffic.blocker(guest, source, dest) is not None:
                continue
            moved = (*where[:guest], dest, *where[guest + 1 :])
            yield moved, tuple(sorted((*flights, (end, guest, source)))), now
