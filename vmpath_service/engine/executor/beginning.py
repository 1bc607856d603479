"""The state from which a plan is walked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from vmpath_service.engine.executor.facts import MODES, Facts, HostFacts, InstanceFacts, Mode
from vmpath_service.engine.executor.settings import Settings
from vmpath_service.engine.executor.state import HostTask, State, Step, Task
from vmpath_service.model import plan as plans
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.records import HostAction, Migration, MigrationState
from vmpath_service.model.windows import Window, parse_windows

BACK = "back_from"
REPLANS = "replans"
GIVEN_UP = "given_up"
ANSWERED = "answered"
"""What ``plan.extra`` says of how the plan was extended: where the way back begins, how many new plans were made, what
the newest has given up, and which failures have been answered."""


@dataclass(frozen=True, slots=True)
class _Chains:
    longest: dict[int, float] = field(default_factory=dict)

    def of(self, migration: plans.Migration) -> float:
        """Predicted seconds until the last of what waits for this one has ended; steps come last first."""
        length = max(migration.end_s - migration.start_s, 1.0) + self.longest.get(migration.id, 0.0)
        for before in migration.after:
            self.longest[before] = max(self.longest.get(before, 0.0), length)
        return length


def begin(
    plan: plans.Plan,
    records: Sequence[Migration],
    facts: Facts,
    settings: Settings,
    actions: Sequence[HostAction] = (),
) -> State:
    """The state from which a plan is walked, at first or after a crash.

    ``records`` are the plan's migrations as the database has them, ``actions`` its host steps; what of them was asked
    for is followed, not asked for again. Steps of one instance follow each other whatever the plan says.
    """
    by_step = {record.step: record for record in records}
    chains = _Chains()
    lengths = {migration.id: chains.of(migration) for migration in reversed(plan.migrations)}
    # the way back begins where everything else has ended, however it did
    back = plan.extra.get(BACK) or 0
    answered = frozenset(plan.extra.get(ANSWERED, ()))
    tasks: dict[int, Task] = {}
    latest: dict[str, int] = {}
    replaced = {record.step for record in records if record.state is MigrationState.REPLACED}
    for migration in plan.migrations:
        after = tuple(before for before in migration.after if before not in replaced)
        before = latest.get(migration.instance)
        if before is not None and before not in after and before not in replaced and not before < back <= migration.id:
            after = (*after, before)
        latest[migration.instance] = migration.id
        record = by_step[migration.id]
        step = _step(migration, record, after, lengths[migration.id], facts, settings)
        waits = record.state is MigrationState.PENDING
        # what was journaled before a crash may have been sent: that attempt is never sent again
        tasks[step.id] = Task(
            step,
            record,
            sent=record.attempt > 0 and not waits,
            lost=record.attempt > 0 and not waits,
            rest=settings.rest(record.failures, answered=False) if record.attempt > 0 and waits else None,
            settled_failure=step.id in answered,
        )
    last = {task.step.instance: number for number, task in tasks.items() if number not in replaced}
    tasks = {number: _marked(task, last) for number, task in tasks.items()}
    kept = {action.step: action for action in actions}
    host_tasks = {step.id: HostTask(kept[step.id], step.after) for step in plan.host_steps if step.id in kept}
    return State(
        settings,
        MappingProxyType(tasks),
        MappingProxyType(host_tasks),
        facts,
        replans=int(plan.extra.get(REPLANS, 0)),
        back_from=plan.extra.get(BACK),
        given_up=tuple(plan.extra.get(GIVEN_UP, ())),
    )


def _marked(task: Task, last: Mapping[str, int]) -> Task:
    """Tell a step whether its instance is moved on after it."""
    more = last.get(task.step.instance, task.step.id) > task.step.id
    return replace(task, step=replace(task.step, more=True)) if more else task


def _step(
    migration: plans.Migration,
    record: Migration,
    after: tuple[int, ...],
    chain: float,
    facts: Facts,
    settings: Settings,
) -> Step:
    """A step of the plan with all that is known of it; where it goes to is in the record."""
    instance = facts.instances.get(migration.instance, InstanceFacts({}))
    source = facts.hosts.get(migration.source, HostFacts())
    dest = facts.hosts.get(record.dest, HostFacts())
    return Step(
        id=migration.id,
        instance=migration.instance,
        source=migration.source,
        dest=record.dest,
        after=after,
        facts=instance,
        chain=chain,
        method=migration.method,
        mode=_mode(instance.mode, settings.mode),
        wave=migration.wave,
        zones=frozenset(zone for zone in (source.zone, dest.zone) if zone is not None),
        links=frozenset(source.links) ^ frozenset(dest.links),
        no_go=(*settings.no_go, *_windows(instance.no_go)),
        declared=source.declared,
    )


def _mode(wished: str | None, default: Mode) -> Mode:
    """What the instance says counts; what it says and nobody understands is taken for the mode that forces nothing."""
    if wished is None:
        return default
    return next((mode for mode in MODES if mode == wished), "pre-copy")


def _windows(text: str | None) -> tuple[Window, ...]:
    """The windows that an instance names; of what cannot be read, nobody can say when it is over: it never is."""
    try:
        return parse_windows(text or "")
    except InvalidInput:
        return (Window(0, 24 * 60, frozenset(range(7))),)
