"""Small layouts are improved by CP-SAT, several changes at once; without OR-Tools they stay as they are."""

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.clouds import cloud, target
from tests.unit.pathfinder.test_mending import holds, layout
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.cp_sat import available
from vmpath_service.pathfinder.hastening import neighbourhoods
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.neighbourhoods import STEPS, improved
from vmpath_service.pathfinder.hastening.retiming import timed_anew
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.samples import Sample, sample

PLENTY = 1_000_000
EFFORT = 0.1

needs_ortools = pytest.mark.skipif(not available(), reason="OR-Tools is not installed")


def course(wanted, **more):
    """A course through a made-up cloud; None where it gets stuck or there is no such cloud."""
    try:
        snapshot, goal = sample(wanted)
    except InvalidInput:
        return None
    problem = pose(compile_cloud(snapshot), goal, Limits(per_host=2, **more))
    made = Course(problem, Style(big=0.8))
    if not made.run(Budget(PLENTY)) or not made.moves:
        return None
    return Layout(problem, made.moves, made.starts, made.ends)


def numbers(snapshot, names):
    compiled = compile_cloud(snapshot)
    host = compiled.host_index
    return {compiled.instance_index[name]: [host[each] for each in hosts] for name, hosts in names.items()}


@needs_ortools
def test_what_others_wait_for_goes_first():
    # y and v go through the slot of a before x, for whose room z waits
    snapshot = cloud({"a": 14, "b": 30, "c": 20}, {"x": ("a", 6), "y": ("a", 4), "v": ("a", 4), "z": ("c", 6)})
    wanted = target(x="b", y="b", v="b", z="a")
    moves = [("y", "a", "b"), ("v", "a", "b"), ("x", "a", "b"), ("z", "c", "a")]
    found = layout(snapshot, wanted, moves, [0.0, 4.0, 8.0, 14.0])
    anew = timed_anew(found, numbers(snapshot, {"x": [], "y": [], "v": [], "z": []}), EFFORT)
    assert found.makespan == 20
    assert anew.makespan == 14
    assert holds(anew)
    assert improved(found, 0.0, Budget(PLENTY)).makespan == 14


@needs_ortools
def test_somebody_goes_by_a_stop_and_another_waits_for_it():
    # x waits for z to leave b, and y for x to leave a; spare has room for x
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 10, "spare": 10}, {"x": ("a", 10), "y": ("c", 10), "z": ("b", 10)}
    )
    wanted = target(x="b", y="a", z="d")
    found = layout(snapshot, wanted, [("z", "b", "d"), ("x", "a", "b"), ("y", "c", "a")], [0.0, 10.0, 20.0])
    straight = numbers(snapshot, {"x": [], "y": [], "z": []})
    assert timed_anew(found, straight, EFFORT) is None
    anew = timed_anew(found, numbers(snapshot, {"x": ["spare"], "y": [], "z": []}), EFFORT)
    assert anew.makespan == 20
    assert len(anew.moves) == 4
    assert holds(anew)


@needs_ortools
def test_nobody_stops_where_others_are():
    # w is on spare until the end: what is not timed anew keeps its room
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "d": 10, "spare": 10},
        {"x": ("a", 10), "y": ("c", 10), "z": ("b", 10), "w": ("spare", 1)},
    )
    wanted = target(x="b", y="a", z="d")
    found = layout(snapshot, wanted, [("z", "b", "d"), ("x", "a", "b"), ("y", "c", "a")], [0.0, 10.0, 20.0])
    assert timed_anew(found, numbers(snapshot, {"x": ["spare"], "y": [], "z": []}), EFFORT) is None


@needs_ortools
@settings(max_examples=10, deadline=None)
@given(
    st.integers(1, 1000), st.sampled_from([3, 5]), st.sampled_from([0.6, 0.8, 0.9]), st.sampled_from([None, 3])
)
def test_whatever_is_timed_anew_holds_and_ends_no_later(seed, hosts, fill, in_total):
    wanted = Sample(hosts=hosts, instances=4 * hosts, fill=fill, groups=2, odd=seed % 3 == 0, seed=seed)
    made = course(wanted, in_total=in_total)
    if made is None:
        return
    better = improved(made, 0.0, Budget(3 * STEPS))
    event(f"shorter: {better.makespan < made.makespan - 1e-6}")
    assert better.makespan <= made.makespan + 1e-6
    assert holds(better)
    last = {move.guest: move.dest for move in sorted_moves(better)}
    assert all(last[guest] == made.problem.goal[guest] for guest in made.problem.movers)


def sorted_moves(made):
    return [made.moves[each] for each in sorted(range(len(made.moves)), key=lambda each: (made.starts[each], each))]


@needs_ortools
def test_the_same_layout_is_improved_in_the_same_way():
    wanted = Sample(hosts=6, instances=60, fill=0.8, groups=2, seed=4)
    first, second = (improved(course(wanted), 0.0, Budget(3 * STEPS)) for _ in range(2))
    assert (first.moves, first.starts, first.ends) == (second.moves, second.starts, second.ends)


def test_without_ortools_a_layout_stays_as_it_is_and_a_path_is_found(monkeypatch):
    monkeypatch.setattr(neighbourhoods, "available", lambda: False)
    wanted = Sample(hosts=6, instances=40, fill=0.8, groups=1, seed=2)
    made = course(wanted)
    assert improved(made, 0.0, Budget(PLENTY)) is made
    snapshot, goal = sample(wanted)
    settings = PathSettings(objective="time", limits=Limits(per_host=2))
    plan = find_path(compile_cloud(snapshot), goal, settings, snapshot_identity="sha256:0")
    assert plan.outcome == "found"
    assert not check_plan(snapshot, plan, target=goal).problems


def test_nothing_is_done_where_it_ends_soon_enough_or_the_work_is_spent():
    made = course(Sample(hosts=6, instances=40, fill=0.8, seed=2))
    assert improved(made, made.makespan, Budget(PLENTY)) is made
    assert improved(made, 0.0, Budget(0)) is made
