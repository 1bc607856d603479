"""Schedules: policies that run by the clock. Immutable values, and when the next run is.

Times are seconds since the epoch (UTC).
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

import msgspec
from cronsim import CronSim, CronSimError

from vmpath_service.model.errors import InvalidInput

Missed = Literal["once", "skip"]

# A cron expression that fires at most once in so long (29 February) is still one that fires.
_FARTHEST = timedelta(days=8 * 366)


class ScheduleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody asked for.

    ``cron``: five fields, or ``@every 6h`` (s, m, h, d). ``time_zone``: an IANA name; the clock on the wall there
    counts, through daylight saving. ``missed``: what becomes of a run whose time passed while vmpath was not
    running: it runs once, however many were missed, or not at all. ``approve``: each run is carried out without
    asking; else that is as the policy says. ``options`` and the scope are those of a rearrangement.
    """

    name: str
    policy: str
    cron: str
    time_zone: str = "UTC"
    missed: Missed = "skip"
    approve: bool = False
    enabled: bool = True
    options: dict[str, Any] = {}
    zones: tuple[str, ...] = ()
    aggregates: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Schedule(msgspec.Struct, frozen=True):
    """One schedule as it stands. ``origin``: ``file`` (read-only in the API) or ``api``. ``considered``: until when
    its runs have been dealt with. ``last``: the rearrangement of the last run, ``last_at`` when that was,
    ``outcome`` what came of it, or why there was none."""

    request: ScheduleRequest
    origin: Literal["file", "api"]
    created_at: float
    updated_at: float
    version: int = 1
    enabled: bool = True
    considered: float = 0.0
    last: str | None = None
    last_at: float | None = None
    outcome: str | None = None

    @property
    def name(self) -> str:
        return self.request.name


class Times:
    """When a schedule runs."""

    def __init__(self, cron: str, time_zone: str = "UTC") -> None:
        """Raises InvalidInput for an expression that is none or never fires, and for an unknown time zone."""
        self._zone = _zone(time_zone)
        self._cron = cron.strip()
        self._every = _interval(self._cron)
        if self._every is None:
            self._check()

    def following(self, moment: float) -> float:
        """The first run after ``moment``."""
        if self._every is not None:
            return (moment // self._every + 1) * self._every
        found = next(CronSim(self._cron, datetime.fromtimestamp(moment, self._zone)))
        return found.timestamp()

    def latest(self, after: float, until: float) -> float | None:
        """The last run after ``after`` that was due at ``until``; None if there was none."""
        if self._every is not None:
            found = until // self._every * self._every
            return found if found > after else None
        if self.following(after) > until:
            return None
        # looked for backwards, so that a year of downtime costs no more than a minute
        begin = datetime.fromtimestamp(until, self._zone) + timedelta(seconds=1)
        found = next(CronSim(self._cron, begin, reverse=True)).timestamp()
        return found if found > after else None

    def _check(self) -> None:
        now = datetime(2024, 1, 1, tzinfo=UTC).astimezone(self._zone)
        try:
            first = next(CronSim(self._cron, now), None)
        except CronSimError as error:
            raise InvalidInput(
                f"cron: found {self._cron!r}, expected five fields such as '0 22 * * 1-5', or '@every 6h': {error}"
            ) from error
        if first is None or first - now > _FARTHEST:
            raise InvalidInput(f"cron: {self._cron!r} never fires")


def _interval(text: str) -> float | None:
    """Seconds of ``@every 6h``; None if it is no interval. Raises InvalidInput."""
    if not text.startswith("@every"):
        return None
    words = text.split()
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    number = words[1][:-1] if len(words) == 2 else ""
    if not number.isascii() or not number.isdigit() or words[1][-1] not in units or int(number) == 0:
        raise InvalidInput(f"cron: found {text!r}, expected an interval such as '@every 6h' (s, m, h or d)")
    seconds = int(number) * units[words[1][-1]]
    if seconds < 10:
        raise InvalidInput(f"cron: found {text!r}, expected an interval of at least 10 s")
    return seconds


def _zone(name: str) -> tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"time_zone: there is no {name!r}; expected a name such as Europe/Berlin") from error
