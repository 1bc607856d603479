"""Several courses in different styles within the budget: which one is best depends on the cloud."""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.pathfinder.answer import Answer, price
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.ordering import order
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.schedule import best_schedule
from vmpath_service.pathfinder.trace import told

# Steps of the budget for all courses but the first, where time is all that counts and where it is one of two things;
# and how many courses there are at most.
STEPS = 400_000
BARGAIN_STEPS = 40_000
COURSES = 24
# Beyond so many instances that move, one course alone takes longer than all else that is done.
HASTENED = 50_000
# Up to so many moves, it is tried whether time can be had cheaply.
BARGAINED = 20_000
# How much the load of links counts, by turns.
LINKS = (3.0, 1.0, 10.0)
STYLES = (
    Style(big=0.8),
    Style(big=0.5),
    Style(big=0.8, weight=1.0),
    Style(aside=False),
    Style(big=0.2),
    Style(big=0.8, claimants=2),
)


@told("lay paths out in time, and keep the shortest")
def soonest(problem: Problem, budget: Budget, steps: int = STEPS) -> Answer | None:
    """The path that is over soonest of those that were found, with when its moves end; None if none was found.

    Where a constraint vetoes single moves, room and limits do not tell when a move may start: none is looked for,
    nor where too many move.
    """
    if problem.cloud.vetoes or len(problem.movers) > HASTENED:
        return None
    best: Course | None = None
    share, before = budget, budget.left
    for number, style in enumerate(_styles(problem)):
        if number == 1:
            if before - budget.left > steps:
                break  # another one would not come to its end
            share = budget.share(steps)
        course = Course(problem, style)
        if course.run(share, best.now if best is not None else float("inf")):
            best = course
        if share.left <= 0 or budget.ended():
            break
    return None if best is None else Answer("found", best.moves, ends=best.ends)


def bargain(problem: Problem, plain: Answer, exchange_rate: float, budget: Budget) -> Answer:
    """A path that is over sooner, where that is cheap; else the one given.

    It has to save ``exchange_rate`` percent of the time for each percent that it costs more. Big rearrangements are
    left as they are.
    """
    if not plain.moves or len(plain.moves) > BARGAINED:
        return plain
    quick = soonest(problem, budget, BARGAIN_STEPS)
    if quick is None:
        return plain
    paid = price(problem, quick.moves) / price(problem, plain.moves) - 1
    saved = 1 - _makespan(problem, quick) / _makespan(problem, plain)
    return quick if saved > max(0.0, exchange_rate * paid) else plain


def _makespan(problem: Problem, answer: Answer) -> float:
    after = order(problem, answer.moves, answer.ends)
    return best_schedule(problem, answer.moves, after, "balanced", answer.ends).makespan


def _styles(problem: Problem) -> Iterator[Style]:
    if problem.cloud.snapshot.network is not None:
        for seed in range(COURSES):
            yield Style(aside=False, links=LINKS[seed % len(LINKS)], seed=seed)
        return
    yield from STYLES
    for seed in range(1, COURSES - len(STYLES) + 1):
        yield Style(big=(0.8, 0.5)[seed % 2], claimants=1 + seed % 2, seed=seed)
