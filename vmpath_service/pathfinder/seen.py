"""Sets of states that are integers: sorted arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]


class Seen:
    """A set of states: sorted arrays, few of them."""

    def __init__(self) -> None:
        self._runs: list[Keys] = []
        self.size = 0

    def add(self, keys: Keys) -> None:
        """Put in sorted states that are new."""
        self.size += len(keys)
        self._runs.append(keys)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = np.concatenate((self._runs.pop(), self._runs.pop()))
            merged.sort(kind="stable")
            self._runs.append(merged)

    def new(self, keys: Keys) -> Keys:
        """Those of some sorted states that are not in it."""
        for run in self._runs:
            keys = keys[~among(keys, run)]
        return keys


def among(keys: Keys, run: Keys) -> NDArray[np.bool_]:
    """Per key: whether it is in a sorted array."""
    if not len(run):
        return np.zeros(len(keys), dtype=np.bool_)
    at = np.searchsorted(run, keys)
    at[at == len(run)] = 0
    same: NDArray[np.bool_] = run[at] == keys
    return same


def single(key: int) -> Keys:
    """A set of one."""
    return np.array([key], dtype=np.int64)


def united(parts: Sequence[Keys]) -> Keys:
    """All states of some arrays, sorted, each once."""
    if not parts:
        return np.zeros(0, dtype=np.int64)
    keys = np.concatenate(parts)
    keys.sort()
    first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys[first]
