"""Which migrations may be in flight at once, and which goes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vmpath_service.engine.executor.state import Limits, Task
from vmpath_service.model.records import Migration


class Load:
    """Accounts of what is in flight, kept while one decision is made.

    Counts everything that was asked for and has not been seen to end, whosever it is.
    """

    def __init__(self, limits: Limits, own: Iterable[Task], elsewhere: Iterable[Migration]) -> None:
        self._limits = limits
        self._leaving: Counter[str] = Counter()
        self._arriving: Counter[str] = Counter()
        self._total = 0
        for task in own:
            if task.in_flight():
                self.add(task.step.source, task.step.dest)
        for migration in elsewhere:
            self.add(migration.source, migration.dest)

    def add(self, source: str, dest: str) -> None:
        """Count one more."""
        self._leaving[source] += 1
        self._arriving[dest] += 1
        self._total += 1

    def admits(self, source: str, dest: str) -> bool:
        """Whether one more may start."""
        limits = self._limits
        return (
            (limits.in_total is None or self._total < limits.in_total)
            and (limits.per_source is None or self._leaving[source] < limits.per_source)
            and (limits.per_destination is None or self._arriving[dest] < limits.per_destination)
        )

    def full(self) -> bool:
        """Whether nothing at all may start."""
        return self._limits.in_total is not None and self._total >= self._limits.in_total

    def touches(self, host: str) -> bool:
        """Whether something in flight leaves the host or arrives there."""
        return bool(self._leaving[host] or self._arriving[host])


def urgency(task: Task) -> tuple[float, int]:
    """Sorts what may start: the longest remaining chain first, then the order of the plan."""
    return (-task.step.chain, task.step.id)
