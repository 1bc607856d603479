"""What follows a failure that no further attempt mends, by ``on_failure``."""

from __future__ import annotations

import pytest

from tests.modelled.cloud import Fate, HostState, ModelCloud
from tests.modelled.walking import POLL, World, plan_of, settings
from vmpath_service.engine.executor.settings import Limits, Quarantine
from vmpath_service.model import files
from vmpath_service.model.plan import part_made_from
from vmpath_service.model.records import FailureKind, MigrationState
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder import check_plan
from vmpath_service.policies.base import Scope

FAILS = [Fate("failed midway")] * 9
THREE = {"a": 10, "b": 10, "c": 10}


def two_moves(**of_executor: object) -> World:
    """x goes to b, and y follows it from c to a, where only then is room."""
    return World(
        THREE,
        {"x": ("a", 6), "y": ("c", 6)},
        plan_of(("x", "a", "b"), ("y", "c", "a", [1])),
        settings(**of_executor),
    )


def drained() -> World:
    """Host a is drained to b, which is dead, while d would be there."""
    world = World(
        {"a": 10, "b": 10, "d": 10},
        {"x": ("a", 4), "y": ("a", 3)},
        plan_of(("x", "a", "b"), ("y", "a", "b")),
        settings(on_failure="replan", start_wait_seconds=20),
    )
    world.scope = Scope(hosts=("a",))
    world.cloud.hosts["a"].enabled = False
    world.cloud.hosts["b"].up = False
    return world


def one_by_one(world: World) -> World:
    """All instances are of one server group, of which one member moves at a time."""
    world.cloud.groups = {"all": tuple(world.cloud.servers)}
    world.keep_facts()
    return world


def where(cloud: ModelCloud) -> dict[str, str]:
    return {uuid: server.host for uuid, server in cloud.servers.items() if server.ours}


@pytest.mark.parametrize(("on_failure", "asked"), [("skip", 1), ("retry", 3)])
def test_skipped_or_retried_what_waits_is_left_out_in_the_end(on_failure: str, asked: int) -> None:
    world = two_moves(on_failure=on_failure, retries=2)
    world.cloud.fates = {"x": FAILS}
    assert world.run().outcome == "failed"
    assert world.states() == ["failed", "skipped"]
    assert len(world.cloud.requests) == asked


def test_the_kinds_of_failures_are_told_apart() -> None:
    fates = {
        "r": Fate(answer="refused"),
        "s": Fate("no valid host"),
        "b": Fate("failed before"),
        "m": Fate("failed midway"),
        "w": Fate("error after the switch"),
        "d": Fate("compute dies"),
        "g": Fate("deleted midway"),
        "l": Fate(answer="lost and never arrives"),
        "c": Fate("cancelled, then error"),
    }
    world = World(
        {"a": 20, "z": 20},
        dict.fromkeys(fates, ("a", 1)),
        plan_of(*((name, "a", "z") for name in fates)),
        settings(limits=Limits(None, None, None), quarantine=Quarantine(0)),
    )
    world.cloud.fates = {name: [fate] for name, fate in fates.items()}
    world.run()
    kinds = {each.instance: each.failure for each in world.store.migrations(world.identity)}
    assert kinds == {
        "r": FailureKind.REFUSED,
        "s": FailureKind.SCHEDULER,
        "b": FailureKind.MIDWAY,
        "m": FailureKind.MIDWAY,
        "w": FailureKind.AFTER_SWITCH,
        "d": FailureKind.ABANDONED,
        "g": FailureKind.GONE,
        "l": FailureKind.LOST,
        "c": FailureKind.BROKEN,
    }
    needed = {event.step for event in world.store.events() if event.kind == "migration.needs_operator"}
    assert {list(fates)[step - 1] for step in needed if step} == {"w", "d", "c"}


def test_stopped_nothing_more_starts() -> None:
    world = World(
        THREE,
        {"x": ("a", 2), "y": ("a", 2), "z": ("a", 2)},
        plan_of(("x", "a", "b"), ("y", "a", "b"), ("z", "a", "b")),
        settings(on_failure="stop"),
    )
    one_by_one(world)
    world.cloud.fates = {"x": FAILS}
    finish = world.run()
    assert finish.outcome == "failed"
    assert (finish.explanation or "").startswith("stopped after step 1, migration of x from a to b, failed")
    assert world.states() == ["failed", "skipped", "skipped"]


def test_another_destination_is_found() -> None:
    world = two_moves(on_failure="other-destination")
    world.cloud.hosts["d"] = HostState({"MEMORY_MB": 10})
    world.cloud.fates = {"x": FAILS[:1]}
    assert world.run().outcome == "succeeded"
    assert where(world.cloud) == {"x": "d", "y": "a"}
    first = world.store.migrations(world.identity)[0]
    assert (first.dest, first.tried, first.state) == ("d", ("b",), MigrationState.DONE)
    assert world.cloud.violations == []


def test_where_there_is_no_other_destination_it_has_failed() -> None:
    world = two_moves(on_failure="other-destination")
    world.cloud.fates = {"x": FAILS}
    assert world.run().outcome == "failed"
    assert world.states() == ["failed", "skipped"]
    assert len(world.cloud.requests) == 1


def test_other_destinations_come_to_an_end() -> None:
    world = World(
        dict.fromkeys("abcdefgh", 10),
        {"x": ("a", 6)},
        plan_of(("x", "a", "b")),
        settings(on_failure="other-destination", max_destinations=2),
    )
    world.cloud.fates = {"x": FAILS}
    assert world.run().outcome == "failed"
    assert [dest for _, dest in world.cloud.requests] == ["b", "c", "d"]


def test_a_new_plan_is_made_when_a_destination_dies() -> None:
    world = drained()
    finish = world.run()
    assert finish.outcome == "succeeded", finish
    assert where(world.cloud) == {"x": "d", "y": "d"}
    assert world.states() == ["replaced", "replaced", "done", "done"]
    assert "rearrangement.replanned" in world.kinds()
    assert world.cloud.violations == []


def test_each_part_of_a_longer_plan_holds_for_the_snapshot_it_was_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    world = drained()
    read, seen = world.cloud.read, list[Snapshot]()
    monkeypatch.setattr(world.cloud, "read", lambda: seen.append(read()) or seen[-1])
    assert world.run().outcome == "succeeded"
    (then,) = seen
    plan = world.store.plan(world.identity)
    part = part_made_from(plan, files.identity(files.encode(then)))
    assert [each.id for each in part.migrations] == [3, 4]
    assert check_plan(then, part).problems == ()
    assert check_plan(then, plan).problems != ()
    first = part_made_from(plan, plan.snapshot)
    assert [each.id for each in first.migrations] == [1, 2]
    assert part_made_from(plan, "sha256:of another") == plan


def test_an_instance_moved_by_others_leads_to_a_new_plan() -> None:
    world = two_moves(on_failure="replan")
    world.cloud.servers["x"].host = "b"
    world.cloud.servers["y"].host = "b"
    world.cloud.hosts["b"].capacity = {"MEMORY_MB": 20}
    assert world.run().outcome == "succeeded"
    assert where(world.cloud) == {"x": "b", "y": "a"}


def test_new_plans_come_to_an_end_and_what_they_give_up_is_told() -> None:
    world = two_moves(on_failure="replan", max_replans=2)
    world.cloud.fates = {"x": FAILS}
    finish = world.run()
    assert finish.outcome == "failed"
    assert "x" in (finish.explanation or "")
    assert world.kinds().count("rearrangement.replanned") <= 2
    assert world.cloud.servers["x"].host == "a"


def test_a_walk_that_dies_while_a_new_plan_is_made_makes_it_in_the_next_life() -> None:
    world = drained()
    for _ in range(200):
        if finish := world.run_for(3 * POLL + 20):
            break
    assert finish is not None
    assert finish.outcome == "succeeded"
    assert where(world.cloud) == {"x": "d", "y": "d"}
    assert world.cloud.violations == []


def test_what_the_scheduler_turned_down_is_not_asked_for_others_of_the_kind() -> None:
    world = World(
        THREE,
        {"x": ("a", 2), "y": ("a", 2), "z": ("a", 3)},
        plan_of(("x", "a", "b"), ("y", "a", "b"), ("z", "a", "b")),
        settings(retries=1),
    )
    one_by_one(world)
    world.cloud.fates = {"x": [Fate("no valid host")] * 5}
    world.run()
    assert world.states() == ["failed", "failed", "done"]
    assert [name for name, _ in world.cloud.requests] == ["x", "z", "x"]
    assert "turned down the same kind of instance" in world.reason(2)


def test_a_refusal_of_the_moment_is_not_learned() -> None:
    world = World(
        THREE,
        {"x": ("a", 2), "y": ("a", 2)},
        plan_of(("x", "a", "b"), ("y", "a", "b")),
        settings(retries=1),
    )
    one_by_one(world)
    world.cloud.fates = {"x": [Fate("no valid host")]}
    assert world.run().outcome == "succeeded"
    assert [name for name, _ in world.cloud.requests] == ["x", "x", "y"]


def test_a_host_whose_migrations_fail_is_left_alone_and_freed_by_a_success() -> None:
    names = "uvwxyz"
    world = World(
        {"a": 20, "b": 20},
        dict.fromkeys(names, ("a", 1)),
        plan_of(*((name, "a", "b") for name in names)),
        settings(quarantine=Quarantine(2, 500.0), start_wait_seconds=10_000),
    )
    one_by_one(world)
    world.cloud.fates = {"u": FAILS[:1], "v": FAILS[:1]}
    assert world.run_for(300) is None
    assert [name for name, _ in world.cloud.requests] == ["u", "v"]
    told = [event.host for event in world.store.events() if event.kind == "host.quarantined"]
    assert sorted(told) == ["a", "b"]
    assert world.run().outcome == "failed"
    assert world.states() == ["failed", "failed", "done", "done", "done", "done"]
    assert "host.absolved" in world.kinds()
    assert world.store.troubles() == {}


def test_an_operator_frees_a_host() -> None:
    world = World(THREE, {"x": ("a", 1)}, plan_of(("x", "a", "b")), settings(quarantine=Quarantine(1, 10_000.0)))
    world.store.blame("b", "it burns")
    assert world.run_for(100) is None
    assert world.cloud.requests == []
    world.store.absolve("b")
    assert world.run().outcome == "succeeded"


def test_too_many_failures_stop_the_walk() -> None:
    names = "stuvwxyz"
    world = World(
        {"a": 20, "b": 20},
        dict.fromkeys(names, ("a", 1)),
        plan_of(*((name, "a", "b") for name in names)),
        settings(quarantine=Quarantine(0), max_failure_percent=50, failure_sample=4),
    )
    one_by_one(world)
    world.cloud.fates = dict.fromkeys("stuvwxyz", FAILS)
    finish = world.run()
    assert len(world.cloud.requests) == 4
    assert "4 of 4 migrations have failed, more than 50%" in (finish.explanation or "")


def test_a_busy_nova_is_asked_later_and_that_is_no_failure() -> None:
    world = World(THREE, {"x": ("a", 1)}, plan_of(("x", "a", "b")), settings(retry_seconds=20))
    world.cloud.fates = {"x": [Fate(answer="busy")] * 3}
    assert world.run().outcome == "succeeded"
    (record,) = world.store.migrations(world.identity)
    assert (record.attempt, record.failures) == (4, 0)
    assert world.kinds().count("migration.held") == 3


def test_who_is_told_that_nova_is_busy_slows_down() -> None:
    world = World(THREE, {"x": ("a", 1)}, plan_of(("x", "a", "b")))
    world.cloud.later(3, lambda: setattr(world.cloud, "busy", 6))
    world.cloud.fates = {"x": [Fate(copying=100)]}
    assert world.run().outcome == "succeeded"
    assert world.slowdown.left() == 0.0
    assert len(world.cloud.calls) < 100
