"""Rolling back, and cancelling with what is in flight."""

from __future__ import annotations

import pytest

from tests.modelled.cloud import Fate, Server
from tests.modelled.walking import World, plan_of, swap
from vmpath_service.model.records import RearrangementState

RUNNING = (RearrangementState.RUNNING,)


def homes(world: World) -> dict[str, str]:
    return {uuid: server.host for uuid, server in world.cloud.servers.items() if server.ours}


def test_what_was_done_goes_back_by_a_legal_path() -> None:
    world = swap()
    assert world.run().outcome == "succeeded"
    world.store.request_rollback(world.identity, expected=RUNNING)
    assert world.roll_back().outcome == "rolled back"
    assert homes(world) == {"x": "a", "y": "b"}
    assert world.states() == ["done"] * 6
    assert world.cloud.violations == []


def test_demanded_on_the_way_what_is_in_flight_ends_first() -> None:
    world = swap()
    world.cloud.later(20, lambda: world.store.request_rollback(world.identity, expected=RUNNING) and None)
    assert world.run().outcome == "rollback"
    assert world.states() == ["done", "done", "skipped"]
    assert world.roll_back().outcome == "rolled back"
    assert homes(world) == {"x": "a", "y": "b"}
    assert world.cloud.violations == []


def test_a_failure_may_bring_everything_back() -> None:
    world = swap(on_failure="rollback")
    world.cloud.fates = {"x": [Fate("failed midway")]}
    finish = world.run()
    assert finish.outcome == "rollback"
    assert "migration of x from a to b" in (finish.explanation or "")
    assert world.roll_back().outcome == "rolled back"
    assert homes(world) == {"x": "a", "y": "b"}


def test_what_cannot_go_back_is_told() -> None:
    world = swap()
    assert world.run().outcome == "succeeded"
    world.cloud.servers["stranger"] = Server("a", {"MEMORY_MB": 4}, ours=False)
    del world.cloud.servers["y"]
    world.store.request_rollback(world.identity, expected=RUNNING)
    world.cloud.servers["big"] = Server("a", {"MEMORY_MB": 6}, ours=False)
    finish = world.roll_back()
    assert finish.outcome == "rolled back"
    assert (finish.explanation or "").startswith("not everything could go back: y to b: it is gone; x to a: ")
    assert homes(world) == {"x": "b"}
    assert world.cloud.violations == []


def test_what_others_have_moved_since_is_left_to_them() -> None:
    world = swap()
    assert world.run().outcome == "succeeded"
    world.cloud.servers["y"].host = "c"
    world.store.request_rollback(world.identity, expected=RUNNING)
    finish = world.roll_back()
    assert homes(world) == {"x": "a", "y": "c"}
    assert "it is no longer on a, where it was brought" in (finish.explanation or "")


def test_a_way_back_that_dies_is_gone_on_with() -> None:
    world = swap()
    assert world.run().outcome == "succeeded"
    world.store.request_rollback(world.identity, expected=RUNNING)
    with pytest.raises(AssertionError, match="still walking"):
        world.roll_back(world.clock.now + 20)
    before = len(world.store.migrations(world.identity))
    assert world.roll_back().outcome == "rolled back"
    assert len(world.store.migrations(world.identity)) == before
    assert homes(world) == {"x": "a", "y": "b"}
    assert world.cloud.violations == []


def test_the_way_back_can_be_cancelled() -> None:
    world = swap()
    assert world.run().outcome == "succeeded"
    world.store.request_rollback(world.identity, expected=RUNNING)
    world.cloud.later(3, lambda: world.store.request_cancel(world.identity) and None)
    assert world.roll_back().outcome == "cancelled"


def test_cancelled_with_abort_what_is_in_flight_is_aborted() -> None:
    world = swap()
    world.cloud.fates = {"y": [Fate(copying=500)]}
    world.cloud.later(20, lambda: world.store.request_cancel(world.identity, abort=True) and None)
    assert world.run().outcome == "cancelled"
    assert world.clock.now < 100
    assert world.states() == ["failed", "skipped", "skipped"]
    assert "it was aborted" in world.reason(1)
    assert homes(world) == {"x": "a", "y": "b"}


def test_what_nova_cannot_abort_any_more_is_followed_to_its_end() -> None:
    world = swap()
    world.cloud.fates = {"y": [Fate(copying=60, demanded="refused")]}
    world.cloud.later(20, lambda: world.store.request_cancel(world.identity, abort=True) and None)
    assert world.run().outcome == "cancelled"
    assert world.states() == ["done", "skipped", "skipped"]


def test_rolled_back_with_abort_nothing_stays_half_way() -> None:
    world = swap()
    world.cloud.fates = {"x": [Fate(copying=500)]}
    world.cloud.later(40, lambda: world.store.request_rollback(world.identity, expected=RUNNING, abort=True) and None)
    assert world.run().outcome == "rollback"
    assert world.roll_back().outcome == "rolled back"
    assert homes(world) == {"x": "a", "y": "b"}
    assert world.clock.now < 200


def test_what_others_had_brought_there_before_stays() -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 4)}, plan_of(("x", "a", "b"), ("y", "a", "b")))
    world.cloud.servers["y"].host = "b"
    assert world.run().outcome == "succeeded"
    world.store.request_rollback(world.identity, expected=RUNNING)
    assert world.roll_back().outcome == "rolled back"
    assert homes(world) == {"x": "a", "y": "b"}
