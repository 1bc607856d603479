"""Maintenances: hosts that are emptied, worked on, and taken into service again. Immutable values.

Times are seconds since the epoch (UTC); the API writes them as ISO 8601.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec

Action = Literal["none", "hook"]
Leftovers = Literal["refuse", "accept"]
Afterwards = Literal["nothing", "restore", "policy"]


class MaintenanceState(enum.StrEnum):
    SCHEDULED = "scheduled"
    DRAINING = "draining"
    READY = "ready"
    RETURNING = "returning"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


MAINTENANCE_ENDED = frozenset((MaintenanceState.DONE, MaintenanceState.FAILED, MaintenanceState.CANCELLED))


class MaintenanceRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asked for.

    ``start``: when, ISO 8601 with an offset (no offset: UTC); None: now. ``duration_s``: how long the work on a host
    is expected to take; after that the operator is told that it takes longer. ``action``: what is done to hosts that
    are empty: ``none`` waits until somebody says that the work is done, ``hook`` runs the configured hook ``hook``.
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


class Round(msgspec.Struct, frozen=True):
    """Hosts that are worked on at the same time. ``done``: they are back in service."""

    hosts: tuple[str, ...]
    done: bool = False


class Maintenance(msgspec.Struct, frozen=True):
    """One maintenance as it stands.

    ``start`` is when it is to begin. ``rounds`` are the rounds so far, the last one being the one under way;
    hosts that are in none still wait. ``phase_since``: since when it is in its state, in this round.
    ``rearrangement``: the one under way for it. ``disabled``: hosts that vmpath disabled for it and has not
    enabled again. ``kept``: hosts that it leaves disabled on purpose, since the work on them went wrong. ``checked``:
    when it was last found out whether it fits; ``warning``: what was short then. ``drains``: how often the hosts of
    this round were drained. ``hook_begun``: the hook of this round was begun; ``overdue``: that it takes longer than
    expected has been told. ``completed``: hosts of which somebody said that the work on them is done. ``former``:
    where the instances were, for those that are to be brought back.
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
    overdue: bool = False
    former: dict[str, str] = {}
    completed: tuple[str, ...] = ()
    checked: float | None = None
    warning: str | None = None
    explanation: str | None = None

    def hosts_now(self) -> tuple[str, ...]:
        """The hosts of the round under way; none before the first and between two."""
        return self.rounds[-1].hosts if self.rounds and not self.rounds[-1].done else ()

    def hosts_left(self) -> tuple[str, ...]:
        """The hosts that no round has had yet."""
        had = {host for each in self.rounds for host in each.hosts}
        return tuple(host for host in self.request.hosts if host not in had)

    def ended(self) -> bool:
        return self.state in MAINTENANCE_ENDED
