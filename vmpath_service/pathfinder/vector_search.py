"""Layer 3: exhaustive search that looks at many placements at once, for what is too much to go through one by one.

States are kept in sorted layers; the way to one is found afterwards, by going back from layer to layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.numbered import Numbered
from vmpath_service.pathfinder.search import Result
from vmpath_service.pathfinder.seen import Keys, Seen, among, single, united
from vmpath_service.pathfinder.tables import Found
from vmpath_service.pathfinder.trace import told


class VectorSearch(Numbered):
    """Search through all placements of a cloud.

    Where instances are left out, or those of a class taken for the same, a path found says nothing, but if there is
    none, there is none.
    """

    @told("search all placements from both ends, many at once")
    def decide(self, budget: Budget) -> Result:
        """Whether there is a path, and one of few moves if so: breadth first from both ends."""
        ends = [[single(key)] for key in (self.start, self.goal)]
        if self.start == self.goal:
            return Result("found")
        seen = [Seen(), Seen()]
        for layers, known in zip(ends, seen, strict=True):
            known.add(layers[0])
        while True:
            side = 0 if len(ends[0][-1]) <= len(ends[1][-1]) else 1
            layer = ends[side][-1]
            if not budget.spend_whole(1 + len(layer)):
                return Result("given up")
            found = [each.keys for each in (self.after(layer) if side == 0 else self.before(layer))]
            fresh = seen[side].new(united(found))
            if not len(fresh):
                return Result("exhausted")
            seen[side].add(fresh)
            ends[side].append(fresh)
            met = fresh[among(fresh, ends[1 - side][-1])]
            if len(met):
                middle = int(met[0])
                return Result(
                    "found", self.moves(self._way_there(ends[0], middle) + self._way_on(ends[1], middle)[1:])
                )

    @told("search all placements for the cheapest way, many at once")
    def cheapest(self, budget: Budget, below: int | None = None) -> Result:
        """The cheapest path, if its cost is less than ``below`` (A*, by what moves cost beyond what they must)."""
        least = sum(
            self._problem.weight(guest)
            for kind in self.kinds
            for guest in kind.guests
            if self._room.where[guest] != kind.goals[0]
        )
        waiting: dict[int, list[Keys]] = {0: [single(self.start)]}
        layers: list[tuple[int, Keys]] = []
        seen = Seen()
        goal = single(self.goal)
        while waiting:
            dear = min(waiting)
            if below is not None and least + dear >= below:
                break
            layer = seen.new(united(waiting.pop(dear)))
            while len(layer):
                seen.add(layer)
                layers.append((dear, layer))
                if among(goal, layer)[0]:
                    return Result("found", self.moves(self._cheapest_way(layers)))
                if not budget.spend_whole(1 + len(layer)):
                    return Result("given up")
                straight: list[Keys] = []
                for found in self.after(layer):
                    more = found.shift.detour
                    if not more:
                        straight.append(found.keys)
                    elif below is None or least + dear + more < below:
                        waiting.setdefault(dear + more, []).append(found.keys)
                layer = seen.new(united(straight))
        return Result("exhausted")

    def _way_there(self, layers: Sequence[Keys], key: int) -> list[int]:
        """The states from the start to one of the last layer."""
        states = [key]
        for layer in reversed(layers[:-1]):
            states.append(self._one(self.before(single(states[-1])), layer))
        return states[::-1]

    def _way_on(self, layers: Sequence[Keys], key: int) -> list[int]:
        """The states from one of the last layer to the goal."""
        states = [key]
        for layer in reversed(layers[:-1]):
            states.append(self._one(self.after(single(states[-1])), layer))
        return states

    def _one(self, found: Iterator[Found], layer: Keys) -> int:
        """One of the states found that is in the layer."""
        return next(int(known[0]) for each in found if len(known := each.keys[among(each.keys, layer)]))

    def _cheapest_way(self, layers: Sequence[tuple[int, Keys]]) -> list[int]:
        """The states from the start to the goal, which is in the last layer."""
        states = [self.goal]
        number = len(layers) - 1
        while number:
            number, before = self._state_before(layers, number, states[-1])
            states.append(before)
        return states[::-1]

    def _state_before(self, layers: Sequence[tuple[int, Keys]], number: int, key: int) -> tuple[int, int]:
        """The layer and the state from which the state of this layer was reached at no more than it cost."""
        dear = layers[number][0]
        for found in self.before(single(key)):
            paid = dear - found.shift.detour
            for earlier in range(number - 1, -1, -1):
                if layers[earlier][0] < paid:
                    break
                if layers[earlier][0] == paid and among(found.keys, layers[earlier][1])[0]:
                    return earlier, int(found.keys[0])
        raise AssertionError("every state but the first was reached from one before")
