"""What was read from the live cloud while walking a path: immutable values between ``cloud`` and ``engine``."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstanceReading:
    """A server as Nova shows it. ``status`` is ACTIVE, PAUSED, SHUTOFF, ERROR, MIGRATING, ..."""

    uuid: str
    host: str | None
    status: str
    task_state: str | None


@dataclass(frozen=True, slots=True)
class HostReading:
    """What a host takes in now: whether its service is up and enabled, and what Placement has free on it."""

    name: str
    up: bool
    enabled: bool
    free: Mapping[str, int]


class MigrationOutcome(enum.StrEnum):
    """Nova's migration statuses by what they mean to us."""

    UNDER_WAY = "under way"  # accepted, queued, preparing, running, post-migrating, ...
    COMPLETED = "completed"
    FAILED = "failed"  # failed, error
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class MigrationReading:
    """A Nova migration record. ``id`` is Nova's own ascending number; ``remaining`` a fraction of the memory
    that is still to be copied, None while unknown."""

    id: int
    uuid: str | None
    instance: str
    source: str | None
    dest: str | None
    status: str
    outcome: MigrationOutcome
    remaining: float | None = None
