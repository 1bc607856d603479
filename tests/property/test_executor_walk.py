"""Walks through everything that can happen: nothing is started twice, no host is ever asked for more than it has,
every walk ends, and what it reports is what happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.modelled.cloud import GOOD_ENDS, Answer, End, Fate
from tests.modelled.mishaps import Deaths, Drift, live_and_die
from tests.modelled.walking import World, plan_of
from tests.modelled.walking import settings as of_executor
from vmpath_service.engine.executor.settings import Convergence, Limits
from vmpath_service.model.records import MigrationState

HOSTS = ("a", "b", "c", "d")
CAPACITY = 12
ENDS: tuple[End, ...] = tuple(each for each in End.__args__ if each != "confirm refused")  # type: ignore[attr-defined]
HARMLESS = frozenset(("failed before", "failed midway", "no valid host"))
ANSWERS: tuple[Answer, ...] = Answer.__args__  # type: ignore[attr-defined]


@dataclass
class Story:
    """A world, a plan that was right when it was made, and what will happen."""

    instances: dict[str, tuple[str, int]]
    steps: list[tuple[str, str, str, list[int]]]
    limits: Limits
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    drifts: list[Drift] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)
    frozen: list[tuple[float, float]] = field(default_factory=list)
    cancel: float | None = None


@st.composite
def plans(
    draw: st.DrawFn, always_careful: bool = False
) -> tuple[dict[str, tuple[str, int]], list[tuple[str, str, str, list[int]]]]:
    """Instances on hosts, and legal moves one after the other; a move waits for those that made its room.

    Some plans forget to say so, unless they are to be ``always_careful``: then only the reading of the destination
    stands between them and too little room.
    """
    careful = always_careful or draw(st.booleans())
    free = dict.fromkeys(HOSTS, CAPACITY)
    instances: dict[str, tuple[str, int]] = {}
    for number in range(draw(st.integers(1, 8))):
        host, size = draw(st.sampled_from(HOSTS)), draw(st.integers(1, 5))
        if free[host] >= size:
            free[host] -= size
            instances[f"i{number}"] = (host, size)
    where = {name: host for name, (host, _) in instances.items()}
    steps: list[tuple[str, str, str, list[int]]] = []
    for _ in range(draw(st.integers(0, 8))):
        if not instances:
            break
        name, dest = draw(st.sampled_from(sorted(instances))), draw(st.sampled_from(HOSTS))
        source, size = where[name], instances[name][1]
        if source == dest or free[dest] < size:
            continue
        after = [number for number, step in enumerate(steps, 1) if (careful and step[1] == dest) or step[0] == name]
        steps.append((name, source, dest, after))
        free[source], free[dest], where[name] = free[source] + size, free[dest] - size, dest
    return instances, steps


fates = st.builds(
    Fate,
    end=st.one_of(st.just("completed"), st.sampled_from(ENDS)),
    answer=st.one_of(st.just("accepted"), st.sampled_from(ANSWERS)),
    scheduling=st.sampled_from([0.0, 1.0, 9.0]),
    copying=st.sampled_from([0.0, 3.0, 40.0, 300.0]),
)


@st.composite
def stories(draw: st.DrawFn, drifting: bool = True) -> Story:
    instances, steps = draw(plans())
    bound = st.one_of(st.none(), st.integers(1, 3))
    story = Story(instances, steps, Limits(draw(bound), draw(bound), draw(bound)))
    if instances:
        story.fates = draw(st.dictionaries(st.sampled_from(sorted(instances)), st.lists(fates, max_size=3)))
    if not drifting:
        return story
    moments = st.floats(0, 200, allow_nan=False)
    names = st.sampled_from(sorted(instances)) if instances else st.nothing()
    story.drifts = draw(
        st.lists(
            st.one_of(
                st.builds(
                    Drift,
                    moments,
                    st.sampled_from(["boot", "disable"]),
                    st.sampled_from(HOSTS),
                    amount=st.integers(1, 6),
                    lasts=st.sampled_from([20.0, 2000.0]),
                ),
                st.builds(
                    Drift, moments, st.sampled_from(["delete", "stop", "busy", "move"]), names, st.sampled_from(HOSTS)
                ),
            ),
            max_size=4,
        )
    )
    story.deaths = draw(st.lists(st.integers(0, 150), max_size=4))
    story.frozen = draw(st.lists(st.tuples(moments, st.floats(1, 100)), max_size=2))
    story.cancel = draw(st.one_of(st.none(), st.none(), moments))
    return story


def live(story: Story) -> tuple[World, str, set[str]]:
    """Let the story happen; returns the world afterwards, the outcome, and whom others have touched."""
    converging = Convergence("abort", 0.0, 100.0, 30.0)
    executor = of_executor(limits=story.limits, retries=2, convergence=converging, when_stuck="abort")
    world = World(dict.fromkeys(HOSTS, CAPACITY), story.instances, plan_of(*story.steps), executor)
    touched: set[str] = set()
    real, plain = world.cloud, world.clock.wait
    real.fates = story.fates
    for drift in story.drifts:
        world.cloud.later(drift.at, lambda drift=drift: drift.apply(real, touched))  # type: ignore[misc]
    store = world.store
    for start, duration in story.frozen:
        world.cloud.later(start, lambda: store.freeze("quiet", "me") and None)
        world.cloud.later(start + duration, store.thaw)
    if story.cancel is not None:
        world.cloud.later(story.cancel, lambda: store.request_cancel(world.identity) and None)

    def wait(seconds: float) -> None:
        plain(seconds)
        real.happen()

    world.clock.wait = wait  # type: ignore[method-assign]
    finish = live_and_die(world, Deaths(story.deaths))
    return world, finish.outcome, touched


def check(story: Story, world: World, outcome: str, touched: set[str]) -> None:
    cloud, records = world.cloud, world.store.migrations(world.identity)
    assert cloud.violations == []

    # nothing is started twice
    asked: Counter[tuple[str, str]] = Counter()
    for each in records:
        asked[each.instance, each.dest] += each.attempt
    assert all(each.failures <= 1 + world.settings.retries for each in records)
    assert Counter(cloud.requests) <= asked
    check_retries(world, touched)

    # what waited for something that was not done was not asked for
    state = {each.step: each.state for each in records}
    for migration in world.plan.migrations:
        if any(state[before] is not MigrationState.DONE for before in migration.after):
            assert state[migration.id] is MigrationState.SKIPPED

    # the report is true
    done = [each for each in records if each.state is MigrationState.DONE]
    assert all(each.state in (MigrationState.DONE, MigrationState.FAILED, MigrationState.SKIPPED) for each in records)
    assert all(each.reason for each in records if each.state is not MigrationState.DONE)
    assert (outcome == "succeeded") == (len(done) == len(records))
    assert outcome != "cancelled" or story.cancel is not None
    moves = {move.id: move for move in cloud.moves}
    for each in records:
        if each.state is MigrationState.SKIPPED:
            assert each.attempt == 0
        elif each.attempt == 0:
            assert each.state is MigrationState.FAILED or each.instance in touched
        elif each.state is MigrationState.DONE and each.reason:
            # tried before, and brought there by others when it was to be tried again
            assert each.attempt
            assert each.instance in touched
        elif each.state is MigrationState.DONE:
            assert each.nova_migration is not None
            move = moves[each.nova_migration]
            assert (move.instance, move.source, move.dest, move.status) == (
                each.instance,
                each.source,
                each.dest,
                "completed",
            )
        elif each.nova_migration is not None and each.instance not in touched:
            move = moves[each.nova_migration]
            assert move.fate.end not in GOOD_ENDS or move.status == "cancelled"
        elif each.nova_migration is None and each.instance not in touched:
            assert not any(
                move.instance == each.instance and move.dest == each.dest and move.id > (each.baseline or 0)
                for move in cloud.moves
            )
    where = {}
    for each in done:
        where[each.instance] = each.dest
    for name, host in where.items():
        if name not in touched and not any(
            each.instance == name and each.attempt and each.state is MigrationState.FAILED for each in records
        ):
            assert cloud.servers[name].host == host


def check_retries(world: World, touched: set[str]) -> None:
    """Only what came to nothing is asked for again; all else happens once for each step."""
    steps = Counter((each.instance, each.source, each.dest) for each in world.plan.migrations)
    final = Counter(
        (move.instance, move.source, move.dest) for move in world.cloud.moves if move.fate.end not in HARMLESS
    )
    for what, times in final.items():
        assert times <= steps[what] or what[0] in touched


@given(stories())
@settings(
    max_examples=100,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_whatever_happens_the_walk_is_safe_and_tells_the_truth(story: Story) -> None:
    check(story, *live(story))


@given(stories(drifting=False), st.lists(st.integers(0, 120), min_size=1, max_size=3))
@settings(
    max_examples=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_a_resumed_walk_ends_as_an_uninterrupted_one(story: Story, deaths: list[int]) -> None:
    """But for requests that were journaled and never sent: those are found out and told."""
    world, outcome, touched = live(story)
    check(story, world, outcome, touched)
    story.deaths = deaths
    again, outcome_again, touched = live(story)
    check(story, again, outcome_again, touched)
    unsent = sum(each.attempt for each in again.store.migrations(again.identity)) - len(again.cloud.requests)
    if not unsent and world.cloud.requests == again.cloud.requests:
        assert again.states() == world.states()


def test_killed_at_any_call_the_walk_is_finished_by_the_next_life() -> None:
    def swap() -> Story:
        return Story(
            {"x": ("a", 7), "y": ("b", 7)},
            [("y", "b", "c", []), ("x", "a", "b", [1]), ("y", "c", "a", [1, 2])],
            Limits(),
        )

    untroubled = Deaths([])
    world = live(swap())[0]
    live_and_die(world, untroubled)
    world = World(dict.fromkeys(HOSTS, CAPACITY), swap().instances, plan_of(*swap().steps))
    live_and_die(world, untroubled)
    assert untroubled.calls > 40
    unsent = 0
    for moment in range(untroubled.calls):
        story = swap()
        story.deaths = [moment]
        world, outcome, touched = live(story)
        check(story, world, outcome, touched)
        journaled = sum(each.attempt for each in world.store.migrations(world.identity))
        assert outcome == "succeeded"
        unsent += journaled - len(world.cloud.requests)
    # killed between the journal and the request: three steps, and the two calls in between
    assert unsent > 0
