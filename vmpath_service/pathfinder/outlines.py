"""Layer 3: where the big ones can get to if the others are put anew at every move: a proof for tight clouds.

Only the places of some instances, the biggest, are looked at. One of them may go from a host to another if all the
others can be put on the hosts while it counts at both, in whatever way they got there. Every path leads through such
moves, so where these do not lead from the start to the goal, there is no path. Clouds that are full of small instances
have few ways to make room for a big one, however many placements they have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Iterator

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.brim import MOST, Bin, Brim, Vector
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.kinds import interchangeable
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.trace import told

State = tuple[tuple[int, ...], ...]
"""Per kind of big ones, the sorted hosts of its members."""

# Steps of the budget for a look at a state, at a move from there, and at most for a packing.
STATE = 16
MOVE = 12
PACKING = 30_000


class Outlines:
    """The places of some instances. ``fixed``: those that are known to stay; ``without``: the small ones.

    A host holds no more than its capacity or, where that is less, what it held at the start: no path leads beyond.
    Groups are left out of account: what cannot be without them cannot be with them.
    """

    def __init__(self, problem: Problem, fixed: Container[int], without: Iterable[int]) -> None:
        cloud = problem.cloud
        self._problem = problem
        room = Room(cloud, problem.departures)
        small = set(without)
        self._groups = [
            group for group in interchangeable(problem, room, fixed, by_goal=True) if group[0] not in small
        ]
        self.count = sum(map(len, self._groups))
        """How many instances are looked at."""
        self._need = [cloud.demand(group[0]) for group in self._groups]
        self._open = [self._open_to(group[0]) for group in self._groups]
        bare = [[max(0, amount) for amount in room.amounts(free)] for free in room.free]
        packed: dict[tuple[Vector, frozenset[int]], list[int]] = {}
        for guest, host in enumerate(room.where):
            if host == NOWHERE or not problem.mobile[guest] or guest in fixed:
                continue
            bare[host] = list(map(int.__add__, bare[host], cloud.demand(guest)))
            if guest in small:
                packed.setdefault((cloud.demand(guest), frozenset(self._open_to(guest))), []).append(guest)
        places = [open_to.union(room.where[guest] for guest in guests) for (_, open_to), guests in packed.items()]
        self._takes = [
            tuple(number for number, at in enumerate(places) if host in at) for host in range(len(problem.receives))
        ]
        self._bare = bare
        self.applicable = sum(map(sum, bare)) < MOST
        """Whether amounts are small enough to be computed with."""
        self._wanted = [len(guests) for guests in packed.values()]
        self._brim = Brim([need for need, _ in packed], self._wanted) if packed else None
        self._known: dict[tuple[Bin, ...], bool] = {}
        self.start: State = tuple(tuple(sorted(room.where[guest] for guest in group)) for group in self._groups)
        self.goal: State = tuple(tuple(problem.goal[guest] for guest in group) for group in self._groups)

    def _open_to(self, guest: int) -> list[int]:
        receives, admits = self._problem.receives, self._problem.cloud.admits
        return [host for host, open_now in enumerate(receives) if open_now and admits(guest, host)]

    @told("look where the biggest can get to if the others are put anew at every move")
    def forbid(self, budget: Budget) -> bool:
        """Whether it is proved that the goal cannot be reached; to be asked only where ``applicable``."""
        if self.start == self.goal:
            return False
        seen = [{self.start}, {self.goal}]
        edges = [deque([self.start]), deque([self.goal])]
        while True:
            side = 0 if len(edges[0]) <= len(edges[1]) else 1
            if not edges[side]:
                return True
            for state in self._next(edges[side].popleft(), seen[side], budget, back=side == 1):
                if state in seen[1 - side]:
                    return False
                seen[side].add(state)
                edges[side].append(state)
            if not budget.spend(STATE):
                return False

    def _next(self, state: State, seen: Container[State], budget: Budget, *, back: bool) -> Iterator[State]:
        """States one move away that were not seen; ``back``: from which a move leads here."""
        passes = self._problem.cloud.may_pass
        room = [list(row) for row in self._bare]
        for need, hosts in zip(self._need, state, strict=True):
            for host in hosts:
                room[host] = list(map(int.__sub__, room[host], need))
        for number, (need, hosts) in enumerate(zip(self._need, state, strict=True)):
            for source in sorted(set(hosts)):
                if back and source not in self._open[number]:
                    continue
                rest = list(hosts)
                rest.remove(source)
                for dest in range(len(room)) if back else self._open[number]:
                    if dest == source or not (passes(dest, source) if back else passes(source, dest)):
                        continue
                    block = tuple(sorted((*rest, dest)))
                    following = (*state[:number], block, *state[number + 1 :])
                    if following not in seen and self._packs(room, dest, need, budget):
                        yield following

    def _packs(self, room: list[list[int]], dest: int, need: Vector, budget: Budget) -> bool:
        """Whether the small ones can be put beside the big ones and one more on ``dest``; True if not known."""
        budget.spend(MOVE)
        before = room[dest]
        room[dest] = list(map(int.__sub__, before, need))
        possible = min(room[dest], default=0) >= 0 and all(min(row, default=0) >= 0 for row in room)
        if possible and self._brim is not None:
            key = tuple(sorted((tuple(row), takes) for row, takes in zip(room, self._takes, strict=True)))
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._brim.packs(key, self._wanted, budget.share(PACKING)) is not False
            possible = known
        room[dest] = before
        return possible
