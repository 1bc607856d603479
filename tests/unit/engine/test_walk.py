"""Walks told as stories: how one goes when all goes well, and what is told of it."""

import pytest

from tests.modelled.cloud import Fate
from tests.modelled.walking import SETTINGS, World, one_move, plan_of, swap
from vmpath_service.model.records import MigrationState

pytestmark = pytest.mark.usefixtures("worlds_in_a_database")


def test_a_plan_is_walked_to_its_end() -> None:
    world = swap()
    finish = world.run()
    assert (finish.outcome, finish.explanation) == ("succeeded", None)
    assert {uuid: server.host for uuid, server in world.cloud.servers.items()} == {"x": "b", "y": "a"}
    assert world.cloud.requests == [("y", "c"), ("x", "b"), ("y", "a")]
    assert world.cloud.violations == []
    assert world.all_done()


def test_what_happens_is_told_in_order() -> None:
    world = one_move()
    world.run()
    assert world.kinds() == [
        "migration.requested",
        "migration.accepted",
        "migration.running",
        "migration.verifying",
        "migration.done",
    ]


def test_progress_is_recorded() -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(copying=100)]}
    world.run_for(60)
    (migration,) = world.store.migrations(world.identity)
    assert migration.state is MigrationState.RUNNING
    assert 0.4 < (migration.progress or 0) < 0.7


def test_done_is_believed_only_at_the_second_look() -> None:
    world = one_move(settle_seconds=20)
    ended = world.run()
    (migration,) = world.store.migrations(world.identity)
    assert ended.outcome == "succeeded"
    assert migration.ended_at is not None
    assert migration.ended_at - (migration.intended_at or 0) >= 11 + 20


def test_a_paused_instance_stays_paused() -> None:
    world = one_move()
    world.cloud.servers["x"].status = "PAUSED"
    assert world.run().outcome == "succeeded"
    assert world.cloud.servers["x"].status == "PAUSED"


def test_an_instance_that_is_there_already_is_done() -> None:
    world = one_move()
    world.cloud.servers["x"].host = "b"
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == []


def test_nothing_to_do_is_a_success() -> None:
    world = World({"a": 10}, {}, plan_of(), SETTINGS)
    assert world.run().outcome == "succeeded"
    assert world.cloud.calls == []
