from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmpath_service.simulator import memory_copy
from vmpath_service.simulator.records import MemoryBehaviour

MIB = memory_copy.MIB


@pytest.mark.parametrize(
    ("guest", "seconds"),
    [
        (MemoryBehaviour(), 10.0),
        (MemoryBehaviour(used_mb=500), 5.0),
        (MemoryBehaviour(dirty_mb_s=50), 20.0),
        (MemoryBehaviour(dirty_mb_s=100), None),
        (MemoryBehaviour(working_set_mb=200, working_set_s=2), None),
        # 10 s, the hot set once (1 s), and its rewriting: 1 s x (50 / 50).
        (MemoryBehaviour(working_set_mb=100, working_set_s=2), 12.0),
        # Copied before the hot set is through once.
        (MemoryBehaviour(used_mb=100, working_set_mb=100, working_set_s=2), 2.0),
    ],
)
def test_seconds_to_converge_at_100_mb_s(guest: MemoryBehaviour, seconds: float | None) -> None:
    assert memory_copy.seconds_to_converge(1000, 100, guest) == (None if seconds is None else pytest.approx(seconds))


def test_figures_are_absent_then_zero_then_refreshed_now_and_then() -> None:
    copy = memory_copy.begin(0.0, 1000, 10, MemoryBehaviour(), every_s=5)
    assert memory_copy.shown(copy, 0.4) is None
    assert memory_copy.shown(copy, 1.0) == (0.5, 0, 0, 0)
    at_five = memory_copy.shown(copy, 9.9)
    assert at_five == (5.0, 1000 * MIB, 50 * MIB, 950 * MIB)


@given(
    st.floats(0, 500),
    st.floats(0, 500),
    st.sampled_from((0.0, 30.0, 200.0)),
)
def test_processed_never_falls_and_remaining_stays_within_the_memory(
    first: float, second: float, dirty: float
) -> None:
    copy = memory_copy.begin(0.0, 1000, 100, MemoryBehaviour(dirty_mb_s=dirty), every_s=1)
    early = memory_copy.shown(copy, min(first, second))
    late = memory_copy.shown(copy, max(first, second))
    for figures in (early, late):
        if figures is not None:
            assert 0 <= figures[3] <= 1000 * MIB
    if early is not None and late is not None:
        assert early[2] <= late[2]


def test_forcing_copies_what_was_left() -> None:
    copy = memory_copy.begin(0.0, 1000, 100, MemoryBehaviour(dirty_mb_s=200), every_s=1)
    forced = memory_copy.forced(copy, 5.0, 100)
    assert forced.duration_s == pytest.approx(5.0)
    before = memory_copy.shown(copy, 5.0)
    after = memory_copy.shown(forced, 7.0)
    assert before is not None
    assert after is not None
    assert after[2] > before[2]
    assert after[3] == pytest.approx(300 * MIB)
