"""Layouts of small clouds improved, with OR-Tools where it is installed: large neighbourhood search by CP-SAT.

The chain of migrations that ends last is taken with some of those that share hosts with it, by chance, up to some
dozens of instances. They are timed anew, and sent by stops, all at once (``retiming``); what is over sooner is kept.
Mending changes one thing at a time; what it cannot break needs several at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.cp_sat import available
from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.hastening.mending import chain_behind
from vmpath_service.pathfinder.hastening.retiming import timed_anew
from vmpath_service.pathfinder.problem import Problem

# Only where no more than so many move; how many instances a neighbourhood has, for how many of them stops are looked
# for, the longest first, and on how many hosts.
MOST = 700
FREE = 40
LONGEST = 16
STOPS = 4
# How long a neighbourhood is worked on at most, in CP-SAT's deterministic seconds; how many there are at most, and
# after how many in a row that gained nothing it is over.
EFFORT = 0.1
ROUNDS = 24
PATIENCE = 10
# What a neighbourhood counts in steps of a budget, so that the clock is looked at after each; and all of them.
STEPS = 1_000
WORK = (ROUNDS + 1) * STEPS
# How a layout is judged: by what ends after this share of the makespan.
LATE = 0.9
LEAST = 1e-6


def improved(layout: Layout, enough: float, budget: Budget) -> Layout:
    """A layout that is over sooner, or the same one; it need not end before ``enough``.

    The same one where OR-Tools is missing, where too many move, and where a network limits what is under way.
    """
    problem = layout.problem
    if len(problem.movers) > MOST or problem.ways.linked or not layout.moves or not available():
        return layout
    chance = random.Random(1)
    in_vain = 0
    tried: list[list[tuple[int, ...]]] = []
    """What was in vain with the layout as it is."""
    best = layout
    for _ in range(ROUNDS):
        if best.makespan <= enough or in_vain >= PATIENCE or not budget.spend(STEPS):
            break
        chosen = _neighbourhood(best, chance)
        in_vain += 1
        key = sorted((guest, *sorted(stops)) for guest, stops in chosen.items())
        found = None if not chosen or key in tried else timed_anew(best, chosen, EFFORT)
        if found is None:
            tried.append(key)
            continue
        found.justify()
        if _lateness(found, best.makespan) < _lateness(best, best.makespan) - LEAST:
            if found.makespan < best.makespan - LEAST:
                in_vain = 0
            best = found
            tried.clear()
    return best


def _lateness(layout: Layout, makespan: float) -> float:
    """What ends late, the last of it weighing most."""
    over = max(0.0, layout.makespan - makespan)
    return over * makespan**3 + sum(max(0.0, end - LATE * makespan) ** 3 for end in layout.ends)


def _neighbourhood(layout: Layout, chance: random.Random) -> dict[int, list[int]]:
    """Instances around the one that comes last, and hosts where each may make a stop."""
    problem, moves = layout.problem, layout.moves
    room = problem.room()
    beyond = {host for host, free in enumerate(room.free) if min(room.amounts(free)) < 0}
    legs: dict[int, list[int]] = {}
    for position in sorted(range(len(moves)), key=lambda each: (layout.starts[each], each)):
        legs.setdefault(moves[position].guest, []).append(position)
    able: dict[int, set[int]] = {}
    at: dict[int, list[int]] = {}
    for guest, mine in legs.items():
        hosts = {moves[mine[0]].source, *(moves[each].dest for each in mine)}
        if len(mine) <= 2 and moves[mine[0]].source != moves[mine[-1]].dest and not hosts & beyond:
            able[guest] = hosts
            for host in hosts:
                at.setdefault(host, []).append(guest)
    if not able:
        return {}
    chosen = _around(layout, able, at, chance)
    took = {guest: layout.ends[legs[guest][0]] - layout.starts[legs[guest][0]] for guest in chosen}
    longest = set(sorted(chosen, key=lambda guest: (-took[guest], guest))[:LONGEST])
    free_at_last = list(room.free)
    for guest in problem.movers:
        free_at_last[problem.goal[guest]] -= room.need[guest]
        if room.where[guest] != NOWHERE:
            free_at_last[room.where[guest]] += room.need[guest]
    result = {}
    for guest in chosen:
        mine = legs[guest]
        stops = [moves[mine[0]].dest] if len(mine) == 2 else []
        if guest in longest:
            ends = moves[mine[0]].source, moves[mine[-1]].dest
            places = _places(problem, guest, ends, free_at_last, beyond)
            chance.shuffle(places)
            stops += [host for host in places if host not in stops][:STOPS]
        result[guest] = stops
    return result


def _around(
    layout: Layout, able: dict[int, set[int]], at: dict[int, list[int]], chance: random.Random
) -> list[int]:
    """Those on the chain that ends last, and those who share hosts with them, by chance.

    ``able``: who may be chosen, with the hosts of each; ``at``: by host, who that is.
    """
    last = max(range(len(layout.moves)), key=lambda each: (layout.ends[each], -each))
    chain = [layout.moves[position].guest for position in chain_behind(layout, last)]
    chosen = dict.fromkeys(guest for guest in chain if guest in able)
    hosts = list(dict.fromkeys(host for guest in chosen for host in sorted(able[guest])))
    near = list(dict.fromkeys(guest for host in hosts for guest in at[host] if guest not in chosen))
    chance.shuffle(near)
    for guest in near[: max(0, FREE - len(chosen))]:
        chosen[guest] = None
    return list(chosen)


def _places(
    problem: Problem, guest: int, ends: tuple[int, int], free_at_last: Sequence[int], beyond: set[int]
) -> list[int]:
    """Hosts where the instance may stop on its way and has room in the beginning or in the end."""
    room, cloud = problem.room(), problem.cloud
    need, mask = room.need[guest], room.mask[guest]
    return [
        host
        for host, receives in enumerate(problem.receives)
        if receives
        and host not in ends
        and host not in beyond
        and any((free - need) & mask == mask for free in (room.free[host], free_at_last[host]))
        and cloud.admits(guest, host)
        and cloud.may_pass(ends[0], host)
        and cloud.may_pass(host, ends[1])
    ]
