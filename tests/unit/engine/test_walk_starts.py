"""When a migration starts, waits, or is left out."""

import msgspec
import pytest

from tests.modelled.cloud import Fate, Server
from tests.modelled.senders import AtOnce, late
from tests.modelled.walking import World, one_move, plan_of, settings
from vmpath_service.engine.executor.settings import Limits
from vmpath_service.model.records import Migration, MigrationState, Request


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda world: world.cloud.servers.pop("x"), "the instance does not exist any more"),
        (lambda world: setattr(world.cloud.servers["x"], "host", "c"), "ACTIVE on c, not on a: someone else moved it"),
        (lambda world: setattr(world.cloud.servers["x"], "status", "SHUTOFF"), "SHUTOFF on a, and only ACTIVE"),
    ],
)
def test_a_world_that_changed_before_the_start_is_left_as_it_is(change, words: str) -> None:  # type: ignore[no-untyped-def]
    world = one_move()
    change(world)
    assert world.run().outcome == "failed"
    assert world.states() == ["skipped"]
    assert words in world.reason(1)
    assert world.cloud.requests == []


def test_a_busy_instance_is_waited_for() -> None:
    world = one_move()
    world.cloud.servers["x"].task_state = "image_uploading"
    world.cloud.later(60, lambda: setattr(world.cloud.servers["x"], "task_state", None))
    assert world.run().outcome == "succeeded"
    assert "migration.waiting" in world.kinds()


def test_room_taken_by_others_is_waited_for_within_a_limit() -> None:
    world = one_move(start_wait_seconds=100)
    world.cloud.servers["stranger"] = Server("b", {"MEMORY_MB": 8}, ours=False)
    finish = world.run()
    assert world.states() == ["failed"]
    assert "not started within 100 s: host b has 2 MEMORY_MB free of the 4 that are needed" in world.reason(1)
    assert finish.outcome == "failed"
    assert world.cloud.requests == []


def test_room_that_comes_back_is_used() -> None:
    world = one_move(start_wait_seconds=100)
    world.cloud.servers["stranger"] = Server("b", {"MEMORY_MB": 8}, ours=False)
    world.cloud.later(50, lambda: world.cloud.servers.pop("stranger"))
    assert world.run().outcome == "succeeded"
    assert world.cloud.violations == []


def test_while_something_of_ours_leaves_the_destination_the_wait_has_no_limit() -> None:
    world = World(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "z": ("b", 6)},
        plan_of(("z", "b", "c"), ("x", "a", "b")),
        settings(start_wait_seconds=100),
    )
    world.cloud.fates = {"z": [Fate(copying=500)]}
    assert world.run().outcome == "succeeded"
    assert world.cloud.violations == []


def test_the_time_of_a_freeze_does_not_count_as_waiting() -> None:
    world = one_move(start_wait_seconds=100)
    world.cloud.servers["stranger"] = Server("b", {"MEMORY_MB": 8}, ours=False)
    world.cloud.later(20, lambda: world.store.freeze("quiet", "me"))
    world.cloud.later(350, world.store.thaw)
    world.cloud.later(400, lambda: world.cloud.servers.pop("stranger"))
    wait = world.clock.wait

    def pass_time(seconds: float) -> None:
        wait(seconds)
        world.cloud.happen()  # nobody asks the cloud anything while all is frozen

    world.clock.wait = pass_time  # type: ignore[method-assign]
    assert world.run().outcome == "succeeded"


@pytest.mark.parametrize("field", ["up", "enabled"])
def test_a_destination_that_takes_nothing_in_is_not_asked(field: str) -> None:
    world = one_move()
    setattr(world.cloud.hosts["b"], field, False)
    assert world.run().outcome == "failed"
    assert world.cloud.requests == []


def test_two_starts_in_one_tick_do_not_count_on_the_same_room() -> None:
    world = World(
        {"a": 10, "b": 10, "c": 6}, {"x": ("a", 4), "y": ("b", 4)}, plan_of(("x", "a", "c"), ("y", "b", "c"))
    )
    world.run()
    assert world.cloud.violations == []
    assert sorted(world.states()) == ["done", "failed"]


def test_room_asked_for_before_is_not_counted_on_though_nova_shows_it_free() -> None:
    world = World(
        {"a": 10, "b": 10, "c": 6},
        {"x": ("a", 4), "y": ("b", 4), "z": ("b", 1)},
        plan_of(("x", "a", "c"), ("z", "b", "a"), ("y", "b", "c", [2])),
    )
    world.cloud.fates = {"x": [Fate(answer="lost and arrives late")]}
    world.run()
    assert world.cloud.violations == []
    assert world.states() == ["done", "done", "failed"]


@pytest.mark.parametrize(
    ("limits", "at_once"),
    [(Limits(1, 9, 9), 1), (Limits(9, 2, 9), 2), (Limits(9, 9, 3), 3), (Limits(None, None, None), 6)],
)
def test_limits_hold(limits: Limits, at_once: int) -> None:
    names = "uvwxyz"
    world = World(
        {"a": 10, "b": 10},
        dict.fromkeys(names, ("a", 1)),
        plan_of(*((name, "a", "b") for name in names)),
        settings(limits=limits),
    )
    most = 0

    def count() -> None:
        nonlocal most
        under_way = [each for each in world.store.unresolved() if each.state is not MigrationState.VERIFYING]
        most = max(most, len(under_way))
        world.cloud.later(0.5, count)

    world.cloud.later(0, count)
    assert world.run().outcome == "succeeded"
    assert most == at_once


def test_migrations_of_other_rearrangements_count_and_keep_their_instance() -> None:
    world = one_move()
    identity = world.store.create(Request("drain")).id
    epoch = world.store.claim(identity, "engine")
    other = Migration(identity, 1, "x", "a", "c", attempt=1)
    world.store.save_plan(identity, epoch, plan_of(("x", "a", "c")), [msgspec.structs.replace(other, attempt=0)])
    world.store.intend(epoch, msgspec.structs.replace(other, state=MigrationState.REQUESTED))
    world.run_for(100)
    assert world.cloud.requests == []
    assert world.states() == ["pending"]
    world.store.record(epoch, msgspec.structs.replace(other, state=MigrationState.FAILED))
    assert world.run().outcome == "succeeded"


def test_the_longest_chain_goes_first() -> None:
    world = World(
        {"a": 20, "b": 20, "c": 20},
        {"x": ("a", 1), "y": ("a", 1), "z": ("a", 1)},
        plan_of(("x", "a", "b"), ("y", "a", "b"), ("z", "a", "b"), ("z", "b", "c", [3])),
        settings(limits=Limits(1, 1, 1)),
    )
    world.run()
    assert world.cloud.requests[0] == ("z", "b")


def test_room_that_another_rearrangement_has_just_asked_for_is_not_counted_on() -> None:
    world = one_move()
    identity = world.store.create(Request("drain")).id
    epoch = world.store.claim(identity, "engine")
    other = Migration(identity, 1, "y", "c", "b", attempt=1)
    world.store.save_plan(identity, epoch, plan_of(("y", "c", "b")), [msgspec.structs.replace(other, attempt=0)])
    world.store.intend(epoch, msgspec.structs.replace(other, state=MigrationState.REQUESTED))
    world.run_for(100)
    assert world.cloud.requests == []
    assert "another rearrangement has just asked for room on b" in world.store.events(world.identity)[-1].message
    # from now on Placement counts it
    world.store.record(epoch, msgspec.structs.replace(other, state=MigrationState.RUNNING))
    assert world.run().outcome == "succeeded"


def test_before_its_answer_what_others_do_is_not_taken_for_what_was_asked_for() -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 2)}, plan_of(("x", "a", "b"), ("y", "a", "b")))
    # the request is on its way while others are quicker; the walk looks again meanwhile, as y has ended
    with late(world.cloud, 7) as senders:
        world.senders = senders
        world.cloud.servers["y"].host = "b"
        intend = world.store.intend

        def quicker(epoch: int, migration: Migration) -> None:
            intend(epoch, migration)
            world.cloud._begin("x", "b", Fate(copying=500.0))

        world.store.intend = quicker  # type: ignore[method-assign]
        assert world.run().outcome == "failed"
    assert world.states() == ["failed", "done"]
    assert "Nova refused the request" in world.reason(1)
    assert world.store.migrations(world.identity)[0].nova_migration is None


def test_what_is_not_sent_when_the_engine_stops_is_asked_for_in_its_next_life() -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 2)}, plan_of(("x", "a", "b"), ("y", "a", "b")))
    with late(world.cloud, 1000) as senders:
        world.senders = senders
        assert world.run_for(5) is None
    assert world.cloud.requests == []
    assert world.states() == ["pending", "pending"]
    assert "the engine stops" in world.reason(1)
    world.senders = AtOnce
    assert world.run().outcome == "succeeded"
    assert sorted(name for name, _ in world.cloud.requests) == ["x", "y"]
    assert [each.failures for each in world.store.migrations(world.identity)] == [0, 0]
