"""Several layouts in different styles within the budget: which one is best depends on the cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vmpath_service.pathfinder.answer import Answer, price
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening import MANY
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.evenness import evenness
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.lessons import Lessons
from vmpath_service.pathfinder.hastening.mending import mend
from vmpath_service.pathfinder.hastening.neighbourhoods import WORK, improved
from vmpath_service.pathfinder.hastening.remainder import walked_on
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.hastening.timeline import INFINITY
from vmpath_service.pathfinder.ordering import order
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.schedule import best_schedule
from vmpath_service.pathfinder.trace import told

# Steps of the budget for all layouts but the first, where time is all that counts, with so many more for each instance
# that moves where there is no network, and where time is one of two things; and how many layouts there are at most,
# with a network and without.
STEPS = 800_000
MORE_STEPS = 160
BARGAIN_STEPS = 40_000
LINKED_LAYOUTS = 24
LAYOUTS = 100
# After so many, layouts follow what those before have taught, where there is no network.
UNTAUGHT = 4
# Steps for the first layout, for each instance that moves.
FIRST = 400
# Rounds of justification of one layout, where not too many move, and what a shift costs in steps.
ROUNDS = 10
SHIFT = 2
# Where links are what limits, most layouts are alike: after so many in a row that are no shorter, there are no more.
# With 5, makespans of instances with a network are 0.15 percent shorter on average, and take a seventh longer to find.
IN_VAIN = 3
# A course this much longer than the shortest so far is given up: justification does not make up for that.
HOPELESS = 1.05
# Where many move, time is bought only where the makespan is more than so many times the bound.
BEARABLE = 4.0
# Where more than so many move, a path for which time is one of two things is taken as it is laid out.
JUSTIFIED = 50_000
# A layout this much longer than the shortest so far is not mended.
MENDABLE = 1.05
# Where time is one of two things, layouts are mended where no more than so many move.
MENDED = 5_000
# What is gained in a round of justification by less than this share is not worth another one.
WORTH = 0.002
# How much sooner those go in the next layout who came too late in one.
LATE = 0.3
# What is no more than so many times the bound is good enough; where links are what limits, the second figure.
CLOSE = 1.005
CLOSE_LINKED = 1.01
# How much the load of links counts, by turns.
LINKS = (3.0, 1.0, 10.0)
OPENING = (0.3, 0.0)
STYLES = (
    Style(big=0.8, ahead=True),
    Style(big=0.8),
    Style(big=0.5),
    Style(big=0.8, weight=1.0, ahead=True),
    Style(big=0.8, claimants=2, ahead=True),
    Style(aside=False),
)
# Where time is all that counts and room is free less evenly than so, of those that move at least so many.
UNEVEN = 0.75
FEW = 300
EVEN_STYLES = (
    Style(big=0.8, ahead=True, even=0.36),
    Style(big=0.8, ahead=True, even=0.24, seed=1),
    Style(big=0.8, ahead=True, even=0.36, seed=2),
    Style(big=0.8, ahead=True),
)


@told("lay paths out in time, and keep the shortest")
def soonest(problem: Problem, budget: Budget, steps: int | None = None) -> Answer | None:
    """The path that is over soonest of those that were found, with when its moves end; None if none was found.

    ``steps``: how many are spent on more than the first layout (None: as where time is all that counts); with 0, that
    one is taken as it comes.
    Where a constraint vetoes single moves, room and limits do not tell when a move may start: none is looked for.
    """
    if problem.cloud.vetoes:
        return None
    bound = problem.bounds.makespan_s
    linked = problem.ways.linked
    all_for_time = steps is None
    if steps is None:
        steps = STEPS if linked else STEPS + MORE_STEPS * len(problem.movers)
    mendable = not linked and len(problem.movers) <= (MANY if all_for_time else MENDED)
    lessons = Lessons()
    shortest = INFINITY
    enough = bound * (CLOSE_LINKED if linked else CLOSE)
    all_late: dict[int, float] = {}
    # the first layout comes to its end at any size
    share = budget.apart(BARGAIN_STEPS + FIRST * len(problem.movers))
    for number, style in enumerate(_styles(problem, mendable and all_for_time)):
        if number == 1:
            if not steps or len(problem.movers) > MANY:
                break
            share = budget.share(steps)
        late: Mapping[int, float] = all_late
        if lessons.best is not None and not linked and number >= UNTAUGHT:
            style, late = lessons.taught(enough)
        course, layout = Course(problem, style, late), None
        if course.run(share, HOPELESS * shortest) or (lessons.best is None and walked_on(course, share)):
            shortest = min(shortest, course.now)
            if not steps:
                return _as_laid_out(course.moves, course.starts, course.ends)
            layout = Layout(problem, course.moves, course.starts, course.ends)
            few = len(problem.movers) <= MANY
            _justify(layout, share, ROUNDS if few else 1, enough)
            record = INFINITY if lessons.best is None else lessons.best.makespan
            if mendable and layout.makespan <= MENDABLE * record:
                layout = _mended(layout, share, enough)
            if linked:
                for move, end in zip(layout.moves, layout.ends, strict=True):
                    if end > enough:
                        all_late[move.guest] = all_late.get(move.guest, 0.0) + LATE
        lessons.learn(layout, style, late)
        if lessons.best is not None and lessons.best.makespan <= enough:
            break
        if (number and share.left <= 0) or budget.ended(FIRST) or (linked and lessons.in_vain >= IN_VAIN):
            break
    best = lessons.best
    if best is None:
        return None
    if all_for_time and not linked:
        best = improved(best, enough, budget.apart(WORK))
    return _as_laid_out(best.moves, best.starts, best.ends)


def _as_laid_out(moves: Sequence[Move], starts: Sequence[float], ends: Sequence[float]) -> Answer:
    positions = sorted(range(len(moves)), key=lambda each: (starts[each], each))
    return Answer("found", [moves[each] for each in positions], ends=[ends[each] for each in positions])


def _justify(layout: Layout, budget: Budget, rounds: int, enough: float) -> None:
    """Push everything to the end and back to the beginning, as often as that is worth it."""
    for _ in range(rounds):
        before = layout.makespan
        if before <= enough or budget.ended(len(layout.moves)):
            break
        layout.justify()
        if not budget.spend(2 * SHIFT * len(layout.moves)) or layout.makespan > before * (1 - WORTH):
            break


def _mended(layout: Layout, budget: Budget, enough: float) -> Layout:
    """The layout with its longest chains broken, and justified again, as often as that is worth it."""
    for _ in range(ROUNDS):
        before = layout.makespan
        layout = mend(layout, enough, budget)
        if before <= enough or layout.makespan > before * (1 - WORTH) or budget.ended():
            break
        _justify(layout, budget, 1, enough)
    return layout


def bargain(problem: Problem, plain: Answer, exchange_rate: float, budget: Budget) -> Answer:
    """A path that is over sooner, where that is cheap; else the one given.

    It has to save ``exchange_rate`` percent of the time for each percent that it costs more. Big rearrangements are
    left as they are where they take no more than some times what the bound says.
    """
    if not plain.moves:
        return plain
    many = len(plain.moves) > MANY
    lasts = _makespan(problem, plain)
    if many and lasts <= BEARABLE * problem.bounds.makespan_s:
        return plain
    quick = soonest(problem, budget, BARGAIN_STEPS if len(plain.moves) <= JUSTIFIED else 0)
    if quick is None:
        return plain
    paid = price(problem, quick.moves) / price(problem, plain.moves) - 1
    # as it was laid out, it is no shorter than it will be scheduled, which takes long where there are many
    laid_out = max(quick.ends) if many and quick.ends else _makespan(problem, quick)
    saved = 1 - laid_out / lasts
    return quick if saved > max(0.0, exchange_rate * paid) else plain


def _makespan(problem: Problem, answer: Answer) -> float:
    after = order(problem, answer.moves, answer.ends)
    return best_schedule(problem, answer.moves, after, "balanced", answer.ends).makespan


def _styles(problem: Problem, for_time: bool) -> Iterator[Style]:
    if problem.cloud.snapshot.network is not None:
        for seed in range(LINKED_LAYOUTS):
            links, opening = LINKS[seed % len(LINKS)], OPENING[seed % len(OPENING)]
            yield Style(aside=False, links=links, opening=opening, seed=seed)
        return
    uneven = for_time and len(problem.movers) >= FEW and evenness(problem) < UNEVEN
    yield from EVEN_STYLES if uneven else STYLES
    for seed in range(1, LAYOUTS - len(STYLES) + 1):
        yield Style(big=(0.8, 0.5)[seed % 2], claimants=1 + seed % 2, seed=seed)
