"""Free room that lies apart, memory here and VCPU there, is brought together by stops that add to what has room."""

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.hastening.evenness import evenness
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import Move, pose


def amounts(memory, vcpu):
    return {"MEMORY_MB": memory, "VCPU": vcpu}


HOSTS = {"lean": amounts(10, 10), "busy": amounts(10, 10), "spare": amounts(6, 20)}
# the first host has VCPU left and no memory, the second one memory and no VCPU
INSTANCES = {
    "big": ("lean", amounts(6, 1)),
    "small": ("lean", amounts(4, 1)),
    "quick": ("busy", amounts(1, 6)),
    "calm": ("busy", amounts(1, 4)),
}
SWAPPED = target(big="busy", small="busy", quick="lean", calm="lean")


def posed(instances=None, **more):
    return pose(compile_cloud(cloud(HOSTS, instances or INSTANCES, **more)), SWAPPED, Limits(per_host=2))


def test_room_that_lies_apart_is_uneven():
    # a typical instance is of 3 MiB and 3 VCPU: only the spare host has room for any, for two, and in all for 14 / 3
    assert evenness(posed()) == pytest.approx(2 / (14 / 3))


def test_a_host_that_takes_nothing_in_counts_for_nothing():
    assert evenness(posed(disabled=["spare"])) == 0.0


def test_room_in_the_same_proportions_is_even():
    even = {name: (host, amounts(3, 3)) for name, (host, _) in INSTANCES.items()}
    assert evenness(posed(even)) == pytest.approx(1.0)


def test_who_makes_room_by_leaving_stops_where_little_is_lost():
    problem = posed()
    course = Course(problem, Style(even=0.1))
    assert course.balance is not None
    course.balance.even_out([2])
    # what the spare host has most of is what the second one is short of; of those that are there the quickest adds
    # most for each second
    assert course.moves[0] == Move(problem.cloud.instance_index["quick"], 1, 2)
    assert set(course.pending) == set(problem.movers)


def test_nobody_stops_who_adds_less_than_is_asked_for():
    course = Course(posed(), Style(even=3.0))
    assert course.balance is not None
    course.balance.even_out([2])
    assert course.moves == []


def test_who_adds_more_by_leaving_has_more_merit():
    snapshot = cloud(HOSTS, {**INSTANCES, "idle": ("spare", amounts(1, 1))})
    problem = pose(compile_cloud(snapshot), target(**SWAPPED.placement, idle="busy"), Limits(per_host=2))
    course = Course(problem, Style(even=0.1))
    assert course.balance is not None
    index = problem.cloud.instance_index
    big, calm = course.balance.merits([index["big"], index["calm"]])
    # 8 VCPU are left behind the 6 MiB of the one, and 8 MiB behind the 4 VCPU of the other
    assert big > 0.0
    assert calm > 0.0


def test_a_course_with_such_stops_ends_where_all_are_to_be():
    problem = posed()
    course = Course(problem, Style(even=0.1, ahead=True))
    assert course.run(Budget(10_000))
    assert [course.room.where[guest] for guest in problem.movers] == [problem.goal[guest] for guest in problem.movers]
    assert legal(problem, course.moves)
