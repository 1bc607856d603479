"""What every policy has to leave alone: options that all policies share, and the instances that they take out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Instance, Snapshot
from vmpath_service.model.windows import EXPECTED, parse_windows
from vmpath_service.policies import settings as read
from vmpath_service.policies.approval import FORM, limit_of
from vmpath_service.policies.settings import Settings

MIGRATED_AT = "migrated_at"
"""Key in an instance's ``extra``: when it was migrated last, in ISO 8601."""


def _metadata(entry: str) -> tuple[str, str | None]:
    """``KEY`` or ``KEY=VALUE``; raises InvalidInput."""
    key, sign, value = entry.partition("=")
    if not key.strip():
        raise InvalidInput(f"found {entry!r}, expected KEY or KEY=VALUE")
    return key.strip(), value.strip() if sign else None


GUARDS: tuple[Option, ...] = (
    Option("availability_zones", "list", "Only hosts in these availability zones; empty: all.", ()),
    Option("exclude_availability_zones", "list", "No host in these availability zones.", ()),
    Option("aggregates", "list", "Only hosts in one of these aggregates; empty: all.", ()),
    Option("exclude_aggregates", "list", "No host in any of these aggregates.", ()),
    Option("exclude_hosts", "list", "These hosts are left alone.", ()),
    Option("projects", "list", "Only instances of these projects (ids) are moved; empty: all.", ()),
    Option("exclude_projects", "list", "Instances of these projects (ids) are left alone.", ()),
    Option(
        "metadata",
        "list",
        "Only instances with one of these metadata are moved; empty: all.",
        (),
        check=_metadata,
        form="KEY or KEY=VALUE, separated by commas",
    ),
    Option(
        "exclude_metadata",
        "list",
        "Instances with any of these metadata are left alone.",
        (),
        check=_metadata,
        form="KEY or KEY=VALUE, separated by commas",
    ),
    Option(
        "cool_down",
        "number",
        "Instances that were migrated less than so many seconds before the snapshot was taken are left alone.",
        None,
        minimum=0,
    ),
    Option("max_migrations", "integer", "At most this many migrations; not set: no limit.", None, minimum=1),
    Option("max_memory", "integer", "At most this much memory is moved, in MiB; not set: no limit.", None, minimum=1),
    Option(
        "max_hosts_touched",
        "integer",
        "At most this many hosts are left or arrived at; not set: no limit.",
        None,
        minimum=2,
    ),
    Option(
        "min_gain",
        "number",
        "The target ends where all further migrations would lower the score by less than this for each of them; "
        "not set: every gain will do.",
        None,
        minimum=0,
    ),
    Option(
        "objective",
        "string",
        "What the path finder saves: cost (memory moved), time (until the last migration ends), or both.",
        "balanced",
        choices=("cost", "time", "balanced"),
    ),
    Option(
        "approval",
        "string",
        "Whether a person approves the plan before anything moves; automatic-below N: not if it has fewer than N "
        "migrations.",
        "manual",
        check=limit_of,
        form=FORM,
    ),
    Option(
        "no_go",
        "string",
        "When no migration of a rearrangement by this policy is started: 08:00-18:00 mon-fri, 00:00-24:00 sun; UTC, "
        "unless a time zone is named last.",
        None,
        check=parse_windows,
        form=EXPECTED,
    ),
    Option(
        "mode",
        "string",
        "How its live migrations copy memory, unless an instance says so itself; not set: as [executor] mode says.",
        None,
        choices=("pre-copy", "post-copy", "auto"),
    ),
    Option(
        "on_failure",
        "string",
        "What is done when one of its migrations has failed for good; not set: as [executor] on_failure says.",
        None,
        choices=("retry", "other-destination", "skip", "replan", "rollback", "stop"),
    ),
)
"""Options that every policy has beside its own."""


def dated(snapshot: Snapshot, moved: Mapping[str, float], now: float) -> Snapshot:
    """The snapshot with when instances were migrated last: uuid to seconds since the epoch.

    ``now``: when it was taken if it does not say so itself.
    """
    instances = tuple(
        msgspec.structs.replace(
            each, extra={**each.extra, MIGRATED_AT: datetime.fromtimestamp(moved[each.uuid], UTC).isoformat()}
        )
        if each.uuid in moved
        else each
        for each in snapshot.instances
    )
    taken_at = snapshot.taken_at or datetime.fromtimestamp(now, UTC).isoformat()
    return msgspec.structs.replace(snapshot, instances=instances, taken_at=taken_at)


def guarded(cloud: CompiledCloud, settings: Settings) -> CompiledCloud:
    """The cloud with all instances pinned that the guards leave alone, each with the reason.

    Raises InvalidInput where ``cool_down`` is set and the snapshot does not say when it was taken, or an instance
    says nonsense of when it was migrated.
    """
    refused = _Left(cloud, settings)
    if not refused.asks():
        return cloud
    pinned = dict(cloud.pinned)
    for guest, instance in enumerate(cloud.snapshot.instances):
        if guest not in pinned and (reason := refused.reason(instance)) is not None:
            pinned[guest] = reason
    return dataclasses.replace(cloud, pinned=pinned)


class _Left:
    """Who is left alone, and why."""

    def __init__(self, cloud: CompiledCloud, settings: Settings) -> None:
        self._projects = frozenset(read.names(settings, "projects"))
        self._no_projects = frozenset(read.names(settings, "exclude_projects"))
        self._metadata = [_metadata(entry) for entry in read.names(settings, "metadata")]
        self._no_metadata = [_metadata(entry) for entry in read.names(settings, "exclude_metadata")]
        self._cool_down = read.number(settings, "cool_down")
        self._now: datetime | None = None
        if self._cool_down:
            if cloud.snapshot.taken_at is None:
                raise InvalidInput("cool_down is set, but the snapshot does not say when it was taken (taken_at)")
            self._now = _moment(cloud.snapshot.taken_at, "taken_at of the snapshot")

    def asks(self) -> bool:
        return bool(
            self._projects or self._no_projects or self._metadata or self._no_metadata or self._now is not None
        )

    def reason(self, instance: Instance) -> str | None:
        if self._projects and instance.project_id not in self._projects:
            return f"its project {instance.project_id} is not among projects of the policy"
        if instance.project_id in self._no_projects:
            return f"its project {instance.project_id} is among exclude_projects of the policy"
        if self._metadata and not any(_has(instance.metadata, *each) for each in self._metadata):
            return "it has none of the metadata of the policy"
        for key, value in self._no_metadata:
            if _has(instance.metadata, key, value):
                return f"its metadata {key} = {instance.metadata[key]} is among exclude_metadata of the policy"
        if self._now is not None and (written := instance.extra.get(MIGRATED_AT)) is not None:
            ready = _moment(written, f"extra.{MIGRATED_AT} of instance {instance.label()}") + timedelta(
                seconds=self._cool_down
            )
            if ready > self._now:
                return f"it was migrated lately and is left alone until {ready.isoformat()} (cool_down)"
        return None


def _has(metadata: Mapping[str, str], key: str, value: str | None) -> bool:
    return key in metadata and (value is None or metadata[key] == value)


def _moment(text: object, place: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidInput(f"{place}: found {text!r}, expected a time such as 2026-11-20T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
