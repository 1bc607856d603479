"""Instances that are not running."""

from __future__ import annotations

import msgspec
import pytest

from tests.modelled.cloud import Fate
from tests.modelled.walking import World, plan_of, settings
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import FailureKind


def cold(plan: Plan) -> Plan:
    return msgspec.structs.replace(
        plan, migrations=tuple(msgspec.structs.replace(each, method="cold") for each in plan.migrations)
    )


def stopped(fate: Fate | None = None, **of_executor: object) -> World:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, cold(plan_of(("x", "a", "b"))), settings(**of_executor))
    world.cloud.servers["x"].status = "SHUTOFF"
    world.cloud.fates = {"x": [fate or Fate()]}
    return world


def test_a_stopped_instance_is_moved_confirmed_and_stays_stopped() -> None:
    world = stopped()
    assert world.run().outcome == "succeeded"
    server = world.cloud.servers["x"]
    assert (server.host, server.status) == ("b", "SHUTOFF")
    assert world.cloud.moves[0].demands == ["confirm_resize"]
    assert world.cloud.free("a") == {"MEMORY_MB": 10}
    assert world.cloud.violations == []


def test_what_cannot_be_confirmed_is_reverted() -> None:
    world = stopped(Fate("confirm refused"), verify_seconds=60)
    assert world.run().outcome == "failed"
    server = world.cloud.servers["x"]
    assert (server.host, server.status) == ("a", "SHUTOFF")
    assert world.cloud.moves[0].demands == ["confirm_resize", "confirm_resize", "revert_resize"]
    (record,) = world.store.migrations(world.identity)
    assert record.failure is FailureKind.ABORTED


def test_cancelled_with_abort_it_is_reverted() -> None:
    world = stopped()
    world.cloud.later(10, lambda: world.store.request_cancel(world.identity, abort=True) and None)
    assert world.run().outcome == "failed"
    assert world.cloud.servers["x"].host == "a"
    assert world.cloud.moves[0].demands == ["revert_resize"]


@pytest.mark.parametrize("answer", ["lost", "lost and never arrives"])
def test_a_lost_answer_is_found_out(answer: str) -> None:
    world = stopped(Fate(answer=answer), retries=1)  # type: ignore[arg-type]
    assert world.run().outcome == "succeeded"
    assert world.cloud.servers["x"].host == "b"
    assert world.cloud.violations == []


def test_one_that_was_started_meanwhile_is_left_alone() -> None:
    world = stopped()
    world.cloud.servers["x"].status = "ACTIVE"
    assert world.run().outcome == "failed"
    assert world.cloud.requests == []
    assert "only stopped ones migrate cold" in world.reason(1)


@pytest.mark.parametrize("status", ["SUSPENDED", "SHELVED", "SHUTOFF"])
def test_what_migrates_neither_live_nor_cold_is_left_alone_with_a_reason(status: str) -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")), settings())
    world.cloud.servers["x"].status = status
    assert world.run().outcome == "failed"
    assert world.cloud.requests == []
    assert f"the instance is {status} on a" in world.reason(1)


def test_killed_at_any_moment_it_is_confirmed_once() -> None:
    for seconds in range(2, 40, 3):
        world = stopped()
        assert world.run_for(seconds) is None or world.all_done()
        if not world.all_done():
            assert world.run().outcome == "succeeded"
        assert len(world.cloud.requests) == 1
        assert world.cloud.servers["x"].status == "SHUTOFF"
        assert world.cloud.violations == []
