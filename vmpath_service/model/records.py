"""What vmpath knows of its own work: rearrangements, their migrations, events. Immutable values.

Times are seconds since the epoch (UTC) as float; the database and the API write them as ISO 8601.
"""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from vmpath_service.model.snapshot import label_of


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
    SWITCHING = "switching to post-copy"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    REPLACED = "replaced"


SETTLED = frozenset((MigrationState.DONE, MigrationState.FAILED, MigrationState.SKIPPED, MigrationState.REPLACED))
UNRESOLVED = frozenset(
    (MigrationState.REQUESTED, MigrationState.RUNNING, MigrationState.SWITCHING, MigrationState.VERIFYING)
)
"""It was asked for and has not been seen to end: it may still move its instance."""


class FailureKind(enum.StrEnum):
    """Why a migration is not done, as far as what follows depends on it."""

    REFUSED = "refused"  # Nova answered the request with a refusal
    LOST = "never arrived"  # Nova shows no record of the request
    SCHEDULER = "no valid host"  # Nova's scheduler or the checks before the migration turned the destination down
    BEFORE_COPY = "before the copy"
    MIDWAY = "midway"
    AFTER_SWITCH = "after the switch"  # the instance is in ERROR at the destination
    BROKEN = "in error"  # the instance is in ERROR where it was
    ABANDONED = "abandoned"  # Nova's record never ended, but nothing moves the instance any more
    ABORTED = "aborted"
    NOT_SHOWN = "not shown"  # Nova's record says completed, the instance does not
    GONE = "gone"  # the instance does not exist any more
    CHANGED = "changed"  # the instance is not any more what the plan was made for
    NOT_STARTED = "not started"  # its hosts did not let it start in time
    FORBIDDEN = "forbidden"  # what the instance, its policy or a rule forbids


class Demand(enum.StrEnum):
    """What may be asked of Nova about a migration that it has begun."""

    ABORT = "abort"
    FORCE_COMPLETE = "force-complete"
    CONFIRM = "confirm"
    REVERT = "revert"
    RESET_STATE = "reset state"


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asked for. ``options`` are typed values over the policy section's own. ``rehearse``: the plan is
    replayed before anything else comes of it."""

    policy: str
    options: dict[str, Any] = {}
    zones: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    dry_run: bool = False
    approve: bool = False
    rehearse: bool = False


class Rearrangement(msgspec.Struct, frozen=True):
    """One plan being made and carried out.

    ``version`` grows with every change (ETag); ``epoch`` with every change of owner: a write with an older
    epoch is refused. ``decision`` is the policy's answer in plain data (placement left out), ``summary`` the
    plan's. ``disabled`` are the hosts that vmpath itself disabled for it and has not enabled again.
    ``cancel_requested`` is looked at by the owner between two steps; ``abort_requested``: what is in flight is to be
    aborted, too. ``rolling_back``: what was moved is to go back, now or as soon as it is not paused any more.
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
    abort_requested: bool = False
    rolling_back: bool = False


class Migration(msgspec.Struct, frozen=True):
    """A migration of a plan as it is being carried out.

    ``step`` is its id in the plan. ``attempt`` counts the requests sent to Nova (0: none yet). ``baseline``
    is the newest Nova migration id of the instance before the request was sent: what is newer may be ours.
    ``nova_migration`` is the Nova migration id once it is known. ``was`` is the instance's status before.
    ``method`` is live or cold. ``failure`` is why the last attempt came to nothing, ``failures`` how many did at this
    destination, ``tried`` are destinations that were given up before ``dest``. ``demand`` was asked of Nova for this
    attempt, or was about to be, at ``demanded_at``. ``instance_name`` is how people called the instance when it was
    planned, None if that is not known: it outlives the instance.
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
    method: str = "live"
    failure: FailureKind | None = None
    failures: int = 0
    tried: tuple[str, ...] = ()
    demand: Demand | None = None
    demanded_at: float | None = None
    instance_name: str | None = None

    def label(self) -> str:
        """The name a person knows the instance by, with the identity behind it."""
        return label_of(self.instance, self.instance_name)


class HostAction(msgspec.Struct, frozen=True):
    """A host step of a plan as it is being carried out. ``state`` is pending, done or failed.

    ``before`` is the reason with which the host was disabled before it, None if it was enabled.
    """

    rearrangement: str
    step: int
    host: str
    action: str
    state: str = "pending"
    before: str | None = None
    reason: str | None = None
    ended_at: float | None = None


class HostTrouble(msgspec.Struct, frozen=True):
    """Migrations to or from a host have failed ``failures`` times since one was done, the last at ``last_at``."""

    host: str
    failures: int
    since: float
    last_at: float
    reason: str


class Event(msgspec.Struct, frozen=True):
    """Something that happened; ``sequence`` grows without gaps that a reader could mistake for losses.

    ``subject``: the id of the rearrangement or maintenance, or the name of the schedule, that it is about; ``host``:
    the name of the one host that it is about.
    """

    sequence: int
    at: float
    subject: str | None
    kind: str
    message: str
    step: int | None = None
    host: str | None = None


class Freeze(msgspec.Struct, frozen=True):
    """Nothing new starts anywhere while this stands."""

    since: float
    reason: str
    by: str
