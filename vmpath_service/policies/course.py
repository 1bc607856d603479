"""How the score falls from migration to migration: what each of them buys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vmpath_service.model.compiled import CompiledCloud

# How many instances may be looked at to work out a curve whose course is scored anew each time.
_WORK = 4_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """The score once so many migrations are done; ``memory_mb``: what they have moved together."""

    migrations: int
    memory_mb: int
    score: float


class Course(Protocol):
    """The value of a score while instances move."""

    costly: bool
    """Whether ``value`` goes through all instances."""

    def move(self, guest: int, host: int) -> None:
        """The instance is on the host now."""

    def value(self) -> float:
        """The score as things are now."""


class Rescored:
    """A course that works the score out anew each time it is asked."""

    costly = True

    def __init__(self, home: Sequence[int], score: Callable[[Sequence[int]], float]) -> None:
        self._where = list(home)
        self._score = score

    def move(self, guest: int, host: int) -> None:
        self._where[guest] = host

    def value(self) -> float:
        return self._score(self._where)


def curve(cloud: CompiledCloud, course: Course, moves: Iterable[tuple[int, int]]) -> tuple[Point, ...]:
    """The score at the start and after each of the moves (instance, host).

    Of a long curve with a costly course some points are left out, evenly; never the first nor the last.
    """
    steps = list(moves)
    stride = 1
    if course.costly:
        stride = max(1, len(steps) * len(cloud.home) // _WORK)
    instances = cloud.snapshot.instances
    memory = 0
    points = [Point(0, 0, course.value())]
    for number, (guest, host) in enumerate(steps, 1):
        course.move(guest, host)
        memory += instances[guest].memory_mb()
        if number % stride == 0 or number == len(steps):
            points.append(Point(number, memory, course.value()))
    return tuple(points)


def worth(points: Sequence[Point], least: float) -> int:
    """After how many migrations to stop: all that come later lower the score by less than ``least`` each.

    ``least`` 0 (or less): where the score is lowest first.
    """
    best = 0
    for at in range(1, len(points)):
        gained = points[best].score - points[at].score
        if gained > 0 and gained >= least * (points[at].migrations - points[best].migrations):
            best = at
    return points[best].migrations
