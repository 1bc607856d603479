"""Whose turn it is where several could go: holes are handed on to where they are needed, and kept whole.

A hole is free room on a host. Who moves takes it along to where he comes from. What makes a path fail is holes that
end where nobody waits for them, and holes that are filled by less than they could hold.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from vmpath_service.pathfinder.serial.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Taste:
    """What counts for and against a move, in units of the size of the biggest instance; found by trial.

    ``idle``: for each share of the source that will be free at the end anyway; ``dead``: that nobody waits for room
    at the source; ``opens``: the size of the biggest one who can come to the source then; ``size``: the own size;
    ``bars``: the size of the biggest one who could have come instead and cannot any more; ``steals``: how much bigger
    the biggest one is who waits for a hole at the destination to grow; ``roomy``: for each share of the destination
    that will be free at the end anyway.
    """

    idle: float = 10.0
    dead: float = 0.1
    opens: float = 0.6
    size: float = 0.5
    bars: float = 0.5
    steals: float = 6.0
    roomy: float = 6.0


class Turns:
    """Carries moves to the goal out, one after the other; ``idle`` per host: the share that is free at the end."""

    def __init__(self, ledger: Ledger, taste: Taste, idle: list[float]) -> None:
        self._ledger, self._taste, self._idle = ledger, taste, idle

    def settle(self, hosts: Iterable[int], most: int | None = None) -> int:
        """Let those come to the hosts who can, then to where they left, and so on; returns how many moved.

        ``most``: after so many moves it ends.
        """
        ledger = self._ledger
        room, where, goal, waiting = ledger.room, ledger.where, ledger.goal, ledger.waiting
        fits, price = room.fits, self._price
        queued: set[int] = set()
        heap: list[tuple[float, int]] = []
        for host in hosts:
            for guest in waiting[host]:
                if where[guest] != host and guest not in queued and fits(guest, host):
                    queued.add(guest)
                    heap.append((price(guest), guest))
        heapq.heapify(heap)
        count = 0
        while heap:
            known, guest = heapq.heappop(heap)
            dest = goal[guest]
            if where[guest] == dest or not fits(guest, dest):
                queued.discard(guest)
                continue
            now = price(guest)
            if now > known:
                heapq.heappush(heap, (now, guest))
                continue
            queued.discard(guest)
            source = where[guest]
            ledger.move(guest, dest)
            count += 1
            if count == most:
                break
            for other in waiting[source]:
                if where[other] != source and other not in queued and fits(other, source):
                    queued.add(other)
                    heapq.heappush(heap, (price(other), other))
        return count

    def _price(self, guest: int) -> float:
        """How much speaks against letting the instance go to its goal now."""
        ledger, taste = self._ledger, self._taste
        room, where, size = ledger.room, ledger.where, ledger.size
        need, mask = room.need, room.mask
        source, dest, mine, own = where[guest], ledger.goal[guest], need[guest], size[guest]
        price = taste.idle * self._idle[source] - taste.roomy * self._idle[dest] - taste.size * own
        after = room.free[source] + mine
        dead = True
        for other in ledger.waiting[source]:
            if where[other] != source:
                dead = False
                if (after - need[other]) & mask[other] == mask[other]:
                    price -= taste.opens * size[other]
                    break
        if dead:
            price += taste.dead
        before = room.free[dest]
        after = before - mine
        for other in ledger.waiting[dest]:
            if where[other] != dest and other != guest:
                asked = mask[other]
                if (before - need[other]) & asked != asked:
                    if size[other] > own:
                        price += taste.steals * (size[other] - own)
                        break
                elif (after - need[other]) & asked != asked:
                    price += taste.bars * size[other]
                    break
        return price
