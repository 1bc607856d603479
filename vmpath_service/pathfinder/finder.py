"""From a compiled cloud and a target placement to a plan: the layers put together."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import SLOWEST_MBPS
from vmpath_service.pathfinder import admission, assembly, explanation
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.arrivals import placed
from vmpath_service.pathfinder.attempt import announce
from vmpath_service.pathfinder.budget import Budget, deadline
from vmpath_service.pathfinder.problem import Problem, pose
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies import registry as strategies
from vmpath_service.pathfinder.strategies.base import Strategy
from vmpath_service.pathfinder.trace import Trace

if TYPE_CHECKING:
    from vmpath_service.pathfinder.partial import Score

Progress = Callable[[str, int, int], None]

# Steps of work for the searches beyond the first rehearsal: some ten seconds on a slow machine.
WORK = 6_000_000


def find_path(
    cloud: CompiledCloud,
    target: Placement,
    settings: PathSettings,
    *,
    snapshot_identity: str,
    policy: str | None = None,
    score: Score | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    trace: Trace | None = None,
) -> Plan:
    """A plan that takes the cloud to the target, or the most honest answer there is.

    ``snapshot_identity``: the hash of the snapshot file's bytes (``files.identity``); ``policy``: who chose the
    target; ``score``: how good it finds a placement, by which parts of a way are compared (without it, the least
    misplaced memory is the best); ``progress`` is told (what, done, of how many); ``stop`` is asked now and then
    whether to end the search; ``trace`` is told what is tried and why.

    Outcomes: ``found``; ``infeasible`` only with a proof; ``partial``, the best part of a way that was found, where
    ``settings.best_effort`` accepts it, ``settings.max_migrations`` or ``settings.max_memory_mb`` ask for it, or
    ``settings.time_limit`` or ``stop`` ended the search; else ``undecided``. Deterministic, but for
    ``summary.seconds`` and where ``settings.time_limit`` (``time_limited``) or ``stop`` (``extra.interrupted``) cut
    the search short.

    Raises NotFound for names that the snapshot does not have, InvalidTarget for a target that asks for what is
    worse than the start or names departures that were not allowed,
    InvalidInput for limits that admit nothing and for an unknown strategy.
    """
    began = time.perf_counter()
    strategy = strategies.make(settings.strategy)
    check_limits(settings)
    admission.check_target(cloud, target, departures=settings.departures)
    problem = pose(cloud, target, settings.limits, settings.cost)
    admission.check_sanity(problem)
    budget = Budget(WORK, deadline(settings.time_limit), stop, trace=trace)
    answer = solve(problem, strategy, settings, budget, progress, score)
    plan = assembly.assemble(
        problem,
        answer,
        settings,
        target=target,
        snapshot_identity=snapshot_identity,
        policy=policy,
        time_limited=budget.timed_out,
        began=began,
    )
    return msgspec.structs.replace(plan, extra={**plan.extra, "interrupted": True}) if budget.stopped else plan


def check_limits(settings: PathSettings) -> None:
    """Raise InvalidInput for limits that admit nothing."""
    rate = settings.limits.migration_mbps
    if not rate >= SLOWEST_MBPS:
        raise InvalidInput(f"the rate of migrations must be at least {SLOWEST_MBPS} Mbit/s, found {rate:g}")
    given = (
        ("time limit", settings.time_limit, "seconds"),
        ("number of migrations", settings.max_migrations, ""),
        ("memory moved", settings.max_memory_mb, "MiB"),
    )
    for what, value, unit in given:
        if value is not None and not value > 0:
            raise InvalidInput(f"the limit on the {what} must be above 0 {unit}".rstrip() + f", found {value:g}")


def solve(
    problem: Problem,
    strategy: Strategy,
    settings: PathSettings,
    budget: Budget,
    progress: Progress | None = None,
    score: Score | None = None,
) -> Answer:
    """The answer to a problem whose target makes sense, cut down to what the settings admit."""
    answer = _answer(problem, strategy, settings, budget, progress)
    if answer.outcome != "found" and not budget.ended():
        from vmpath_service.pathfinder.remedies import what_would_help

        announce("trying out what would help", progress)
        remedy = what_would_help(problem, budget)
        if remedy:
            answer = dataclasses.replace(answer, explanation=f"{answer.explanation}. {remedy}")
    answer = _as_allowed(problem, answer, settings, budget, score)
    missing = len(problem.arrivals) - len(placed(problem, answer.moves)) if problem.cloud.vetoes else 0
    if answer.outcome == "found" and missing:
        text = f"a constraint forbids {missing} of the arrivals where and when the target wants them"
        return Answer("partial" if settings.best_effort else "undecided", answer.moves, text)
    return answer


def _answer(
    problem: Problem, strategy: Strategy, settings: PathSettings, budget: Budget, progress: Progress | None
) -> Answer:
    reasons: Sequence[str] = [reason for _, reason in admission.obstacles(problem)]
    trace = budget.trace
    if trace is not None:
        trace.tell(f"{len(problem.movers)} instances to move, {len(problem.arrivals)} to place, {strategy.summary}")
        for reason in reasons:
            trace.tell(f"seen at a glance: {reason}")
    if not reasons:
        return strategy.find(problem, settings, budget, progress)
    proof = explanation.proved(problem, reasons)
    if not settings.best_effort:
        return Answer("infeasible", [], proof)
    return Answer("partial", strategy.find(problem, settings, budget, progress).moves, proof)


def _as_allowed(
    problem: Problem, answer: Answer, settings: PathSettings, budget: Budget, score: Score | None
) -> Answer:
    """The answer, or the best part of the way where the whole is beyond the limits or was not found."""
    limited = settings.max_migrations is not None or settings.max_memory_mb is not None
    if answer.outcome == "infeasible" or (answer.outcome == "found" and not limited):
        return answer
    from vmpath_service.pathfinder.partial import Ceiling, best_part, misplaced, within

    ceiling = Ceiling(settings.max_migrations, settings.max_memory_mb)
    if answer.outcome == "found" and within(problem, answer.moves, ceiling):
        return answer
    ended = "it was interrupted" if budget.stopped else "the time limit was reached" if budget.timed_out else None
    if answer.outcome == "undecided" and not (limited or ended):
        return answer
    moves = best_part(problem, answer.moves, ceiling, budget, score)
    asked_for = limited or settings.best_effort or budget.stopped
    if not moves and not asked_for:
        return answer
    if misplaced(problem, moves)[1] == 0 and not list(admission.obstacles(problem)):
        return Answer("found", moves)
    text = answer.explanation
    if answer.outcome == "found":
        text = explanation.held_back(problem, moves, settings.max_migrations, settings.max_memory_mb)
    elif ended:
        text = explanation.broken_off(problem, moves, ended)
    return Answer("partial", moves, text)
