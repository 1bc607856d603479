"""The replay: checks a plan against the snapshot it was made from, with nothing of the finder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from vmpath_service.model import semantics
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder.replay.accounts import Rulebook
from vmpath_service.pathfinder.replay.agreement import agreement_problems
from vmpath_service.pathfinder.replay.order import check_order
from vmpath_service.pathfinder.replay.sequence import ordered_steps, sequence_problems, unknown_names
from vmpath_service.pathfinder.replay.timing import schedule_problems, wave_problems

__all__ = ["Figures", "PlanCheck", "check_plan"]

# A plan that breaks in one place often breaks in hundreds: so many of each kind are told.
TOLD = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """What the replay counted: memory in MiB, time in seconds.

    ``suspects``: arrivals that a bound could not show to be safe in any timing; ``unproved``: those of them for
    which no timing that breaks them was found either; ``runs``: random timings tried.
    """

    migrations: int = 0
    misplaced: int = 0
    bypasses: int = 0
    memory_mb: int = 0
    waves: int = 0
    makespan_s: float = 0.0
    suspects: int = 0
    unproved: int = 0
    runs: int = 0


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """``problems``: where the plan breaks, each one sentence; empty if it holds."""

    problems: tuple[str, ...]
    figures: Figures

    @property
    def holds(self) -> bool:
        return not self.problems


def check_plan(
    snapshot: Snapshot,
    plan: Plan,
    constraints: Sequence[Constraint] | None = None,
    target: Placement | None = None,
    *,
    seed: int = 0,
) -> PlanCheck:
    """Replay a plan: its sequence, its partial order in any timing, its waves, its schedule, what it says of itself.

    ``constraints``: those in force (default: all of vmpath's own); ``target``: what was asked for (default: what
    the plan says). ``seed`` of the random timings. Deterministic. Raises what the constraints raise.
    """
    rules = Rulebook(snapshot, constraints)
    wanted = plan.target if target is None else target.placement
    problems = [f"{problem.pointer}: {problem.text}" for problem in semantics.plan_problems(plan)]
    problems += islice(unknown_names(rules, plan, wanted), TOLD)
    if problems:
        return PlanCheck(tuple(problems[:TOLD]), Figures(migrations=len(plan.migrations)))
    kinds: list[Iterable[str]] = [
        sequence_problems(rules, plan, wanted),
        wave_problems(rules, plan),
        schedule_problems(rules, plan),
        agreement_problems(rules, plan, wanted),
    ]
    for kind in kinds:
        problems += _first(kind)
    order = check_order(rules, plan, seed)
    problems += _first(order.problems)
    misplaced = sum(
        host is not None and rules.instances[uuid].host not in (None, host) for uuid, host in wanted.items()
    )
    figures = Figures(
        migrations=len(plan.migrations),
        misplaced=misplaced,
        bypasses=sum(migration.bypass for migration in plan.migrations),
        memory_mb=sum(migration.memory_mb for migration in plan.migrations),
        waves=len({migration.wave for migration in plan.migrations}),
        makespan_s=max((step.end_s for step in ordered_steps(plan)), default=0.0),
        suspects=order.suspects,
        unproved=order.unproved,
        runs=order.runs,
    )
    return PlanCheck(tuple(problems), figures)


def _first(kind: Iterable[str]) -> list[str]:
    """The first few problems of a kind, and how many more there are."""
    found = list(kind)
    rest = len(found) - TOLD
    return found[:TOLD] + ([f"and {rest} more of this kind"] if rest > 0 else [])
