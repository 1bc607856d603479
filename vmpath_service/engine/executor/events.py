"""What the executor is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.model.readings import HostReading, InstanceReading, MigrationReading
from vmpath_service.model.records import Migration


@dataclass(frozen=True, slots=True)
class Orders:
    """What people and other rearrangements demand at the moment.

    ``elsewhere`` are the migrations of other rearrangements that may still move their instance.
    """

    frozen: bool = False
    paused: bool = False
    cancel: bool = False
    elsewhere: tuple[Migration, ...] = ()

    def may_start(self) -> bool:
        """Whether anything new may start at all."""
        return not (self.frozen or self.paused or self.cancel)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What has to be read for the next tick: ``instances`` with their Nova migrations, and ``hosts``.

    ``candidates`` are the steps that may start on it.
    """

    instances: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    candidates: tuple[int, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Intended:
    """The intention to start this step is in the database."""

    step: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """Nova has accepted the request: asked, nothing more."""

    step: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nova has surely done nothing."""

    step: int
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """The request may or may not have been carried out, or may still be on its way."""

    step: int
    reason: str


Event = Tick | Intended | Accepted | Refused | AnswerLost
