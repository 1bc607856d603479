"""One attempt at a path: rehearse, and break deadlocks until everything has moved or nothing helps."""

from __future__ import annotations

import collections
import random
from collections.abc import Callable, Sequence

from vmpath_service.pathfinder import admission
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.deadlock import Breaker
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.ranking import ranks
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.trace import Trace, told

Progress = Callable[[str, int, int], None]
"""Is told what the search does now, and how many of how many are done; 0 of 0 where nobody can know that."""

# How many moves go by between two reports.
REPORT = 1000
# How many instances a trace names of each kind.
SHOWN = 20


def announce(what: str, progress: Progress | None, problem: Problem | None = None, best: Sequence[Move] = ()) -> None:
    """Report ``what`` the search does from now on, and the best path that it has so far."""
    if progress is None:
        return
    if problem is not None and best:
        memory = sum(problem.cloud.snapshot.instances[move.guest].memory_mb() for move in best)
        what = f"{what} (so far {len(best)} migrations, {memory} MiB)"
    progress(what, 0, 0)


def _short_names(problem: Problem) -> list[str]:
    """What a trace calls each instance: its name alone where no other has it."""
    instances = problem.cloud.snapshot.instances
    bearers = collections.Counter(each.name for each in instances)
    return [each.name if each.name and bearers[each.name] == 1 else each.label() for each in instances]


def _tell(trace: Trace, rehearsal: Rehearsal, woken: list[int], names: Sequence[str]) -> None:
    """Who is stuck, and who steps aside for whom."""
    hosts = rehearsal.problem.cloud.snapshot.hosts
    room = rehearsal.room
    moved = f"after {len(rehearsal.moves)} moves, {len(rehearsal.pending)} are stuck"
    if not woken:
        trace.tell(f"{moved}, and nobody can step aside")
        for guest in sorted(rehearsal.pending)[:SHOWN]:
            ends = f"{hosts[room.where[guest]].name} to {hosts[rehearsal.next_stop(guest)].name}"
            trace.tell(f"  {names[guest]} waits to go from {ends}")
        return
    with trace.inside(moved):
        for guest in woken[:SHOWN]:
            ends = f"from {hosts[room.where[guest]].name} to {hosts[rehearsal.next_stop(guest)].name}"
            if guest in rehearsal.stops:
                trace.tell(f"{names[guest]} steps aside {ends}")
            else:
                trace.tell(f"so that {names[guest]} can go {ends}")


class _Enough(Exception):
    """The rehearsal is to end in the middle."""


@told("rehearse: start whatever may start, break deadlocks")
def rehearse(
    problem: Problem,
    settings: PathSettings,
    budget: Budget,
    progress: Progress | None = None,
    shuffle: int = 0,
) -> Rehearsal:
    """Layers 1 and 2: run the greedy, and break deadlocks until everything has moved or nothing helps.

    ``shuffle``: the seed of a random order in which instances go first, 0 for the one that is best as a rule.
    """

    def report(done: int) -> None:
        if budget.ended():
            raise _Enough
        if progress is not None and done % REPORT == 0:
            progress("finding the path", min(done, len(problem.movers)), len(problem.movers))

    rank = ranks(problem, settings)
    if shuffle:
        chance = random.Random(shuffle)
        rank = [chance.random() for _ in rank]
    rehearsal = Rehearsal(problem, rank, report)
    fresh = []
    for guest in problem.movers:
        home = problem.cloud.home[guest]
        stops = admission.relay(problem, guest, home)
        if stops is None or not problem.mobile[guest]:
            rehearsal.pending.discard(guest)  # an obstacle: with best effort, the others go
            continue
        if len(stops) > 1:
            rehearsal.detour(guest, stops[:-1])
        fresh.append(guest)
    breaker = Breaker(problem, rehearsal)
    names = _short_names(problem) if budget.trace is not None else []
    try:
        rehearsal.run(fresh)
        while rehearsal.pending and budget.spend():
            woken = breaker.break_deadlock(budget)
            if budget.trace is not None:
                _tell(budget.trace, rehearsal, woken, names)
            if not woken:
                break
            rehearsal.run(woken)
    except _Enough:
        pass  # what has moved so far is a legal sequence
    return rehearsal
