from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from vmpath_service.cloud.pace import Pace


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
