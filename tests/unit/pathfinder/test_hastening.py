"""Paths that are to be over soon, and the timetable that they are given."""

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening import relief
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.lessons import Lessons
from vmpath_service.pathfinder.hastening.portfolio import soonest
from vmpath_service.pathfinder.hastening.remainder import walked_on
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import Move, pose
from vmpath_service.pathfinder.schedule import timetable

# A MiB takes a second.
MBPS = 8.0


def plan(snapshot, wanted, objective, **more):
    settings = PathSettings(objective=objective, limits=Limits(per_host=1, migration_mbps=MBPS), **more)
    found = find_path(compile_cloud(snapshot), wanted, settings, snapshot_identity="sha256:0")
    assert found.outcome == "found"
    assert check_plan(snapshot, found, target=wanted).problems == ()
    return found


@pytest.fixture
def chain():
    """Eight full hosts in a row, each hands its instance on to the next; the last has room, and so has a spare."""
    hosts = {f"h{number}": 10 for number in range(8)}
    snapshot = cloud({**hosts, "end": 10, "spare": 100}, {f"i{number}": (f"h{number}", 10) for number in range(8)})
    wanted = target(**{f"i{number}": f"h{number + 1}" if number < 7 else "end" for number in range(8)})
    return snapshot, wanted


def test_time_buys_a_shorter_schedule_with_extra_moves(chain):
    assert plan(*chain, "cost").summary.makespan_s == 80
    hasty = plan(*chain, "time").summary
    assert hasty.makespan_s < 80
    assert hasty.extra_migrations > 0


def test_balanced_buys_time_at_its_rate_only(chain):
    assert plan(*chain, "balanced", exchange_rate=1000.0).summary.extra_migrations == 0
    assert plan(*chain, "balanced", exchange_rate=0.01).summary.makespan_s < 80


def test_one_layout_without_more_steps_goes_all_the_way(chain):
    snapshot, wanted = chain
    problem = pose(compile_cloud(snapshot), wanted, Limits(per_host=1, migration_mbps=MBPS))
    answer = soonest(problem, Budget(1_000_000), steps=0)
    assert answer is not None
    assert legal(problem, answer.moves)
    assert max(answer.ends) < 80


def test_a_timetable_of_rates_that_do_not_add_up_as_floats():
    # what 250.7 leaves of the rack's 1000, with it again, is a trifle more than the rack has
    snapshot = cloud(
        {"a": 9000, "b": 9000, "c": 9000, "d": 9000},
        {"x": ("a", 1000), "y": ("b", 1000)},
        links={"slow": 250.7, "rack": 1000.0},
        of_host={"a": {"links": ["rack"]}, "b": {"links": ["slow", "rack"]}},
    )
    problem = pose(compile_cloud(snapshot), target(x="c", y="d"), Limits(migration_mbps=8000.0))
    made = timetable(problem, [Move(0, 0, 2), Move(1, 1, 3)], [[], []], [0.0, 0.0])
    assert made.starts == [0.0, made.ends[0]]


def test_a_timetable_does_not_start_later_than_planned():
    snapshot = cloud({"a": 20, "b": 20, "c": 20}, {"x": ("a", 4), "y": ("a", 6), "z": ("b", 2)})
    limits = Limits(per_host=1, migration_mbps=MBPS)
    problem = pose(compile_cloud(snapshot), target(x="b", y="b", z="c"), limits)
    moves = [Move(0, 0, 1), Move(1, 0, 1), Move(2, 1, 2)]
    made = timetable(problem, moves, [[], [], [0]], [3.0, 9.0, 20.0])
    assert list(made.starts) == [0.0, 4.0, 4.0]
    assert made.makespan == 10.0


def test_a_course_that_is_stuck_is_walked_on():
    # without stepping aside, two full hosts cannot exchange their instances
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 10), "y": ("b", 10)})
    problem = pose(compile_cloud(snapshot), target(x="b", y="a"), Limits(per_host=1, migration_mbps=MBPS))
    course = Course(problem, Style(aside=False))
    assert not course.run(Budget(1000))
    assert course.stuck
    assert walked_on(course, Budget(1000))
    assert legal(problem, course.moves)
    assert course.ends[-1] == 30.0


def test_the_shortest_leaves_first_where_others_wait_for_it_behind_a_link():
    used = {"short": 1, "long": 4, "y": 4, "z": 4}
    snapshot = cloud(
        {"full": 8, "a": 8, "b": 8, "c": 8},
        {"short": ("full", 4), "long": ("full", 4), "y": ("a", 4), "z": ("b", 4)},
        of_host={name: {"links": [f"nic-{name}"]} for name in ("full", "a", "b", "c")},
        of_instance={name: {"memory": {"used_mb": amount}} for name, amount in used.items()},
        links={f"nic-{name}": MBPS for name in ("full", "a", "b", "c")},
    )
    wanted = target(short="c", long="c", y="full", z="full")
    problem = pose(compile_cloud(snapshot), wanted, Limits(per_host=None))
    lasted = {}
    for opening in (0.0, 0.3):
        course = Course(problem, Style(aside=False, opening=opening))
        assert course.run(Budget(1000))
        lasted[opening] = course.now
    assert lasted == {0.0: 12.0, 0.3: 9.0}


def test_places_are_looked_for_where_there_is_room_now(monkeypatch):
    # only two hosts are looked at; the full ones have more to spare than the open one, where others are still to come
    monkeypatch.setattr(relief, "LOOKS", 2)
    monkeypatch.setattr(relief, "LOOKS_IN_ALL", 5)
    full = {f"full{number}": 30 for number in range(4)}
    stay = {f"stay{number}": (f"full{number}", 30) for number in range(4)}
    instances = {"x": ("a", 10), "y": ("b", 10), "z": ("c", 9), "v": ("c", 9), "w": ("open", 8)}
    snapshot = cloud({"a": 10, "b": 10, "c": 20, "open": 20, "far": 8, **full}, {**instances, **stay})
    wanted = target(x="b", y="a", z="open", v="open", w="far")
    problem = pose(compile_cloud(snapshot), wanted, Limits(per_host=1, migration_mbps=MBPS))
    course = Course(problem, Style())
    assert course.run(Budget(10_000))
    at_once = {move.guest for move, start in zip(course.moves, course.starts, strict=True) if start == 0.0}
    assert at_once & {problem.cloud.instance_index["x"], problem.cloud.instance_index["y"]}


def test_room_is_made_early_for_who_came_late():
    # x waits for y, and y for z; on another host there is room for y from the beginning
    snapshot = cloud({"a": 10, "b": 10, "c": 10, "d": 40}, {"x": ("a", 4), "y": ("b", 8), "z": ("c", 8)})
    problem = pose(compile_cloud(snapshot), target(x="b", y="c", z="d"), Limits(per_host=1, migration_mbps=MBPS))
    lessons, x = Lessons(), problem.cloud.instance_index["x"]
    first = Course(problem, Style())
    assert first.run(Budget(10_000))
    layout = Layout(problem, first.moves, first.starts, first.ends)
    assert layout.starts[[move.guest for move in layout.moves].index(x)] == 16.0
    lessons.learn(layout, Style(), {})
    style, late = lessons.taught(0.0)
    assert (style, list(late)) == (Style(), [x])
    second = Course(problem, style, late)
    assert second.run(Budget(10_000))
    assert second.starts[[move.guest for move in second.moves].index(x)] == 8.0
    # who comes soon enough is not late
    assert lessons.taught(20.0)[1] == {}
