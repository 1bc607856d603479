"""Small pictures of a report: curves as SVG, and how full hosts are as counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vmpath_service.report.accounts import HostAccount

MOST_POINTS = 240
_WIDTH, _HEIGHT = 640, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 14, 30
_COLOURS = ("#5b8fd6", "#1d3557")

Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Fullness:
    """So many hosts are at most so full (``label``) before, and after."""

    label: str
    before: int
    after: int


def curves(lines: Sequence[tuple[str, Curve]], across: str, *, from_zero: bool = False) -> str:
    """One or two curves, each with its name, as SVG; empty if there is no curve of two points.

    ``across`` names the horizontal axis, which begins at 0; the vertical one begins at 0 if ``from_zero``.
    """
    shown = [(name, thinned(points)) for name, points in lines if len(points) > 1]
    if not shown:
        return ""
    every = [point for _, points in shown for point in points]
    last = max(x for x, _ in every) or 1.0
    low = 0.0 if from_zero else min(y for _, y in every)
    high = max(y for _, y in every)
    span = (high - low) or 1.0
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def at(x: float, y: float) -> str:
        return f"{_LEFT + x / last * (right - _LEFT):.1f},{floor - (y - low) / span * (floor - _TOP):.1f}"

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" class="chart" role="img">',
        f'<path d="M{_LEFT} {_TOP}V{floor}H{right}" fill="none" stroke="#bbb"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 8}" text-anchor="end">{high:,.6g}</text>',
        f'<text x="{_LEFT - 6}" y="{floor}" text-anchor="end">{low:,.6g}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">0</text>',
        f'<text x="{right}" y="{_HEIGHT - 8}" text-anchor="end">{last:,.0f} {across}</text>',
    ]
    for number, ((name, points), colour) in enumerate(zip(shown, itertools.cycle(_COLOURS))):
        places = " ".join(at(x, y) for x, y in points)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{places}"/>')
        if len(shown) > 1:
            # curves that only rise leave the lower right free
            y = floor - 8 - 20 * (len(shown) - 1 - number)
            drawn.append(f'<text x="{right - 6}" y="{y}" text-anchor="end" style="fill:{colour}">{name}</text>')
    return "".join((*drawn, "</svg>"))


def thinned(points: Curve) -> Curve:
    """At most ``MOST_POINTS`` of them, the first and the last included."""
    if len(points) <= MOST_POINTS:
        return points
    return [points[number * (len(points) - 1) // (MOST_POINTS - 1)] for number in range(MOST_POINTS)]


def ended(times: Iterable[float]) -> Curve:
    """How many have ended, over time, for the times at which each ends."""
    return [(0.0, 0.0), *((time, float(number)) for number, time in enumerate(sorted(times), start=1))]


def fullness(found: Sequence[HostAccount]) -> list[Fullness]:
    """How many hosts are empty, how many up to a tenth full and so on, before and after."""
    labels = ["empty", *(f"up to {10 * tenth} %" for tenth in range(1, 11)), "over"]
    before, after = [0] * len(labels), [0] * len(labels)
    for host in found:
        before[_place(host.before, host.capacity)] += 1
        after[_place(host.after, host.capacity)] += 1
    rows = [Fullness(*row) for row in zip(labels, before, after, strict=True)]
    used = [number for number, row in enumerate(rows) if row.before or row.after]
    return rows[used[0] : used[-1] + 1] if used else []


def _place(taken: int, capacity: int) -> int:
    if taken <= 0:
        return 0
    return 11 if taken > capacity else -(-10 * taken // capacity)
