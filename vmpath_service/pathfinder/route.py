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
from vmpath_service.pathfinder.settings import PathSettings

# Up to so many moves, a short makespan is worth rehearsing again.
REHEARSED_AGAIN = 20_000
# ... provided that breaking its deadlocks took no more steps than this.
EASY = 50_000
# What the breaker of deadlocks is to like better in the other rehearsals.
APPETITES = (1.0, 2.0)
# Steps of the budget for breaking the deadlocks of one rehearsal.
BREAKING = 2_000_000


def find(problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
    """The best answer within the budget."""
    before = budget.left
    rehearsal = rehearse(problem, settings, budget.share(BREAKING), progress)
    easy = before - budget.left <= EASY
    able = all(problem.mobile[guest] for guest in problem.movers)
    if not rehearsal.pending:
        if easy and settings.objective == "time":
            rehearsal = shortest(problem, settings, rehearsal, budget, progress)
        found = straight(problem, Answer("found", rehearsal.moves, ends=rehearsal.ends))
        if easy and settings.objective == "cost" and price(problem, found.moves) > least(problem):
            found = cheapest(problem, settings, found, budget, progress)
        dear = settings.objective != "time" and price(problem, found.moves) > least(problem)
        return core.cheaper(problem, found, budget) if able and dear and core.small(problem) else found
    answer = core.settle(problem, rehearsal, settings, budget) if able else None
    if answer is None:
        return given_up(problem, rehearsal, settings)
    if answer.outcome == "found":
        return straight(problem, answer)
    return as_far_as_it_goes(problem, rehearsal, answer) if settings.best_effort else answer


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


def cheapest(
    problem: Problem, settings: PathSettings, found: Answer, budget: Budget, progress: Progress | None
) -> Answer:
    """With the objective ``cost``, and where there are not too many moves, the cheapest of several rehearsals."""
    if len(found.moves) > REHEARSED_AGAIN:
        return found
    best = found
    for appetite in APPETITES:
        again = rehearse(problem, settings, budget.share(BREAKING), progress, appetite=appetite)
        if again.pending:
            continue
        other = straight(problem, Answer("found", again.moves, ends=again.ends))
        if price(problem, other.moves) < price(problem, best.moves):
            best = other
    return best


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
