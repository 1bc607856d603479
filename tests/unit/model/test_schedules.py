"""When schedules run: by the clock on the wall, through daylight saving, and after downtime."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.schedules import Times


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def runs(times: Times, begin: str, number: int) -> list[str | None]:
    found, moment = [], at(begin)
    for _ in range(number):
        moment = times.following(moment)
        found.append(shown(moment))
    return found


def test_ten_in_the_evening_of_weekdays() -> None:
    assert runs(Times("0 22 * * 1-5"), "2026-11-20 00:00", 3) == [
        "2026-11-20 22:00",  # a Friday
        "2026-11-23 22:00",
        "2026-11-24 22:00",
    ]


def test_the_clock_on_the_wall_counts_when_it_is_set() -> None:
    nightly = Times("0 22 * * *", "Europe/Berlin")
    assert runs(nightly, "2026-03-28 00:00", 2) == ["2026-03-28 21:00", "2026-03-29 20:00"]
    assert runs(nightly, "2026-10-24 00:00", 2) == ["2026-10-24 20:00", "2026-10-25 21:00"]


def test_an_hour_that_there_is_not_and_one_that_there_is_twice() -> None:
    early = Times("30 2 * * *", "Europe/Berlin")
    spring = runs(early, "2026-03-28 12:00", 2)
    assert spring == ["2026-03-29 01:00", "2026-03-30 00:30"]  # at three, when half past two is left out
    autumn = runs(early, "2026-10-24 12:00", 2)
    assert autumn == ["2026-10-25 00:30", "2026-10-26 01:30"]  # once


def test_intervals() -> None:
    assert runs(Times("@every 6h"), "2026-01-01 05:59", 3) == [
        "2026-01-01 06:00",
        "2026-01-01 12:00",
        "2026-01-01 18:00",
    ]


@pytest.mark.parametrize("cron", ["0 22 * * *", "@every 1d"])
def test_of_all_that_was_missed_the_latest(cron: str) -> None:
    times = Times(cron)
    soon = "2026-01-02 21:00" if cron[0] == "0" else "2026-01-01 23:59"
    assert times.latest(at("2026-01-01 23:00"), at(soon)) is None
    latest = times.latest(at("2024-01-01 00:00"), at("2026-05-01 12:00"))
    assert shown(latest) == ("2026-04-30 22:00" if cron[0] == "0" else "2026-05-01 00:00")
    assert latest is not None
    assert times.latest(latest, at("2026-05-01 12:00")) is None
    assert times.latest(latest - 1, latest) == latest


@pytest.mark.parametrize(
    ("cron", "zone", "sentence"),
    [
        ("0 22 * *", "UTC", "cron: found '0 22 \\* \\*', expected five fields"),
        ("0 25 * * *", "UTC", "cron: found '0 25 \\* \\* \\*', expected five fields .* Bad hour"),
        ("", "UTC", "cron: found '', expected five fields"),
        ("0 0 31 2 *", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("@every", "UTC", "cron: found '@every', expected an interval"),
        ("@every 6", "UTC", "cron: found '@every 6', expected an interval"),
        ("@every 5s", "UTC", "an interval of at least 10 s"),
        ("@daily", "UTC", "cron: found '@daily', expected five fields"),
        ("0 22 * * *", "Europe/Atlantis", "time_zone: there is no 'Europe/Atlantis'"),
        ("0 22 * * *", "../etc/passwd", "time_zone: there is no"),
    ],
)
def test_what_is_no_schedule(cron: str, zone: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Times(cron, zone)
