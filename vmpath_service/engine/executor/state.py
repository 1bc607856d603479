"""What the executor knows while it walks a plan: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from vmpath_service.engine.executor.facts import Facts, InstanceFacts, Mode
from vmpath_service.engine.executor.settings import Settings
from vmpath_service.model.declarations import UNDECLARED, Declaration
from vmpath_service.model.records import SETTLED, UNRESOLVED, HostAction, Migration, MigrationState
from vmpath_service.model.windows import Window

LIVE_STATUSES = frozenset(("ACTIVE", "PAUSED"))
"""Statuses in which Nova migrates an instance live."""
COLD_STATUS = "SHUTOFF"
"""The status in which it is migrated cold."""
Planning = Literal["rest", "destination"]


@dataclass(frozen=True, slots=True)
class Step:
    """A migration as planned. ``chain``: predicted seconds of the longest chain of steps that begins with it.

    ``more``: whether the plan moves the instance on afterwards. ``zones`` and ``links``: what it touches.
    ``declared``: what is declared of its source.
    """

    id: int
    instance: str
    source: str
    dest: str
    after: tuple[int, ...]
    facts: InstanceFacts
    chain: float
    method: str = "live"
    mode: Mode = "auto"
    wave: int = 1
    more: bool = False
    zones: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    no_go: tuple[Window, ...] = ()
    declared: Declaration = UNDECLARED

    @property
    def resources(self) -> Mapping[str, int]:
        """What the instance takes."""
        return self.facts.resources


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen, and when it was first seen without a change since."""

    seen: tuple[object, ...]
    since: float


@dataclass(frozen=True, slots=True)
class Copying:
    """How the copying of memory goes: since when, and when the rest was last smaller than ever before."""

    began: float
    least: int
    least_at: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of the last demand: ``since`` when it is waited for, whether Nova has accepted or refused it, and
    before when nothing is demanded again."""

    since: float | None = None
    accepted: bool = False
    refused: str | None = None
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """A step being carried out: ``record`` is what the database knows, the rest is forgotten in a crash and
    begins anew after it, so that a resumed executor waits longer, never shorter.

    ``idle_since``: since when the instance shows no task though its request has not been seen to end. ``ended_look``:
    Nova's ended record with the instance as it was seen with it; ``ended_since``: since when there is an ended record.
    ``progress_look``: Nova's record under way. ``waiting_since``, ``waiting_for``: what holds back the start, once
    everything in the plan would allow it. ``sent``: the request is on its way, until Nova has accepted it
    (``answered``) or there will be no answer (``lost``). ``rest``: for how long it is not tried again, since
    ``rest_since``. ``settled_failure``: what ``on_failure`` asks for has been done about its failure.
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
    lost: bool = False
    rest: float | None = None
    rest_since: float | None = None
    nova_status: str | None = None
    copied: bool = False
    copying: Copying | None = None
    slow_told: bool = False
    asked: Asked = Asked()
    settled_failure: bool = False

    def in_flight(self) -> bool:
        """Whether the migration counts at both ends: it was asked for and has not been seen to end."""
        return self.record.state in UNRESOLVED

    def awaits_answer(self) -> bool:
        """Whether its request was handed over to be sent and nothing has been heard of it."""
        return self.sent and not self.answered and not self.lost and self.record.state is MigrationState.REQUESTED

    def settled(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.record.state in SETTLED

    def claims(self) -> bool:
        """Whether it may still take room at its destination that no reading of the host shows yet."""
        return self.record.state is MigrationState.REQUESTED


@dataclass(frozen=True, slots=True)
class HostTask:
    """A host step being carried out; ``asked``: the loop is at it."""

    record: HostAction
    after: tuple[int, ...]
    wave: int = 1
    asked: bool = False

    def settled(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.record.state != "pending"

    def open(self) -> bool:
        """Whether it is still to be begun."""
        return not self.settled() and not self.asked


@dataclass(frozen=True, slots=True)
class State:
    """The whole walk. ``tasks`` in the order of the plan. ``cancelled``: some steps were left out on request.

    ``halted``: why nothing more is started; ``retreat``: what was moved is to go back then. ``planning``: what is
    asked of the planner just now, for which step; ``plan_asked``: it is at it. ``back_from``: the first step of the
    way back, while it is walked.
    ``given_up``: what the newest plan does not do of what was asked for, and why.
    """

    settings: Settings
    tasks: Mapping[int, Task]
    host_tasks: Mapping[int, HostTask] = field(default_factory=lambda: MappingProxyType({}))
    facts: Facts = field(default_factory=Facts)
    cancelled: bool = False
    halted: str | None = None
    retreat: bool = False
    planning: tuple[Planning, int | None] | None = None
    plan_asked: bool = False
    replans: int = 0
    back_from: int | None = None
    given_up: tuple[str, ...] = ()
    finished: bool = False

    def flying(self) -> tuple[Task, ...]:
        """The tasks in flight, in the order of the plan."""
        # said in one go: it is asked several times in every tick, of plans of thousands of steps
        return tuple(task for task in self.tasks.values() if task.record.state in UNRESOLVED)

    def with_task(self, task: Task) -> State:
        """The same with one task replaced."""
        return self.with_tasks({task.step.id: task})

    def with_tasks(self, changed: Mapping[int, Task]) -> State:
        """The same with some tasks replaced."""
        if not changed:
            return self
        return replace(self, tasks=MappingProxyType({**self.tasks, **changed}))

    def with_host_task(self, task: HostTask) -> State:
        """The same with a host step replaced."""
        return replace(self, host_tasks=MappingProxyType({**self.host_tasks, task.record.step: task}))

    def ended_well(self, step: int) -> bool:
        """Whether a step, of either kind, has done what others wait for."""
        if step in self.host_tasks:
            return self.host_tasks[step].record.state == "done"
        return self.tasks[step].record.state is MigrationState.DONE
