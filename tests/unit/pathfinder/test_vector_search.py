"""Many placements at once: hand-made clouds without room to spare."""

from tests.clouds import cloud, target
from tests.unit.pathfinder.test_find_path import find
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.packing import Packing
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.vector_search import VectorSearch

PLENTY = 1_000_000


def posed(snapshot, **wanted):
    return pose(compile_cloud(snapshot), Placement(wanted), Limits())


def test_a_swap_without_room_is_impossible():
    problem = posed(cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 6)}), x="b", y="a")
    assert VectorSearch(problem).decide(Budget(PLENTY)).verdict == "exhausted"
    assert VectorSearch(problem).cheapest(Budget(PLENTY)).verdict == "exhausted"


def test_a_swap_by_a_third_host_takes_three_moves():
    problem = posed(cloud({"a": 10, "b": 10, "c": 5}, {"x": ("a", 6), "y": ("b", 5)}), x="b", y="a")
    for result in (VectorSearch(problem).decide(Budget(PLENTY)), VectorSearch(problem).cheapest(Budget(PLENTY))):
        assert [(move.guest, move.source, move.dest) for move in result.moves] == [(1, 1, 2), (0, 0, 1), (1, 2, 0)]


def test_nothing_is_cheaper_than_the_cheapest_way():
    # c takes two of the small ones only, and big needs all three gone: it goes there itself
    snapshot = cloud(
        {"a": 12, "b": 12, "c": 9},
        {"big": ("a", 9), "one": ("b", 4), "two": ("b", 4), "three": ("b", 4)},
    )
    problem = posed(snapshot, big="b", one="a", two="a", three="a")
    cheapest = VectorSearch(problem).cheapest(Budget(PLENTY))
    weight = sum(problem.weight(move.guest) for move in cheapest.moves)
    assert weight == 2 * 9 + 3 * 4
    assert VectorSearch(problem).cheapest(Budget(PLENTY), weight).verdict == "exhausted"
    assert VectorSearch(problem).cheapest(Budget(PLENTY), weight + 1).verdict == "found"


def test_a_host_over_its_capacity_may_shrink_only():
    # x came to a before a was made smaller: it cannot come back there
    snapshot = cloud({"a": 4, "b": 10, "c": 6}, {"x": ("a", 6), "y": ("b", 6)})
    assert VectorSearch(posed(snapshot, y="c")).decide(Budget(PLENTY)).verdict == "found"
    assert VectorSearch(posed(snapshot, x="b", y="a")).decide(Budget(PLENTY)).verdict == "exhausted"


def test_classes_alone_can_be_reached_where_instances_cannot():
    problem = posed(cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 6)}), x="b", y="a")
    assert VectorSearch(problem, classes=True).decide(Budget(PLENTY)).verdict == "found"


def test_the_search_ends_with_its_budget():
    names = [f"i{number}" for number in range(12)]
    hosts = {f"h{number}": 8 for number in range(4)}
    snapshot = cloud(hosts, {name: (f"h{number % 4}", 2) for number, name in enumerate(names)})
    problem = posed(snapshot, **{name: f"h{(number + 1) % 4}" for number, name in enumerate(names)})
    assert VectorSearch(problem).decide(Budget(10)).verdict == "given up"
    assert VectorSearch(problem).cheapest(Budget(10)).verdict == "given up"


def test_what_has_more_placements_than_there_are_numbers_is_left_to_others():
    names = [f"i{number}" for number in range(40)]
    hosts = {f"h{number}": 100 for number in range(8)}
    snapshot = cloud(hosts, {name: (f"h{number % 8}", number + 1) for number, name in enumerate(names)})
    assert not VectorSearch(posed(snapshot, i0="h1")).applicable


def test_amounts_that_no_word_holds_are_left_to_others():
    huge = {"MEMORY_MB": {"total": 2**53, "allocation_ratio": float(2**40)}}
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 1},
        {"x": ("a", 10), "y": ("b", 7), "z": ("b", 3)},
        of_host={"c": {"inventories": huge, "status": "disabled"}},
    )
    problem = posed(snapshot, x="b", y="a", z="a")
    assert not VectorSearch(problem).applicable
    assert not Packing(problem, ()).applicable
    assert find(snapshot, target(x="b", y="a", z="a")).outcome == "infeasible"


def test_what_is_not_done_is_not_counted():
    budget = Budget(10)
    assert not budget.spend_whole(10)
    assert budget.spend_whole(9)
    assert budget.left == 1
