"""How long a host with little free room is busy at least, its arrivals taken one by one, whole, in their best order.

``bottleneck`` looks at one moment and at shares of instances; here, a schedule of one host is laid out. Its arrivals
are put in the order in which they start for the last time. When the k-th starts, at s(k), all that were there at the
start and the first k have a place, but for residents that have gone: a set D that frees what is short in each
resource class that the k-th asks for. All of D went out through p slots by then, so s(k) is at least

* the work of D over p,
* the longest of D,
* what two of the p + 1 longest of D take one after the other, since no p + 1 are under way at once.

``_Freed`` has the least of these over all D. s(k) is no earlier than s(k - 1), and not before one of the p slots of
arrivals is free. With the order given, the earliest starts are the best ones, and the end of the last arrival follows.
Over all orders, the least end is found by dynamic programming: for each multiset of arrivals that have started, the
vectors of times at which the slots become free, but for those that are no better than others.

Wherever that is too much, times are made smaller, so it remains a bound. Detours beat it no more than ``bottleneck``:
who only comes by takes room and slots on top, and residents that go aside and come back are among those that may go.
Read backwards in time, the same holds of departures on a host that is never over its capacity.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

Task = tuple[tuple[int, ...], float]
"""What an instance asks for of each resource class, and its slot seconds."""
Label = tuple[tuple[float, ...], float]
"""When the slots become free at the earliest, ascending, and the least sum of these times."""
State = tuple[tuple[int, ...], float, list[Label]]
"""What those take that have started, the slot seconds of the others, and the labels."""

# Work of departures is told apart by this share of the whole; what differs by less is taken for the better of the two.
FINENESS = 2000
# Labels that are kept for each multiset of arrivals; more are joined two by two.
LABELS = 8
# How orders are guessed for a first upper bound: by how many seconds later a longer arrival may start.
EAGERNESS = (0.0, 0.25, 0.5, 1.0)


class _Freed:
    """When so much of one resource class can have been freed at the earliest."""

    def __init__(self, going: Sequence[tuple[int, float]], slots: int) -> None:
        """``going``: amount and slot seconds of each that may go."""
        kinds = sorted(Counter(each for each in going if each[0] > 0).items(), key=lambda kind: kind[0][1])
        grain = sum(seconds for _, seconds in going) / FINENESS or 1.0
        none = (0.0, 0, (0.0,) * (slots + 1))
        sums = {0: none}
        found = []
        # ascending by their seconds, so that whoever is added is the longest
        for (amount, seconds), count in kinds:
            for work, freed, longest in list(sums.values()):
                for _ in range(count):
                    work, freed, longest = work + seconds, freed + amount, (seconds, *longest[:-1])
                    found.append((max(work / slots, seconds, longest[-2] + longest[-1]), freed))
                    key = int(work / grain)
                    old = sums.get(key)
                    if old is None:
                        sums[key] = (work, freed, longest)
                    else:
                        best = tuple(map(min, old[2], longest))
                        sums[key] = (min(old[0], work), max(old[1], freed), best)
        self._times, self._amounts = [0.0], [0]
        for time, freed in sorted(found):
            if freed > self._amounts[-1]:
                self._times.append(time)
                self._amounts.append(freed)

    def when(self, amount: int) -> float:
        """Seconds; infinite where all together do not free so much."""
        place = bisect_left(self._amounts, amount)
        return self._times[place] if place < len(self._times) else inf


class OneByOne:
    """The arrivals on one host, and what may leave it; ``free``: of each resource class at the start."""

    def __init__(self, coming: Sequence[Task], going: Sequence[Task], free: Sequence[int], slots: int) -> None:
        kinds = sorted(Counter(coming).items(), key=lambda kind: (-kind[0][1], kind[0][0]))
        self.kinds = [kind for kind, _ in kinds]
        self.counts = [count for _, count in kinds]
        self.free, self.slots = free, slots
        self._work = sum(seconds for _, seconds in coming)
        self._after: dict[tuple[int, ...], float] = {}
        self.number = len(coming)
        # the others have room for all that comes
        self.scarce = [
            number for number, amount in enumerate(free) if sum(size[number] for size, _ in coming) > max(amount, 0)
        ]
        """The resource classes, by number, that are short."""
        self._freed = [
            (number, _Freed([(size[number], seconds) for size, seconds in going], slots)) for number in self.scarce
        ]

    def least(self) -> float:
        """The seconds until all have arrived at the least; 0 where they cannot, whatever leaves."""
        upper = min(self._guessed(eagerness) for eagerness in EAGERNESS)
        if upper == inf:
            return 0.0
        layer: dict[tuple[int, ...], State] = {
            (0,) * len(self.kinds): ((0,) * len(self.free), self._work, [((0.0,) * self.slots, 0.0)])
        }
        for _ in range(self.number):
            following: dict[tuple[int, ...], State] = {}
            for started, state in layer.items():
                for kind, new in self._continued(started, state, upper):
                    key = (*started[:kind], started[kind] + 1, *started[kind + 1 :])
                    known = following.get(key)
                    if known is None:
                        following[key] = new
                    else:
                        known[2].extend(new[2])
            if not following:
                # nothing is better than what was guessed
                return upper
            layer = {key: (taken, rest, _fewer(labels)) for key, (taken, rest, labels) in following.items()}
        ends = [max(times[-1], total / self.slots) for _, _, labels in layer.values() for times, total in labels]
        return min(upper, *ends)

    def rest(self, started: tuple[int, ...]) -> float:
        """The slot seconds of those that have not started yet, where so many of each kind have."""
        return self._work - sum(count * seconds for count, (_, seconds) in zip(started, self.kinds, strict=True))

    def after(self, started: tuple[int, ...]) -> float:
        """The seconds, from the beginning, before which all cannot have arrived if these are the first to start."""
        known = self._after.get(started)
        if known is not None:
            return known
        rest = self.rest(started)
        taken = [
            sum(count * size[number] for count, (size, _) in zip(started, self.kinds, strict=True))
            for number in range(len(self.free))
        ]
        best = inf
        for kind, (size, seconds) in enumerate(self.kinds):
            if started[kind] < self.counts[kind]:
                later = self._ready(taken, size) + max(seconds, rest / self.slots)
                if later < best:
                    following = self.after((*started[:kind], started[kind] + 1, *started[kind + 1 :]))
                    best = min(best, max(later, following))
        self._after[started] = 0.0 if best == inf and started == tuple(self.counts) else best
        return self._after[started]

    def _ready(self, taken: Sequence[int], size: tuple[int, ...]) -> float:
        """When there can be room for one of this size at the earliest, after those that have taken so much."""
        latest = 0.0
        for number, freed in self._freed:
            asked = size[number]
            if asked:
                short = taken[number] + asked - self.free[number]
                if short > 0:
                    latest = max(latest, freed.when(short))
        return latest

    def _continued(self, started: tuple[int, ...], state: State, upper: float) -> Iterator[tuple[int, State]]:
        """What follows if one of each kind starts next, where that may be over before ``upper``."""
        taken, work, labels = state
        for kind, (size, seconds) in enumerate(self.kinds):
            if started[kind] == self.counts[kind]:
                continue
            room = self._ready(taken, size)
            if room + seconds >= upper:
                continue
            rest = work - seconds
            new: list[Label] = []
            for times, total in labels:
                start = max(times[0], room)
                # nobody starts before room any more, on whichever slot
                others = [max(time, room) for time in times[1:]]
                total = max(total, sum(others) + start) + seconds
                others.append(start + seconds)
                others.sort()
                if others[-1] < upper and total + rest < self.slots * upper:
                    new.append((tuple(others), total))
            if new:
                yield kind, (tuple(map(int.__add__, taken, size)), rest, new)

    def _guessed(self, eagerness: float) -> float:
        """When all have arrived if the one starts next that can do so first, longer ones ahead of their time."""
        left = list(self.counts)
        taken: tuple[int, ...] = (0,) * len(self.free)
        times = [0.0] * self.slots
        for _ in range(self.number):
            choices = [
                (start - eagerness * seconds, kind, start)
                for kind, (size, seconds) in enumerate(self.kinds)
                if left[kind]
                for start in (max(times[0], self._ready(taken, size)),)
            ]
            _, kind, start = min(choices)
            size, seconds = self.kinds[kind]
            left[kind] -= 1
            taken = tuple(map(int.__add__, taken, size))
            times = sorted([*(max(time, start) for time in times[1:]), start + seconds])
        return times[-1]


def _fewer(labels: list[Label]) -> list[Label]:
    """Those that are better than others in something, at most LABELS; the nearest are joined into one that is better
    than both."""
    kept: list[Label] = []
    for times, total in sorted(set(labels)):
        if not any(other <= total and all(map(float.__le__, earlier, times)) for earlier, other in kept):
            kept.append((times, total))
    while len(kept) > LABELS:
        _, place = min(
            (sum(abs(a - b) for a, b in zip(one[0], two[0], strict=True)) + abs(one[1] - two[1]), place)
            for place, (one, two) in enumerate(pairwise(kept))
        )
        one, two = kept[place : place + 2]
        kept[place : place + 2] = [(tuple(map(min, one[0], two[0])), min(one[1], two[1]))]
    return kept
