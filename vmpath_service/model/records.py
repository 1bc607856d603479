"""What vmpath knows of its own work: rearrangements, their migrations, events. Immutable values.

Times are seconds since the epoch (UTC) as float; the database and the API write them as ISO 8601.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec


class RearrangementState(enum.StrEnum):
    PLANNING = "planning"
    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting approval"
    RUNNING = "running"
    PAUSED = "paused"
    ROLLING_BACK = "rolling back"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled back"


ENDED = frozenset(
    (
        RearrangementState.SUCCEEDED,
        RearrangementState.FAILED,
        RearrangementState.CANCELLED,
        RearrangementState.ROLLED_BACK,
    )
)


class MigrationState(enum.StrEnum):
    PENDING = "pending"
    REQUESTED = "requested"
    RUNNING = "running"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


SETTLED = frozenset((MigrationState.DONE, MigrationState.FAILED, MigrationState.SKIPPED))


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asked for. ``options`` are typed values over the policy section's own."""

    policy: str
    options: dict[str, Any] = {}
    zones: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    dry_run: bool = False
    approve: bool = False


class Rearrangement(msgspec.Struct, frozen=True):
    """One plan being made and carried out.

    ``version`` grows with every change (ETag); ``epoch`` with every change of owner: a write with an older
    epoch is refused. ``decision`` is the policy's answer in plain data (placement left out), ``summary`` the
    plan's. ``disabled`` are the hosts that vmpath itself disabled for it and has not enabled again.
    ``cancel_requested`` is looked at by the owner between two steps.
    """

    id: str
    request: Request
    state: RearrangementState
    created_at: float
    updated_at: float
    version: int = 1
    owner: str | None = None
    epoch: int = 0
    cancel_requested: bool = False
    explanation: str | None = None
    decision: dict[str, Any] | None = None
    summary: dict[str, Any] | None = None
    disabled: tuple[str, ...] = ()


class Migration(msgspec.Struct, frozen=True):
    """A migration of a plan as it is being carried out.

    ``step`` is its id in the plan. ``attempt`` counts the requests sent to Nova (0: none yet). ``baseline``
    is the newest Nova migration id of the instance before the request was sent: what is newer may be ours.
    ``nova_migration`` is the Nova migration id once it is known. ``was`` is the instance's status before.
    """

    rearrangement: str
    step: int
    instance: str
    source: str
    dest: str
    state: MigrationState = MigrationState.PENDING
    attempt: int = 0
    baseline: int | None = None
    nova_migration: int | None = None
    was: str | None = None
    intended_at: float | None = None
    ended_at: float | None = None
    progress: float | None = None
    reason: str | None = None


class Event(msgspec.Struct, frozen=True):
    """Something that happened; ``sequence`` grows without gaps that a reader could mistake for losses."""

    sequence: int
    at: float
    rearrangement: str | None
    kind: str
    message: str
    step: int | None = None


class Freeze(msgspec.Struct, frozen=True):
    """Nothing new starts anywhere while this stands."""

    since: float
    reason: str
    by: str
