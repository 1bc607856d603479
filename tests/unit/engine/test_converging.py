"""Migrations that do not come to their end by themselves: what is demanded of Nova, and what never is."""

from __future__ import annotations

import dataclasses

import pytest

from tests.modelled.cloud import Fate
from tests.modelled.walking import World, plan_of, settings
from vmpath_service.engine.executor.settings import Convergence, Settings
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.records import FailureKind

POST_COPY = Declaration(post_copy_permitted="yes", timeout_action="abort")
PAUSING = Declaration(post_copy_permitted="no")
QUICK = Convergence(seconds_per_gib=0.0, least_seconds=60.0, stall_seconds=30.0)


def dirty(declared: Declaration, executor: Settings, fate: Fate | None = None, **server: str) -> World:
    """One instance that writes to its memory faster than it is copied."""
    world = World({"a": 10, "b": 10}, {"x": ("a", 4)}, plan_of(("x", "a", "b")), executor)
    world.cloud.fates = {"x": [fate or Fate("never converges", copying=20.0)]}
    world.cloud.hosts["a"].declared = declared
    for name, value in server.items():
        setattr(world.cloud.servers["x"], name, value)
    world.keep_facts()
    return world


def doing(action: str, **more: object) -> Settings:
    return settings(mode="auto", convergence=dataclasses.replace(QUICK, action=action, **more))


def demands(world: World) -> list[str]:
    return [demand for move in world.cloud.moves for demand in move.demands]


def test_what_does_not_converge_is_switched_to_post_copy_where_that_is_declared() -> None:
    world = dirty(POST_COPY, doing("wait"))
    assert world.run().outcome == "succeeded"
    assert demands(world) == ["force_complete"]
    assert "migration.switching" in world.kinds()
    assert world.cloud.violations == []


@pytest.mark.parametrize("declared", [Declaration(), PAUSING])
def test_undeclared_or_not_permitted_it_is_never_switched(declared: Declaration) -> None:
    world = dirty(declared, doing("post-copy"))
    assert world.run_for(2000) is None
    assert demands(world) == []
    assert world.kinds().count("migration.not_converging") == 1
    assert world.states() == ["running"]


@pytest.mark.parametrize("action", ["wait", "post-copy", "pause"])
def test_an_instance_that_forbids_post_copy_is_never_force_completed(action: str) -> None:
    for declared in (POST_COPY, PAUSING):
        world = dirty(declared, doing(action), post_copy="forbidden")
        assert world.run_for(1000) is None
        assert demands(world) == []
        assert world.cloud.violations == []


@pytest.mark.parametrize("permitted", ["yes", "unknown"])
def test_an_instance_that_forbids_post_copy_leaves_no_host_where_nova_might_switch_it(permitted: str) -> None:
    declared = Declaration(post_copy_permitted=permitted)  # type: ignore[arg-type]
    world = dirty(declared, doing("wait"), post_copy="forbidden")
    assert world.run().outcome == "failed"
    assert world.cloud.requests == []
    (record,) = world.store.migrations(world.identity)
    assert record.failure is FailureKind.FORBIDDEN
    assert "forbids post-copy" in (record.reason or "")


def test_in_mode_post_copy_it_is_switched_after_the_first_full_pass() -> None:
    world = dirty(POST_COPY, settings(mode="post-copy"), Fate("never converges", copying=100.0))
    assert world.run_for(90) is None
    assert demands(world) == []
    assert world.run().outcome == "succeeded"
    assert demands(world) == ["force_complete"]
    assert world.clock.now < 150


def test_in_mode_pre_copy_it_is_never_switched() -> None:
    world = dirty(POST_COPY, dataclasses.replace(doing("post-copy"), mode="pre-copy"))
    assert world.run_for(1000) is None
    assert demands(world) == []


def test_the_mode_of_an_instance_counts_before_that_of_all() -> None:
    world = dirty(POST_COPY, doing("wait"))
    world.cloud.servers["x"].metadata["vmpath:mode"] = "pre-copy"
    world.keep_facts()
    assert world.run_for(1000) is None
    assert demands(world) == []


def test_it_is_paused_where_that_is_wanted_and_declared() -> None:
    world = dirty(PAUSING, doing("pause"))
    assert world.run().outcome == "succeeded"
    assert demands(world) == ["force_complete"]


def test_it_is_not_paused_for_longer_than_it_may_stand_still() -> None:
    world = dirty(PAUSING, doing("pause", max_downtime_seconds=0.5))
    assert world.run_for(1000) is None
    assert demands(world) == []
    told = [event.message for event in world.store.events() if event.kind == "migration.not_converging"]
    assert "max_downtime_seconds" in told[0]


def test_it_is_aborted_as_the_last_resort_and_looked_at_again() -> None:
    world = dirty(Declaration(), doing("abort"))
    assert world.run().outcome == "failed"
    (record,) = world.store.migrations(world.identity)
    assert (record.failure, record.attempt) == (FailureKind.ABORTED, 1)
    assert demands(world) == ["abort"]
    assert "it was aborted" in (record.reason or "")


def test_an_abort_that_costs_the_instance_its_state_is_told_and_nothing_is_reset() -> None:
    world = dirty(Declaration(), doing("abort"), Fate("never converges", copying=20, aborted="cancelled, then error"))
    assert world.run().outcome == "failed"
    assert world.cloud.servers["x"].status == "ERROR"
    assert "see that it runs on a and nowhere else" in world.reason(1)
    assert "migration.needs_operator" in world.kinds()
    assert "reset_state" not in world.cloud.calls


def test_its_state_is_reset_where_the_operator_has_opted_in() -> None:
    executor = dataclasses.replace(doing("abort"), reset_state=True)
    fate = Fate("never converges", copying=20, aborted="cancelled, then error")
    world = dirty(Declaration(timeout_action="abort"), executor, fate)
    assert world.run().outcome == "failed"
    assert world.cloud.servers["x"].status == "ACTIVE"
    assert "its state was reset" in world.reason(1)
    assert world.cloud.violations == []


def test_no_state_is_reset_where_nova_may_have_switched_the_guest() -> None:
    executor = dataclasses.replace(doing("abort"), reset_state=True)
    world = dirty(Declaration(), executor, Fate("never converges", copying=20, aborted="cancelled, then error"))
    assert world.run().outcome == "failed"
    assert world.cloud.servers["x"].status == "ERROR"


@pytest.mark.parametrize("demanded", ["lost", "refused"])
def test_a_demand_is_not_repeated_while_it_may_have_an_effect(demanded: str) -> None:
    fate = Fate("never converges", copying=20.0, demanded=demanded)  # type: ignore[arg-type]
    world = dirty(POST_COPY, doing("wait"), fate)
    if demanded == "lost":
        assert world.run().outcome == "succeeded"
        assert demands(world) == ["force_complete"]
        return
    assert world.run_for(200) is None
    asked = [at for at, call in enumerate(world.cloud.calls) if call == "force_complete"]
    assert 2 <= len(asked) <= 1 + 200 / 30


def test_a_demand_made_before_a_crash_is_not_made_again() -> None:
    world = dirty(Declaration(), doing("abort"), Fate("never converges", copying=20.0, aborted="without effect"))
    assert world.run_for(100) is None
    for _ in range(5):
        assert world.run_for(10) is None
    assert demands(world) == ["abort"]


def test_a_stuck_one_is_aborted_where_that_is_wanted() -> None:
    world = dirty(Declaration(), settings(when_stuck="abort", stuck_seconds=50), Fate("never converges", copying=0.0))
    assert world.run().outcome == "failed"
    assert demands(world) == ["abort"]
    assert "migration.stuck" in world.kinds()
