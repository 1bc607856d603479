"""The search itself: rehearse, break deadlocks, search exhaustively what is small; an answer for every outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.model.plan import Outcome
from vmpath_service.pathfinder import admission, explanation
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.deadlock import Breaker
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.schedule import lengths
from vmpath_service.pathfinder.search import Search
from vmpath_service.pathfinder.settings import PathSettings

Progress = Callable[[str, int, int], None]

# How many moves go by between two reports.
REPORT = 1000
# Hosts times instances up to which the whole cloud is searched exhaustively.
SMALL = 20_000
# Steps of the budget for each kind of search.
BREAKING = 2_000_000
PROVING = 100_000
SOLVING = 1_000_000
POLISHING = 300_000
# How much nearer to the goal counts against a cheaper way, when any way will do.
HASTE = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """``moves`` is a legal sequence; for all outcomes but ``found`` there is an explanation."""

    outcome: Outcome
    moves: Sequence[Move]
    explanation: str | None = None


def find(problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
    """The best answer within the budget."""
    rehearsal = rehearse(problem, settings, budget.share(BREAKING), progress)
    able = all(problem.mobile[guest] for guest in problem.movers)
    small = len(problem.receives) * sum(problem.mobile) <= SMALL
    if not rehearsal.pending:
        found = Answer("found", rehearsal.moves)
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

    With ``cost`` the biggest, which are hardest to place once room is broken up. With ``time`` and ``balanced``
    whoever has most work to do after it: the busier of its two hosts, then the longest migration.
    """
    cloud = problem.cloud
    result = [0.0] * len(cloud.home)
    if settings.objective == "cost":
        for guest in problem.movers:
            result[guest] = -float(problem.weight(guest))
        return result
    moves = [Move(guest, cloud.home[guest], problem.goal[guest]) for guest in problem.movers]
    _, seconds = lengths(problem, moves)
    outward: dict[int, float] = {}
    inward: dict[int, float] = {}
    for move, took in zip(moves, seconds, strict=True):
        outward[move.source] = outward.get(move.source, 0.0) + took
        inward[move.dest] = inward.get(move.dest, 0.0) + took
    for move, took in zip(moves, seconds, strict=True):
        result[move.guest] = -(max(outward[move.source], inward[move.dest]) + took)
    return result


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
