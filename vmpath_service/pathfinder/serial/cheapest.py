"""The cheapest of several walks: there and back, in different manners, as long as they are quick."""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.pathfinder.answer import Answer, least, price
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.serial.patience import Steps, shortened
from vmpath_service.pathfinder.serial.task import Task, against_time, with_time
from vmpath_service.pathfinder.serial.walk import Manner, Walk
from vmpath_service.pathfinder.trace import told

# Steps of the budget for all walks but the first.
EFFORT = 150_000
# How many walks there are at most, and by how much they take sizes to differ.
WALKS = 24
NOISES = (0.1, 0.3, 0.6)
# So near to what any path costs is near enough.
NEAR = 1.001
# How often a path is shortened from its beginning and from its end.
ROUNDS = 10


@told("look for the cheapest way, one migration after the other")
def cheapest_walk(problem: Problem, budget: Budget) -> Answer | None:
    """The cheapest path of single migrations that was found; None where none was, or no walk can be made.

    The walk against the time counts as well as the other: what is undone step by step can be done step by step.
    """
    forth = with_time(problem)
    if forth is None:
        return None
    back = against_time(forth)
    best: list[Move] | None = None
    lowest = least(problem)
    share = budget
    for number, (task, manner) in enumerate(_attempts(forth, back)):
        if number == 1:
            share = budget.share(EFFORT)
        elif number and share.left <= 0:
            break
        walk = Walk(task, manner)
        if not walk.run(share):
            if budget.ended():
                break
            continue
        moves = _shortest(task, forth if task is back else back, walk.ledger.made, share)
        if best is None or price(problem, moves) < price(problem, best):
            best = moves
            if price(problem, moves) <= NEAR * lowest:
                break
    return None if best is None else Answer("found", best)


def _attempts(forth: Task, back: Task | None) -> Iterator[tuple[Task, Manner]]:
    yield forth, Manner()
    tasks = [forth] if back is None else [forth, back]
    if back is not None:
        yield back, Manner()
    for seed in range(1, WALKS - 1):
        yield tasks[seed % len(tasks)], Manner(seed=seed, noise=NOISES[seed // len(tasks) % len(NOISES)])


def _shortest(task: Task, opposite: Task | None, made: Steps, budget: Budget) -> list[Move]:
    """The moves of a walk with as few stops as come out, as they are to be carried out."""
    fruitless = 0
    for _ in range(ROUNDS):
        before = len(made)
        made = shortened(task, made, budget)
        fruitless = 0 if len(made) < before else fruitless + 1
        if len(made) == len(task.movers) or fruitless > (opposite is not None):
            break
        if opposite is not None:
            made = [(guest, dest, source) for guest, source, dest in reversed(made)]
            task, opposite = opposite, task
    return task.moves(made)
