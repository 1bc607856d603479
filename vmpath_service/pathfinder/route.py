"""The search itself: rehearse, break deadlocks, search exhaustively what is stuck; an answer for every outcome.

What not every problem needs is imported where it is needed: most are solved in less time than that takes.
"""

from __future__ import annotations

from vmpath_service.pathfinder import explanation
from vmpath_service.pathfinder.answer import Answer, least, price
from vmpath_service.pathfinder.attempt import Progress, announce, rehearse
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.hastening import MANY
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.trace import told

# Steps of the budget for breaking the deadlocks of one rehearsal.
BREAKING = 2_000_000


def find(problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
    """The best answer within the budget."""
    able = all(problem.mobile[guest] for guest in problem.movers)
    if able and settings.objective == "time":
        from vmpath_service.pathfinder.hastening.portfolio import soonest

        announce("laying paths out in time", progress)
        hasty = soonest(problem, budget)
        if hasty is not None:
            return hasty
    frugal = able and settings.objective == "cost"
    # where somebody has to step aside, a walk makes it cheaper, and many deadlocks broken one by one make it very long
    big = able and settings.objective == "balanced" and len(problem.movers) > MANY
    announce("starting whatever may start", progress)
    rehearsal = rehearse(problem, settings, budget.share(0 if frugal or big else BREAKING), progress)
    if not rehearsal.pending and not frugal:
        announce("looking for a better path", progress, problem, rehearsal.moves)
        return polished(problem, settings, Answer("found", rehearsal.moves, ends=rehearsal.ends), budget)
    if not able:
        return given_up(problem, rehearsal, settings)
    if big:
        from vmpath_service.pathfinder.hastening.portfolio import soonest

        announce("laying the path out in time", progress)
        hasty = soonest(problem, budget, steps=0)
        if hasty is not None:
            return hasty
    found = Answer("found", rehearsal.moves, ends=rehearsal.ends) if not rehearsal.pending else None
    if found is None or price(problem, found.moves) > least(problem):
        from vmpath_service.pathfinder.serial.cheapest import cheapest_walk

        so_far = () if found is None else found.moves
        announce("looking for the cheapest path, one migration after the other", progress, problem, so_far)
        found = cheapest_walk(problem, budget) or found
    if found is None and budget.ended():
        return given_up(problem, rehearsal, settings)
    if found is None and frugal:
        announce("starting whatever may start", progress)
        rehearsal = rehearse(problem, settings, budget.share(BREAKING), progress)
        if not rehearsal.pending:
            found = Answer("found", rehearsal.moves, ends=rehearsal.ends)
    if found is not None:
        announce("looking for a better path", progress, problem, found.moves)
        return polished(problem, settings, found, budget)
    from vmpath_service.pathfinder import core

    announce("some are stuck: looking for a way, or a proof that there is none", progress)
    answer = core.settle(problem, rehearsal, settings, budget)
    if answer is None:
        return given_up(problem, rehearsal, settings)
    if answer.outcome == "found":
        return straight(problem, answer)
    return as_far_as_it_goes(problem, rehearsal, answer) if settings.best_effort else answer


@told("leave out needless stops, and look for a cheaper way where that counts")
def polished(problem: Problem, settings: PathSettings, answer: Answer, budget: Budget) -> Answer:
    """A path without needless stops, and where the cloud is small and it is not time that counts, the cheapest."""
    found = straight(problem, answer)
    dear = settings.objective != "time" and price(problem, found.moves) > least(problem)
    able = all(problem.mobile[guest] for guest in problem.movers)
    if able and dear:
        from vmpath_service.pathfinder import core

        found = core.cheaper(problem, found, budget) if core.small(problem) else found
    limited = settings.max_migrations is not None or settings.max_memory_mb is not None
    if able and settings.objective == "balanced" and not limited:
        from vmpath_service.pathfinder.hastening.portfolio import bargain

        return bargain(problem, found, settings.exchange_rate, budget)
    return found


def given_up(problem: Problem, rehearsal: Rehearsal, settings: PathSettings) -> Answer:
    """The answer where the limits of the search ran out, with who is stuck in the rehearsal."""
    from vmpath_service.pathfinder.partial import settled

    blocked = sorted(rehearsal.pending)
    verdict = "no path was found within the limits of the search"
    so_far = settled(problem, rehearsal.moves)
    answer = Answer("undecided", so_far, explanation.stuck(problem, rehearsal.room, blocked, verdict))
    return as_far_as_it_goes(problem, rehearsal, answer) if settings.best_effort else answer


def as_far_as_it_goes(problem: Problem, rehearsal: Rehearsal, answer: Answer) -> Answer:
    """With best effort: what the rehearsal brings about before it gets stuck, with the explanation of the answer."""
    from vmpath_service.pathfinder.partial import settled

    return Answer("partial", settled(problem, rehearsal.moves), answer.explanation)


def straight(problem: Problem, answer: Answer) -> Answer:
    """The answer without the stops that prove needless."""
    if len(answer.moves) == len(problem.movers):
        return answer
    from vmpath_service.pathfinder.needless import straightened

    ends = range(len(answer.moves)) if answer.ends is None else answer.ends
    moves, kept = straightened(problem, answer.moves, ends)
    return Answer(answer.outcome, moves, answer.explanation, None if answer.ends is None else kept)
