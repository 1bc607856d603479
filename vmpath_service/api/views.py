"""Records as the API shows them: plain data, times in ISO 8601 (UTC), links."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from vmpath_service.model.maintenances import Maintenance
from vmpath_service.model.records import Event, Freeze, Migration, Rearrangement
from vmpath_service.model.schedules import Schedule, Times
from vmpath_service.model.times import iso


def time(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601."""
    if seconds is None:
        return None
    return iso(seconds)


def rearrangement(record: Rearrangement, prefix: str) -> dict[str, Any]:
    """``prefix``: the address of the API, up to the path."""
    here = f"{prefix}/v1/rearrangements/{record.id}"
    shown: dict[str, Any] = msgspec.to_builtins(record)
    del shown["epoch"]
    shown["policy"] = record.request.policy
    shown["created_at"] = time(record.created_at)
    shown["updated_at"] = time(record.updated_at)
    shown["links"] = [{"rel": "self", "href": here}] + [
        {"rel": part, "href": f"{here}/{part}"} for part in ("plan", "migrations", "events")
    ]
    return shown


def maintenance(record: Maintenance, prefix: str) -> dict[str, Any]:
    """``prefix``: the address of the API, up to the path."""
    here = f"{prefix}/v1/maintenances/{record.id}"
    shown: dict[str, Any] = msgspec.to_builtins(record)
    for inner in ("epoch", "former", "checked"):
        del shown[inner]
    for moment in ("start", "created_at", "updated_at", "phase_since"):
        shown[moment] = time(shown[moment])
    shown["links"] = [{"rel": "self", "href": here}, {"rel": "events", "href": f"{here}/events"}]
    if record.rearrangement is not None:
        shown["links"].append(
            {"rel": "rearrangement", "href": f"{prefix}/v1/rearrangements/{record.rearrangement}"}
        )
    return shown


def schedule(record: Schedule, prefix: str, now: float) -> dict[str, Any]:
    """``now``: in seconds since the epoch, to say when it runs next."""
    request = record.request
    shown: dict[str, Any] = msgspec.to_builtins(record)
    del shown["considered"]
    shown["name"] = record.name
    shown["next_at"] = time(Times(request.cron, request.time_zone).following(now)) if record.enabled else None
    for moment in ("created_at", "updated_at", "last_at"):
        shown[moment] = time(shown[moment])
    shown["links"] = [{"rel": "self", "href": schedule_address(record.name, prefix)}]
    if record.last is not None:
        shown["links"].append({"rel": "rearrangement", "href": f"{prefix}/v1/rearrangements/{record.last}"})
    return shown


def schedule_address(name: str, prefix: str) -> str:
    """The address of one schedule; names may hold what addresses may not."""
    return f"{prefix}/v1/schedules/{quote(name, safe='')}"


def migration(record: Migration) -> dict[str, Any]:
    """A migration, with times as ISO 8601."""
    shown: dict[str, Any] = msgspec.to_builtins(record)
    shown["intended_at"] = time(record.intended_at)
    shown["ended_at"] = time(record.ended_at)
    shown["demanded_at"] = time(record.demanded_at)
    return shown


def event(record: Event) -> dict[str, Any]:
    """An event, with its time as ISO 8601."""
    shown: dict[str, Any] = msgspec.to_builtins(record)
    shown["at"] = time(record.at)
    return shown


def freeze(record: Freeze | None) -> dict[str, Any]:
    """Whether everything is frozen, and since when, why and by whom."""
    if record is None:
        return {"frozen": False, "since": None, "reason": None, "by": None}
    return {"frozen": True, "since": time(record.since), "reason": record.reason, "by": record.by}
