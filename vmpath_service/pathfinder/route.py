"""The search itself: rehearse, break deadlocks, search exhaustively what is stuck; an answer for every outcome."""

from __future__ import annotations

import dataclasses

from vmpath_service.pathfinder import core, explanation
from vmpath_service.pathfinder.answer import Answer, least, price
from vmpath_service.pathfinder.attempt import Progress, rehearse
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.needless import straightened
from vmpath_service.pathfinder.ordering import order
from vmpath_service.pathfinder.partial import settled
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.schedule import best_schedule
from vmpath_service.pathfinder.serial.cheapest import cheapest_walk
from vmpath_service.pathfinder.settings import PathSettings

# Up to so many moves, a short makespan is worth rehearsing again.
REHEARSED_AGAIN = 20_000
# ... provided that breaking its deadlocks took no more steps than this.
EASY = 50_000
# Steps of the budget for breaking the deadlocks of one rehearsal.
BREAKING = 2_000_000


def find(problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
    """The best answer within the budget."""
    before = budget.left
    able = all(problem.mobile[guest] for guest in problem.movers)
    frugal = able and settings.objective == "cost"
    # with the objective ``cost``, a walk does better where somebody has to step aside
    rehearsal = rehearse(problem, settings, budget.share(0 if frugal else BREAKING), progress)
    easy = before - budget.left <= EASY
    if not rehearsal.pending and not frugal:
        if easy and settings.objective == "time":
            rehearsal = shortest(problem, settings, rehearsal, budget, progress)
        return polished(problem, settings, Answer("found", rehearsal.moves, ends=rehearsal.ends), budget)
    if not able:
        return given_up(problem, rehearsal, settings)
    found = Answer("found", rehearsal.moves, ends=rehearsal.ends) if not rehearsal.pending else None
    if found is None or price(problem, found.moves) > least(problem):
        found = cheapest_walk(problem, budget) or found
    if found is None and frugal:
        rehearsal = rehearse(problem, settings, budget.share(BREAKING), progress)
        if not rehearsal.pending:
            found = Answer("found", rehearsal.moves, ends=rehearsal.ends)
    if found is not None:
        return polished(problem, settings, found, budget)
    answer = core.settle(problem, rehearsal, settings, budget)
    if answer is None:
        return given_up(problem, rehearsal, settings)
    if answer.outcome == "found":
        return straight(problem, answer)
    return as_far_as_it_goes(problem, rehearsal, answer) if settings.best_effort else answer


def polished(problem: Problem, settings: PathSettings, answer: Answer, budget: Budget) -> Answer:
    """A path without needless stops, and where the cloud is small and it is not time that counts, the cheapest."""
    found = straight(problem, answer)
    dear = settings.objective != "time" and price(problem, found.moves) > least(problem)
    able = all(problem.mobile[guest] for guest in problem.movers)
    return core.cheaper(problem, found, budget) if able and dear and core.small(problem) else found


def given_up(problem: Problem, rehearsal: Rehearsal, settings: PathSettings) -> Answer:
    """The answer where the limits of the search ran out, with who is stuck in the rehearsal."""
    blocked = sorted(rehearsal.pending)
    verdict = "no path was found within the limits of the search"
    so_far = settled(problem, rehearsal.moves)
    answer = Answer("undecided", so_far, explanation.stuck(problem, rehearsal.room, blocked, verdict))
    return as_far_as_it_goes(problem, rehearsal, answer) if settings.best_effort else answer


def as_far_as_it_goes(problem: Problem, rehearsal: Rehearsal, answer: Answer) -> Answer:
    """With best effort: what the rehearsal brings about before it gets stuck, with the explanation of the answer."""
    return Answer("partial", settled(problem, rehearsal.moves), answer.explanation)


def straight(problem: Problem, answer: Answer) -> Answer:
    """The answer without the stops that prove needless."""
    if len(answer.moves) == len(problem.movers):
        return answer
    ends = range(len(answer.moves)) if answer.ends is None else answer.ends
    moves, kept = straightened(problem, answer.moves, ends)
    return Answer(answer.outcome, moves, answer.explanation, None if answer.ends is None else kept)


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
