"""Which hosts to free so that few instances move, and how many must: prices of room, by Lagrangian relaxation.

A host that stays takes in what comes from others, but only in the proportions in which it has room: one that is out of
CPUs takes in nothing, however much of its memory is free, unless some of its own instances leave. That all instances
find a place is relaxed and gets a price per kind of instance; then every host is a problem of its own, with as many
constraints as there are resource classes, solved for all hosts at once. The prices are adjusted by subgradients with
Polyak's steps. What the sum comes to for any prices is a lower bound on what it costs to free so many hosts
(Geoffrion, Lagrangean relaxation for integer programming, 1974); the hosts that are freed at the best prices are a
good choice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The two scarcest classes are looked at; with more kinds than this, similar ones are taken together.
_KINDS = 48
_ROUNDS = 200
_PATIENCE = 10
# Less than that above a whole number is rounding.
_ROUNDING = 1e-4

Floats = NDArray[np.float64]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Holding:
    """A host: whether it may be freed, what is free there in the two classes (0 where it takes nothing in), how much
    it may hold, and its instances that may be moved, as sizes in the two classes and what moving one costs."""

    host: int
    may_be_freed: bool
    free: tuple[int, int]
    limit: tuple[int, int]
    guests: Sequence[tuple[Size, int]]


@dataclass(frozen=True, slots=True)
class Prices:
    """``order``: hosts that may be freed, those first that it is best to free. ``bound``: no way to free so many hosts
    costs less; infinite where the room does not suffice."""

    order: tuple[int, ...]
    bound: float


def priced(holdings: Sequence[Holding], number: int, margin: float = 0.0) -> Prices:
    """What to free of these hosts, and what it costs at least to free ``number`` of them.

    ``margin``: the part of each host's second class that is left out of account, for an order that leaves room to
    pack; a bound needs 0.
    """
    coarse = _coarse({guest for each in holdings for guest in each.guests})
    kinds = sorted(set(coarse.values()))
    if not kinds or not 0 < number <= sum(each.may_be_freed for each in holdings):
        return Prices(tuple(each.host for each in holdings if each.may_be_freed), 0.0)
    column = {kind: at for at, kind in enumerate(kinds)}
    natives = np.zeros((len(holdings), len(kinds)))
    for row, each in enumerate(holdings):
        for guest, count in Counter(each.guests).items():
            natives[row, column[coarse[guest]]] += count
    mean = np.maximum(1.0, np.array([each.limit for each in holdings], dtype=float).mean(axis=0))
    kept_back = np.array([[0.0, margin * each.limit[1]] for each in holdings])
    free = np.maximum(0.0, np.array([each.free for each in holdings], dtype=float) - kept_back) / mean
    sizes = np.array([kind[0] for kind in kinds], dtype=float) / mean
    costs = np.array([kind[1] for kind in kinds], dtype=float)
    scale = max(1.0, float(costs.mean()))
    candidate = np.array([each.may_be_freed for each in holdings])
    search = _Subgradient(free, natives, sizes, costs / scale, candidate, number)
    search.run()
    order = [holdings[at].host for at in search.order if candidate[at]]
    bound = search.best * scale
    return Prices(tuple(order), bound * (1 - 1e-6) - _ROUNDING)


def _coarse(guests: Collection[tuple[Size, int]]) -> Mapping[tuple[Size, int], tuple[Size, int]]:
    """Kinds of instances, rounded down until they are few: what is smaller and cheaper leaves a bound a bound."""
    for bits in range(24, 0, -1):
        rounded = {
            guest: ((_floor(guest[0][0], bits), _floor(guest[0][1], bits)), _floor(guest[1], bits)) for guest in guests
        }
        if len(set(rounded.values())) <= _KINDS:
            return rounded
    return rounded if guests else {}


def _floor(amount: int, bits: int) -> int:
    """The amount with only its first binary digits."""
    shift = max(0, amount.bit_length() - bits)
    return amount >> shift << shift


class _Subgradient:
    """``free``: hosts x classes; ``natives``: hosts x kinds, how many; ``sizes``: kinds x classes."""

    def __init__(
        self, free: Floats, natives: Floats, sizes: Floats, costs: Floats, candidate: NDArray[np.bool_], number: int
    ) -> None:
        self._free, self._natives, self._sizes, self._costs = free, natives, sizes, costs
        self._candidate, self._number = candidate, number
        self.best = -np.inf
        self.order: list[int] = []
        # what one unit of each class is worth to a host lies where two of these lines cross
        self._lines = np.vstack([sizes, sizes, np.eye(2)])
        one, two = np.triu_indices(len(self._lines), 1)
        det = self._lines[one, 0] * self._lines[two, 1] - self._lines[one, 1] * self._lines[two, 0]
        crossing = np.abs(det) > 1e-12
        self._one, self._two, self._det = one[crossing], two[crossing], det[crossing]

    def run(self) -> None:
        """Look for the prices with the highest bound."""
        bulk = self._sizes.sum(axis=1)
        bulk = np.maximum(bulk / max(float(bulk.mean()), 1e-12), 1e-6)
        prices = np.zeros(len(self._costs))
        ahead, idle = 0.1, 0
        for _ in range(_ROUNDS):
            value, order, slope = self._evaluate(prices)
            if value > self.best:
                idle = 0 if value > self.best * (1 + 1e-4) else idle + 1
                self.best, self.order = value, order
            else:
                idle += 1
            if idle >= _PATIENCE:
                ahead, idle = ahead / 2, 0
            steep = slope * bulk
            length = float((steep * steep).sum())
            if ahead < 1e-4 or length < 1e-12:
                break
            step = (max(self.best, 1e-6) * (1 + ahead) - value) / length
            prices = np.maximum(0.0, prices + step * steep * bulk)

    def _evaluate(self, prices: Floats) -> tuple[float, list[int], Floats]:
        """The bound for these prices, hosts in the order in which it is best to free them, and a subgradient."""
        kinds, lines = len(prices), self._lines
        level = np.concatenate([prices, self._costs + prices, np.zeros(2)])
        first, second = level[self._one], level[self._two]
        worth = np.stack(
            [
                (first * lines[self._two, 1] - second * lines[self._one, 1]) / self._det,
                (lines[self._one, 0] * second - lines[self._two, 0] * first) / self._det,
            ],
            axis=1,
        )
        # nobody pays more for an instance than the room that it takes is worth
        sound = (worth >= -1e-9).all(axis=1) & (worth @ self._sizes.T >= prices - 1e-7).all(axis=1)
        worth = np.maximum(0.0, worth[sound])
        one, two, det = self._one[sound], self._two[sound], self._det[sound]
        gain = np.maximum(0.0, worth @ self._sizes.T - (self._costs + prices))
        value = self._free @ worth.T + self._natives @ gain.T
        at = value.argmin(axis=1)
        rows = np.arange(len(at))
        kept = value[rows, at]
        emptied = self._natives @ (self._costs + prices)
        key = np.where(self._candidate, emptied + kept, np.inf)
        order = np.argsort(np.round(key, 9), kind="stable")
        freed = np.zeros(len(at), dtype=bool)
        freed[order[: self._number]] = True
        bound = float(key[freed].sum() - kept.sum())
        # who leaves and who comes where that much is worth: what is left over of who must be placed is the slope
        leaves = (gain > 1e-9)[at]
        lines_at = one[at], two[at]
        for line in lines_at:
            partly = (line >= kinds) & (line < 2 * kinds)
            leaves[rows[partly], line[partly] - kinds] = False
        room = self._free + (self._natives * leaves) @ self._sizes
        left, right = lines[lines_at[0]], lines[lines_at[1]]
        amounts = (
            (room[:, 0] * right[:, 1] - room[:, 1] * right[:, 0]) / det[at],
            (left[:, 0] * room[:, 1] - left[:, 1] * room[:, 0]) / det[at],
        )
        slope = (self._natives * leaves)[~freed].sum(axis=0) + self._natives[freed].sum(axis=0)
        for line, amount in zip(lines_at, amounts, strict=True):
            placed = ~freed & (line < 2 * kinds)
            np.add.at(slope, line[placed] % kinds, -amount[placed])
        return bound, [int(host) for host in order], slope
