"""Costs that follow from the instance alone: its memory, how fast that changes, the time it takes, or one each."""

from __future__ import annotations

from vmpath_service.model.costs.base import Cost
from vmpath_service.model.snapshot import Instance


class MemoryCost(Cost):
    """The memory of the instance in MiB: what goes over the network at least."""

    name = "memory"
    summary = "memory moved"
    timed = False

    def of(self, instance: Instance, seconds: float) -> int:
        return instance.memory_mb()


class DirtyMemoryCost(Cost):
    """The memory of the instance in MiB times one plus its dirty rate in MiB/s.

    Busy instances are left alone where there is a choice. An instance of which no dirty rate is known counts with its
    memory alone.
    """

    name = "dirty-memory"
    summary = "memory moved, times how fast it is written"
    timed = False

    def of(self, instance: Instance, seconds: float) -> int:
        rate = (instance.memory.dirty_mb_s or 0.0) if instance.memory is not None else 0.0
        return round(instance.memory_mb() * (1.0 + rate))


class SecondsCost(Cost):
    """The predicted duration of the migration, in milliseconds."""

    name = "seconds"
    summary = "time that migrations take, added up"

    def of(self, instance: Instance, seconds: float) -> int:
        return round(1000 * seconds)


class CountCost(Cost):
    """One for every migration: the fewest are the cheapest."""

    name = "count"
    summary = "number of migrations"
    timed = False

    def of(self, instance: Instance, seconds: float) -> int:
        return 1
