"""Windows of time that come again: ``no_go`` of policies and of instances.

``08:00-18:00 mon-fri`` is every weekday from eight to six; several are separated by commas: ``08:00-18:00 mon-fri,
22:00-06:00``. Without days it is every day; days are ``mon`` ... ``sun``, ranges of them, or several joined by ``+``
(``mon-wed+sat``). A window that ends no later than it begins goes on into the next day, and its days are those on
which it begins; ``00:00-24:00`` is a whole day. Times are UTC, unless a time zone of the IANA database is named last:
``08:00-18:00 mon-fri Europe/Berlin``.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from vmpath_service.model.errors import InvalidInput

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXPECTED = "windows such as 08:00-18:00 mon-fri, separated by commas"
_TIMES = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DAY = timedelta(days=1)
_WEEK = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Begins on these days (0: Monday) ``begin`` minutes after midnight and lasts ``minutes``, in this time zone."""

    begin: int
    minutes: int
    days: frozenset[int]
    zone: str = "UTC"

    def until(self, moment: datetime) -> datetime | None:
        """When the window that ``moment`` (with a time zone) is in ends; None where it is in none."""
        zone = _zone(self.zone)
        today = moment.astimezone(zone).date()
        ends = None
        # one that began the day before may not be over; clocks are set by less than a day
        for day in (today - _DAY, today, today + _DAY):
            if day.weekday() not in self.days:
                continue
            midnight = datetime.combine(day, time(), zone)
            # arithmetic within a zone is by the clock on the wall, comparisons between zones are not
            begin, end = ((midnight + timedelta(minutes=at)).astimezone(UTC) for at in (self.begin, self.last()))
            if begin <= moment < end:
                ends = end if ends is None else max(ends, end)
        return ends

    def last(self) -> int:
        """Minutes from the midnight before it begins to its end."""
        return self.begin + self.minutes


def parse_windows(text: str) -> tuple[Window, ...]:
    """The windows that a text names, none for an empty one; raises InvalidInput."""
    return tuple(_window(part.strip()) for part in text.split(",")) if text.strip() else ()


def closed_until(windows: Iterable[Window], moment: datetime) -> datetime | None:
    """The moment (UTC) when the last of the windows that follow one another from ``moment`` on has ended.

    None where ``moment`` (with a time zone) is in no window; a moment a week later or more where they never leave a
    gap.
    """
    every = tuple(windows)
    now = moment.astimezone(UTC)
    limit = now + timedelta(minutes=_WEEK)
    reached = now
    while reached < limit:
        ends = [end for each in every if (end := each.until(reached)) is not None]
        if not ends:
            break
        reached = max(ends)
    return reached if reached > now else None


def _window(text: str) -> Window:
    times, *rest = text.split() or [""]
    found = _TIMES.fullmatch(times)
    if found is None or len(rest) > 2:
        raise _wrong(text, "a time such as 08:00-18:00 first, then days, then a time zone")
    hours = [int(number) for number in found.groups()]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if hours[1] > 59 or hours[3] > 59 or begin >= 24 * 60 or end > 24 * 60 or begin == end:
        raise _wrong(text, "two different times from 00:00 to 24:00")
    days = frozenset(range(7))
    if rest and rest[0].lower()[:3] in DAYS:
        days = _days(text, rest.pop(0).lower())
    zone = rest.pop(0) if rest else "UTC"
    if rest:
        raise _wrong(text, f"days from {DAYS[0]} to {DAYS[-1]} before the time zone")
    try:
        _zone(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(text, f"days such as mon-fri, or an IANA time zone, in place of {zone!r}") from None
    return Window(begin, (end - begin) % (24 * 60) or 24 * 60, days, zone)


def _days(text: str, names: str) -> frozenset[int]:
    days: set[int] = set()
    for part in names.split("+"):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise _wrong(text, f"days from {', '.join(DAYS)}, such as mon-fri or sat+sun")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        days.update((begin + more) % 7 for more in range(length + 1))
    return frozenset(days)


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else zoneinfo.ZoneInfo(name)


def _wrong(text: str, expected: str) -> InvalidInput:
    return InvalidInput(f"window {text!r}: expected {expected}")
