"""What was read from the live cloud while walking a path: immutable values between ``cloud`` and ``engine``."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from vmpath_service.model.declarations import PostCopy


@dataclass(frozen=True, slots=True)
class InstanceReading:
    """A server as Nova shows it. ``status`` is ACTIVE, PAUSED, SHUTOFF, ERROR, MIGRATING, ...

    ``post_copy``: whether it may be switched to post-copy, as its metadata and its flavor say now. ``why_not``: why it
    is not to be moved, as they and its lock say now, whatever its status.
    """

    uuid: str
    host: str | None
    status: str
    task_state: str | None
    post_copy: PostCopy = "allowed"
    why_not: str | None = None


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
    """A Nova migration record. ``id`` is Nova's own ascending number; ``kind`` is Nova's migration_type:
    live-migration, migration (cold), resize or evacuation.

    What Nova says of the memory of one under way, in bytes, None while it says nothing: ``memory_total`` of the
    instance, ``memory_processed`` so far (more than all of it once pages had to be sent again), ``memory_remaining``
    to be sent. Nova shows None, then zeros, then figures that are some seconds old.
    """

    id: int
    uuid: str | None
    instance: str
    source: str | None
    dest: str | None
    status: str
    outcome: MigrationOutcome
    kind: str = "live-migration"
    memory_total: int | None = None
    memory_processed: int | None = None
    memory_remaining: int | None = None

    @property
    def remaining(self) -> float | None:
        """The fraction of the memory that is still to be sent, None while nothing is known."""
        if not self.memory_total or self.memory_remaining is None:
            return None
        return min(1.0, self.memory_remaining / self.memory_total)

    @property
    def passed_once(self) -> bool:
        """Whether all of the memory has been sent at least once."""
        return bool(self.memory_total) and (self.memory_processed or 0) >= (self.memory_total or 0)
