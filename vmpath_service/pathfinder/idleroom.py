"""Free room that nothing can use at the beginning and at the end, whatever the plan: the space-time bound sharpened.

What is free in all and what is under way add up to no more than what was free at first, so what no migration can hold
lengthens every schedule. At a moment t, those of the first residents of a host that have left it, D, took at least
their durations, through the slots that the host has. Those that have come and not left, A, are whole instances that
fit, in every resource class that they ask for, in what was free at first and what D gave back, and have come through
slots too. So at least the smallest remainder of all such D and A is idle at t; it falls as t grows, and it is not
known where too many may have left. Read backwards in time, the same holds of the last moments: of those that are on
the host in the end, some have not yet begun to come, and those that have not yet left take up the room.

Hosts that are being powered on hold nothing before they are up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, inf

# Remainders below this share of what is free count as none.
SMALL = 0.02
# No more than so many that have left one host are looked at together, and no more than so many that may have.
LEFT = 2
MANY = 16
# How many looks are taken at one host, and in all.
STEPS_EACH = 3_000
STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Parcel:
    """What comes in whole: its amount in the class that is looked at; its packed demand; the guard bits of what it
    asks for; per host 1 where it may come to, None for everywhere."""

    amount: int
    need: int
    mask: int
    hosts: bytes | None


@dataclass(frozen=True, slots=True)
class Leaver:
    """A resident that may leave; ``kept``: what its leaving gives back in the class that is looked at, 0 if its room
    counts as free from the beginning."""

    seconds: float
    kept: int
    need: int


@dataclass(frozen=True, slots=True)
class Yard:
    """A host at the beginning (or at the end, backwards in time).

    ``host``: its number, None where it is not asked who may come; ``counted``: what counts as free; ``free``: what is
    free, packed; ``opens``: since when anything can come.
    """

    host: int | None
    counted: int
    free: int
    leavers: Sequence[Leaver]
    opens: float


class Idle:
    """How much room is idle for how long, from one end of time on.

    ``parcels``: all that may come to any host; ``shortest``: seconds that any of them takes at least; ``slots``: how
    many come to a host, and leave it, at a time, if that is limited.
    """

    def __init__(self, parcels: Sequence[Parcel], shortest: float, slots: int | None, steps: int = STEPS) -> None:
        # what asks for nothing of the class takes nothing up
        self._parcels = sorted((each for each in parcels if each.amount), key=lambda each: (-each.amount, each.need))
        self._shortest, self._slots = shortest, slots
        self.steps = steps
        """What is left of the looks."""
        self._own = 0

    def over(self, yard: Yard, moments: Sequence[float]) -> list[float]:
        """Amount times seconds that are idle at least on a host until each of these moments."""
        totals = [0.0] * len(moments)
        if yard.counted > 0:
            for begin, end, amount in self._idle(yard, max(moments)):
                for number, moment in enumerate(moments):
                    totals[number] += amount * max(0.0, min(end, moment) - begin)
        return totals

    def _idle(self, yard: Yard, horizon: float) -> Iterator[tuple[float, float, int]]:
        """From when until when how much is idle at least."""
        opens = min(yard.opens, horizon)
        if opens > 0.0:
            yield 0.0, opens, yard.counted
        least, small = yard.counted, SMALL * yard.counted
        turns = sorted({each.seconds for each in yard.leavers if opens < each.seconds < horizon})
        self._own = min(self.steps, STEPS_EACH)
        before = self._own
        for begin, end in zip([opens, *turns], [*turns, horizon], strict=True):
            found = self._least(yard, begin, end, least, small)
            if found is None or found <= small:
                break
            least = found
            yield begin, end, least
        self.steps -= before - max(0, self._own)

    def _least(self, yard: Yard, begin: float, end: float, least: int, small: float) -> int | None:
        """What is idle at least between two moments; None if that is not known."""
        able = sorted((each for each in yard.leavers if each.seconds <= begin), key=lambda each: each.seconds)
        spent = inf if self._slots is None else self._slots * end
        more_may_leave = len(able) > LEFT and sum(each.seconds for each in able[: LEFT + 1]) <= spent
        if more_may_leave or len(able) > MANY:
            return None
        most = inf if self._slots is None else self._slots * max(1, ceil((end - yard.opens) / self._shortest))
        coming = [
            each for each in self._parcels if each.hosts is None or yard.host is None or each.hosts[yard.host]
        ]
        seen: set[tuple[int, int]] = set()
        for size in range(min(len(able), LEFT) + 1):
            for left in combinations(able, size):
                gave = sum(each.need for each in left), sum(each.kept for each in left)
                if gave in seen or sum(each.seconds for each in left) > spent:
                    continue
                seen.add(gave)
                counted = yard.counted + gave[1]
                least = min(least, counted - self._fill(coming, yard.free + gave[0], counted - small, most))
                if self._own <= 0:
                    return None
                if least <= small:
                    return 0
        return least

    def _fill(self, parcels: Sequence[Parcel], free: int, enough: float, most: float) -> int:
        """The most of the class that whole parcels, no more than ``most``, take of what is free, or ``enough``."""
        best = 0
        stack: list[tuple[int, int, int, int]] = [(0, free, 0, 0)]
        while stack and self._own > 0:
            first, left, taken, count = stack.pop()
            best = max(best, taken)
            if best >= enough:
                break
            if count >= most:
                continue
            self._own -= 1
            for number in range(len(parcels) - 1, first - 1, -1):
                parcel = parcels[number]
                after = left - parcel.need
                if after & parcel.mask == parcel.mask:
                    stack.append((number, after, taken + parcel.amount, count + 1))
        return best
