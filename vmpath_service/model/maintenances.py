"""Maintenances: hosts that are emptied, worked on, and taken into service again. Immutable values.

Times are seconds since the epoch (UTC); the API writes them as ISO 8601.
"""

from __future__ import annotations

import enum
import math
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Action = Literal["none", "hook", "reboot", "power-off"]
Leftovers = Literal["refuse", "accept"]
Afterwards = Literal["nothing", "restore", "policy"]
POWER_OFF, POWER_ON = "power-off", "power-on"


class MaintenanceState(enum.StrEnum):
    SCHEDULED = "scheduled"
    DRAINING = "draining"
    READY = "ready"
    RETURNING = "returning"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


GOING = (
    MaintenanceState.SCHEDULED,
    MaintenanceState.DRAINING,
    MaintenanceState.READY,
    MaintenanceState.RETURNING,
)
MAINTENANCE_ENDED = frozenset((MaintenanceState.DONE, MaintenanceState.FAILED, MaintenanceState.CANCELLED))


class MaintenanceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asked for.

    ``start``: when, ISO 8601 with an offset (no offset: UTC); None: now, or with ``recurrence`` the next time of that.
    ``recurrence``: a cron expression by the clock of ``time_zone``: when one has ended, the next one is scheduled.
    ``duration_s``: how long the work on the hosts of a round is expected to take; after that the operator is told that
    it takes longer. ``action``: what is done to hosts that are empty: ``none`` waits until somebody says that the work
    is done, ``hook`` runs the configured hook ``hook``, ``reboot`` the one called reboot unless ``hook`` names
    another; ``power-off`` runs the one called power-off, or ``hook``, then waits until somebody says that the work is
    done, and runs the one called power-on, if there is one.
    ``rolling``: some hosts after the others, at most ``max_hosts`` at a time. ``leftovers``: whether a host on which
    instances had to stay counts as empty enough. ``policy`` and ``options``: how hosts are drained. ``afterwards``:
    what follows when all are back: nothing, the placement as it was before (``restore``), or a rearrangement with
    ``afterwards_policy``. ``dry_run``: only say whether and how it can be done.
    """

    hosts: tuple[str, ...]
    start: str | None = None
    duration_s: float | None = None
    action: Action = "none"
    hook: str | None = None
    rolling: bool = False
    max_hosts: int | None = None
    leftovers: Leftovers = "refuse"
    policy: str = "drain"
    options: dict[str, Any] = {}
    afterwards: Afterwards = "nothing"
    afterwards_policy: str | None = None
    reason: str = ""
    dry_run: bool = False
    recurrence: str | None = None
    time_zone: str = "UTC"

    def hook_name(self) -> str | None:
        """The hook that does the work, if one does."""
        return self.hook or (self.action if self.action in ("reboot", POWER_OFF) else None)


class Round(msgspec.Struct, frozen=True):
    """Hosts that are worked on at the same time. ``done``: they are back in service."""

    hosts: tuple[str, ...]
    done: bool = False


class PlannedRound(msgspec.Struct, frozen=True):
    """Hosts that would be emptied together, the migrations that takes, and the seconds these are predicted to take."""

    hosts: tuple[str, ...]
    migrations: int
    drain_s: float


class Outlook(msgspec.Struct, frozen=True):
    """What a maintenance is going to take, as the cloud was when it was looked at.

    ``seconds``: for draining, and for the work on the hosts as far as the request says how long that takes.
    ``fewest_rounds``, ``fewest_migrations`` (for so many rounds) and ``least_seconds`` are bounds that nothing can
    beat. ``short``: why the hosts that are in none of the rounds do not fit, None if there are none.
    """

    rounds: tuple[PlannedRound, ...]
    migrations: int
    seconds: float
    fewest_rounds: int
    fewest_migrations: int
    least_seconds: float
    short: str | None = None

    def in_words(self) -> str:
        """One sentence."""
        rounds, moved = len(self.rounds), self.migrations
        if self.short is not None:
            # bounds hold for all hosts, what fits is less
            return f"{rounds} of at least {self.fewest_rounds} rounds fit, at least {self.least_seconds:.0f} s in all"
        return (
            f"{rounds} round{'' if rounds == 1 else 's'} (at least {self.fewest_rounds}), {moved} "
            f"migration{'' if moved == 1 else 's'} (at least {self.fewest_migrations}), about {self.seconds:.0f} s "
            f"(at least {self.least_seconds:.0f} s)"
        )


class Maintenance(msgspec.Struct, frozen=True):
    """One maintenance as it stands.

    ``start`` is when it is to begin. ``rounds`` are the rounds so far, the last one being the one under way;
    hosts that are in none still wait. ``phase_since``: since when it is in its state, in this round.
    ``rearrangement``: the one under way for it. ``disabled``: hosts that vmpath disabled for it and has not
    enabled again. ``kept``: hosts that it leaves disabled on purpose, since something went wrong on them. ``checked``:
    when it was last found out whether it fits; ``warning``: what was short then; ``outlook``: what it is going to
    take as of then. ``drains``: how often the hosts of this round were drained. ``hook_begun``: the hook of this round
    was begun; ``hook_done``: hosts are powered off by it, and wait; ``hook_lost``: vmpath ended meanwhile, and nobody
    knows how far it came. ``overdue``: that it takes
    longer than expected has been told; ``late``: that it begins late. ``completed``: hosts of which somebody said that
    the work on them is done. ``former``: where the instances were, for those that are to be brought back.
    ``successor``: the next one of the series.
    """

    id: str
    request: MaintenanceRequest
    state: MaintenanceState
    start: float
    created_at: float
    updated_at: float
    version: int = 1
    epoch: int = 0
    cancel_requested: bool = False
    pause_requested: bool = False
    rounds: tuple[Round, ...] = ()
    phase_since: float = 0.0
    rearrangement: str | None = None
    disabled: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    drains: int = 0
    hook_begun: bool = False
    hook_done: bool = False
    hook_lost: bool = False
    overdue: bool = False
    former: dict[str, str] = {}
    completed: tuple[str, ...] = ()
    checked: float | None = None
    warning: str | None = None
    explanation: str | None = None
    outlook: Outlook | None = None
    late: bool = False
    successor: str | None = None

    def hosts_now(self) -> tuple[str, ...]:
        """The hosts of the round under way; none before the first and between two."""
        return self.rounds[-1].hosts if self.rounds and not self.rounds[-1].done else ()

    def hosts_left(self) -> tuple[str, ...]:
        """The hosts that no round has had yet."""
        had = {host for each in self.rounds for host in each.hosts}
        return tuple(host for host in self.request.hosts if host not in had)

    def ended(self) -> bool:
        return self.state in MAINTENANCE_ENDED

    def over_at(self) -> float:
        """When it is expected to be over, as far as can be foretold; infinite where nobody said how long the work
        takes."""
        wanted = self.request
        if wanted.duration_s is None:
            return math.inf
        if self.outlook is not None and self.outlook.short is None:
            return self.start + self.outlook.seconds
        rounds = math.ceil(len(wanted.hosts) / (wanted.max_hosts or 1)) if wanted.rolling else 1
        return self.start + wanted.duration_s * rounds

    def overlaps(self, other: Maintenance) -> bool:
        """Whether both may be at work at the same time, by what is expected of them."""
        return self.start < other.over_at() and other.start < self.over_at()


def scheduled(identity: str, request: MaintenanceRequest, start: float, now: float) -> Maintenance:
    """A new one."""
    return Maintenance(
        id=identity,
        request=request,
        state=MaintenanceState.SCHEDULED,
        start=start,
        created_at=now,
        updated_at=now,
        phase_since=now,
    )


def scheduled_in_words(record: Maintenance) -> str:
    """The sentence in which a new one is told."""
    when = datetime.fromtimestamp(record.start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"maintenance of {', '.join(record.request.hosts)} scheduled for {when}"


def next_identity(identity: str) -> str:
    """The id of the one that follows in a series."""
    return str(uuid.uuid5(uuid.UUID(identity), "next"))
