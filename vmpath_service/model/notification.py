"""What the world is told of an event (``notification 1.1``): hooks and the message broker get the same.

The first number of the version grows when a field goes or changes its meaning, the second when one is added.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vmpath_service.model.event_kinds import Level

VERSION: Literal["1.1"] = "1.1"


class _Subject(msgspec.Struct, frozen=True, tag_field="type"):
    """Base of what an event may be about. ``state`` is as it was when the message was put together, which may be
    later than the event."""


class AboutRearrangement(_Subject, frozen=True, tag="rearrangement"):
    """``hosts``, ``zones``, ``aggregates``: what was asked for. ``migrations`` are planned ones, ``makespan_s``
    the seconds that they are predicted to take; null while there is no plan."""

    id: str
    policy: str
    state: str
    hosts: tuple[str, ...]
    zones: tuple[str, ...]
    aggregates: tuple[str, ...]
    migrations: int | None
    makespan_s: float | None


class AboutMigration(_Subject, frozen=True, tag="migration"):
    """``step``: its number in the plan. ``instance_name``: as it was when that was made; null if it is not known.
    ``reason``: why the last attempt came to nothing, or what it waits for."""

    rearrangement: str
    step: int
    policy: str
    instance: str
    instance_name: str | None
    source: str
    dest: str
    method: str
    memory_mb: int
    state: str
    attempt: int
    reason: str | None


class AboutHost(_Subject, frozen=True, tag="host"):
    """``name`` is null in events from before vmpath wrote it down; ``step`` is null where no step of a plan did it,
    ``rearrangement`` where a person did."""

    name: str | None
    rearrangement: str | None
    step: int | None


class AboutMaintenance(_Subject, frozen=True, tag="maintenance"):
    """``hosts``: all of it; ``hosts_now``: those of the round under way; ``hosts_left``: those that still wait;
    ``kept``: those that it leaves disabled, since the work on them went wrong."""

    id: str
    state: str
    start: str
    hosts: tuple[str, ...]
    hosts_now: tuple[str, ...]
    hosts_left: tuple[str, ...]
    kept: tuple[str, ...]
    round: int


class AboutSchedule(_Subject, frozen=True, tag="schedule"):
    """``rearrangement``: the one of the last run; ``outcome``: what came of it."""

    name: str
    policy: str
    cron: str
    time_zone: str
    enabled: bool
    rearrangement: str | None
    outcome: str | None


class AboutService(_Subject, frozen=True, tag="service"):
    """vmpath itself, or its sight of the cloud; ``rearrangement``: the one that noticed it."""

    rearrangement: str | None


class Forgotten(_Subject, frozen=True, tag="forgotten"):
    """It was deleted before the message was put together."""

    id: str


Subject = AboutRearrangement | AboutMigration | AboutHost | AboutMaintenance | AboutSchedule | AboutService | Forgotten


class Notification(msgspec.Struct, frozen=True):
    """``event``: its kind, of those in ``vmpath_service.model.event_kinds``. ``sequence``: its number among the
    events, by which a receiver sees what it has had already and what it missed; null for what is no event (the
    occasion of a maintenance's hook). ``meaning``: what its kind says; ``message``: what has happened, in one
    sentence; ``why``: what it is done for; ``next``: what follows. ``hosts``: those concerned, as far as they are
    known."""

    event: str
    sequence: int | None
    at: str
    level: Level
    meaning: str
    message: str
    why: str | None
    next: str
    hosts: tuple[str, ...]
    subject: Subject
    version: Literal["1.1"] = VERSION
