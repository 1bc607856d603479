"""Walks told as stories: what the world does, and what the walk makes of it."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from modelled.clock import BEGINNING
from modelled.cloud import Answer, End, Fate, HostState, Server
from modelled.walking import POLL, SETTINGS, World, plan_of, settings

from vmpath_service.engine.executor.settings import Limits
from vmpath_service.model.errors import AnswerLost, Fenced, StoreError
from vmpath_service.model.records import Migration, MigrationState, RearrangementState, Request
from vmpath_service.store import Database, SqlStore


@pytest.fixture(autouse=True)
def database(empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Worlds keep their rearrangements in a database."""
    database = Database(f"sqlite:///{empty_database}")
    monkeypatch.setattr(World, "make_store", lambda clock: SqlStore(database, clock))
    yield database
    database.close()


def one_move(**of_settings: float) -> World:
    return World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")), settings(**of_settings))


def swap() -> World:
    """x and y change places by way of c: y to c, x to b, y to a."""
    return World(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "y": ("b", 6)},
        plan_of(("y", "b", "c"), ("x", "a", "b", [1]), ("y", "c", "a", [1, 2])),
    )


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


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("failed before", "ended as error; the instance is ACTIVE on a"),
        ("failed midway", "ended as failed; the instance is ACTIVE on a"),
        ("no valid host", "ended as error; the instance is ACTIVE on a"),
        ("cancelled, then error", "ended as error; the instance is ERROR on a"),
        ("error after the switch", "ended as error; the instance is ERROR on b"),
        ("error after completion", "ended as error; the instance is ERROR on b"),
        ("compute dies", "still says running, but for 120 s the instance has not been migrating"),
        ("deleted midway", "the instance does not exist any more"),
    ],
)
def test_a_failure_is_told_as_it_is(end: End, words: str) -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(end)]}
    finish = world.run()
    assert finish.outcome == "failed"
    assert world.states() == ["failed"]
    assert words in world.reason(1)
    assert words in (finish.explanation or "")
    assert len(world.cloud.requests) == 1


def test_a_host_that_follows_the_record_late_is_waited_for() -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate("host follows late")]}
    assert world.run().outcome == "succeeded"


def test_an_instance_stopped_after_its_move_is_not_called_done() -> None:
    world = one_move()

    def stop() -> None:
        world.cloud.servers["x"].status = "SHUTOFF"

    world.cloud.later(12, stop)
    assert world.run().outcome == "failed"
    assert "is SHUTOFF on b (it was ACTIVE before)" in world.reason(1)


def test_an_instance_that_is_busy_after_its_move_is_not_called_done_yet() -> None:
    world = one_move()
    world.cloud.later(11.5, lambda: setattr(world.cloud.servers["x"], "task_state", "rebooting"))
    world.cloud.later(60, lambda: setattr(world.cloud.servers["x"], "task_state", None))
    assert world.run().outcome == "succeeded"
    assert world.clock.now >= 60 + world.settings.settle_seconds


@pytest.mark.parametrize("answer", ["lost", "lost and arrives late"])
def test_a_lost_answer_is_followed_and_not_asked_again(answer: Answer) -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(answer=answer)]}
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == [("x", "b")]
    assert "migration.answer_lost" in world.kinds()


def test_a_request_that_never_arrived_is_waited_out() -> None:
    world = one_move(request_settle_seconds=90)
    world.cloud.fates = {"x": [Fate(answer="lost and never arrives")]}
    assert world.run().outcome == "failed"
    assert world.clock.now >= 90
    assert "the request never arrived" in world.reason(1)
    assert world.cloud.requests == [("x", "b")]


def test_a_refused_request_fails_at_once() -> None:
    world = one_move()
    world.cloud.fates = {"x": [Fate(answer="refused")]}
    assert world.run().outcome == "failed"
    assert "Nova refused the request: 409" in world.reason(1)
    assert world.clock.now < 10


def test_what_waited_for_a_failure_is_left_out_and_the_rest_goes_on() -> None:
    world = World(
        {"a": 10, "b": 10, "c": 10, "d": 10},
        {"x": ("a", 6), "y": ("b", 6), "z": ("d", 1)},
        plan_of(("y", "b", "c"), ("x", "a", "b", [1]), ("y", "c", "a", [1, 2]), ("z", "d", "a")),
    )
    world.cloud.fates = {"y": [Fate("failed midway")]}
    finish = world.run()
    assert world.states() == ["failed", "skipped", "skipped", "done"]
    assert world.reason(2) == "it waits for step 1, which failed"
    assert finish.outcome == "failed"
    assert (finish.explanation or "").startswith("3 of 4 migrations were not done: step 1, migration of y")


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


def test_an_instance_that_is_there_already_is_done() -> None:
    world = one_move()
    world.cloud.servers["x"].host = "b"
    assert world.run().outcome == "succeeded"
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


def test_an_older_migration_between_the_same_hosts_is_not_taken_for_ours() -> None:
    world = one_move()
    world.cloud._begin("x", "b", Fate("failed midway"))
    world.clock.wait(60)
    world.cloud.fates = {"x": [Fate(answer="lost and arrives late")]}
    assert world.run().outcome == "succeeded"


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


def test_a_walk_that_hangs_is_told_of_once_and_followed_to_its_end() -> None:
    world = one_move(stuck_seconds=100)
    world.cloud.fates = {"x": [Fate(scheduling=1000)]}
    assert world.run().outcome == "succeeded"
    assert world.kinds().count("migration.stuck") == 1


def test_asked_to_stop_it_stops_and_another_goes_on() -> None:
    world = swap()
    for _ in range(200):
        if finish := world.run_for(SETTINGS.settle_seconds + 2 * POLL):
            break
    assert finish is not None
    assert finish.outcome == "succeeded"
    assert world.cloud.requests == [("y", "c"), ("x", "b"), ("y", "a")]


def test_a_walk_whose_epoch_is_over_does_nothing_more() -> None:
    world = one_move()
    walk = world.walk()
    world.store.claim(world.identity, "another engine")
    before = world.store.migrations(world.identity)
    with pytest.raises(Fenced):
        walk.run()
    assert world.store.migrations(world.identity) == before
    assert world.cloud.requests == []


def test_fenced_in_the_middle_of_a_tick_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_move()
    intend = world.store.intend

    def overtaken(epoch: int, migration: Migration) -> None:
        world.store.claim(world.identity, "another engine")
        intend(epoch, migration)

    monkeypatch.setattr(world.store, "intend", overtaken)
    with pytest.raises(Fenced):
        world.walk().run()
    assert world.cloud.requests == []


def test_an_intention_that_the_database_did_not_take_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 1), "y": ("a", 1)}, plan_of(("x", "a", "b"), ("y", "a", "b")))
    intend = world.store.intend
    calls = itertools.count()

    def failing(epoch: int, migration: Migration) -> None:
        if next(calls) == 1:
            raise StoreError("the disk is full")
        intend(epoch, migration)

    monkeypatch.setattr(world.store, "intend", failing)
    with pytest.raises(StoreError):
        world.walk().run()
    assert world.cloud.requests == [("x", "b")]
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == [("x", "b"), ("y", "b")]


def test_a_database_that_stumbles_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_move()
    record = world.store.record
    calls = itertools.count()

    def stumbling(epoch: int, migration: Migration) -> None:
        if next(calls) % 2 == 0:
            raise StoreError("database is locked")
        record(epoch, migration)

    monkeypatch.setattr(world.store, "record", stumbling)
    assert world.run().outcome == "succeeded"


def test_a_step_whose_attempt_was_made_before_is_not_made_again() -> None:
    world = one_move()
    walk = world.walk()
    made = Migration(world.identity, 1, "x", "a", "b", MigrationState.REQUESTED, attempt=1)
    world.store.intend(world.store.get(world.identity).epoch, made)
    with pytest.raises(StoreError, match="step 1 could not be journaled"):
        walk.run()
    assert world.cloud.requests == []
    assert list(world.store.migrations(world.identity)) == [made]


def test_a_request_that_breaks_in_an_unknown_way_may_have_been_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_move()
    ask = world.cloud.live_migrate

    def broken(instance: str, dest: str) -> None:
        ask(instance, dest)
        raise KeyError("token")

    monkeypatch.setattr(world.cloud, "live_migrate", broken)
    assert world.run().outcome == "succeeded"
    assert len(world.cloud.requests) == 1


def test_someone_elses_migration_is_not_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"a": 10, "b": 10, "c": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")))

    def stolen(instance: str, dest: str) -> None:
        world.cloud._begin("x", "c", Fate())
        world.cloud.requests.append((instance, dest))
        raise AnswerLost("time-out")

    monkeypatch.setattr(world.cloud, "live_migrate", stolen)
    assert world.run().outcome == "failed"
    assert "the request never arrived" in world.reason(1)
    assert "ACTIVE on c" in world.reason(1)


def test_nothing_to_do_is_a_success() -> None:
    world = World({"a": 10}, {}, plan_of(), SETTINGS)
    assert world.run().outcome == "succeeded"
    assert world.cloud.calls == []


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
