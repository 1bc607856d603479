"""Shorter ways near one that was found, where a cloud is too big for the cheapest to be searched for.

The placements on the way and those a move or two from it make a small graph; the cheapest way through it is the next
to be improved (plan neighbourhood graph search: Nakhost and Müller, "Action Elimination and Plan Neighborhood Graph
Search", ICAPS 2010).
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Sequence

import numpy as np
from numpy.typing import NDArray

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.placements import Placements, Places, Step
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.seen import Keys, among
from vmpath_service.pathfinder.trace import told

# Placements of a graph, and those that are looked at together.
MOST = 5_000
TOGETHER = 12_000
# What is looked at in a step of a budget: moves.
WORTH = 1000


@told("look for a cheaper way near this one")
def shortened(problem: Problem, fixed: Container[int], moves: Sequence[Move], budget: Budget) -> Sequence[Move]:
    """A way that costs no more than ``moves``, which lead from the start to the goal; they themselves if none is."""
    world = Placements(problem, fixed)
    position = {guest: number for number, guest in enumerate(world.guests)}
    if not world.applicable or not all(move.guest in position for move in moves):
        return moves
    way = _states(world, [(position[move.guest], move.dest) for move in moves])
    weights = np.array([problem.weight(guest) for guest in world.guests])
    while True:
        way = _states(world, [(position[move.guest], move.dest) for move in moves])
        better = _Graph(world, way, weights, budget).cheapest()
        if better is None:
            return moves
        moves = world.moves(better)


def _states(world: Placements, moves: Sequence[tuple[int, int]]) -> Places:
    """The placements that moves lead through; a move: the position of an instance, where to."""
    way = np.repeat(world.start[np.newaxis], len(moves) + 1, axis=0)
    for number, (who, dest) in enumerate(moves):
        way[number + 1 :, who] = dest
    return way


class _Graph:
    """The placements on a way and around it that may be on one that costs less."""

    def __init__(self, world: Placements, way: Places, weights: NDArray[np.int64], budget: Budget) -> None:
        self._world, self._weights, self._budget = world, weights, budget
        self._cost = int((way[1:] != way[:-1]).sum(axis=0) @ weights)
        self._together = max(1, TOGETHER // world.admits.size)
        self._places, self._keys = self._around(way)

    def _around(self, way: Places) -> tuple[Places, Keys]:
        """The placements on the way first, then those that are one move from them, two moves, and so on."""
        world = self._world
        keys = world.keys(way)
        once = np.sort(np.unique(keys, return_index=True)[1])  # a way may come by the same placement twice
        way, keys = way[once], keys[once]
        found = [way]
        ring = way
        while len(ring) and len(keys) < MOST:
            outside: list[Places] = []
            for begin in range(0, len(ring), self._together):
                places = ring[begin : begin + self._together]
                rows, who, host = self._moves(places)
                after = places[rows]
                after[np.arange(len(rows)), who] = host
                least = (after != world.start) @ self._weights + (after != world.goal) @ self._weights
                after = after[least < self._cost]
                new, first = np.unique(world.keys(after), return_index=True)
                fresh = ~np.isin(new, keys)
                outside.append(after[first[fresh]])
                keys = np.concatenate((keys, new[fresh]))
                if len(keys) >= MOST or self._budget.left <= 0:
                    break
            ring = np.concatenate(outside)
            found.append(ring)
            if self._budget.left <= 0:
                break
        return np.concatenate(found), keys

    def _moves(self, places: Places) -> tuple[NDArray[np.int64], ...]:
        self._budget.spend(1 + places.shape[0] * self._world.admits.size // WORTH)
        return self._world.ways(places, self._world.free(places))

    def _edges(self) -> list[list[tuple[int, int, Step]]]:
        """Per placement, where moves lead from it, what they cost, and the moves."""
        order = np.argsort(self._keys)
        ordered = self._keys[order]
        edges: list[list[tuple[int, int, Step]]] = [[] for _ in self._keys]
        for begin in range(0, len(self._keys), self._together):
            if self._budget.left <= 0:
                break
            places = self._places[begin : begin + self._together]
            rows, who, host = self._moves(places)
            source = places[rows, who]
            after = self._keys[begin + rows] + (self._world.marks[who, host] - self._world.marks[who, source])
            inside = np.flatnonzero(among(after, ordered))
            ends = order[np.searchsorted(ordered, after[inside])]
            who, source, host = who[inside], source[inside], host[inside]
            columns = (begin + rows[inside], ends, self._weights[who], who, source, host)
            for row, end, price, *step in zip(*(each.tolist() for each in columns), strict=True):
                edges[row].append((end, price, (step[0], step[1], step[2])))
        return edges

    def cheapest(self) -> list[Step] | None:
        """The cheapest way through the graph, if it costs less than the one it was made from."""
        edges = self._edges()
        (goal,) = np.flatnonzero(self._keys == self._world.keys(self._world.goal[np.newaxis])[0]).tolist()
        paid = {0: 0}
        before: dict[int, tuple[int, Step]] = {}
        queue = [(0, 0)]
        while queue:
            cost, row = heapq.heappop(queue)
            if row == goal:
                break
            if cost > paid[row]:
                continue
            for end, price, step in edges[row]:
                dear = cost + price
                if dear < paid.get(end, self._cost):
                    paid[end] = dear
                    before[end] = row, step
                    heapq.heappush(queue, (dear, end))
        if goal not in before:
            return None
        steps = []
        row = goal
        while row:
            row, step = before[row]
            steps.append(step)
        return steps[::-1]
