"""Clocks with alarms, and walks that are hurried by what is told of their instances."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection
from dataclasses import replace

import pytest

from tests.modelled.walking import POLL, World, plan_of
from vmpath_service.engine.clock import SystemClock
from vmpath_service.engine.walk import SOONEST


class Restless:
    """Something happens to everything all the time."""

    def __init__(self) -> None:
        self.hurry: Callable[[], None] | None = None
        self.watched: set[str] = set()

    def watch(self, instances: Collection[str], hurry: Callable[[], None]) -> Callable[[], None]:
        self.watched, self.hurry = set(instances), hurry

        def end() -> None:
            self.hurry = None

        return end


def finished_at(restless: Restless | None, monkeypatch: pytest.MonkeyPatch) -> float:
    world = World(
        {"a": 10, "b": 10},
        {"x": ("a", 4), "y": ("a", 4), "z": ("b", 1)},
        plan_of(("x", "a", "b"), ("y", "a", "b", [1])),
    )
    looks: list[float] = []
    read = world.cloud.read_instances

    def look(uuids: Collection[str], *, within: float = 0.0) -> object:
        looks.append(world.clock.now)
        if restless is not None:
            assert restless.hurry is not None
            restless.hurry()
        return read(uuids, within=within)

    monkeypatch.setattr(world.cloud, "read_instances", look)
    walk = world.walk()
    walk._happenings = restless
    finish = walk.run()
    assert finish is not None
    assert finish.outcome == "succeeded"
    pauses = {round(after - before, 6) for before, after in itertools.pairwise(looks)} - {0.0}
    assert pauses == {POLL if restless is None else SOONEST * POLL}
    return world.clock.now


def test_what_happens_brings_the_next_look_forward_but_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    restless = Restless()
    assert finished_at(restless, monkeypatch) < finished_at(None, monkeypatch)
    assert restless.watched == {"x", "y"}
    assert restless.hurry is None


def test_what_a_walk_goes_on_to_move_is_watched_too() -> None:
    world = World({"a": 10, "b": 10}, {"x": ("a", 4), "y": ("a", 4)}, plan_of(("x", "a", "b")))
    walk = world.walk()
    restless = Restless()
    walk._happenings = restless
    alarm = world.clock.alarm()
    walk._be_hurried(alarm)
    assert restless.watched == {"x"}
    (task,) = walk._state.tasks.values()
    walk._state = walk._state.with_task(replace(task, step=replace(task.step, id=2, instance="y")))
    walk._be_hurried(alarm)
    assert restless.watched == {"x", "y"}


def test_an_alarm_ends_a_wait_and_one_that_rang_before_ends_the_next() -> None:
    alarm = SystemClock().alarm()
    alarm.ring()
    alarm.wait(3600)
    ringing = threading.Timer(0.01, alarm.ring)
    ringing.start()
    alarm.wait(3600)
    ringing.join()
    alarm.wait(0)


def test_a_clock_that_is_woken_ends_the_waits_of_its_alarms() -> None:
    clock = SystemClock()
    alarm = clock.alarm()
    waking = threading.Timer(0.01, clock.wake)
    waking.start()
    alarm.wait(3600)
    alarm.wait(3600)
    clock.alarm().wait(3600)
    waking.join()
