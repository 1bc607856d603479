"""Orders of people, and a cloud that does not answer."""

import pytest

from tests.modelled.cloud import Fate
from tests.modelled.walking import World, one_move, plan_of
from vmpath_service.model.errors import Fenced
from vmpath_service.model.records import RearrangementState


def test_frozen_nothing_starts_and_what_is_in_flight_is_followed() -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 4)}, plan_of(("x", "a", "b"), ("y", "a", "b", [1])))
    world.cloud.later(3, lambda: world.store.freeze("fire", "me"))
    assert world.run_for(500) is None
    assert world.states() == ["done", "pending"]
    assert [each.kind for each in world.store.events()].count("rearrangement.frozen") == 1
    world.store.thaw()
    assert world.run().outcome == "succeeded"
    assert world.cloud.violations == []


def test_a_paused_walk_goes_on_when_it_may() -> None:
    world = one_move()
    epoch = world.store.get(world.identity).epoch
    world.store.change(world.identity, epoch, state=RearrangementState.PAUSED)
    assert world.run_for(100) is None
    assert world.cloud.requests == []
    world.store.change(world.identity, epoch + 1, state=RearrangementState.RUNNING)
    assert world.run().outcome == "succeeded"


def test_cancelled_nothing_starts_and_what_is_in_flight_is_followed() -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 4)}, plan_of(("x", "a", "b"), ("y", "a", "b", [1])))
    world.cloud.later(3, lambda: world.store.request_cancel(world.identity))
    finish = world.run()
    assert finish.outcome == "cancelled"
    assert world.states() == ["done", "skipped"]
    assert world.reason(2) == "the rearrangement was cancelled"


def test_a_cancel_that_came_too_late_changes_nothing() -> None:
    world = one_move()
    world.cloud.later(3, lambda: world.store.request_cancel(world.identity))
    assert world.run().outcome == "succeeded"


def test_while_the_cloud_cannot_be_read_nothing_is_decided() -> None:
    world = one_move(request_settle_seconds=30, stuck_seconds=30)
    world.cloud.later(3, lambda: setattr(world.cloud, "unreachable", True))

    def back() -> None:
        world.cloud.unreachable = False

    world.cloud.later(400, back)
    assert world.run().outcome == "succeeded"
    assert world.kinds().count("cloud.unreachable") == 1
    assert world.kinds().count("cloud.reached") == 1


def test_a_walk_that_another_engine_has_taken_over_ends_though_it_has_nothing_to_write() -> None:
    world = one_move()
    world.cloud.fates["x"] = [Fate(copying=10_000.0)]
    world.cloud.later(100, lambda: world.store.claim(world.identity, "another"))
    with pytest.raises(Fenced):
        world.run_for(200)
    assert world.clock.now < 110
