"""Moments, kept in seconds since the epoch, as OpenStack writes them."""

from __future__ import annotations

import datetime
import functools

from vmpath_service.simulator.refusals import Refused


@functools.lru_cache(maxsize=65536)
def iso_z(moment: float) -> str:
    """As servers show it: 2026-11-20T12:00:00Z."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.lru_cache(maxsize=65536)
def iso_micro(moment: float) -> str:
    """As most others show it: 2026-11-20T12:00:00.000000; Nova's database keeps whole seconds."""
    shown = datetime.datetime.fromtimestamp(int(moment), datetime.UTC)
    return shown.strftime("%Y-%m-%dT%H:%M:%S.000000")


def moment_of(text: str, name: str) -> float:
    """Seconds since the epoch. Raises Refused 400 for what is no ISO 8601 time."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"Invalid input for query parameters {name}. Value: {text}.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()
