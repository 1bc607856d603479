"""A walk that is taken up again, as often as it may be and wherever it was left, equals one that never was: every
instance ends where it would have, having been moved as often, and the same is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from tests.modelled.cloud import Fate
from tests.modelled.mishaps import Deaths, live_and_die
from tests.modelled.senders import late
from tests.property.test_executor_machine import REASONS, TIMES, Scene
from tests.property.test_executor_walk import HOSTS, plans
from vmpath_service.engine.executor.settings import Limits, Settings
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.plan import HostStep
from vmpath_service.model.records import MigrationState

FOR_EVER = 500_000.0
lengths = st.builds(
    Fate,
    answer=st.sampled_from(["accepted", "lost"]),
    scheduling=st.sampled_from([0.0, 1.0, 9.0]),
    copying=st.sampled_from([0.0, 3.0, 40.0]),
)
limits = st.builds(Limits, *[st.one_of(st.none(), st.integers(1, 3))] * 3)


@dataclass(frozen=True)
class Ending:
    """What is to be the same."""

    told: tuple[str, str | None]
    states: tuple[str, ...]
    host_steps: tuple[tuple[int, str], ...]
    places: dict[str, tuple[str, str]]
    moved: Counter[tuple[str, str, str]]
    hosts: dict[str, tuple[bool, str | None]]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Nothing fails by itself in them, and whatever order limits and lengths make of the steps, there is room."""
    instances, steps = draw(plans(always_careful=True))
    names = sorted(instances)
    stopped = draw(st.sets(st.sampled_from(names), max_size=2)) if names else set()
    executor = Settings(
        limits=draw(limits),
        retries=9,
        on_failure="retry",
        start_wait_seconds=FOR_EVER,
        pace=draw(st.sampled_from(["streaming", "waves"])),
        warm_up=draw(st.sampled_from([0, 2])),
    )
    scene = Scene(instances, steps, executor, dict.fromkeys(HOSTS, Declaration()), set(), stopped=stopped)
    scene.fates = {name: draw(st.lists(lengths, max_size=3)) for name in names}
    scene.late = draw(st.sampled_from((0, 0, 2)))
    reached = {dest for _, _, dest, _ in steps}
    number = len(steps)
    for host in sorted(draw(st.sets(st.sampled_from(HOSTS), max_size=2)) - reached):
        number += 1
        if draw(st.booleans()):
            reason = draw(st.sampled_from(REASONS))
            scene.closed |= {host: reason} if reason is not None else {}
            scene.host_steps += (HostStep(number, host, "enable"),)
        else:
            leaving = tuple(step for step, (_, source, _, _) in enumerate(steps, 1) if source == host)
            scene.host_steps += (HostStep(number, host, "disable", after=leaving),)
    return scene


def ending(scene: Scene, deaths: Deaths) -> tuple[Ending, int]:
    """How it ends, and how often it was waited in vain for a request that was journaled and never sent."""
    world = scene.world()
    # a fate is a request's: one that was never sent leaves it to the next
    cloud, wait = world.cloud, world.clock.wait

    def pass_time(seconds: float) -> None:
        wait(seconds)
        cloud.happen()

    world.clock.wait = pass_time  # type: ignore[method-assign]
    with late(cloud, scene.late) as senders:
        if scene.late:
            world.senders = senders
        finish: Any = live_and_die(world, deaths, FOR_EVER)
    assert cloud.violations == []
    records = world.store.migrations(world.identity)
    unsent = sum(each.attempt for each in records) - len(cloud.requests)
    assert unsent == sum(each.failures for each in records)
    return Ending(
        (finish.outcome, finish.explanation),
        tuple(each.state.value for each in records),
        tuple((each.step, each.state) for each in world.store.host_actions(world.identity)),
        {name: (server.host, server.status) for name, server in cloud.servers.items()},
        Counter((move.instance, move.source, move.dest) for move in cloud.moves),
        {name: (host.enabled, host.reason) for name, host in cloud.hosts.items()},
    ), unsent


@given(scenes(), st.lists(st.integers(0, 200), min_size=1, max_size=6))
@of_hypothesis(
    max_examples=60 * TIMES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_wherever_it_was_left_it_ends_as_one_that_was_not(scene: Scene, at: list[int]) -> None:
    whole, unsent = ending(scene, Deaths([]))
    assert unsent == 0
    assert set(whole.states) <= {MigrationState.DONE.value}
    assert ending(scene, Deaths(at))[0] == whole


def test_killed_at_every_step_it_ends_as_one_that_was_not() -> None:
    instances = {"x": ("a", 7), "y": ("b", 7), "z": ("d", 2)}
    steps = [("y", "b", "c", []), ("x", "a", "b", [1]), ("y", "c", "a", [1, 2]), ("z", "d", "b", [])]
    executor = Settings(limits=Limits(), retries=2, on_failure="retry")
    scene = Scene(instances, steps, executor, dict.fromkeys(HOSTS, Declaration()), set(), stopped={"z"})
    scene.host_steps = (HostStep(5, "d", "disable", after=(4,)),)
    untroubled = Deaths([])
    whole, _ = ending(scene, untroubled)
    assert whole.told == ("succeeded", None)
    assert untroubled.calls > 60
    unsent = 0
    for moment in range(untroubled.calls):
        again, more = ending(replace(scene), Deaths([moment]))
        assert again == whole, moment
        unsent += more
    # killed between the journal and the request
    assert unsent > 0
