"""Who holds what where, while instances are put on and taken off hosts in thought."""

from __future__ import annotations

from collections.abc import Iterable

from vmpath_service.model.compiled import NOWHERE, CompiledCloud


class Occupancy:
    """Mutable accounts over a compiled cloud, starting from where everything is now.

    An instance in flight in the snapshot counts at both ends. ``gone``: instances that have left.
    """

    def __init__(self, cloud: CompiledCloud, gone: Iterable[int] = ()) -> None:
        self.cloud = cloud
        self.used: list[list[int]] = [list(vector) for vector in cloud.taken]
        """Per host, per dimension."""
        self.counts: list[dict[int, int]] = [{} for _ in cloud.counter_limits]
        """Per counter: host to how many of its members count there."""
        self.where: list[int] = list(cloud.home)
        """Per instance: the host it is on, or NOWHERE."""
        for guest in gone:
            self.where[guest] = NOWHERE
        classes, class_of = cloud.classes, cloud.class_of
        for guest, host in enumerate(self.where):
            if host != NOWHERE:
                row = self.used[host]
                for number, amount in enumerate(classes[class_of[guest]].demand):
                    row[number] += amount
        for guest in cloud.counters_of:
            if self.where[guest] != NOWHERE:
                self._count(guest, self.where[guest], 1)
        for guest, host in cloud.also_at.items():
            self.hold(guest, host)

    def hold(self, guest: int, host: int) -> None:
        """Count the instance at the host, in addition to where it counts already."""
        row = self.used[host]
        for number, amount in enumerate(self.cloud.demand(guest)):
            row[number] += amount
        if guest in self.cloud.counters_of:
            self._count(guest, host, 1)

    def release(self, guest: int, host: int) -> None:
        """Stop counting the instance at the host."""
        row = self.used[host]
        for number, amount in enumerate(self.cloud.demand(guest)):
            row[number] -= amount
        if guest in self.cloud.counters_of:
            self._count(guest, host, -1)

    def move(self, guest: int, host: int) -> None:
        """The instance is on ``host`` now and nowhere else."""
        self.hold(guest, host)
        if self.where[guest] != NOWHERE:
            self.release(guest, self.where[guest])
        self.where[guest] = host

    def fits(self, guest: int, host: int) -> bool:
        """Whether the instance may arrive: room and counters with it counted; filters and state not asked."""
        row, limit = self.used[host], self.cloud.capacity[host]
        for number, amount in enumerate(self.cloud.demand(guest)):
            if amount and row[number] + amount > limit[number]:
                return False
        for counter in self.cloud.counters_of.get(guest, ()):
            if self.counts[counter].get(host, 0) >= self.cloud.counter_limits[counter]:
                return False
        return True

    def shortage(self, guest: int, host: int) -> str | None:
        """Why the instance may not arrive, in words, or None if ``fits``."""
        row, limit = self.used[host], self.cloud.capacity[host]
        name = self.cloud.snapshot.hosts[host].name
        for number, amount in enumerate(self.cloud.demand(guest)):
            if amount and row[number] + amount > limit[number]:
                missing = row[number] + amount - limit[number]
                return f"{name} is {missing} {self.cloud.dimensions[number]} short"
        for counter in self.cloud.counters_of.get(guest, ()):
            if self.counts[counter].get(host, 0) >= self.cloud.counter_limits[counter]:
                return f"{name} holds as many of {self.cloud.counter_names[counter]} as it may"
        return None

    def _count(self, guest: int, host: int, step: int) -> None:
        for counter in self.cloud.counters_of[guest]:
            counts = self.counts[counter]
            counts[host] = counts.get(host, 0) + step
