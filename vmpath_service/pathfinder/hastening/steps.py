"""Step functions of time: how much of something is free or in use, from moment to moment."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

INFINITY = float("inf")


class Free:
    """What is free, packed: ``values[k]`` from ``times[k]`` until ``times[k + 1]``; the first time is before all."""

    __slots__ = ("times", "values")

    def __init__(self, value: int) -> None:
        self.times: list[float] = [-INFINITY]
        self.values: list[int] = [value]

    def go_on(self, moment: float, amount: int) -> None:
        """From a moment on, so much more is free."""
        times, values = self.times, self.values
        number = len(times)
        if moment > times[-1]:
            times.append(moment)
            values.append(values[-1] + amount)
            return
        first = bisect_left(times, moment)
        if times[first] != moment:
            times.insert(first, moment)
            values.insert(first, values[first - 1])
            number += 1
        for place in range(first, number):
            values[place] += amount

    def since(self, need: int, mask: int, until: float, lower: float) -> float:
        """Since when, but not before ``lower``, there is room for a packed demand all the time until a moment."""
        times, values = self.times, self.values
        number = bisect_left(times, until) - 1
        while (values[number] - need) & mask == mask:
            until = times[number]
            if until <= lower:
                return lower
            number -= 1
        return until


class Use:
    """How much of something limited is in use: ``values[k]`` from ``times[k]`` until ``times[k + 1]``; nothing in the
    beginning and in the end.

    It is told of those that use it in the order in which each of them starts at the latest; before that, nobody comes
    after it who could make it less full. So it is remembered until when nobody fits: ``scarce`` is how much may be in
    use if anybody is to fit, ``shortest`` for how long.
    """

    __slots__ = ("_full", "scarce", "shortest", "times", "values")

    def __init__(self, scarce: float, shortest: float) -> None:
        self.scarce, self.shortest = scarce, shortest
        self.times: list[float] = [-INFINITY]
        self.values: list[float] = [0.0]
        self._full = -INFINITY

    def add(self, begin: float, end: float, amount: float) -> None:
        """So much more is in use from ``begin`` until ``end``."""
        times, values = self.times, self.values
        if begin > times[-1]:
            times += (begin, end)
            values += (amount, 0.0)
            return
        first = bisect_left(times, begin)
        if times[first] != begin:
            times.insert(first, begin)
            values.insert(first, values[first - 1])
        if end > times[-1]:
            last = len(times)
            times.append(end)
            values.append(0.0)
        else:
            last = bisect_left(times, end, first)
            if times[last] != end:
                times.insert(last, end)
                values.insert(last, values[last - 1])
        for number in range(first, last):
            values[number] += amount

    def since(self, most: float, begin: float, length: float, until: float) -> float:
        """The earliest moment from ``begin`` on since when no more than ``most`` is in use, for this long or until a
        moment; that moment if there is none before."""
        if begin <= self._full:
            if self._full < until:
                self._full = self._since(self.scarce, self._full, self.shortest, until)
            begin = self._full
        return self._since(most, begin, length, until) if begin < until else until

    def _since(self, most: float, begin: float, length: float, until: float) -> float:
        times, values = self.times, self.values
        number = bisect_right(times, begin) - 1
        last = len(times)
        end = begin + length
        if end > until:
            end = until
        while True:
            if values[number] > most:
                # in the end, nothing is in use
                number += 1
                while values[number] > most:
                    number += 1
                begin = times[number]
                if begin >= until:
                    return until
                end = begin + length
                if end > until:
                    end = until
            number += 1
            if number == last or times[number] >= end:
                return begin
