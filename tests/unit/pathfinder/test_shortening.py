"""Cheaper ways near one that was found."""

import random

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Move, Problem, pose
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.samples import small_samples
from vmpath_service.pathfinder.shortening import shortened
from vmpath_service.pathfinder.strategies.contract import legal

PLENTY = 1_000_000


def posed(snapshot, **target):
    return pose(compile_cloud(snapshot), Placement(target), Limits())


def cost(problem: Problem, moves) -> int:
    return sum(problem.weight(move.guest) for move in moves)


def test_needless_turns_are_left_out():
    problem = posed(cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 5)}), x="b", y="a")
    long = [Move(0, 0, 2), Move(1, 1, 0), Move(1, 0, 1), Move(1, 1, 0), Move(0, 2, 1)]
    assert list(shortened(problem, (), long, Budget(PLENTY))) == [Move(1, 1, 2), Move(0, 0, 1), Move(1, 2, 0)]


def test_the_shortest_stays_as_it_is():
    problem = posed(cloud({"a": 10, "b": 10}, {"x": ("a", 6)}), x="b")
    way = [Move(0, 0, 1)]
    assert shortened(problem, (), way, Budget(PLENTY)) is way


def test_who_is_alike_may_take_the_place_of_another():
    problem = posed(cloud({"a": 9, "b": 9, "c": 9}, {"x": ("a", 3), "y": ("b", 3)}), x="c", y="c")
    long = [Move(0, 0, 1), Move(0, 1, 2), Move(1, 1, 2)]
    way = shortened(problem, (), long, Budget(PLENTY))
    assert legal(problem, way)
    assert len(way) == 2


@pytest.mark.parametrize("seed", range(8))
def test_a_way_round_about_costs_no_more_afterwards(seed):
    chance = random.Random(seed)
    _, snapshot, _ = next(small_samples(seed, 4))
    compiled = compile_cloud(snapshot)
    nowhere = pose(compiled, Placement({}), Limits())
    room = Room(compiled)
    walk = []
    for _ in range(40):
        guest, dest = chance.randrange(len(compiled.home)), chance.randrange(len(nowhere.receives))
        source = room.where[guest]
        if not (nowhere.mobile[guest] and nowhere.receives[dest] and compiled.admits(guest, dest)):
            continue
        if dest != source and compiled.may_pass(source, dest) and room.fits(guest, dest):
            walk.append(Move(guest, source, dest))
            room.move(guest, dest)
    hosts = [host.name for host in snapshot.hosts]
    target = {each.uuid: hosts[where] for each, where in zip(snapshot.instances, room.where, strict=True)}
    problem = pose(compiled, Placement(target), Limits())
    assert legal(problem, walk)
    way = shortened(problem, (), walk, Budget(PLENTY))
    assert legal(problem, way)
    assert cost(problem, way) <= cost(problem, walk)
    least = sum(problem.weight(guest) for guest in problem.movers)
    assert cost(problem, way) == least or len(walk) > len(problem.movers)


def test_what_the_budget_does_not_last_for_stays_as_it_is():
    problem = posed(cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 5)}), x="b", y="a")
    long = [Move(0, 0, 2), Move(1, 1, 0), Move(1, 0, 1), Move(1, 1, 0), Move(0, 2, 1)]
    assert shortened(problem, (), long, Budget(1)) is long
