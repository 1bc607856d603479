"""Who goes first in a rehearsal where several could."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.schedule import lengths
from vmpath_service.pathfinder.settings import PathSettings

# A host with no more than this share free at the end counts as full; leaving one goes before all else.
FULL = 0.01
FULL_FIRST = 10.0
SLACK_WEIGHT = 3.0


def ranks(problem: Problem, settings: PathSettings) -> list[float]:
    """Per instance: who goes first (least first) where several could.

    First those who leave a host that will be full at the end: holes are then handed on among hosts that have none
    to spare, instead of ending on hosts that would have room anyway, and deadlocks become rare. Among equals, with
    ``cost`` the biggest, which break up holes least; with ``time`` those of the busiest hosts, which are the last
    to be done; with ``balanced`` half of each.
    """
    cloud = problem.cloud
    total = [max(1, sum(row[d] for row in cloud.capacity)) for d in range(len(cloud.dimensions))]
    slack = final_slack(cloud, problem.goal)
    size = {
        guest: max((amount / most for amount, most in zip(cloud.demand(guest), total, strict=True)), default=0.0)
        for guest in problem.movers
    }
    load: dict[int, float] = {}
    if settings.objective != "cost":
        moves = [Move(guest, cloud.home[guest], problem.goal[guest]) for guest in problem.movers]
        seconds = lengths(problem, moves)
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


def final_slack(cloud: CompiledCloud, goal: Sequence[int]) -> list[float]:
    """Per host: the share that is free at the end of what it has, in its scarcest dimension."""
    held = [list(row) for row in cloud.taken]
    for guest, host in enumerate(goal):
        if host != NOWHERE:
            row = held[host]
            for number, amount in enumerate(cloud.demand(guest)):
                row[number] += amount
    return [
        min((1 - used / limit for used, limit in zip(row, limits, strict=True) if limit), default=1.0)
        for row, limits in zip(held, cloud.capacity, strict=True)
    ]
