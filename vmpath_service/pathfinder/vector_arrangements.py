"""Arrangements of classes, layer by layer: the same proof as one by one, for clouds that are too much for that."""

from __future__ import annotations

from collections.abc import Container, Iterable

import numpy as np
from numpy.typing import NDArray

from vmpath_service.pathfinder.arrangements import Arrangements, Reach
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.numbered import Numbered
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.seen import Keys, among, single
from vmpath_service.pathfinder.trace import told

Placements = NDArray[np.uint8]
"""Per state and instance its host."""

# Steps of the budget for a state, and for a permutation that is looked at.
STATE = 2
PERMUTATION = 8


class VectorArrangements(Arrangements):
    """What can be reached in a whole cloud, as ``Arrangements``; to be asked only where ``applicable``."""

    def __init__(self, problem: Problem, fixed: Container[int], without: Iterable[int] = ()) -> None:
        left_out = list(without)
        super().__init__(problem, fixed, left_out)
        self._numbered = Numbered(problem, fixed, left_out, classes=True)
        chance = np.random.default_rng(1)
        shape = (len(self.guests), len(problem.receives))
        self._asked = 0
        self._marks: NDArray[np.int64] = chance.integers(-(2**62), 2**62, shape, dtype=np.int64)

    def applicable(self) -> bool:
        return self._numbered.applicable and super().applicable()

    @told("decide by arrangements, many at once, whether the target can be reached")
    def reach(self, budget: Budget) -> Reach:
        """Whether the target can be reached; ``budget`` ends the search with ``unknown``.

        A layer has states that are so many moves from the start. A move leads to the layer before, to the same or to
        the next one; those to the layer before were seen from there.
        """
        room, numbered = self._room, self._numbered
        goal = bytes(self._problem.goal[guest] for guest in self.guests)
        before = np.zeros(0, dtype=np.int64)
        layer = single(numbered.start)
        placements: Placements = np.array([[room.where[guest] for guest in self.guests]], dtype=np.uint8)
        noted: bytes | None = None
        while len(layer):
            at = np.flatnonzero(layer == numbered.goal)
            if len(at):
                noted = placements[at[0]].tobytes()
            self._exchange_all(placements)
            if noted is not None and (self._all_alike_exchange() or self._grew_to(goal, noted)):
                return "reachable"
            if not budget.spend_whole(STATE * (1 + len(layer))):
                return "unknown"
            keys, reached = self._neighbours(layer, placements, before)
            inside = among(keys, layer)
            if not self._compare(reached[inside], placements[np.searchsorted(layer, keys[inside])], budget):
                return "unknown"
            keys, reached = keys[~inside], reached[~inside]
            first = np.ones(len(keys), dtype=np.bool_)
            np.not_equal(keys[1:], keys[:-1], out=first[1:])
            if not self._compare(reached[~first], reached[first][np.cumsum(first)[~first] - 1], budget):
                return "unknown"
            before, layer, placements = layer, keys[first], reached[first]
        return "unreachable" if noted is None else self._in_group(self._difference(goal, noted))

    def _grew_to(self, goal: bytes, noted: bytes) -> bool:
        """Whether the permutations found so far do, where there are more of them than when it was last asked."""
        if len(self._generators) <= self._asked:
            return False
        self._asked = 2 * len(self._generators)
        return self._in_group(self._difference(goal, noted)) == "reachable"

    def _neighbours(self, layer: Keys, placements: Placements, before: Keys) -> tuple[Keys, Placements]:
        """The states one move away, not in the layer before, sorted, some several times, with their placements."""
        keys: list[Keys] = [np.zeros(0, dtype=np.int64)]
        reached: list[Placements] = [np.zeros((0, len(self.guests)), dtype=np.uint8)]
        for found in self._numbered.after(layer):
            new = ~among(found.keys, before)
            rows = placements[found.rows[new]]
            _, begin, end = self._kinds[found.kind.position]
            if found.shift.source < 0:
                rows[:, begin] = found.dest
            else:
                member = begin + np.argmax(rows[:, begin:end] == found.shift.source, axis=1)
                rows[np.arange(len(rows)), member] = found.dest
            keys.append(found.keys[new])
            reached.append(rows)
        together, all_rows = np.concatenate(keys), np.concatenate(reached)
        order = np.argsort(together, kind="stable")
        return together[order], all_rows[order]

    def _exchange_all(self, placements: Placements) -> None:
        """Those of a kind who are on the same host in any of the placements can be exchanged."""
        for _, begin, end in self._kinds:
            for one in range(begin, end):
                for other in range(one + 1, end):
                    if self._leader(one) != self._leader(other) and (placements[:, one] == placements[:, other]).any():
                        self._join(one, other)

    def _compare(self, reached: Placements, noted: Placements, budget: Budget) -> bool:
        """Note how placements of the same arrangements differ; False when the budget ends."""
        leaders = [self._leader(position) for position in range(len(self.guests))]
        difference = np.zeros(len(reached), dtype=np.int64)
        for position, leader in enumerate(leaders):
            difference += self._marks[leader][reached[:, position]] - self._marks[leader][noted[:, position]]
        for row in np.flatnonzero(difference):
            if not budget.spend(PERMUTATION):
                return False
            self._note(reached[row].tobytes(), noted[row].tobytes())
        return True
