"""Choosing the hosts to free, and where their instances go, so that few hosts remain in use.

The hosts to free are chosen first, as many as the sums of capacity allow, then all their instances are packed
at once onto the hosts that stay: those only receive, nothing leaves them, so every arrival has room at any
time, in any order. Where the packing fails, some hosts are taken back and it is tried anew; then the hosts that
stay are tried one by one. Several orders of preference are followed, the best outcome is kept.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud, Vector
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.policies.board import scales, size
from vmpath_service.policies.packing import Packer, Room, scarcity, totals

_ROUNDS = 60
# Tried with the best order beside the default: on some clouds the one, on others the other frees a few hosts more.
_FULLNESS = (-0.1, -0.03, 1.0)


@dataclass(frozen=True, slots=True)
class Freed:
    """An outcome: the hosts freed, and where each instance that was on them goes."""

    hosts: tuple[int, ...]
    where: dict[int, int]
    in_use: int
    memory_mb: int

    def key(self, save: str) -> tuple[int, int, int, tuple[int, ...]]:
        """The lesser the better; ``save``: ``migrations`` or ``memory``."""
        costs = (len(self.where), self.memory_mb)
        return (self.in_use, *(costs if save == "migrations" else costs[::-1]), self.hosts)


@dataclass(slots=True)
class _State:
    freed: dict[int, None]
    room: Room
    where: dict[int, int]


class Freeing:
    """The search for one cloud.

    ``candidates``: hosts that may be freed, with the instances on them, all of which may move.
    ``receiving``: hosts that may receive, candidates or not. ``limits``: capacity to respect, per host and
    dimension. ``most``: how many instances may move. ``save``: what is saved among outcomes with equally many hosts
    in use, ``migrations`` or ``memory``.
    """

    def __init__(
        self,
        cloud: CompiledCloud,
        candidates: dict[int, list[int]],
        receiving: Sequence[int],
        limits: Sequence[Vector],
        occupied: Iterable[int],
        most: int | None,
        save: str = "migrations",
    ) -> None:
        self.cloud = cloud
        self.candidates = candidates
        self.limits = limits
        self.most = most
        self.save = save
        self.receiving = tuple(receiving)
        self.occupied = frozenset(occupied)
        self.empty = tuple(host for host in receiving if host not in self.occupied)
        self.scale = scales(cloud, self.receiving or range(len(cloud.capacity)))
        accounts = Occupancy(cloud)
        dimensions = len(cloud.dimensions)
        self.weights = scarcity(
            totals((accounts.used[host] for host in self.receiving), dimensions),
            totals((limits[host] for host in self.receiving), dimensions),
        )
        self.packer = Packer(cloud, self.scale, self.weights)
        self.room = Room(
            {
                host: [limit - used for limit, used in zip(limits[host], accounts.used[host], strict=True)]
                for host in receiving
            },
            accounts.counts,
        )
        self.load = {
            host: totals((cloud.demand(guest) for guest in guests), dimensions) for host, guests in candidates.items()
        }

    def best(self) -> Freed:
        """The best outcome of all orders; an empty one where no host can be freed."""
        found = Freed((), {}, len(self.occupied), 0)
        best: tuple[list[int], bool] | None = None
        for order, use_empty in self.orders():
            outcome = self._follow(order, use_empty)
            if outcome.key(self.save) < found.key(self.save):
                found, best = outcome, (order, use_empty)
        if best is not None:
            for fullness in _FULLNESS:
                self.packer = Packer(self.cloud, self.scale, self.weights, fullness)
                found = min(found, self._follow(*best), key=lambda each: each.key(self.save))
        return found

    def orders(self) -> Iterable[tuple[list[int], bool]]:
        """In which order hosts are given up, and whether empty hosts may be taken into use for it."""
        capacity = {host: self._bulk(self.limits[host]) for host in (*self.candidates, *self.empty)}
        load = {host: size(self.load[host], self.scale) for host in self.candidates}
        memory = {host: self._memory(self.candidates[host]) for host in self.candidates}
        hosts = list(self.candidates)
        receiving = frozenset(self.receiving)
        keep = {host: capacity[host] if host in receiving else 0.0 for host in hosts}
        weights = (0.0, 0.5, 1.0) if len({round(each, 9) for each in keep.values()}) > 1 else (0.0,)
        for weight in weights:
            price = {host: weight * keep[host] + (1 - weight) * load[host] for host in hosts}
            ranked = sorted((price[host], memory[host], host) for host in hosts)
            yield [host for _, _, host in ranked], False
        yield sorted(hosts, key=lambda host: (memory[host], load[host], host)), False
        if self.most is not None or self.save == "migrations":
            yield sorted(hosts, key=lambda host: (len(self.candidates[host]), memory[host], host)), False
        if self.empty and max(map(capacity.__getitem__, self.empty)) > min(keep.values(), default=math.inf):
            yield sorted([*hosts, *self.empty], key=lambda host: (capacity[host], load.get(host, 0.0), host)), True

    def _follow(self, order: Sequence[int], use_empty: bool) -> Freed:
        """Free hosts in this order, as many as can be."""
        chosen = self._optimistic(order, use_empty)
        state = self._packed(chosen, use_empty)
        rank = {host: at for at, host in enumerate(order)}
        for _ in range(_ROUNDS):
            unplaced = [
                guest for host in chosen for guest in self.candidates.get(host, ()) if guest not in state.where
            ]
            if not unplaced:
                break
            # an estimate of how many hosts' room is missing; those whose instances are left are taken back,
            # the least preferred first: where zones or traits restrict, it is their part of the cloud that is short
            short = size(totals(map(self.cloud.demand, unplaced), len(self.scale)), self.scale)
            homes = sorted({self.cloud.home[guest] for guest in unplaced}, key=lambda host: -rank[host])
            for host in homes[: max(1, int(short))]:
                del chosen[host]
            state = self._packed(chosen, use_empty)
        else:
            return Freed((), {}, len(self.occupied), 0)
        self._extend(state, order)
        return self._outcome(state)

    def _optimistic(self, order: Sequence[int], use_empty: bool) -> dict[int, None]:
        """Hosts to free in this order as long as the sums allow it."""
        dimensions = range(len(self.scale))
        kept = self.room.free.keys() if use_empty else self.room.free.keys() - set(self.empty)
        free = totals(([max(0, amount) for amount in self.room.free[host]] for host in kept), len(self.scale))
        chosen: dict[int, None] = {}
        moved = 0
        for host in order:
            load = self.load.get(host, [0] * len(self.scale))
            own = [max(0, amount) for amount in self.room.free[host]] if host in kept else [0] * len(self.scale)
            count = len(self.candidates.get(host, ()))
            if self.most is not None and moved + count > self.most:
                continue
            if all(free[at] >= load[at] + own[at] for at in dimensions):
                chosen[host] = None
                moved += count
                for at in dimensions:
                    free[at] -= load[at] + own[at]
        return chosen

    def _packed(self, chosen: dict[int, None], use_empty: bool) -> _State:
        stay = [host for host in self.receiving if host not in chosen and (use_empty or host in self.occupied)]
        room = self.room.copy(stay)
        where, _ = self.packer.pack([guest for host in chosen for guest in self.candidates.get(host, ())], room)
        return _State(dict(chosen), room, where)

    def _extend(self, state: _State, order: Sequence[int]) -> None:
        """Try the hosts that stay, one by one, together with what has been put there."""
        arrivals: dict[int, list[int]] = {}
        for guest, host in state.where.items():
            arrivals.setdefault(host, []).append(guest)
        dimensions = range(len(self.scale))
        free = totals(([max(0, amount) for amount in row] for row in state.room.free.values()), len(self.scale))
        for host in order:
            if host in state.freed or host not in self.candidates:
                continue
            guests = [*self.candidates[host], *arrivals.get(host, ())]
            if self.most is not None and len(state.where) + len(self.candidates[host]) > self.most:
                continue
            load = totals(map(self.cloud.demand, guests), len(self.scale))
            own = [max(0, amount) for amount in state.room.free.get(host, [0] * len(self.scale))]
            if any(free[at] - own[at] < load[at] for at in dimensions):
                continue
            room = state.room.copy(other for other in state.room.free if other != host)
            where, unplaced = self.packer.pack(guests, room, all_or_nothing=True)
            if unplaced:
                continue
            state.freed[host] = None
            state.room = room
            state.where.update(where)
            for guest, dest in where.items():
                arrivals.setdefault(dest, []).append(guest)
            arrivals.pop(host, None)
            free = [free[at] - own[at] - load[at] for at in dimensions]

    def _outcome(self, state: _State) -> Freed:
        freed = tuple(sorted(host for host in state.freed if host in self.occupied))
        newly = {host for host in state.where.values() if host not in self.occupied}
        return Freed(freed, state.where, len(self.occupied) - len(freed) + len(newly), self._memory(state.where))

    def cost(self, guests: Collection[int]) -> int:
        """What it costs to move these instances: how many they are, or their memory, as ``save`` has it."""
        return len(guests) if self.save == "migrations" else self._memory(guests)

    def _memory(self, guests: Iterable[int]) -> int:
        return sum(self.cloud.snapshot.instances[guest].memory_mb() for guest in guests)

    def _bulk(self, vector: Sequence[int]) -> float:
        """How much of a mean host it is, over all classes."""
        return sum(amount * factor for amount, factor in zip(vector, self.scale, strict=True)) / max(1, len(vector))
