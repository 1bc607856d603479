"""Vector packing: instances of few kinds onto hosts with what is free of several classes.

Best fit decreasing, but per kind of instance instead of per instance: all instances that ask for the same are
placed together, so that the hosts are gone through once a kind. An instance goes where what is free has most
nearly the proportions of what it asks for (the cosine of the two vectors), so that no class is used up while
the others are left over; of several measures tried this left the least waste.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud, Vector
from vmpath_service.policies.board import size

# How many mixtures of two classes a bound is looked for in.
_MIXTURES = 64


@dataclass(slots=True)
class Room:
    """What is free where: mutable accounts of a packing."""

    free: dict[int, list[int]]
    """Per host that may receive, per dimension; negative where the host is beyond its limit."""
    counts: list[dict[int, int]]
    """Per counter: host to how many members count there."""

    def copy(self, hosts: Iterable[int]) -> Room:
        """A copy that knows only these hosts."""
        return Room({host: list(self.free[host]) for host in hosts}, [dict(each) for each in self.counts])


class Packer:
    """Packs instances of one cloud.

    ``scale`` makes dimensions comparable, as ``board.scales`` gives it. ``weights``: how scarce each dimension
    is, 1 for the scarcest; what is plentiful matters less for the proportions. ``fullness``: how much a fuller
    host is preferred beside the proportions (negative: an emptier one).
    """

    def __init__(
        self, cloud: CompiledCloud, scale: Sequence[float], weights: Sequence[float], fullness: float = 0.001
    ) -> None:
        self.cloud = cloud
        self.scale = tuple(scale)
        self.fullness = fullness
        self._factors = tuple(factor * weight for factor, weight in zip(scale, weights, strict=True))
        self._free_passage = cloud.free_passage()
        self._rows: dict[int, int] = {}
        self._passages: dict[bytes, int] = {}
        self._sizes = [size(kind.demand, self.scale) for kind in cloud.classes]

    def order(self, guests: Iterable[int]) -> list[list[int]]:
        """Instances by kind, largest kind first; within a kind those that counters restrict come first.

        Where it matters from which host an instance comes, a kind comes from hosts with the same passages.
        """
        kinds: dict[tuple[int, int], list[int]] = {}
        for guest in guests:
            source = -1 if self._free_passage else self._passage(self.cloud.home[guest])
            kinds.setdefault((self.cloud.class_of[guest], source), []).append(guest)
        counted = self.cloud.counters_of
        return [
            sorted(kinds[key], key=lambda guest: (guest not in counted, guest))
            for key in sorted(kinds, key=lambda key: (-self._sizes[key[0]], key))
        ]

    def pack(
        self, guests: Iterable[int], room: Room, *, all_or_nothing: bool = False
    ) -> tuple[dict[int, int], list[int]]:
        """Where each instance goes, and who finds no place; ``room`` is left as it is after the arrivals.

        ``all_or_nothing``: give up at the first that finds none.
        """
        where: dict[int, int] = {}
        unplaced: list[int] = []
        for kind in self.order(guests):
            left = self._pack_kind(kind, room, where)
            unplaced += left
            if left and all_or_nothing:
                break
        return where, unplaced

    def _passage(self, source: int) -> int:
        """A number that sources share from which the same hosts can be reached."""
        number = self._rows.get(source)
        if number is None:
            row = bytes(self.cloud.may_pass(source, dest) for dest in range(len(self.cloud.capacity)))
            number = self._rows[source] = self._passages.setdefault(row, len(self._passages))
        return number

    def _pack_kind(self, kind: Sequence[int], room: Room, where: dict[int, int]) -> list[int]:
        cloud = self.cloud
        example = kind[0]
        demand = cloud.demand(example)
        mask = cloud.mask(example)
        needs = [(at, amount) for at, amount in enumerate(demand) if amount]
        home = cloud.home[example]
        heap: list[tuple[float, int]] = []
        for host, free in room.free.items():
            for at, amount in needs:
                if free[at] < amount:
                    break
            else:
                if (mask is None or mask[host]) and (self._free_passage or cloud.may_pass(home, host)):
                    heap.append((self._fit(free, demand), host))
        heapq.heapify(heap)
        left: list[int] = []
        for guest in kind:
            counters = cloud.counters_of.get(guest, ())
            aside: list[tuple[float, int]] = []
            chosen = -1
            while heap:
                host = heap[0][1]
                if any(room.counts[each].get(host, 0) >= cloud.counter_limits[each] for each in counters):
                    aside.append(heapq.heappop(heap))
                    continue
                chosen = host
                break
            if chosen < 0:
                left.append(guest)
            else:
                where[guest] = chosen
                free = room.free[chosen]
                fits = True
                for at, amount in needs:
                    free[at] -= amount
                    fits = fits and free[at] >= amount
                for each in counters:
                    room.counts[each][chosen] = room.counts[each].get(chosen, 0) + 1
                if fits:
                    heapq.heapreplace(heap, (self._fit(free, demand), chosen))
                else:
                    heapq.heappop(heap)
            for item in aside:
                heapq.heappush(heap, item)
        return left

    def _fit(self, free: Sequence[int], demand: Vector) -> float:
        """How well the demand fits what is free, the lesser the better."""
        both = of_free = of_demand = left = 0.0
        for amount, asked, factor in zip(free, demand, self._factors, strict=True):
            there, wanted = amount * factor, asked * factor
            both += there * wanted
            of_free += there * there
            of_demand += wanted * wanted
            left += there - wanted
        size_of_both = math.sqrt(of_free * of_demand)
        return self.fullness * left - (both / size_of_both if size_of_both else 0.0)


def scarcity(used: Sequence[int], limits: Sequence[int]) -> list[float]:
    """How scarce each dimension is where ``used`` of ``limits`` is taken in all: 1 for the scarcest.

    The eighth power tells classes that are nearly as tight as the tightest from those that are not.
    """
    fills = [now / limit if limit else 0.0 for now, limit in zip(used, limits, strict=True)]
    highest = max(fills, default=0.0)
    return [(fill / highest) ** 8 if highest else 1.0 for fill in fills]


def totals(vectors: Iterable[Sequence[int]], dimensions: int) -> list[int]:
    """The sum per dimension."""
    result = [0] * dimensions
    for vector in vectors:
        for at, amount in enumerate(vector):
            result[at] += amount
    return result


def fewest_hosts(limits: Mapping[int, Sequence[int]], used: Sequence[int], fixed: Iterable[int]) -> int:
    """A lower bound on hosts: of those with the largest limits, how many hold ``used``.

    Each class alone gives a bound, and so does each weighted sum of two (surrogate relaxation): what no choice of
    hosts has enough of in sum, it has not enough of in each. ``fixed``: hosts that stay in use whatever happens; they
    count and their limits come first.
    """
    must = set(fixed)
    free = [limits[host] for host in limits if host not in must]
    there = totals((limits[host] for host in must if host in limits), len(used))
    rest = [max(0, amount - room) for amount, room in zip(used, there, strict=True)]
    classes = [at for at, amount in enumerate(rest) if amount]
    bound = max((_filled([row[at] for row in free], rest[at]) for at in classes), default=0)
    for one, two in itertools.combinations(classes, 2):
        for step in range(1, _MIXTURES):
            first, second = step / _MIXTURES / rest[one], (1 - step / _MIXTURES) / rest[two]
            bound = max(bound, _filled([row[one] * first + row[two] * second for row in free], 1 - 1e-9))
    return len(must) + bound


def _filled(limits: Iterable[float], amount: float) -> int:
    """How many of the limits, the largest first, it takes to reach the amount; all of them where they do not."""
    count = 0
    for limit in sorted(limits, reverse=True):
        if amount <= 0:
            break
        amount -= limit
        count += 1
    return count
