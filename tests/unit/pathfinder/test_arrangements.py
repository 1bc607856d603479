"""Arrangements of classes and groups of permutations: what can be reached is told without a search of placements."""

import itertools
import random

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder import arrangements as whole
from vmpath_service.pathfinder.arrangements import Arrangements
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.permutations import PermutationGroup, after, inverse
from vmpath_service.pathfinder.problem import pose


def reach(hosts, instances, wanted, budget=100_000, **more):
    problem = pose(compile_cloud(cloud(hosts, instances, **more)), target(**wanted), Limits())
    arrangements = Arrangements(problem, ())
    assert arrangements.applicable()
    return arrangements.reach(Budget(budget))


def generated(points, generators):
    """All of a small group, made one by one."""
    found = {tuple(range(points))}
    edge = list(found)
    while edge:
        each = edge.pop()
        for generator in generators:
            following = after(each, generator)
            if following not in found:
                found.add(following)
                edge.append(following)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_a_group_has_just_what_can_be_made_of_its_generators(seed):
    chance = random.Random(seed)
    points = chance.randint(1, 6)
    generators = []
    for _ in range(chance.randint(0, 2)):
        moved = chance.sample(range(points), chance.randint(1, points))
        images = dict(zip(moved, moved[1:] + moved[:1], strict=True))
        generators.append(tuple(images.get(point, point) for point in range(points)))
    group = PermutationGroup(points, generators)
    made = generated(points, generators)
    for permutation in itertools.permutations(range(points)):
        assert (permutation in group) == (permutation in made)


def test_inverse():
    assert after((1, 2, 0), inverse((1, 2, 0))) == (0, 1, 2)


def test_equal_ones_change_places_only_where_there_is_a_third_place_for_them():
    hosts = {"a": 1, "b": 1, "c": 1}
    instances = {"x": ("a", 1), "y": ("b", 1)}
    swap = {"x": "b", "y": "a"}
    assert reach(hosts, instances, swap) == "reachable"
    traits = {"a": {"traits": ["FAST"]}, "b": {"traits": ["FAST"]}}
    bound = {"x": {"required_traits": ["FAST"]}, "y": {"required_traits": ["FAST"]}}
    assert reach(hosts, instances, swap, of_host=traits, of_instance=bound) == "unreachable"


def test_a_hole_too_small_for_the_big_ones():
    hosts = {"a": 8, "b": 8, "c": 3}
    assert reach(hosts, {"x": ("a", 8), "y": ("b", 8), "z": ("c", 1)}, {"x": "b", "y": "a"}) == "unreachable"
    assert reach({**hosts, "d": 8}, {"x": ("a", 8), "y": ("b", 8), "z": ("c", 1)}, {"x": "b", "y": "a"}) == "reachable"


def test_the_end_of_the_budget_proves_nothing():
    hosts = {f"h{number}": 10 for number in range(6)}
    instances = {f"i{number}": (f"h{number}", 1 + number) for number in range(6)}
    assert reach(hosts, instances, {"i0": "h1"}, budget=10) == "unknown"


@pytest.mark.parametrize(
    "more",
    [{"disabled": ["b"]}, {"of_host": {"a": {"hypervisor_version": 2}, "b": {"hypervisor_version": 1}}}],
)
def test_not_for_moves_that_cannot_be_undone(more):
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8)}, **more)
    problem = pose(compile_cloud(snapshot), target(x="c", y="a"), Limits())
    assert not Arrangements(problem, ()).applicable()


def test_not_where_a_host_is_over_its_limit():
    problem = pose(compile_cloud(cloud({"a": 10, "b": 10}, {"x": ("a", 8), "y": ("a", 8)})), target(x="b"), Limits())
    assert not Arrangements(problem, ()).applicable()


def test_what_the_big_ones_cannot_do_alone_needs_no_look_at_the_small_ones():
    hosts = {"a": 10, "b": 10, **{f"h{number}": 7 for number in range(8)}}
    small = {f"i{number}": (f"h{number % 8}", 1 + number % 3) for number in range(16)}
    snapshot = cloud(hosts, {"x": ("a", 8), "y": ("b", 8), **small})
    problem = pose(compile_cloud(snapshot), target(x="b", y="a"), Limits())
    assert whole.reach(problem, (), Budget(100)) == "unreachable"
    assert Arrangements(problem, ()).reach(Budget(10_000)) == "unknown"
