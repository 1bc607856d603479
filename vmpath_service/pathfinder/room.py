"""Who holds what where, in the form that the search asks a hundred thousand times a second.

The amounts of all dimensions of a host are packed into one integer: a field per dimension that holds the free
amount (negative where over capacity) plus a guard bit above every amount that can occur. Subtracting a packed
demand and testing the guard bits of the dimensions that are asked for is the whole test of room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vmpath_service.model.compiled import NOWHERE, CompiledCloud


class Room:
    """Mutable accounts of a compiled cloud: an instance in flight in the snapshot counts at both its ends.

    ``gone``: instances that have left before the first migration.
    """

    def __init__(self, cloud: CompiledCloud, gone: Iterable[int] = ()) -> None:
        self.cloud = cloud
        self.where: list[int] = list(cloud.home)
        for guest in gone:
            self.where[guest] = NOWHERE
        dimensions = range(len(cloud.dimensions))
        per_class = [0] * len(cloud.classes)
        for number in cloud.class_of:
            per_class[number] += 1
        largest = 1
        for d in dimensions:
            asked = sum(kind.demand[d] * count for kind, count in zip(cloud.classes, per_class, strict=True))
            most = max((row[d] for row in cloud.capacity), default=0)
            # an instance is held twice while it moves, and once more while its place is kept for it
            largest = max(largest, 4 * asked + most + max((row[d] for row in cloud.taken), default=0))
        self._width = largest.bit_length() + 1
        guards = [1 << (self._width * (d + 1) - 1) for d in dimensions]
        self.guards = sum(guards)
        packed = [self.pack(kind.demand) for kind in cloud.classes]
        masks = [sum(guards[d] for d in dimensions if kind.demand[d]) for kind in cloud.classes]
        self.need: list[int] = [packed[number] for number in cloud.class_of]
        """Per instance: its packed demand."""
        self.mask: list[int] = [masks[number] for number in cloud.class_of]
        """Per instance: the guard bits of the dimensions that it asks for."""
        self.free: list[int] = [
            self.guards + self.pack(tuple(map(int.__sub__, limit, taken)))
            for limit, taken in zip(cloud.capacity, cloud.taken, strict=True)
        ]
        """Per host: the packed free amounts."""
        self.counts: list[dict[int, int]] = [{} for _ in cloud.counter_limits]
        """Per counter: host to how many of its members count there."""
        self.counters_of = cloud.counters_of
        for guest, host in enumerate(self.where):
            if host != NOWHERE:
                self.free[host] -= self.need[guest]
        for guest in cloud.counters_of:
            if self.where[guest] != NOWHERE:
                self.count(guest, self.where[guest], 1)
        for guest, host in cloud.also_at.items():
            self.hold(guest, host)

    def pack(self, vector: tuple[int, ...]) -> int:
        """A vector of amounts as one integer, without guard bits."""
        return sum(amount << (self._width * position) for position, amount in enumerate(vector))

    def copy(self) -> Room:
        """An account of its own with the same contents."""
        twin = object.__new__(Room)
        twin.__dict__.update(self.__dict__)
        twin.where, twin.free = self.where[:], self.free[:]
        twin.counts = [dict(counts) for counts in self.counts]
        return twin

    def hold(self, guest: int, host: int) -> None:
        """Count the instance at the host, in addition to where it counts already."""
        self.free[host] -= self.need[guest]
        if guest in self.counters_of:
            self.count(guest, host, 1)

    def release(self, guest: int, host: int) -> None:
        """Stop counting the instance at the host."""
        self.free[host] += self.need[guest]
        if guest in self.counters_of:
            self.count(guest, host, -1)

    def move(self, guest: int, host: int) -> None:
        """The instance is on ``host`` now and nowhere else."""
        if self.where[guest] != NOWHERE:
            self.release(guest, self.where[guest])
        self.hold(guest, host)
        self.where[guest] = host

    def fits(self, guest: int, host: int) -> bool:
        """Whether the instance may arrive: room and counters with it counted; filters and state not asked."""
        mask = self.mask[guest]
        if (self.free[host] - self.need[guest]) & mask != mask:
            return False
        return guest not in self.counters_of or self.countable(guest, host)

    def countable(self, guest: int, host: int) -> bool:
        """Whether every counter of the instance admits one more on the host."""
        limits = self.cloud.counter_limits
        return all(self.counts[c].get(host, 0) < limits[c] for c in self.counters_of[guest])

    def holds_well(self, guest: int, host: int) -> bool:
        """Whether a host where the instance is counted already is within its limits, as far as it asks."""
        mask = self.mask[guest]
        if self.free[host] & mask != mask:
            return False
        limits = self.cloud.counter_limits
        return all(self.counts[c].get(host, 0) <= limits[c] for c in self.counters_of.get(guest, ()))

    def amounts(self, packed: int) -> Iterator[int]:
        """The amounts of a packed value with guard bits, such as ``free[host]``; negative ones too."""
        guard = 1 << (self._width - 1)
        field = (1 << self._width) - 1
        for _ in self.cloud.dimensions:
            yield (packed & field) - guard
            packed >>= self._width

    def count(self, guest: int, host: int, step: int) -> None:
        for counter in self.counters_of[guest]:
            counts = self.counts[counter]
            counts[host] = counts.get(host, 0) + step
