"""Placements of a small cloud as arrays, for searches that look at many at once without numbering them all."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.seen import Keys

Places = NDArray[np.int16]
"""Per instance that may move the host where it is; with one more dimension in front, for several placements."""
Step = tuple[int, int, int]
"""A move: the position of an instance among those that may move, from where, to where."""
SEED = 20_170_204


class Placements:
    """All that instances may move about in. ``fixed``: those that are known to stay where they are.

    To be used only where ``applicable``.
    """

    def __init__(self, problem: Problem, fixed: Container[int] = ()) -> None:
        cloud = problem.cloud
        room = Room(cloud, problem.departures)
        hosts = range(len(problem.receives))
        self.guests = [
            guest
            for guest, host in enumerate(room.where)
            if host != NOWHERE and problem.mobile[guest] and guest not in fixed
        ]
        self.applicable = not cloud.vetoes and bool(self.guests)
        """Whether it is the placement alone that decides what may move."""
        if not self.applicable:
            return
        self.start = np.array([room.where[guest] for guest in self.guests], dtype=np.int16)
        self.goal = np.array([problem.goal[guest] for guest in self.guests], dtype=np.int16)
        limits = cloud.counter_limits
        self.need = np.array(
            [
                (*cloud.demand(guest), *(int(c in cloud.counters_of.get(guest, ())) for c in range(len(limits))))
                for guest in self.guests
            ],
            dtype=np.int64,
        )
        free = [
            (
                *room.amounts(room.free[host]),
                *(most - count.get(host, 0) for most, count in zip(limits, room.counts, strict=True)),
            )
            for host in hosts
        ]
        self.bare = np.array(free, dtype=np.int64)
        """Per host and dimension, what is free without those who may move; counters come after resources."""
        np.add.at(self.bare, self.start, self.need)
        self.admits = np.array(
            [[problem.receives[host] and cloud.admits(guest, host) for host in hosts] for guest in self.guests],
            dtype=np.bool_,
        )
        self.known = self.admits.copy()
        """Where one may have been: where it may arrive, and where it is at the start."""
        self.known[np.arange(len(self.guests)), self.start] = True
        self.passes = np.array([[cloud.may_pass(a, b) for b in hosts] for a in hosts], dtype=np.bool_)
        kinds: dict[tuple[int, ...], int] = {}
        self.kind = np.array(
            [
                kinds.setdefault(
                    (cloud.class_of[guest], problem.goal[guest], *cloud.counters_of.get(guest, ())), len(kinds)
                )
                for guest in self.guests
            ]
        )
        chance = np.random.default_rng(SEED)
        self.marks = chance.integers(-(2**62), 2**62, (len(kinds), len(hosts)), dtype=np.int64)[self.kind]
        """Per instance and host a number; a placement is known by their sum, the same for all that are as good. That
        two have the same sum is so unlikely that it may cost a way, but none that is found is wrong."""
        self.crowded = bool((self.free(self.start[np.newaxis])[0] < 0).any())

    def free(self, places: Places) -> NDArray[np.int64]:
        """Per placement, host and dimension, what is free."""
        free = np.repeat(self.bare[np.newaxis], len(places), axis=0)
        rows = np.arange(len(places))
        for position, need in enumerate(self.need):
            free[rows, places[:, position]] -= need
        return free

    def keys(self, places: Places) -> Keys:
        """Per placement the number it is known by."""
        keys: Keys = self.marks[np.arange(places.shape[1]), places].sum(axis=1, dtype=np.int64)
        return keys

    def ways(self, places: Places, free: NDArray[np.int64], *, back: bool = False) -> tuple[NDArray[np.int64], ...]:
        """Moves: per one the row of the placement, who, to which host. ``back``: moves that are undone."""
        fits = np.repeat(self.admits[np.newaxis] if not back else self.known[np.newaxis], len(places), axis=0)
        for dimension, need in enumerate(self.need.T):
            asks = np.flatnonzero(need)
            if len(asks):
                fits[:, asks] &= free[:, np.newaxis, :, dimension] >= need[asks, np.newaxis]
        guests = np.arange(places.shape[1])
        if back:
            # whoever goes back must have been able to come
            fits &= self.admits[guests, places][:, :, np.newaxis] & self.passes.T[places]
        else:
            fits &= self.passes[places]
        fits[np.arange(len(places))[:, np.newaxis], guests, places] = False
        return np.nonzero(fits)

    def moves(self, steps: Sequence[Step]) -> list[Move]:
        """Moves for steps of interchangeable instances, with the real ones in their place."""
        there: dict[tuple[int, int], list[int]] = {}
        for position, guest in enumerate(self.guests):
            there.setdefault((int(self.kind[position]), int(self.start[position])), []).append(guest)
        moves = []
        for position, source, dest in steps:
            kind = int(self.kind[position])
            guest = there[kind, source].pop()
            there.setdefault((kind, dest), []).append(guest)
            moves.append(Move(guest, source, dest))
        return moves


def steps(states: Sequence[Places]) -> list[Step]:
    """Who goes from where to where, from state to state."""
    steps = []
    for before, after in pairwise(states):
        (position,) = np.flatnonzero(before != after)
        steps.append((int(position), int(before[position]), int(after[position])))
    return steps
