"""Paths that are to be over soon, and the timetable that they are given."""

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.course import Course
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
