"""What the executor knows while it walks a plan: frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from vmpath_service.model import plan as plans
from vmpath_service.model.records import SETTLED, Migration, MigrationState

IN_FLIGHT = frozenset((MigrationState.REQUESTED, MigrationState.RUNNING, MigrationState.VERIFYING))
LIVE_STATUSES = frozenset(("ACTIVE", "PAUSED"))
"""Statuses in which Nova migrates an instance live."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many migrations may be in flight at once; None: no limit of that kind."""

    per_source: int | None = 2
    per_destination: int | None = 2
    in_total: int | None = 40


@dataclass(frozen=True, slots=True)
class Settings:
    """How the executor behaves; times in seconds.

    ``settle_seconds``: what looks like an end is looked at again after so long.
    ``request_settle_seconds``: how long a request may be on its way (the longest time-out of any proxy before
    Nova, and what Nova's queues may take). An instance that shows no task for so long, while Nova shows no ended
    record of the request, is not being migrated.
    ``start_wait_seconds``: how long a migration that could start otherwise waits for its destination to have room
    or its instance to be idle.
    ``verify_seconds``: how long after Nova's record has ended the instance may take to show it.
    ``stuck_seconds``: without any change in Nova's record for so long, the operator is told.
    ``retries``: how often a migration that came to nothing is tried again, ``retry_seconds``: how long after it the
    first time, twice as long each time after.
    """

    limits: Limits = Limits()
    settle_seconds: float = 5.0
    request_settle_seconds: float = 120.0
    start_wait_seconds: float = 300.0
    verify_seconds: float = 120.0
    stuck_seconds: float = 600.0
    retries: int = 2
    retry_seconds: float = 30.0

    def rest(self, attempt: int, answered: bool) -> float:
        """How long after this attempt the next may come: a request without an answer has to be waited out."""
        rest = self.retry_seconds * 2.0 ** (attempt - 1)
        return rest if answered else max(rest, self.request_settle_seconds)


@dataclass(frozen=True, slots=True)
class Step:
    """A migration as planned. ``chain``: predicted seconds of the longest chain of steps that begins with it."""

    id: int
    instance: str
    source: str
    dest: str
    after: tuple[int, ...]
    resources: Mapping[str, int]
    chain: float
    method: str = "live"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen, and when it was first seen without a change since."""

    seen: tuple[object, ...]
    since: float


@dataclass(frozen=True, slots=True)
class Task:
    """A step being carried out: ``record`` is what the database knows, the rest is forgotten in a crash and
    begins anew after it, so that a resumed executor waits longer, never shorter.

    ``idle_since``: since when the instance shows no task though its request has not been seen to end.
    ``ended_look``: Nova's ended record with the instance as it was seen with it; ``ended_since``: since when there
    is an ended record. ``progress_look``: Nova's record under way. ``waiting_since``, ``waiting_for``: what holds
    back the start, once everything in the plan would allow it. ``answered``: Nova has accepted the request. ``rest``:
    for how long it is not tried again, since ``rest_since``.
    """

    step: Step
    record: Migration
    sent: bool = False
    idle_since: float | None = None
    ended_look: Look | None = None
    ended_since: float | None = None
    progress_look: Look | None = None
    stuck_told: bool = False
    waiting_since: float | None = None
    waiting_for: str | None = None
    answered: bool = False
    rest: float | None = None
    rest_since: float | None = None

    def in_flight(self) -> bool:
        """Whether the migration counts at both ends: it was asked for and has not been seen to end."""
        return self.record.state in IN_FLIGHT

    def settled(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.record.state in SETTLED

    def claims(self) -> bool:
        """Whether it may still take room at its destination that no reading of the host shows yet."""
        return self.record.state is MigrationState.REQUESTED


@dataclass(frozen=True, slots=True)
class State:
    """The whole walk. ``tasks`` in the order of the plan. ``cancelled``: some steps were left out on request."""

    settings: Settings
    tasks: Mapping[int, Task]
    cancelled: bool = False
    finished: bool = False

    def with_task(self, task: Task) -> State:
        """The same with one task replaced."""
        return self.with_tasks({task.step.id: task})

    def with_tasks(self, changed: Mapping[int, Task]) -> State:
        """The same with some tasks replaced."""
        if not changed:
            return self
        return replace(self, tasks=MappingProxyType({**self.tasks, **changed}))


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
    resources: Mapping[str, Mapping[str, int]],
    settings: Settings,
) -> State:
    """The state from which a plan is walked, at first or after a crash.

    ``records`` are the plan's migrations as the database has them; what of them was asked for is followed, not
    asked for again. ``resources`` is what each instance takes. Steps of one instance follow each other whatever
    the plan says.
    """
    by_step = {record.step: record for record in records}
    chains = _Chains()
    lengths = {migration.id: chains.of(migration) for migration in reversed(plan.migrations)}
    tasks: dict[int, Task] = {}
    latest: dict[str, int] = {}
    for migration in plan.migrations:
        after = migration.after
        before = latest.get(migration.instance)
        if before is not None and before not in after:
            after = (*after, before)
        latest[migration.instance] = migration.id
        step = Step(
            id=migration.id,
            instance=migration.instance,
            source=migration.source,
            dest=migration.dest,
            after=after,
            resources=MappingProxyType(dict(resources[migration.instance])),
            chain=lengths[migration.id],
            method=migration.method,
        )
        record = by_step[migration.id]
        waits = record.state is MigrationState.PENDING
        # what was journaled before a crash may have been sent: that attempt is never sent again
        tasks[step.id] = Task(
            step,
            record,
            sent=record.attempt > 0 and not waits,
            rest=settings.rest(record.attempt, answered=False) if record.attempt > 0 and waits else None,
        )
    return State(settings, MappingProxyType(tasks))
