"""What is free or in use of one thing, from moment to moment, where migrations are shifted to and fro."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic, TypeVar

INFINITY = float("inf")
Amount = TypeVar("Amount", int, float)


class Timeline(Generic[Amount]):
    """``values[k]`` holds from ``times[k]`` until ``times[k + 1]``; the first time is before all others."""

    __slots__ = ("times", "values")

    def __init__(self, value: Amount) -> None:
        self.times: list[float] = [-INFINITY]
        self.values: list[Amount] = [value]

    def add(self, begin: float, end: float, amount: Amount) -> None:
        """Add an amount from ``begin`` until ``end`` (for ever where that is infinite)."""
        times, values = self.times, self.values
        first = bisect_left(times, begin)
        if first == len(times) or times[first] != begin:
            times.insert(first, begin)
            values.insert(first, values[first - 1])
        if end == INFINITY:
            last = len(times)
        else:
            last = bisect_left(times, end, first)
            if last == len(times) or times[last] != end:
                times.insert(last, end)
                values.insert(last, values[last - 1])
        for number in range(first, last):
            values[number] += amount

    def below_since(self, most: float, begin: float, length: float) -> float:
        """The earliest moment, from ``begin`` on, since when no more than ``most`` is in use for this long."""
        times, values = self.times, self.values
        number, last = bisect_right(times, begin) - 1, len(times)
        while number < last and times[number] < begin + length:
            if values[number] > most:
                number += 1
                if number == last:
                    return INFINITY
                begin = times[number]
            else:
                number += 1
        return begin

    def below_until(self, most: float, end: float, length: float) -> float:
        """The latest moment, up to ``end``, until when no more than ``most`` is in use for this long."""
        times, values = self.times, self.values
        number = bisect_left(times, end) - 1
        following = times[number + 1] if number + 1 < len(times) else INFINITY
        while number >= 0 and following > end - length:
            if values[number] > most:
                end = times[number]
            following = times[number]
            number -= 1
        return end


def room_since(free: Timeline[int], need: int, mask: int, until: float, lower: float) -> float:
    """Since when, but not before ``lower``, there is room for a packed demand all the time until a moment."""
    times, values = free.times, free.values
    number = bisect_left(times, until) - 1
    while until > lower and (values[number] - need) & mask == mask:
        until = times[number]
        number -= 1
    return max(until, lower)


def room_until(free: Timeline[int], need: int, mask: int, since: float, upper: float) -> float:
    """Until when, but not after ``upper``, there is room for a packed demand all the time since a moment."""
    times, values = free.times, free.values
    number = bisect_right(times, since) - 1
    while since < upper and (values[number] - need) & mask == mask:
        number += 1
        since = times[number] if number < len(times) else INFINITY
    return min(since, upper)
