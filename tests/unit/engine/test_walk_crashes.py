"""What the database, a crash and another engine do to a walk."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.modelled.walking import POLL, SETTINGS, World, one_move, plan_of, swap
from vmpath_service.model.errors import Fenced, StoreError
from vmpath_service.model.records import Migration, MigrationState

pytestmark = pytest.mark.usefixtures("worlds_in_a_database")


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


def test_an_engine_that_stood_still_does_not_send_what_another_may_have_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = one_move()
    intend = world.store.intend

    def stands_still(epoch: int, migration: Migration) -> None:
        intend(epoch, migration)
        monkeypatch.setattr(world.store, "intend", intend)
        world.clock.wait(SETTINGS.request_settle_seconds)
        assert world.run().outcome == "succeeded"
        world.stop = lambda: False

    monkeypatch.setattr(world.store, "intend", stands_still)
    world.settings = dataclasses.replace(world.settings, retries=1)
    with pytest.raises(Fenced):
        world.walk().run()
    assert world.cloud.requests == [("x", "b")]
    assert [each.attempt for each in world.store.migrations(world.identity)] == [2]


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


def test_a_database_that_is_away_for_minutes_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = swap()
    away = False
    for name in ("intend", "record", "get", "add_event", "unresolved"):
        call = getattr(world.store, name)

        def broken(*arguments: object, call: Callable[..., object] = call, **named: object) -> object:
            if away:
                raise StoreError("the disk is full")
            return call(*arguments, **named)

        monkeypatch.setattr(world.store, name, broken)

    def switch(to: bool) -> None:
        nonlocal away
        away = to

    world.cloud.later(15, lambda: switch(True))
    finish = None
    while finish is None:
        try:
            finish = world.run()
        except StoreError:
            world.clock.wait(60)
            world.cloud.happen()
            if world.clock.now > 400:
                switch(False)
        assert world.clock.now < 5000
    assert finish.outcome == "succeeded"
    assert world.cloud.requests == [("y", "c"), ("x", "b"), ("y", "a")]
    assert world.clock.now > 400


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_changes_nothing(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    world = swap()
    time = world.clock.time
    monkeypatch.setattr(world.clock, "time", lambda: time() + (seconds if world.clock.now > 12 else 0.0))
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == [("y", "c"), ("x", "b"), ("y", "a")]


def test_what_could_not_be_committed_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = one_move()
    together = world.store.together

    @contextlib.contextmanager
    def full_disk() -> Iterator[None]:
        with together():
            yield
            raise StoreError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr(world.store, "together", full_disk)
        with pytest.raises(StoreError, match="disk is full"):
            world.run()
    assert world.cloud.requests == []
    assert [each.attempt for each in world.store.migrations(world.identity)] == [0]
    assert world.run().outcome == "succeeded"
    assert world.cloud.requests == [("x", "b")]
