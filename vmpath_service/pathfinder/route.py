"""The search itself: rehearse, break deadlocks, search exhaustively what is small; an answer for every outcome."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.model.plan import Outcome
from vmpath_service.pathfinder import admission, explanation
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.deadlock import Breaker
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.ordering import order
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.schedule import best_schedule, lengths
from vmpath_service.pathfinder.search import Search
from vmpath_service.pathfinder.settings import PathSettings

Progress = Callable[[str, int, int], None]

# How many moves go by between two reports.
REPORT = 1000
# Hosts times instances up to which the whole cloud is searched exhaustively.
SMALL = 20_000
# Up to so many moves, a short makespan is worth rehearsing again.
REHEARSED_AGAIN = 20_000
# ... provided that breaking its deadlocks took no more steps than this.
EASY = 50_000
# Steps of the budget for each kind of search.
BREAKING = 2_000_000
PROVING = 100_000
SOLVING = 1_000_000
POLISHING = 300_000
# How much nearer to the goal counts against a cheaper way, when any way will do.
HASTE = 5
# A host with no more than this share free at the end counts as full; leaving one goes before all else.
FULL = 0.01
FULL_FIRST = 10.0
SLACK_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``moves`` is a legal sequence, ``ends`` when each was over in rehearsal, if it was rehearsed.

    For all outcomes but ``found`` there is an explanation.
    """

    outcome: Outcome
    moves: Sequence[Move]
    explanation: str | None = None
    ends: Sequence[float] | None = None


def find(problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
    """The best answer within the budget."""
    before = budget.left
    rehearsal = rehearse(problem, settings, budget.share(BREAKING), progress)
    easy = before - budget.left <= EASY
    able = all(problem.mobile[guest] for guest in problem.movers)
    small = len(problem.receives) * sum(problem.mobile) <= SMALL
    if not rehearsal.pending:
        if easy and settings.objective == "time":
            rehearsal = shortest(problem, settings, rehearsal, budget, progress)
        found = Answer("found", rehearsal.moves, ends=rehearsal.ends)
        if small and able and settings.objective != "time" and price(problem, rehearsal.moves) > least(problem):
            return cheaper(problem, found, budget)
        return found
    if small and able:
        proof = exhaust(problem, rehearsal, budget)
        if proof is not None:
            if proof.outcome == "infeasible" and settings.best_effort:
                return Answer("partial", tidy(problem, rehearsal.moves), proof.explanation)
            return proof
    blocked = sorted(rehearsal.pending)
    text = explanation.stuck(problem, rehearsal.room, blocked, "no path was found within the limits of the search")
    if settings.best_effort:
        return Answer("partial", tidy(problem, rehearsal.moves), text)
    return Answer("undecided", [], text)


def shortest(
    problem: Problem, settings: PathSettings, rehearsal: Rehearsal, budget: Budget, progress: Progress | None
) -> Rehearsal:
    """With the objective ``time``, and where there are not too many moves, the rehearsal that is over soonest:
    this one, or one of those in which other instances go first."""
    if len(rehearsal.moves) > REHEARSED_AGAIN:
        return rehearsal

    def makespan(each: Rehearsal) -> float:
        return best_schedule(problem, each.moves, order(problem, each.moves, each.ends), "time").makespan

    best, least_time = rehearsal, makespan(rehearsal)
    for other in ("balanced", "cost"):
        again = rehearse(problem, dataclasses.replace(settings, objective=other), budget.share(BREAKING), progress)
        if not again.pending and (took := makespan(again)) < least_time:
            best, least_time = again, took
    return best


def cheaper(problem: Problem, found: Answer, budget: Budget) -> Answer:
    """The cheapest path of a small cloud, if the budget lets it be found."""
    result = _whole(problem).forward(budget.share(POLISHING))
    if result.verdict == "found" and price(problem, result.moves) < price(problem, found.moves):
        return Answer("found", result.moves)
    return found


def exhaust(problem: Problem, rehearsal: Rehearsal, budget: Budget) -> Answer | None:
    """Search the whole of a small cloud: a path, a proof that there is none, or None where the budget ends."""
    search = _whole(problem)
    if search.backward(budget.share(PROVING)) != "exhausted":
        result = search.forward(budget.share(SOLVING), HASTE)
        if result.verdict == "found":
            return cheaper(problem, Answer("found", result.moves), budget)
        if result.verdict == "given up" or problem.cloud.vetoes:
            return None  # what a veto says holds for one placement: it proves nothing
    verdict = "no sequence of migrations exists (all that could lead to the target was searched)"
    blocked = sorted(rehearsal.pending)
    return Answer("infeasible", [], explanation.stuck(problem, rehearsal.room, blocked, verdict))


def price(problem: Problem, moves: Sequence[Move]) -> int:
    """What a sequence costs: memory moved."""
    return sum(problem.weight(move.guest) for move in moves)


def least(problem: Problem) -> int:
    """What any path costs at least."""
    return sum(problem.weight(guest) for guest in problem.movers)


def _whole(problem: Problem) -> Search:
    room = Room(problem.cloud, problem.departures)
    return Search(problem, room, problem.goal, range(len(problem.receives)))


def rehearse(problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Rehearsal:
    """Layers 1 and 2: run the greedy, and break deadlocks until everything has moved or nothing helps."""

    def report(done: int) -> None:
        if progress is not None and done % REPORT == 0:
            progress("finding the path", min(done, len(problem.movers)), len(problem.movers))

    rehearsal = Rehearsal(problem, ranks(problem, settings), report)
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
    rehearsal.run(fresh)
    breaker = Breaker(problem, rehearsal)
    while rehearsal.pending and budget.spend():
        woken = breaker.break_deadlock(budget)
        if not woken:
            break
        rehearsal.run(woken)
    return rehearsal


def ranks(problem: Problem, settings: PathSettings) -> list[float]:
    """Per instance: who goes first (least first) where several could.

    First those who leave a host that will be full at the end: holes are then handed on among hosts that have none
    to spare, instead of ending on hosts that would have room anyway, and deadlocks become rare. Among equals, with
    ``cost`` the biggest, which break up holes least; with ``time`` those of the busiest hosts, which are the last
    to be done; with ``balanced`` half of each.
    """
    cloud = problem.cloud
    total = [max(1, sum(row[d] for row in cloud.capacity)) for d in range(len(cloud.dimensions))]
    slack = _final_slack(problem)
    size = {
        guest: max((amount / most for amount, most in zip(cloud.demand(guest), total, strict=True)), default=0.0)
        for guest in problem.movers
    }
    load: dict[int, float] = {}
    if settings.objective != "cost":
        moves = [Move(guest, cloud.home[guest], problem.goal[guest]) for guest in problem.movers]
        _, seconds = lengths(problem, moves)
        work: dict[int, float] = {}
        for move, took in zip(moves, seconds, strict=True):
            for end in (2 * move.source, 2 * move.dest + 1):
                work[end] = work.get(end, 0.0) + took
        load = {move.guest: max(work[2 * move.source], work[2 * move.dest + 1]) for move in moves}
    biggest, busiest = max(size.values(), default=0.0) or 1.0, max(load.values(), default=0.0) or 1.0
    haste = {"cost": 0.0, "balanced": 0.5, "time": 1.0}[settings.objective]
    result = [0.0] * len(cloud.home)
    for guest in problem.movers:
        left = slack[cloud.home[guest]]
        urgency = (1 - haste) * size[guest] / biggest + haste * load.get(guest, 0.0) / busiest
        result[guest] = (FULL_FIRST if left > FULL else 0.0) + SLACK_WEIGHT * left - urgency
    return result


def _final_slack(problem: Problem) -> list[float]:
    """Per host: the share that is free at the end of what it has, in its scarcest dimension."""
    cloud = problem.cloud
    held = [list(row) for row in cloud.taken]
    for guest, host in enumerate(problem.goal):
        if host != NOWHERE:
            row = held[host]
            for number, amount in enumerate(cloud.demand(guest)):
                row[number] += amount
    return [
        min((1 - used / limit for used, limit in zip(row, limits, strict=True) if limit), default=1.0)
        for row, limits in zip(held, cloud.capacity, strict=True)
    ]


def tidy(problem: Problem, moves: Sequence[Move]) -> list[Move]:
    """The longest beginning of a sequence after which every instance is at home or where it is to be."""
    away: set[int] = set()
    best = 0
    for position, move in enumerate(moves):
        at_rest = (problem.goal[move.guest], problem.cloud.home[move.guest])
        if move.dest in at_rest and move.dest != NOWHERE:
            away.discard(move.guest)
        else:
            away.add(move.guest)
        if not away:
            best = position + 1
    return list(moves[:best])
