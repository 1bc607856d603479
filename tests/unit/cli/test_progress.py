"""How far it is and how long it takes still."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from vmpath_service.cli.abridged import short
from vmpath_service.cli.live import picture
from vmpath_service.cli.maintenance import expected
from vmpath_service.cli.maintenance_screen import screen
from vmpath_service.cli.progress import duration, in_words, maintenance_left, reckon
from vmpath_service.cli.watching import View


def move(step: int, state: str, progress: float | None = None, began: bool = True) -> dict[str, Any]:
    return {
        "step": step,
        "instance": f"i{step}",
        "instance_name": None,
        "source": "a",
        "dest": "b",
        "state": state,
        "progress": progress,
        "intended_at": "1970-01-01T00:01:40Z" if began else None,
    }


MEMORY = dict.fromkeys(range(1, 9), 100)


def test_only_what_was_verified_counts_as_done() -> None:
    moves = [move(1, "done"), move(2, "verifying", 1.0), move(3, "running", 0.5), move(4, "pending", began=False)]
    progress = reckon(moves, MEMORY, now=200.0)
    assert (progress.total, progress.done, progress.in_flight) == (4, 1, 2)
    # 250 of 400 MiB in 100 s: 150 to go
    assert progress.left_s == pytest.approx(60.0)
    assert in_words(progress) == "1 of 4 done, 2 in flight, about 60 s left"


def test_nothing_verified_means_no_estimate() -> None:
    progress = reckon([move(1, "running", 0.9), move(2, "pending", began=False)], MEMORY, now=200.0)
    assert progress.left_s is None
    assert in_words(progress) == "0 of 2 done, 1 in flight"


def test_before_anything_is_verified_the_prediction_counts() -> None:
    moves = [move(1, "running", 0.9), move(2, "pending", began=False)]
    assert reckon(moves, MEMORY, now=130.0, predicted_s=90.0).left_s == pytest.approx(60.0)
    # later than predicted: nobody knows
    assert reckon(moves, MEMORY, now=200.0, predicted_s=90.0).left_s is None
    assert reckon([move(2, "pending", began=False)], MEMORY, now=0.0, predicted_s=90.0).left_s == pytest.approx(90.0)


def test_what_a_new_plan_replaced_is_not_counted_and_a_switch_is_in_flight() -> None:
    moves = [move(1, "done"), move(2, "replaced"), move(3, "switching to post-copy", 0.5), move(4, "done")]
    progress = reckon(moves, MEMORY, now=200.0)
    assert (progress.total, progress.done, progress.in_flight) == (3, 2, 1)
    assert progress.left_s == pytest.approx(20.0)


def test_what_failed_needs_no_more_time() -> None:
    progress = reckon([move(1, "done"), move(2, "failed"), move(3, "skipped")], MEMORY, now=200.0)
    assert progress.left_s == 0
    assert in_words(progress) == "1 of 3 done, 1 failed, 1 skipped"


def test_estimates_are_rounded() -> None:
    assert [duration(seconds) for seconds in (0.2, 60, 600, 9000)] == ["1 s", "60 s", "10 min", "2.5 h"]


def test_the_live_picture_has_a_line_per_flight() -> None:
    moves = [move(1, "done"), move(2, "running", 0.25)] + [move(n, "requested") for n in range(3, 40)]
    record = {"policy": "drain", "id": "r1", "state": "running", "request": {"dry_run": False}}
    stream = io.StringIO()
    view = View(record, moves, (), MEMORY, "frozen by ann")
    Console(file=stream, width=100).print(picture(view, ["i1 is on b"], 200.0))
    text = stream.getvalue()
    assert "drain r1: running" in text
    assert "1 of 39 done, 38 in flight" in text
    assert "running 25%" in text
    assert "and 8 more in flight" in text
    assert "i1 is on b" in text
    assert "  i2 " in text
    assert "frozen by ann" in text


def test_what_does_not_fit_is_not_told_beside_bounds_of_the_whole() -> None:
    outlook = {
        "rounds": [{"hosts": ["a"], "migrations": 4, "drain_s": 30.0}],
        "migrations": 4,
        "fewest_migrations": 4,
        "seconds": 700.0,
        "fewest_rounds": 2,
        "least_seconds": 1680.0,
        "short": "there is no room",
    }
    request = {"rolling": True, "duration_s": 600.0}
    told = dict(expected(outlook, request))
    assert (told["rounds"], told["predicted"]) == ("1 of at least 2 fit", "at least 28 min")
    assert "migrations" not in told
    assert dict(expected(outlook | {"short": None}, request))["rounds"] == "1 (at least 2)"


def test_on_a_screen_of_80_columns_instances_have_names() -> None:
    uuid = "0b4c2e76-9f7f-4a11-8d6e-1c3f5a7b9d02"
    flight = move(1, "switching to post-copy", 0.5) | {"instance": uuid, "instance_name": "web-1"}
    record = {"policy": "drain", "id": "r1", "state": "running", "request": {"dry_run": False}}
    stream = io.StringIO()
    news = short(f"migration of web-1 ({uuid}) from compute-001 to compute-002 verifying")
    Console(file=stream, width=80).print(picture(View(record, [flight], (), MEMORY), [news], 200.0))
    assert "web-1 (0b4c2e76)" in stream.getvalue()
    assert "migration of web-1 (0b4c2e76) from compute-001 to compute-002 verifying" in stream.getvalue()
    assert short(f"migration of {uuid} from a to b") == f"migration of {uuid} from a to b"


def test_the_screen_of_a_maintenance_tells_what_is_back_and_what_is_left() -> None:
    rounds = [{"hosts": ["a"], "done": True}, {"hosts": ["b"], "done": False}]
    drains = [{"hosts": [name], "migrations": 2, "drain_s": 30.0} for name in ("a", "b", "c")]
    record: dict[str, Any] = {
        "id": "m1",
        "state": "draining",
        "rounds": rounds,
        "request": {"hosts": ["a", "b", "c"], "duration_s": 600.0},
        "outlook": {"rounds": drains},
        "phase_since": "1970-01-01T00:01:40Z",
    }
    # the rest of b, the work on b, all of c
    assert maintenance_left(record, 160.0, 12.0) == 12 + 600 + 30 + 600
    assert maintenance_left(record, 160.0, None) == 30 + 600 + 30 + 600
    assert maintenance_left(record | {"state": "ready"}, 160.0, None) == 540 + 30 + 600
    assert maintenance_left(record | {"state": "scheduled"}, 160.0, None) is None
    assert maintenance_left(record | {"outlook": None}, 160.0, None) is None
    stream = io.StringIO()
    walked = {"policy": "drain", "id": "r1", "state": "running", "request": {"dry_run": False}, "summary": None}
    view = View(walked, [move(1, "running", 0.25)], (), MEMORY)
    Console(file=stream, width=100).print(screen(record, view, 160.0))
    text = stream.getvalue()
    assert "maintenance m1: draining, 1 of 3 hosts back, about 21 min left" in text
    assert "drain r1: running" in text
    assert "running 25%" in text
