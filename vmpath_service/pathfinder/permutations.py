"""Groups of permutations: whether one can be made of others."""

from __future__ import annotations

from collections.abc import Sequence

Permutation = tuple[int, ...]
"""``p[i]`` is where ``i`` goes."""


def after(first: Permutation, second: Permutation) -> Permutation:
    """First the one, then the other."""
    return tuple(second[point] for point in first)


def inverse(permutation: Permutation) -> Permutation:
    """What undoes it."""
    result = [0] * len(permutation)
    for point, image in enumerate(permutation):
        result[image] = point
    return tuple(result)


class PermutationGroup:
    """All that can be made of ``generators`` on so many points (Furst, Hopcroft and Luks 1980).

    Per level k the table has, for points j, a member of the group that fixes all points above k and takes k to j; any
    product of two entries can be made of entries of ever lower levels. Takes time with the sixth power of the points
    at worst.
    """

    def __init__(self, points: int, generators: Sequence[Permutation]) -> None:
        self._points = points
        self._tables: list[dict[int, tuple[Permutation, Permutation]]] = [{} for _ in range(points)]
        entries: list[Permutation] = []
        todo = list(generators)
        while todo:
            level, rest = self._sifted(todo.pop())
            if level < 0:
                continue
            self._tables[level][rest[level]] = (rest, inverse(rest))
            entries.append(rest)
            for other in entries:
                todo.append(after(rest, other))
                todo.append(after(other, rest))

    def __contains__(self, permutation: Permutation) -> bool:
        return self._sifted(permutation)[0] < 0

    def _sifted(self, permutation: Permutation) -> tuple[int, Permutation]:
        """What is left of a permutation where the tables lead no further, and the level; -1 if nothing is."""
        for level in range(self._points - 1, -1, -1):
            image = permutation[level]
            if image == level:
                continue
            known = self._tables[level].get(image)
            if known is None:
                return level, permutation
            permutation = after(permutation, known[1])
        return -1, permutation
