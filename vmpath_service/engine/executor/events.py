"""What the executor is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmpath_service.engine.executor.state import State
from vmpath_service.model.readings import HostReading, InstanceReading, MigrationReading
from vmpath_service.model.records import Demand, HostAction, HostTrouble, Migration


@dataclass(frozen=True, slots=True)
class Orders:
    """What people and other rearrangements demand at the moment.

    ``abort``: what is in flight is to be aborted, too. ``rollback``: what was moved is to go back. ``elsewhere`` are
    the migrations of other rearrangements that may still move their instance. ``troubles``: hosts whose last
    migrations failed. ``moved``: instances that another rearrangement has moved lately, and when (time of day).
    """

    frozen: bool = False
    paused: bool = False
    cancel: bool = False
    abort: bool = False
    rollback: bool = False
    elsewhere: tuple[Migration, ...] = ()
    troubles: Mapping[str, HostTrouble] = field(default_factory=dict)
    moved: Mapping[str, float] = field(default_factory=dict)

    def may_start(self) -> bool:
        """Whether anything new may start at all."""
        return not (self.frozen or self.paused or self.cancel)

    def may_go_on(self) -> bool:
        """Whether it makes sense to do anything about failures."""
        return not (self.cancel or self.rollback)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to be read for the next tick: ``instances`` with their Nova migrations, and ``hosts``.

    ``candidates`` are the steps that may start on it. ``holdings``: instances whose allocations are to be read.
    """

    instances: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    candidates: tuple[int, ...] = ()
    holdings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A look at the cloud. ``now`` never goes back, ``at`` is the time of day; both in seconds.

    Everything in ``wanted`` was asked for, migrations first, then instances, then hosts, all of it after the last
    request that was sent; what is missing in the answers does not exist.
    """

    now: float
    at: float
    orders: Orders
    wanted: Wanted
    instances: Mapping[str, InstanceReading]
    hosts: Mapping[str, HostReading]
    migrations: Mapping[str, Sequence[MigrationReading]]
    allocations: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Intended:
    """The intention to start this step is in the database."""

    step: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """Nova has accepted the request: asked, nothing more. Without a ``demand`` it was the one that starts a step."""

    step: int
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nova has surely done nothing."""

    step: int
    at: float
    reason: str
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """Nova has surely done nothing, and wants to be asked later: it has too much to do."""

    step: int
    at: float
    reason: str
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """The request may or may not have been carried out, or may still be on its way."""

    step: int
    reason: str
    demand: Demand | None = None


@dataclass(frozen=True, slots=True)
class HostActed:
    """A host step is done, or not: ``action`` says which."""

    action: HostAction


@dataclass(frozen=True, slots=True)
class Replanned:
    """There is a new plan for the rest, and it is in the database: this is the walk with it."""

    state: State
    message: str


@dataclass(frozen=True, slots=True)
class Diverted:
    """Another destination for a step; None: there is none."""

    step: int
    dest: str | None
    message: str


@dataclass(frozen=True, slots=True)
class NotReplanned:
    """There is no new plan for the rest, and why."""

    reason: str


Event = Tick | Intended | Accepted | Refused | Busy | AnswerLost | HostActed | Replanned | Diverted | NotReplanned
