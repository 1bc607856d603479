"""What came to nothing is tried again."""

import pytest

from tests.modelled.clock import BEGINNING
from tests.modelled.cloud import Answer, End, Fate, HostState, Move, Server
from tests.modelled.walking import POLL, World, plan_of, settings
from vmpath_service.engine.executor.settings import Limits
from vmpath_service.model.records import FailureKind

RETRYING = settings(limits=Limits(2, 2, 10), retries=2, retry_seconds=30.0)


def one_step(*fates: Fate) -> World:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")), RETRYING)
    world.cloud.fates = {"x": list(fates)}
    return world


@pytest.mark.parametrize("end", ["failed before", "failed midway", "no valid host"])
def test_what_came_to_nothing_is_tried_again(end: End) -> None:
    world = one_step(Fate(end), Fate(end))
    assert world.run().outcome == "succeeded"
    (record,) = world.store.migrations(world.identity)
    assert (record.attempt, record.reason, record.nova_migration) == (3, None, 102)
    assert world.kinds().count("migration.retrying") == 2
    assert world.cloud.violations == []


def test_after_the_last_attempt_it_has_failed() -> None:
    world = one_step(*[Fate("failed midway")] * 5)
    assert world.run().outcome == "failed"
    assert len(world.cloud.requests) == 3
    assert "ended as failed; the instance is ACTIVE on a" in world.reason(1)


@pytest.mark.parametrize(
    "end", ["cancelled, then error", "error after the switch", "error after completion", "compute dies"]
)
def test_what_broke_or_was_cancelled_is_not_tried_again(end: End) -> None:
    world = one_step(Fate(end))
    assert world.run().outcome == "failed"
    assert len(world.cloud.requests) == 1


def test_a_refusal_is_not_asked_again() -> None:
    world = one_step(Fate(answer="refused"))
    assert world.run().outcome == "failed"
    assert len(world.cloud.requests) == 1


@pytest.mark.parametrize(("answer", "least"), [("accepted", 30.0), ("lost", 120.0)])
def test_it_rests_before_it_is_tried_again(answer: Answer, least: float) -> None:
    world = one_step(Fate("failed midway", answer=answer))
    assert world.run().outcome == "succeeded"
    at = {event.kind: event.at for event in reversed(world.store.events(world.identity))}
    last = max(event.at for event in world.store.events(world.identity) if event.kind == "migration.requested")
    assert least <= last - at["migration.retrying"] <= least + 3 * POLL


def test_after_a_crash_it_rests_anew() -> None:
    world = one_step(Fate("failed midway", copying=10.0))
    assert world.run_for(30) is None
    assert world.states() == ["pending"]
    began = world.clock.now
    assert world.run().outcome == "succeeded"
    last = max(event.at for event in world.store.events(world.identity) if event.kind == "migration.requested")
    assert last - BEGINNING >= began + 120.0


def test_what_a_request_left_undone_is_asked_for_again_when_it_cannot_arrive_any_more() -> None:
    world = one_step(Fate(answer="lost and never arrives"))
    assert world.run().outcome == "succeeded"
    assert world.clock.now >= 240.0


def test_cancelled_while_it_rests_it_has_failed_and_says_why() -> None:
    world = one_step(Fate("failed midway", copying=10.0))
    assert world.run_for(30) is None
    world.store.request_cancel(world.identity)
    assert world.run().outcome == "cancelled"
    assert world.states() == ["failed"]
    assert world.reason(1).endswith("; not tried again: the rearrangement was cancelled")


def test_moved_by_others_while_it_rests_it_is_left_alone() -> None:
    world = one_step(Fate("failed midway", copying=10.0))
    assert world.run_for(30) is None
    world.cloud.hosts["c"] = HostState({"MEMORY_MB": 10})
    world.cloud.servers["x"].host = "c"
    assert world.run().outcome == "failed"
    assert len(world.cloud.requests) == 1
    assert "someone else moved it" in world.reason(1)


def test_what_waits_for_it_waits_for_the_next_attempt() -> None:
    plan = plan_of(("x", "a", "c"), ("y", "b", "a", [1]))
    world = World({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8)}, plan, RETRYING)
    world.cloud.fates = {"x": [Fate("failed midway")]}
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == [("x", "c"), ("x", "c"), ("y", "a")]


def test_one_that_somebody_stopped_in_an_attempt_that_failed_is_not_tried_again() -> None:
    world = one_step(Fate("failed midway", copying=10.0))
    stop = world.cloud._back

    def stopped(move: Move, server: Server) -> None:
        stop(move, server)
        server.status = "SHUTOFF"

    world.cloud._back = stopped  # type: ignore[method-assign]
    assert world.run().outcome == "failed"
    assert "the instance is SHUTOFF on a" in world.reason(1)
    assert "migration.retrying" not in world.kinds()
    assert world.store.migrations(world.identity)[0].failure is FailureKind.MIDWAY
