"""Windows of time that come again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.windows import closed_until, parse_windows

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def until(text, days=0, hours=0, minutes=0):
    return closed_until(parse_windows(text), MONDAY + timedelta(days=days, hours=hours, minutes=minutes))


def test_office_hours():
    assert until("08:00-18:00 mon-fri", hours=8) == MONDAY + timedelta(hours=18)
    assert until("08:00-18:00 mon-fri", hours=18) is None
    assert until("08:00-18:00 mon-fri", hours=7, minutes=59) is None
    assert until("08:00-18:00 mon-fri", days=5, hours=12) is None


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins():
    assert until("22:00-06:00 sun", hours=5) == MONDAY + timedelta(hours=6)
    assert until("22:00-06:00 mon", hours=5) is None


def test_windows_that_follow_one_another_are_one():
    assert until("00:00-24:00 sat+sun, 20:00-24:00 fri", days=4, hours=21) == MONDAY + timedelta(days=7)
    assert until("06:00-12:00, 11:00-14:00", hours=7) == MONDAY + timedelta(hours=14)


def test_days_wrap_around_the_week():
    text = "00:00-24:00 sat-mon"
    assert [until(text, days=day, hours=1) is not None for day in range(7)] == [True, *[False] * 4, True, True]


def test_a_cloud_that_is_always_closed_is_told_so_in_finite_time():
    assert until("00:00-24:00") >= MONDAY + timedelta(days=7)


def test_a_time_zone_and_its_summer_time():
    # Berlin is an hour ahead of UTC in winter, two in summer
    assert until("08:00-18:00 mon-fri Europe/Berlin", hours=7) == MONDAY + timedelta(hours=17)
    summer = datetime(2026, 7, 20, 6, tzinfo=UTC)
    assert closed_until(parse_windows("08:00-18:00 Europe/Berlin"), summer) == summer + timedelta(hours=10)


def test_nothing_is_no_window():
    assert parse_windows("  ") == ()
    assert closed_until((), MONDAY) is None


@pytest.mark.parametrize(
    "text",
    ["8-18", "08:00-08:00", "24:00-08:00", "08:00-18:60", "08:00-18:00 moo-fri", "08:00-18:00 mon-xyz", "mon-fri",
     "08:00-18:00 Atlantis/Capital", "08:00-18:00 mon UTC now", "08:00-18:00,", "08:00-18:00 UTC mon"],
)  # fmt: skip
def test_what_is_no_window_is_refused_with_a_sentence(text):
    with pytest.raises(InvalidInput, match="expected"):
        parse_windows(text)


@given(
    st.integers(0, 23), st.integers(1, 24), st.sets(st.integers(0, 6), min_size=1), st.integers(0, 7 * 24 - 1)
)
def test_it_agrees_with_going_through_the_week_hour_by_hour(begin, length, days, hour):
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    end = (begin + length) % 24
    text = f"{begin:02}:00-{end or 24:02}:00 {'+'.join(names[day] for day in sorted(days))}"
    if begin == end:
        return
    closed = {(24 * day + begin + more) % 168 for day in days for more in range(length)}
    found = closed_until(parse_windows(text), MONDAY + timedelta(hours=hour))
    assert (found is not None) == (hour in closed)
    if found is not None and len(closed) < 168:
        ahead = next(more for more in range(1, 169) if (hour + more) % 168 not in closed)
        assert found == MONDAY + timedelta(hours=hour + ahead)
