"""Walks with every answer to failures, demands, pauses, cancels, rollbacks and crashes at once: no legality broken,
nothing started twice, and the end is told as it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st

from tests.modelled.cloud import Aborted, Fate
from tests.modelled.mishaps import Deaths, Drift, Killed, Mortal, live_and_die
from tests.modelled.walking import World, plan_of
from tests.property.test_executor_walk import ANSWERS, CAPACITY, ENDS, HOSTS, plans
from vmpath_service.engine.executor.beginning import BACK, GIVEN_UP
from vmpath_service.engine.executor.instructions import Finish
from vmpath_service.engine.executor.settings import (
    NOT_CONVERGING,
    ON_FAILURE,
    Convergence,
    Limits,
    Quarantine,
    Settings,
)
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.records import SETTLED, MigrationState, RearrangementState

DECLARED = (
    Declaration(),
    Declaration(post_copy_permitted="no"),
    Declaration(post_copy_permitted="yes", timeout_action="abort"),
    Declaration(timeout_action="abort"),
)
GOOD = (MigrationState.DONE, MigrationState.REPLACED)
ABORTED: tuple[Aborted, ...] = ("cancelled", "cancelled, then error")


@dataclass
class Tale:
    """A world, and all that happens in it."""

    instances: dict[str, tuple[str, int]]
    steps: list[tuple[str, str, str, list[int]]]
    settings: Settings
    declared: dict[str, Declaration]
    forbidding: set[str]
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    drifts: list[Drift] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    cancel: tuple[float, bool] | None = None
    rollback: tuple[float, bool] | None = None
    busy: list[float] = field(default_factory=list)


fates = st.builds(
    Fate,
    end=st.one_of(st.just("completed"), st.sampled_from(ENDS)),
    answer=st.one_of(st.just("accepted"), st.sampled_from(ANSWERS)),
    aborted=st.sampled_from(ABORTED),
    demanded=st.sampled_from(["accepted", "accepted", "lost"]),
    scheduling=st.sampled_from([0.0, 1.0, 9.0]),
    copying=st.sampled_from([3.0, 40.0, 300.0]),
)
executors = st.builds(
    Settings,
    limits=st.builds(Limits, *[st.one_of(st.none(), st.integers(1, 3))] * 3),
    start_wait_seconds=st.just(60.0),
    retries=st.integers(0, 2),
    on_failure=st.sampled_from(ON_FAILURE),
    max_failure_percent=st.one_of(st.none(), st.just(50)),
    quarantine=st.builds(Quarantine, st.sampled_from([0, 2, 3]), st.just(200.0)),
    mode=st.sampled_from(["pre-copy", "post-copy", "auto"]),
    # what converges nowhere has to end somehow
    convergence=st.builds(
        Convergence, st.sampled_from([each for each in NOT_CONVERGING if each == "abort"]), st.just(0.0), st.just(90.0)
    ),
    reset_state=st.booleans(),
    warm_up=st.sampled_from([0, 0, 2]),
    pace=st.sampled_from(["streaming", "waves"]),
)
moments = st.floats(0, 200, allow_nan=False)


@st.composite
def tales(draw: st.DrawFn) -> Tale:
    instances, steps = draw(plans())
    names = sorted(instances)
    named = st.sampled_from(names) if names else st.nothing()
    tale = Tale(
        instances,
        steps,
        draw(executors),
        {host: draw(st.sampled_from(DECLARED)) for host in HOSTS},
        set(draw(st.lists(named, max_size=2))) if names else set(),
    )
    tale.fates = draw(st.dictionaries(named, st.lists(fates, max_size=4))) if names else {}
    drift = st.builds(
        Drift, moments, st.sampled_from(["boot", "disable"]), st.sampled_from(HOSTS), amount=st.integers(1, 6)
    )
    if names:
        touching = st.sampled_from(["delete", "stop", "busy", "move"])
        drift = st.one_of(drift, st.builds(Drift, moments, touching, named, st.sampled_from(HOSTS)))
    tale.drifts = draw(st.lists(drift, max_size=3))
    tale.deaths = draw(st.lists(st.integers(0, 200), max_size=4))
    tale.pauses = draw(st.lists(st.tuples(moments, st.floats(1, 100)), max_size=1))
    at = st.tuples(moments, st.booleans())
    tale.cancel = draw(st.one_of(st.none(), st.none(), at))
    tale.rollback = draw(st.one_of(st.none(), at)) if tale.cancel is None else None
    tale.busy = draw(st.lists(moments, max_size=2))
    return tale


def begun(tale: Tale) -> tuple[World, set[str]]:
    """The world of a tale with all that is going to happen in it, and whom others will have touched."""
    world = World(dict.fromkeys(HOSTS, CAPACITY), tale.instances, plan_of(*tale.steps), tale.settings)
    cloud, store, touched = world.cloud, world.store, set[str]()
    cloud.fates = tale.fates
    for host, declared in tale.declared.items():
        cloud.hosts[host].declared = declared
    for name in tale.forbidding:
        cloud.servers[name].post_copy = "forbidden"
    world.keep_facts()
    for drift in tale.drifts:
        cloud.later(drift.at, lambda drift=drift: drift.apply(cloud, touched))  # type: ignore[misc]
    for at in tale.busy:
        cloud.later(at, lambda: setattr(cloud, "busy", 3))

    def turn(state: RearrangementState) -> None:
        record = store.get(world.identity)
        if record.state in (RearrangementState.RUNNING, RearrangementState.PAUSED):
            store.change(world.identity, record.epoch, state=state)

    for start, duration in tale.pauses:
        cloud.later(start, lambda: turn(RearrangementState.PAUSED))
        cloud.later(start + duration, lambda: turn(RearrangementState.RUNNING))
    if tale.cancel is not None:
        at, abort = tale.cancel
        cloud.later(at, lambda: store.request_cancel(world.identity, abort=abort) and None)
    if tale.rollback is not None:
        when, aborting = tale.rollback
        going = tuple(RearrangementState)
        cloud.later(when, lambda: store.request_rollback(world.identity, expected=going, abort=aborting) and None)
    wait = world.clock.wait

    def pass_time(seconds: float) -> None:
        wait(seconds)
        cloud.happen()

    world.clock.wait = pass_time  # type: ignore[method-assign]
    return world, touched


def lived(tale: Tale) -> tuple[World, set[str], Finish]:
    """Let it happen, through all deaths, to the end of the way back if there is one."""
    world, touched = begun(tale)
    deaths = Deaths(tale.deaths)
    finish = live_and_die(world, deaths)
    if finish.outcome == "rollback":
        finish = back(world, deaths)
    return world, touched, finish


def back(world: World, deaths: Deaths) -> Finish:
    """Walk back, with a new life after each death."""
    cloud, store = world.cloud, world.store
    store.request_rollback(world.identity, expected=tuple(RearrangementState))
    world.cloud, world.store = Mortal(cloud, deaths), Mortal(store, deaths, {"claim", "get", "plan", "migrations"})  # type: ignore[assignment]
    try:
        while True:
            try:
                return world.roll_back()
            except Killed:
                world.clock.wait(1.0)
    finally:
        world.cloud, world.store = cloud, store


def check(tale: Tale, world: World, touched: set[str], finish: Finish) -> None:
    cloud, records = world.cloud, world.store.migrations(world.identity)
    plan = world.store.plan(world.identity)
    assert cloud.violations == []

    # everything has ended, and says how
    assert all(each.state in SETTLED for each in records)
    assert all(each.reason for each in records if each.state is not MigrationState.DONE)

    # nothing is started twice: there are no more requests than journaled attempts
    asked = Counter(name for name, _ in cloud.requests)
    journaled: Counter[str] = Counter()
    for each in records:
        journaled[each.instance] += each.attempt
    assert asked <= journaled
    assert all(each.failures <= 1 + tale.settings.retries for each in records)
    assert all(len(each.tried) <= tale.settings.max_destinations for each in records)
    assert plan.extra.get("replans", 0) <= tale.settings.max_replans

    # the outcome is true
    backwards = plan.extra.get(BACK)
    judged = [each for each in records if backwards is None or each.step >= backwards]
    well = all(each.state in GOOD for each in judged) and not plan.extra.get(GIVEN_UP)
    if backwards is None:
        well = well and all(each.state == "done" for each in world.store.host_actions(world.identity))
    if finish.outcome == "succeeded":
        assert well
    if finish.outcome == "failed":
        assert not well
        assert finish.explanation
    if finish.outcome == "rolled back":
        assert backwards is not None
        assert (finish.explanation is None) == well
    assert (finish.outcome == "cancelled") <= (tale.cancel is not None)

    # every instance that nobody else has touched is where its last migration that is done has brought it
    last: dict[str, str] = {}
    for each in records:
        last.setdefault(each.instance, each.source)
        if each.state is MigrationState.DONE:
            last[each.instance] = each.dest
    for name, host in last.items():
        server = cloud.servers.get(name)
        lost = any(each.instance == name and each.state is MigrationState.FAILED and each.attempt for each in records)
        if server is not None and name not in touched and not lost:
            assert server.host == host


@given(tales())
@of_hypothesis(
    max_examples=150,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_happens_every_run_ends_in_a_state_that_is_true(tale: Tale) -> None:
    check(tale, *lived(tale))
