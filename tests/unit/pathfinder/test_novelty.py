"""Ways that take many turns, found by what was not seen yet."""

import itertools

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.novelty import NoveltySearch
from vmpath_service.pathfinder.problem import Problem, pose
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.samples import small_samples

PLENTY = 1_000_000


def posed(snapshot, **target):
    return pose(compile_cloud(snapshot), Placement(target), Limits())


def walked(problem: Problem) -> int | None:
    """How many moves the way found takes, each of them legal, to where all are to be; None if none was found."""
    result = NoveltySearch(problem).find(Budget(PLENTY))
    if result.verdict != "found":
        return None
    room = Room(problem.cloud, problem.departures)
    for move in result.moves:
        assert room.where[move.guest] == move.source
        assert problem.mobile[move.guest]
        assert problem.receives[move.dest]
        assert problem.cloud.admits(move.guest, move.dest)
        assert room.fits(move.guest, move.dest)
        room.move(move.guest, move.dest)
    assert all(room.where[guest] == problem.goal[guest] for guest in problem.movers)
    return len(result.moves)


def test_one_hole_for_seven():
    # who is to be where, in two rows of hosts for one instance each; the last is empty
    hosts = {f"h{number}": 4 for number in range(8)}
    snapshot = cloud(hosts, {f"i{number}": (f"h{number}", 4) for number in range(7)})
    assert walked(posed(snapshot, **{f"i{number}": f"h{(number + 1) % 7}" for number in range(7)})) == 8


def test_a_big_one_changes_places_with_small_ones():
    hosts = {"a": 12, "b": 12, **{f"c{number}": 5 for number in range(3)}}
    small = {f"s{number}": ("b", 4) for number in range(3)}
    filled = {f"f{number}": (f"c{number}", 1) for number in range(3)}
    snapshot = cloud(hosts, {"big": ("a", 12), **small, **filled})
    assert walked(posed(snapshot, big="b", **dict.fromkeys(small, "a"))) == 7


def test_what_cannot_be_is_given_up():
    problem = posed(cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 6)}), x="b", y="a")
    assert walked(problem) is None


def test_a_host_over_its_capacity_may_shrink():
    snapshot = cloud({"a": 4, "b": 10, "c": 6}, {"x": ("a", 6), "y": ("b", 6)})
    assert walked(posed(snapshot, x="b", y="c")) == 2
    assert walked(posed(snapshot, x="b", y="a")) is None


def test_the_search_ends_with_its_budget():
    hosts = {f"h{number}": 8 for number in range(4)}
    snapshot = cloud(hosts, {f"i{number}": (f"h{number % 4}", 2) for number in range(13)})
    problem = posed(snapshot, **{f"i{number}": f"h{(number + 1) % 4}" for number in range(12)})
    assert NoveltySearch(problem).find(Budget(1)).verdict == "given up"


@pytest.mark.parametrize("seed", range(5))
def test_whatever_way_is_found_is_legal(seed):
    # where this comes upon no way there may be one: others look on
    for _, snapshot, target in itertools.islice(small_samples(seed, 4), 5):
        problem = pose(compile_cloud(snapshot), target, Limits())
        if NoveltySearch(problem).applicable:
            walked(problem)
