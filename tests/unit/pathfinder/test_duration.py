"""How long a migration is expected to take."""

import pytest

from vmpath_service.model.snapshot import Instance, Memory, Storage
from vmpath_service.pathfinder.duration import forecast

MBPS = 8000  # 1000 MiB/s


def guest(memory=None, **more):
    return Instance("x", "a", {"MEMORY_MB": 8000}, memory=Memory(**memory) if memory else None, **more)


@pytest.mark.parametrize(
    ("instance", "seconds"),
    [
        (guest(), 8.0),
        (guest({"used_mb": 4000}), 4.0),
        # cold pages: 4 s, then 4 s x 100 MiB/s at the 900 MiB/s that are left
        (guest({"used_mb": 4000, "dirty_mb_s": 100}), 4 + 400 / 900),
        # a hot set of 200 MiB rewritten every 2 s: 4 s, the hot set, and its own rounds
        (
            guest({"used_mb": 4000, "dirty_mb_s": 100, "working_set_mb": 200, "working_set_s": 2}),
            4 + (200 + 2 * 100) / 900 + 0.2 * 100 / 900,
        ),
        # copied before the hot set was rewritten once
        (guest({"used_mb": 1000, "working_set_mb": 200, "working_set_s": 2}), 1 + 100 * 1 / 900),
        (guest(storage=Storage("local", 10)), 8 + 10.24),
        (guest({"used_mb": 0}), 0.1),
    ],
)
def test_durations(instance, seconds):
    predicted = forecast(instance, MBPS)
    assert predicted.seconds == pytest.approx(seconds)
    assert predicted.converges


def test_who_writes_faster_than_is_copied_does_not_converge():
    predicted = forecast(guest({"used_mb": 4000, "dirty_mb_s": 1000}), MBPS)
    assert not predicted.converges
    assert predicted.dirty_mb_s == 1000
    assert forecast(guest({"used_mb": 4000, "dirty_mb_s": 1000}, movable="cold"), MBPS).converges
