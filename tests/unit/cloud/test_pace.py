from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmpath_service.cloud.pace import Brake, Pace


class FakeTime:
    """Sleeping is noted, and time goes on by itself only when told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)


def turns(pace: Pace, time: FakeTime, many: int) -> list[float]:
    """When each of many callers that come at once may go."""
    before = len(time.slept)
    for _ in range(many):
        pace.wait()
    slept = time.slept[before:]
    return [time.now] * (many - len(slept)) + [time.now + each for each in slept]


def test_no_second_has_more_than_it_may() -> None:
    time = FakeTime()
    pace = Pace(15, time.clock, time.sleep)
    passed = turns(pace, time, 20)
    time.now += 0.5
    passed += turns(pace, time, 30)
    time.now += 60
    passed += turns(pace, time, 15)
    assert len(passed) == 65
    for begin in passed:
        assert sum(begin <= each < begin + 1 for each in passed) <= 15
    assert passed[-15:] == [time.now] * 15
    assert max(passed[:50]) == 103.0


def test_threads_share_one_pace() -> None:
    time = FakeTime()
    pace = Pace(3, time.clock, time.sleep)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: pace.wait(), range(12)))
    assert sorted(time.slept) == [1.0] * 3 + [2.0] * 3 + [3.0] * 3


def test_without_a_limit_nobody_waits() -> None:
    time = FakeTime()
    pace = Pace(0, time.clock, time.sleep)
    assert turns(pace, time, 1000) == [100.0] * 1000


def test_a_pulled_brake_lets_four_through_each_second() -> None:
    time = FakeTime()
    brake = Brake(time.clock)
    looks, others = Pace(15, time.clock, time.sleep, brake), Pace(0, time.clock, time.sleep, brake)
    assert turns(others, time, 2) == [100.0] * 2
    brake.pull(3)
    assert turns(looks, time, 2) == [100.0, 100.25]
    assert turns(others, time, 2) == [100.25, 100.5]
    time.now += 3
    assert turns(others, time, 5) == [103.0] * 5


@pytest.mark.parametrize(("asked", "held"), [(None, 1.0), (0.5, 0.5), (7.0, 7.0), (3600.0, 30.0)])
def test_a_brake_is_held_as_long_as_is_sensible(asked: float | None, held: float) -> None:
    time = FakeTime()
    brake = Brake(time.clock)
    brake.pull(asked)
    time.now += held - 0.01
    assert brake.pulled()
    time.now += 0.01
    assert not brake.pulled()


def test_what_belongs_together_is_begun_when_all_of_it_may_pass() -> None:
    time = FakeTime()
    pace = Pace(5, time.clock, time.sleep)
    assert turns(pace, time, 3) == [100.0] * 3
    pace.wait_for_room(2)
    assert time.slept == []
    time.now += 0.25
    pace.wait_for_room(4)
    assert time.slept == [0.75]
    time.now += 0.75
    assert turns(pace, time, 4) == [101.0] * 4
    pace.wait_for_room(99)
    assert time.slept[-1] == 1.0
    Pace(0, time.clock, time.sleep).wait_for_room(4)
    assert len(time.slept) == 2


def test_what_is_asked_for_again_and_again_is_spread_but_not_evenly() -> None:
    time = FakeTime()
    pace = Pace(15, time.clock, time.sleep)
    begun = []
    for _ in range(60):
        before = len(time.slept)
        pace.wait_for_room(2)
        time.now += sum(time.slept[before:])
        begun.append(time.now)
        assert turns(pace, time, 2) == [time.now] * 2
        time.now += 0.01
    gaps = [after - before for before, after in itertools.pairwise(begun[10:])]
    assert all(0.07 < each < 0.3 for each in gaps)
    assert len({round(each, 3) for each in gaps}) > 10
    assert 45 * 2 / 15 < begun[-1] - begun[10] < 55 * 2 / 15
