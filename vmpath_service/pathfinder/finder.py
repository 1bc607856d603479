"""From a compiled cloud and a target placement to a plan: the layers put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.pathfinder import admission, assembly, explanation
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.budget import Budget, deadline
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies import registry as strategies

Progress = Callable[[str, int, int], None]

# Steps of work for the searches beyond the first rehearsal: some ten seconds on a slow machine.
WORK = 4_000_000


def find_path(
    cloud: CompiledCloud,
    target: Placement,
    settings: PathSettings,
    *,
    snapshot_identity: str,
    policy: str | None = None,
    progress: Progress | None = None,
) -> Plan:
    """A plan that takes the cloud to the target, or the most honest answer there is.

    ``snapshot_identity``: the hash of the snapshot file's bytes (``files.identity``); ``policy``: who chose the
    target; ``progress`` is told (what, done, of how many). Outcomes: ``found``; ``infeasible`` only with a proof;
    ``partial`` where ``settings.best_effort`` accepts it; else ``undecided``. Deterministic, but for
    ``summary.seconds`` and where ``settings.time_limit`` cut the search short.

    Raises NotFound for names that the snapshot does not have, InvalidTarget for a target that asks for what is
    worse than the start or names departures that were not allowed,
    InvalidInput for limits that admit nothing and for an unknown strategy.
    """
    began = time.perf_counter()
    strategy = strategies.make(settings.strategy)
    if settings.limits.migration_mbps <= 0:
        raise InvalidInput(f"the rate of migrations must be above 0 Mbit/s, found {settings.limits.migration_mbps:g}")
    if settings.time_limit is not None and settings.time_limit <= 0:
        raise InvalidInput(f"the time limit must be above 0 seconds, found {settings.time_limit:g}")
    admission.check_target(cloud, target, departures=settings.departures)
    problem = pose(cloud, target, settings.limits, settings.cost)
    admission.check_sanity(problem)
    budget = Budget(WORK, deadline(settings.time_limit))
    reasons: Sequence[str] = [reason for _, reason in admission.obstacles(problem)]
    if reasons and not settings.best_effort:
        answer = Answer("infeasible", [], explanation.proved(reasons))
    else:
        answer = strategy.find(problem, settings, budget, progress)
        if reasons:
            answer = Answer("partial", answer.moves, explanation.proved(reasons))
    return assembly.assemble(
        problem,
        answer,
        settings,
        target=target,
        snapshot_identity=snapshot_identity,
        policy=policy,
        time_limited=budget.timed_out,
        began=began,
    )
