"""Host steps of a plan."""

from __future__ import annotations

import msgspec

from tests.modelled.walking import World, plan_of, settings
from vmpath_service.model.plan import HostStep, Plan


def with_steps(plan: Plan, *steps: HostStep) -> Plan:
    return msgspec.structs.replace(plan, host_steps=steps)


def test_a_host_is_enabled_before_and_another_disabled_after() -> None:
    plan = with_steps(
        plan_of(("x", "a", "b", [11])), HostStep(11, "b", "enable"), HostStep(12, "a", "disable", after=(1,))
    )
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan, settings())
    world.cloud.hosts["b"].enabled, world.cloud.hosts["b"].reason = False, "vmpath: emptied by rearrangement 7"
    assert world.run().outcome == "succeeded"
    assert world.cloud.servers["x"].host == "b"
    assert world.cloud.hosts["b"].enabled
    assert not world.cloud.hosts["a"].enabled
    assert world.store.get(world.identity).disabled == ("a",)
    first, second = world.store.host_actions(world.identity)
    assert (first.state, first.before) == ("done", "vmpath: emptied by rearrangement 7")
    assert second.state == "done"
    assert world.cloud.violations == []


def test_what_others_have_disabled_stays_disabled() -> None:
    plan = with_steps(plan_of(("x", "a", "b", [11])), HostStep(11, "b", "enable"))
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan, settings())
    world.cloud.hosts["b"].enabled, world.cloud.hosts["b"].reason = False, "broken fan"
    finish = world.run()
    assert finish.outcome == "failed"
    assert "it was not vmpath that disabled it: broken fan" in (finish.explanation or "")
    assert world.states() == ["skipped"]
    assert world.cloud.requests == []
    assert not world.cloud.hosts["b"].enabled


def test_a_plan_of_host_steps_alone_is_carried_out() -> None:
    plan = with_steps(plan_of(), HostStep(1, "a", "disable"))
    world = World({"a": 10}, {}, plan, settings())
    assert world.run().outcome == "succeeded"
    assert not world.cloud.hosts["a"].enabled


def test_cancelled_host_steps_are_not_begun() -> None:
    plan = with_steps(plan_of(("x", "a", "b")), HostStep(2, "a", "disable", after=(1,)))
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan, settings())
    world.store.request_cancel(world.identity)
    assert world.run().outcome == "cancelled"
    assert world.cloud.hosts["a"].enabled


def test_cancelled_before_its_host_step_it_is_told_as_cancelled() -> None:
    world = World({"a": 10, "b": 10}, {}, with_steps(plan_of(), HostStep(1, "a", "disable")), settings())
    world.store.request_cancel(world.identity)
    finish = world.run()
    assert finish.outcome == "cancelled"
    assert "step 1, disable a: not begun" in (finish.explanation or "")


def test_after_a_crash_a_host_step_is_finished() -> None:
    plan = with_steps(plan_of(("x", "a", "b", [2])), HostStep(2, "b", "enable"))
    for dies_at in ("disabled_reason", "enable_host"):
        world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan, settings())
        world.cloud.hosts["b"].enabled, world.cloud.hosts["b"].reason = False, "vmpath: mine"
        ask = getattr(world.cloud, dies_at)

        def die(*arguments: str) -> None:
            ask(*arguments)  # noqa: B023
            raise KeyboardInterrupt

        setattr(world.cloud, dies_at, die)
        try:
            world.run()
        except KeyboardInterrupt:
            setattr(world.cloud, dies_at, ask)
        assert world.run().outcome == "succeeded"
        (action,) = world.store.host_actions(world.identity)
        assert action.state == "done"
