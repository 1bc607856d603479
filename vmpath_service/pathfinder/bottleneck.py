"""How long a host with little free room is busy at least: arrivals wait for departures.

Slots admit p arrivals and p departures at a time. Take one of the instances that are to come to the host, a, and
let t be the moment when it starts for the last time, where it takes v(a) of some resource class. Let A be those of
the others that are to come and have started for the last time by then. They and a are there (or have a place), and
what was free at the start is f, so residents that took at least v(A) + v(a) - f have gone. Each that has gone took
one of p slots until its end, so what has gone is at most V(p t), the most that departures of that much work free.
Those that are to come and not in A start at t or later, a among them, so p (T - t) is at least W - w(A), with W the
work of all that are to come. With K(x) the most work of the others that together take no more than x::

    T  >=  min over t of  t + (W - K(f + V(p t) - v(a))) / p

V and K are the greedy solutions of fractional knapsacks, concave and piecewise linear, so the least is at one of
the corners. Instances that only come by on a detour take room and slots on top, and residents that go aside and come
back are among those that may have gone: no detour beats this.

Read backwards in time, the same holds of departures: those that have not yet left take up the room of those that are
still to come. That needs a host that is never over its capacity, which is so if it is not at the start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

Load = tuple[float, float]
"""Amount of a resource class, and slot seconds."""


class _Concave:
    """The most of one thing for a given amount of another: a fractional knapsack."""

    def __init__(self, items: Iterable[tuple[float, float]]) -> None:
        """``items``: (what is spent, what is won)."""
        given = [item for item in items if item[1] > 0.0]
        self._free = sum(won for spent, won in given if spent <= 0.0)
        rest = sorted((item for item in given if item[0] > 0.0), key=lambda item: -item[1] / item[0])
        self.spent = [0.0, *accumulate(spent for spent, _ in rest)]
        self.won = [self._free, *(self._free + won for won in accumulate(won for _, won in rest))]

    def at(self, spent: float) -> float:
        """The most that is won with this much spent, at least 0."""
        if spent <= 0.0:
            return self.won[0]
        if spent >= self.spent[-1]:
            return self.won[-1]
        place = bisect_right(self.spent, spent) - 1
        width = self.spent[place + 1] - self.spent[place]
        share = (spent - self.spent[place]) / width
        return self.won[place] + share * (self.won[place + 1] - self.won[place])

    def least(self, won: float) -> float | None:
        """The least that has to be spent to win this much; None if it cannot be won."""
        if won <= self.won[0]:
            return 0.0
        if won > self.won[-1]:
            return None
        place = bisect_right(self.won, won) - 1
        if self.won[place] >= won:
            return self.spent[place]
        share = (won - self.won[place]) / (self.won[place + 1] - self.won[place])
        return self.spent[place] + share * (self.spent[place + 1] - self.spent[place])


def busy(coming: Sequence[Load], going: Sequence[Load], free: float, slots: int) -> float:
    """The least seconds in which all of ``coming`` arrive on a host, where each of ``going`` may leave.

    ``free``: what is free at the start of the resource class in which the amounts are.
    """
    work = sum(seconds for _, seconds in coming)
    least = work / slots
    if not coming:
        return 0.0
    last = max(range(len(coming)), key=lambda number: (coming[number][0], coming[number][1]))
    others = _Concave(load for number, load in enumerate(coming) if number != last)
    gone = _Concave((seconds, amount) for amount, seconds in going)
    size = coming[last][0]
    # who asks for nothing may come also where there is less than nothing
    first = gone.least(size - free) if size > 0.0 else None
    if first is None:
        return least
    corners = [first, *(spent for spent in gone.spent if spent > first)]
    for amount in others.spent:
        spent = gone.least(amount + size - free)
        if spent is not None and spent > first:
            corners.append(spent)
    reached = min((spent + work - others.at(free + gone.at(spent) - size)) / slots for spent in corners)
    return max(least, reached)
