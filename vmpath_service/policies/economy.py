"""Freeing as many hosts as can be, and that with few migrations: hosts chosen by prices, packing mended by exchanges.

All instances that may move are packed anew onto the hosts that stay, which leaves a few for which there is no room and
many away from home; exchanges then make room for the ones and bring back the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.policies.board import Board, obstacle
from vmpath_service.policies.exchanges import exchange
from vmpath_service.policies.freeing import Freeing
from vmpath_service.policies.packing import Packer, Room
from vmpath_service.policies.prices import Holding, priced

# The part of the second scarcest class that is left out of account when hosts are chosen, one after the other: the
# less, the fewer instances are on the hosts that are freed, and the harder it is to place them all.
_MARGINS = (0.0, 0.01, 0.02, 0.03)
# How a fuller host is preferred when all is packed anew, as for ``Packer``.
_FULLNESS = -0.1
# One in so many steps is made with each choice of hosts, before all are spent on the best.
_TRIAL = 20


@dataclass(frozen=True, slots=True)
class _Found:
    """Everything placed, the hosts that are freed by it, and what it costs."""

    cost: int
    board: Board
    gone: frozenset[int]


def economical(freeing: Freeing, in_use: int, bound: int, steps: int) -> Board | None:
    """Everything placed with at most ``in_use`` hosts in use and few migrations, or None where that was not found.

    ``bound``: no placement uses fewer hosts. ``steps``: how many exchanges are made at most with one choice of hosts.
    """
    if not freeing.cloud.free_passage() or not freeing.cloud.dimensions or steps <= 0:
        return None
    best: _Found | None = None
    low, high = bound, in_use
    # the bound is often reached: it is tried first, then by halves
    number = low
    while low <= high:
        found = _cheapest(freeing, number, max(1, steps // _TRIAL))
        if found is None:
            low = number + 1
        else:
            best, high = found, number - 1
        number = (low + high) // 2
    if best is None:
        return None
    exchange(best.board, _receiving(freeing, best.gone), steps, freeing.save)
    return best.board


def least_cost(freeing: Freeing, number: int) -> float:
    """No way to free so many of the hosts moves fewer instances, or less memory, as ``save`` has it."""
    if not freeing.cloud.dimensions:
        return 0.0
    everything = [*freeing.occupied, *freeing.empty]
    return priced(_holdings(freeing, sorted(everything)), number).bound


def _cheapest(freeing: Freeing, in_use: int, steps: int) -> _Found | None:
    """The cheapest of the outcomes with so many hosts in use that the choices of hosts lead to."""
    number = len(freeing.occupied) - in_use
    if number <= 0:
        return None
    holdings = _holdings(freeing, sorted(freeing.occupied))
    tried: set[frozenset[int]] = set()
    best: _Found | None = None
    for margin in _MARGINS:
        gone = frozenset(priced(holdings, number, margin).order[:number])
        if len(gone) < number or gone in tried:
            continue
        tried.add(gone)
        board = _packed(freeing, gone)
        if board is None or not exchange(board, _receiving(freeing, gone), steps, freeing.save):
            continue
        cost = freeing.cost(board.moved)
        if best is None or cost < best.cost:
            best = _Found(cost, board, gone)
    return best


def _holdings(freeing: Freeing, hosts: Sequence[int]) -> list[Holding]:
    """What prices are worked out from, in the two scarcest classes."""
    cloud, limits = freeing.cloud, freeing.limits
    ranked = sorted(range(len(cloud.dimensions)), key=lambda at: (-freeing.weights[at], at))
    one, two = (*ranked, *ranked)[:2]
    # a cloud with one class has no second one
    second = int(len(ranked) > 1)
    listed = []
    natives = _natives(freeing)
    for host in hosts:
        free = freeing.room.free.get(host)
        if free is None and host not in freeing.candidates:
            continue
        there = max(0, free[one]) if free else 0, second * max(0, free[two]) if free else 0
        guests = [
            ((cloud.demand(guest)[one], second * cloud.demand(guest)[two]), freeing.cost([guest]))
            for guest in natives.get(host, ())
        ]
        most = limits[host][one], second * limits[host][two]
        listed.append(Holding(host, host in freeing.candidates, there, most, guests))
    return listed


def _natives(freeing: Freeing) -> dict[int, list[int]]:
    """Per host, the instances on it that may be moved."""
    found: dict[int, list[int]] = {}
    for guest, host in enumerate(freeing.cloud.home):
        if host != NOWHERE and obstacle(freeing.cloud, guest) is None:
            found.setdefault(host, []).append(guest)
    return found


def _receiving(freeing: Freeing, gone: frozenset[int]) -> list[int]:
    """The hosts that stay in use and may receive; who is beyond its limits stays as it is."""
    return [
        host
        for host, free in freeing.room.free.items()
        if host in freeing.occupied and host not in gone and min(free, default=0) >= 0
    ]


def _packed(freeing: Freeing, gone: frozenset[int]) -> Board | None:
    """Everything that may move packed anew onto the hosts that stay, some of which may be overfull then.

    None where the room does not suffice in sum, or no host may take an instance at all.
    """
    cloud, natives = freeing.cloud, _natives(freeing)
    stay = _receiving(freeing, gone)
    room = freeing.room.copy(stay)
    loose = [guest for host in sorted(gone) for guest in freeing.candidates[host]]
    for host in stay:
        for guest in natives.get(host, ()):
            if guest not in cloud.counters_of:
                loose.append(guest)
                for at, amount in enumerate(cloud.demand(guest)):
                    room.free[host][at] += amount
    for at in range(len(cloud.dimensions)):
        if sum(cloud.demand(guest)[at] for guest in loose) > sum(free[at] for free in room.free.values()):
            return None
    where, unplaced = Packer(cloud, freeing.scale, freeing.weights, _FULLNESS).pack(loose, room)
    for guest in unplaced:
        end = _least_overfull(freeing, guest, room)
        if end is None:
            return None
        where[guest] = end
        for at, amount in enumerate(cloud.demand(guest)):
            room.free[end][at] -= amount
        for counter in cloud.counters_of.get(guest, ()):
            room.counts[counter][end] = room.counts[counter].get(end, 0) + 1
    board = Board(cloud, (), freeing.limits)
    for guest, host in where.items():
        if host != cloud.home[guest]:
            board.move(guest, host)
    return board


def _least_overfull(freeing: Freeing, guest: int, room: Room) -> int | None:
    """The host where what is missing for the instance is least."""
    cloud, demand = freeing.cloud, freeing.cloud.demand(guest)
    best: tuple[float, int] | None = None
    for host, free in room.free.items():
        if not cloud.admits(guest, host) or any(
            room.counts[counter].get(host, 0) >= cloud.counter_limits[counter]
            for counter in cloud.counters_of.get(guest, ())
        ):
            continue
        lack = sum(
            max(0, amount - max(0, left)) * factor
            for amount, left, factor in zip(demand, free, freeing.scale, strict=True)
        )
        best = min(best, (lack, host)) if best else (lack, host)
    return best[1] if best else None
