"""Walks: single migrations one after the other, there and back."""

import dataclasses
import random

import pytest

from tests.clouds import cloud, target
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.answer import least, price
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.serial.cheapest import cheapest_walk
from vmpath_service.pathfinder.serial.ledger import Ledger
from vmpath_service.pathfinder.serial.patience import shortened
from vmpath_service.pathfinder.serial.task import against_time, with_time
from vmpath_service.pathfinder.serial.walk import Manner, Walk


def posed(hosts, instances, wanted, **more):
    return pose(compile_cloud(cloud(hosts, instances, **more)), target(**wanted), Limits())


def crowd(seed, hosts=8, each=5):
    """Hosts that are full at the start or at the end, instances of three sizes, and the same instances dealt anew."""
    chance = random.Random(seed)
    sizes = {f"i{number}": chance.choice([2, 3, 7]) for number in range(hosts * each)}
    deals = []
    for _ in range(2):
        left = [24] * hosts
        deal = {}
        for name in sorted(sizes, key=lambda name: (-sizes[name], chance.random())):
            deal[name] = chance.choice([host for host in range(hosts) if left[host] >= sizes[name]])
            left[deal[name]] -= sizes[name]
        deals.append(deal)
    loads = [[sum(sizes[name] for name in sizes if deal[name] == host) for deal in deals] for host in range(hosts)]
    instances = {name: (f"h{deals[0][name]}", size) for name, size in sizes.items()}
    wanted = {name: f"h{host}" for name, host in deals[1].items()}
    return posed({f"h{host}": max(load) + 2 for host, load in enumerate(loads)}, instances, wanted)


SWAP = ({"a": 10, "b": 10, "c": 10}, {"x": ("a", 8), "y": ("b", 8)}, {"x": "b", "y": "a"})


@pytest.mark.parametrize("seed", range(6))
def test_walks_in_both_directions_are_legal(seed):
    problem = crowd(seed)
    forth = with_time(problem)
    for task in (forth, against_time(forth)):
        walk = Walk(task, Manner(seed=seed, noise=0.3 * (seed % 2)))
        assert walk.run(Budget(1_000_000))
        assert walk.complete
        assert legal(problem, task.moves(walk.ledger.made))


def test_the_cheapest_of_several_walks_is_no_dearer_than_the_first():
    for seed in range(4):
        problem = crowd(seed)
        walk = Walk(with_time(problem), Manner())
        walk.run(Budget(1_000_000))
        best = cheapest_walk(problem, Budget(1_000_000))
        assert (
            least(problem) <= price(problem, best.moves) <= price(problem, with_time(problem).moves(walk.ledger.made))
        )
        assert legal(problem, best.moves)


def test_what_is_tried_is_taken_back():
    ledger = Ledger(with_time(posed(*SWAP)))
    before = (list(ledger.where), list(ledger.room.free), list(ledger.surplus), ledger.left)
    ledger.move(0, 2)
    ledger.move(1, 0)
    ledger.move(0, 1)
    assert ledger.left == 0
    ledger.take_back(0)
    assert (list(ledger.where), list(ledger.room.free), list(ledger.surplus), ledger.left) == before


def test_a_swap_takes_one_stop():
    assert len(cheapest_walk(posed(*SWAP), Budget(10_000)).moves) == 3


def test_who_is_settled_steps_aside_and_comes_back():
    # only s, which is to stay, leaves room on c for the swap of a and b
    hosts = {"a": 10, "b": 10, "c": 10, "d": 4}
    instances = {"x": ("a", 8), "y": ("b", 8), "s": ("c", 4)}
    problem = posed(hosts, instances, {"x": "b", "y": "a"})
    answer = cheapest_walk(problem, Budget(10_000))
    assert legal(problem, answer.moves)
    assert [move.guest for move in answer.moves].count(2) == 2


def test_nobody_leaves_a_disabled_host_to_which_it_could_not_come_back():
    hosts = {"a": 10, "b": 10, "c": 10, "d": 4}
    instances = {"x": ("a", 8), "y": ("b", 8), "s": ("c", 4)}
    assert cheapest_walk(posed(hosts, instances, {"x": "b", "y": "a"}, disabled=["c"]), Budget(10_000)) is None


def test_a_third_host_is_cleared_for_one_who_steps_aside():
    hosts = {"a": 10, "b": 10, "c": 9, "d": 3}
    instances = {"x": ("a", 8), "y": ("b", 8), "s": ("c", 3), "t": ("d", 0)}
    problem = posed(hosts, instances, {"x": "b", "y": "a"})
    answer = cheapest_walk(problem, Budget(10_000))
    assert legal(problem, answer.moves)
    assert len(answer.moves) == 5


def test_a_host_that_is_off_is_only_used_where_it_is_needed():
    hosts, instances, wanted = SWAP
    off = cheapest_walk(posed({**hosts, "d": 10}, instances, wanted, off=["d"]), Budget(10_000))
    assert {move.dest for move in off.moves} == {0, 1, 2}
    needed = posed({"a": 10, "b": 10, "d": 10}, instances, wanted, off=["d"])
    assert legal(needed, cheapest_walk(needed, Budget(10_000)).moves)


def test_siblings_make_way_for_each_other():
    hosts = {"a": 10, "b": 10, "c": 10}
    problem = posed(hosts, {"x": ("a", 1), "y": ("b", 1)}, {"x": "b", "y": "a"}, apart={"g": ["x", "y"]})
    assert len(cheapest_walk(problem, Budget(10_000)).moves) == 3


def test_there_is_no_way_back_where_a_host_is_over_its_limit():
    hosts = {"a": 10, "b": 10, "c": 10}
    problem = posed(hosts, {"x": ("a", 8), "y": ("a", 8)}, {"x": "b"})
    forth = with_time(problem)
    assert against_time(forth) is None
    assert len(cheapest_walk(problem, Budget(10_000)).moves) == 1


def test_the_budget_ends_a_walk():
    assert not Walk(with_time(posed(*SWAP)), Manner()).run(Budget(1))


def test_who_could_have_waited_does_not_step_aside():
    # x makes way for w and goes on when y has left b: it may as well wait for that, and w for x
    hosts = {"a": 10, "b": 10, "c": 10, "d": 10, "e": 10}
    instances = {"x": ("a", 8), "y": ("b", 8), "w": ("e", 8)}
    task = with_time(posed(hosts, instances, {"x": "b", "y": "c", "w": "a"}))
    steps = [(0, 0, 3), (2, 4, 0), (1, 1, 2), (0, 3, 1)]
    assert shortened(task, steps, Budget(1000)) == [(1, 1, 2), (0, 0, 1), (2, 4, 0)]
    assert shortened(task, steps, Budget(0)) == steps


def test_stops_that_are_needed_stay():
    task = with_time(posed(*SWAP))
    steps = [(0, 0, 2), (1, 1, 0), (0, 2, 1)]
    assert shortened(task, steps, Budget(1000)) == steps


@pytest.mark.parametrize("seed", range(30))
def test_what_is_shortened_stays_legal(seed):
    # instances wander about before they go to their ends
    problem = crowd(seed)
    task = with_time(problem)
    chance = random.Random(seed)
    room, steps = task.room.copy(), []
    for _ in range(60):
        guest = chance.choice(problem.movers)
        places = [host for host in range(len(room.free)) if host != room.where[guest] and room.fits(guest, host)]
        if places:
            dest = chance.choice(places)
            steps.append((guest, room.where[guest], dest))
            room.move(guest, dest)
    home = Walk(dataclasses.replace(task, room=room.copy(), movers=misplaced(room, problem)), Manner())
    if not home.run(Budget(1_000_000)):
        return
    steps += home.ledger.made
    assert legal(problem, task.moves(steps))
    shorter = shortened(task, steps, Budget(1_000_000))
    assert legal(problem, task.moves(shorter))
    assert len(shorter) < len(steps)


def misplaced(room, problem):
    return [guest for guest in problem.movers if room.where[guest] != problem.goal[guest]]
