"""How long a host with little free room is busy at least, with its departures laid out together with its arrivals.

``onebyone`` takes the best set of departures for each arrival by itself. Here, they follow from one another: of the
departures, those that have ended when an arrival starts are among those that have when the next one does, and each is
on one of the p slots, where they end one after the other. So a state is: which arrivals have started, which departures
have ended for them, how much work each slot of departures has had with these, and when the slots of arrivals become
free. An arrival starts when one of these is free and the work of all slots of departures is done. Each arrival adds
departures only if it has no room, and none that it could have room without: those come no earlier if they are counted
for a later one.

Whether all can be over before a given moment is found out by going through the states that may be, since what is left
to come takes so long at least (``OneByOne.after``). If none gets to its end, no schedule is over before that moment;
the moment is then put off, as long as the steps suffice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import inf

from vmpath_service.pathfinder.onebyone import OneByOne, Task

Times = tuple[float, ...]
Labels = dict[Times, list[Times]]
"""By the work of each slot of departures, ascending: when each slot of arrivals is free, ascending."""
Counts = tuple[int, ...]

# The moment is put off by this share each time.
STRIDE = 0.04


class Together:
    """What comes to one host, and what may go: of ``going``, all do go if ``all_go``."""

    def __init__(self, arrivals: OneByOne, going: Sequence[Task], all_go: bool) -> None:
        self._arrivals = arrivals
        self._scarce = arrivals.scarce
        self._slots = arrivals.slots
        kinds = sorted(
            Counter((tuple(size[number] for number in self._scarce), seconds) for size, seconds in going).items(),
            key=lambda kind: (-kind[0][1], kind[0][0]),
        )
        # who gives nothing that is short has no part in this, but for its work
        self._kinds = [kind for kind, _ in kinds if any(kind[0])]
        self._counts = [count for kind, count in kinds if any(kind[0])]
        # per kind: the most that it or those after it free per second, of each class
        self._quickest: list[tuple[float, ...]] = []
        fastest: tuple[float, ...] = (0.0,) * len(self._scarce)
        for size, seconds in reversed(self._kinds):
            fastest = tuple(
                max(most, amount / seconds if seconds else inf) for most, amount in zip(fastest, size, strict=True)
            )
            self._quickest.insert(0, fastest)
        self._all_go = all_go
        self._steps = 0
        self._asked_by: dict[Counts, Counts] = {}
        self._given_by: dict[Counts, tuple[Counts, float]] = {}

    def least(self, known: float, most: float, steps: int) -> tuple[float, int]:
        """A bound, no lower than the one that is ``known``, and how many of the steps are left.

        ``known`` is more than 0; no bound is looked for beyond ``most``.
        """
        self._steps = steps
        proved, took = known, 0
        # the later the moment, the more states there are
        while self._steps > took and proved < most:
            moment, before = proved * (1 + STRIDE), self._steps
            end = self._over_before(moment)
            if end is None:
                break
            if end < moment:
                return max(proved, end), self._steps
            proved, took = moment, before - self._steps
        return proved, max(0, self._steps)

    def _over_before(self, moment: float) -> float | None:
        """The earliest end before this moment, or the moment; None where the steps do not suffice to tell."""
        arrivals = self._arrivals
        none = (0.0,) * self._slots
        layer: dict[tuple[Counts, Counts], Labels] = {
            ((0,) * len(arrivals.kinds), (0,) * len(self._kinds)): {none: [none]}
        }
        for _ in range(arrivals.number):
            following: dict[tuple[Counts, Counts], dict[Times, set[Times]]] = {}
            for (started, ended), labels in layer.items():
                for kind in range(len(arrivals.kinds)):
                    if started[kind] == arrivals.counts[kind]:
                        continue
                    after = (*started[:kind], started[kind] + 1, *started[kind + 1 :])
                    if arrivals.after(after) >= moment:
                        continue
                    for gone, done, free in self._arrived(started, kind, ended, labels, moment):
                        following.setdefault((after, gone), {}).setdefault(done, set()).update(free)
                    if self._steps <= 0:
                        return None
            layer = {
                state: {done: _best(free) for done, free in labels.items()} for state, labels in following.items()
            }
        ends = [free[-1] for labels in layer.values() for several in labels.values() for free in several]
        return min(ends, default=moment)

    def _arrived(
        self, started: Counts, kind: int, ended: Counts, labels: Labels, moment: float
    ) -> Iterator[tuple[Counts, Times, set[Times]]]:
        """What follows once one of this kind has started: which departures have ended, and labels."""
        arrivals, slots = self._arrivals, self._slots
        size, seconds = arrivals.kinds[kind]
        rest = arrivals.rest(started)
        # whoever starts later than this is not over in time, or those after it are not
        latest = moment - max(seconds, rest / slots)
        in_all = slots * moment - (rest - seconds)
        if min(several[0][0] for several in labels.values()) >= latest:
            return
        taken = self._asked(started)
        freed, work = self._given(ended)
        short = tuple(
            taken[number] + size[number] - arrivals.free[number] - gained if size[number] else 0
            for number, gained in zip(self._scarce, freed, strict=True)
        )
        for more in self._enough(short, ended, slots * latest - work):
            gone = tuple(map(int.__add__, ended, more))
            last = 0.0
            if self._all_go:
                left = zip(gone, self._counts, self._kinds, strict=True)
                last = max((asks[1] for count, most, asks in left if count < most), default=0.0)
            for done, several in labels.items():
                for shared in self._shared(done, more, latest):
                    self._steps -= 1
                    # one of those that have not gone yet still has to, on whichever slot
                    if shared[0] + last >= moment:
                        continue
                    ready = shared[-1]
                    found: set[Times] = set()
                    for free in several:
                        self._steps -= 1
                        start = max(free[0], ready)
                        end = start + seconds
                        if end >= moment:
                            continue
                        later = sorted([*(max(start, time) for time in free[1:]), end])
                        if later[-1] < moment and sum(later) < in_all:
                            found.add(tuple(later))
                    if found:
                        yield gone, shared, found

    def _asked(self, started: Counts) -> Counts:
        """What arrivals take, of all classes."""
        known = self._asked_by.get(started)
        if known is None:
            known = self._asked_by[started] = _times(started, [size for size, _ in self._arrivals.kinds])
        return known

    def _given(self, ended: Counts) -> tuple[Counts, float]:
        """What departures have given, of the scarce classes, and their work."""
        known = self._given_by.get(ended)
        if known is None:
            work = sum(count * seconds for count, (_, seconds) in zip(ended, self._kinds, strict=True))
            gained = _times(ended, [size for size, _ in self._kinds]) or (0,) * len(self._scarce)
            known = self._given_by[ended] = (gained, work)
        return known

    def _enough(self, short: Counts, ended: Counts, work: float) -> Iterator[Counts]:
        """The sets of further departures, none of them to spare, that free what is short within so much work."""
        if all(amount <= 0 for amount in short):
            yield (0,) * len(self._kinds)
            return
        left = [most - count for count, most in zip(ended, self._counts, strict=True)]
        stack: list[tuple[Counts, Counts, float]] = [((), short, work)]
        while stack and self._steps > 0:
            chosen, lacking, within = stack.pop()
            kind = len(chosen)
            if all(amount <= 0 for amount in lacking):
                spare = any(
                    count and all(amount + gives <= 0 for amount, gives in zip(lacking, size, strict=True))
                    for count, (size, _) in zip(chosen, self._kinds, strict=False)
                )
                if not spare:
                    yield (*chosen, *(0 for _ in self._kinds[kind:]))
                continue
            self._steps -= 1
            if kind == len(left) or any(
                amount > within * quickest for amount, quickest in zip(lacking, self._quickest[kind], strict=True)
            ):
                continue
            size, seconds = self._kinds[kind]
            for count in range(left[kind] + 1):
                if count * seconds >= within:
                    break
                open_yet = tuple(amount - count * gives for amount, gives in zip(lacking, size, strict=True))
                stack.append(((*chosen, count), open_yet, within - count * seconds))
                if all(amount <= 0 for amount in open_yet):
                    break

    def _shared(self, done: Times, more: Counts, latest: float) -> set[Times]:
        """All ways to share the work of further departures among the slots."""
        found = {done}
        for count, (_, seconds) in zip(more, self._kinds, strict=True):
            for _ in range(count):
                found = {
                    tuple(sorted((*each[:slot], each[slot] + seconds, *each[slot + 1 :])))
                    for each in found
                    for slot in range(self._slots)
                    if each[slot] + seconds < latest
                }
                self._steps -= len(found)
                if self._steps <= 0:
                    return set()
        return found


def _times(counts: Counts, sizes: Sequence[Counts]) -> Counts:
    """The sizes so many times, added up."""
    return tuple(sum(map(int.__mul__, counts, column)) for column in zip(*sizes, strict=True))


def _best(several: set[Times]) -> list[Times]:
    """Without those that others are as good as in everything."""
    if len(several) == 1:
        return list(several)
    kept: list[Times] = []
    for times in sorted(several):
        if not any(all(map(float.__le__, other, times)) for other in kept):
            kept.append(times)
    return kept
