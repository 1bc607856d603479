"""Where nobody can go: who could step aside, and to where, so that one who waits can come in.

What the steps would set off is tried out and taken back. For all but the smallest clouds only the most promising are
tried, and what was found of the others is kept as long as nobody came to or left the hosts that it has to do with.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.pathfinder.serial.ledger import Ledger
from vmpath_service.pathfinder.serial.places import Places

# How often one instance may step aside.
PATIENCE = 4
# How many ways to make room for one who waits are looked at.
WAYS = 2
# How much a step counts: of one who is where he is to be (there and back), of one who will be in somebody's way, and
# each of several at once.
SETTLED = 2.0
IN_THE_WAY = 1.25
SEVERAL = 1.25
# How many third hosts are looked at per instance that needs one cleared.
THIRD_HOSTS = 24

Aside = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Option:
    """``guest`` can go where it waits to go once each of ``aside`` has gone to the host beside it, in this order."""

    cost: float
    guest: int
    aside: Aside


class Sidesteps:
    """The options of a walk where nobody can go, the most promising first."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._weights = ledger.task.problem.weights
        self._mobile = ledger.task.problem.mobile
        self._receives = ledger.task.problem.receives
        self._stepped: dict[int, int] = {}
        self._known: list[list[Option]] = [[] for _ in ledger.waiting]
        self._stamp = [-1] * len(ledger.waiting)
        self._heap: list[tuple[float, int, int, int]] = []
        self.work = 0
        """How many pairs of instances were looked at."""

    def count(self, option: Option) -> None:
        """The option is taken."""
        for guest, _ in option.aside:
            self._stepped[guest] = self._stepped.get(guest, 0) + 1

    def forget(self) -> None:
        """Look at all hosts again next time."""
        self._stamp = [-1] * len(self._stamp)
        self._heap.clear()

    def options(self, places: Places, most: int) -> list[Option]:
        """Up to ``most`` options that are open now, the cheapest first for what they let in."""
        ledger, heap = self._ledger, self._heap
        for host, guests in enumerate(ledger.waiting):
            if guests and self._stamp[host] != ledger.stamp[host]:
                self._stamp[host] = ledger.stamp[host]
                self._known[host] = list(self._around(host, places))
                for number, option in enumerate(self._known[host]):
                    worth = option.cost / self._weights[option.guest]
                    heapq.heappush(heap, (worth, host, ledger.stamp[host], number))
        found: list[Option] = []
        again: list[tuple[float, int, int, int]] = []
        while heap and len(found) < most:
            entry = heapq.heappop(heap)
            _, host, stamp, number = entry
            if stamp != ledger.stamp[host]:
                continue
            again.append(entry)
            now = self._renewed(self._known[host][number], places)
            if now is not None:
                found.append(now)
        for entry in again:
            heapq.heappush(heap, entry)
        return found

    def deep(self, places: Places) -> Iterator[Option]:
        """Options in which a third host is cleared for one who steps aside."""
        ledger = self._ledger
        for host, guests in enumerate(ledger.waiting):
            leavers = self._leavers(host) if guests else []
            for guest in guests:
                if ledger.where[guest] == host:
                    continue
                for cost, other in leavers:
                    if other == guest or not self._suffices(guest, host, (other,)):
                        continue
                    for third in places.roomiest(other, host, THIRD_HOSTS):
                        way = next(self._ways(other, third, places, (host,)), None)
                        if way is not None and not any(each in (guest, other) for each, _ in way[1]):
                            yield Option(cost + way[0], guest, (*way[1], (other, third)))
                            break

    def _around(self, host: int, places: Places) -> Iterator[Option]:
        leavers = self._leavers(host)
        for guest in self._ledger.waiting[host]:
            if self._ledger.where[guest] != host:
                for cost, aside in self._ways(guest, host, places, (), leavers):
                    yield Option(cost, guest, aside)

    def _renewed(self, option: Option, places: Places) -> Option | None:
        """The option as it is possible now, maybe with other places; None if there are none."""
        ledger, room = self._ledger, self._ledger.room
        if any(self._stepped.get(guest, 0) >= PATIENCE for guest, _ in option.aside):
            return None
        if len(option.aside) == 1:
            ((other, stop),) = option.aside
            if places.admits(other, stop):
                return option
            place = places.find(other, (ledger.goal[option.guest],))
            return None if place is None else Option(option.cost, option.guest, ((other, place[0]),))
        held: list[tuple[int, int]] = []
        for other, _ in option.aside:
            place = places.find(other, (ledger.goal[option.guest],))
            if place is None:
                break
            room.hold(other, place[0])
            held.append((other, place[0]))
        for other, stop in held:
            room.release(other, stop)
        return Option(option.cost, option.guest, tuple(held)) if len(held) == len(option.aside) else None

    def _leavers(self, host: int) -> list[tuple[float, int]]:
        """Who could leave the host, with what that costs, cheapest first."""
        ledger, weights, goal = self._ledger, self._weights, self._ledger.goal
        found = [
            (weights[guest] if goal[guest] != host else SETTLED * weights[guest], guest)
            for guest in ledger.residents[host]
            if self._mobile[guest]
            and self._stepped.get(guest, 0) < PATIENCE
            and (goal[guest] != host or self._receives[host])
        ]
        found.sort()
        return found

    def _ways(
        self,
        guest: int,
        host: int,
        places: Places,
        banned: Collection[int],
        leavers: Sequence[tuple[float, int]] | None = None,
    ) -> Iterator[tuple[float, Aside]]:
        """Ways to make room for the instance on the host by sending others straight elsewhere."""
        if leavers is None:
            leavers = self._leavers(host)
        away = (host, *banned)
        count = 0
        for cost, other in leavers:
            self.work += 1
            if other != guest and self._suffices(guest, host, (other,)):
                place = places.find(other, away)
                if place is not None:
                    yield (cost if place[1] else IN_THE_WAY * cost), ((other, place[0]),)
                    count += 1
                    if count == WAYS:
                        return
        if count:
            return
        several = self._several(guest, host, leavers, places, away)
        if several is not None:
            yield several

    def _several(
        self, guest: int, host: int, leavers: Sequence[tuple[float, int]], places: Places, away: Collection[int]
    ) -> tuple[float, Aside] | None:
        room = self._ledger.room
        crowded = self._crowding(guest, host)
        chosen: list[tuple[float, int]] = []
        for cost, other in sorted(leavers, key=lambda each: (each[1] not in crowded, -each[0], each[1])):
            if self._suffices(guest, host, [each for _, each in chosen]):
                break
            self.work += 1
            if other != guest and places.find(other, away) is not None:
                chosen.append((cost, other))
        if not chosen or not self._suffices(guest, host, [each for _, each in chosen]):
            return None
        for each in list(chosen):
            rest = [kept for kept in chosen if kept != each]
            if rest and self._suffices(guest, host, [other for _, other in rest]):
                chosen = rest
        held: list[tuple[int, int]] = []
        for _, other in chosen:
            place = places.find(other, away)
            if place is None:
                break
            room.hold(other, place[0])
            held.append((other, place[0]))
        for other, stop in held:
            room.release(other, stop)
        if len(held) < len(chosen):
            return None
        return SEVERAL * sum(cost for cost, _ in chosen), tuple(held)

    def _suffices(self, guest: int, host: int, leaving: Sequence[int]) -> bool:
        """Whether the instance may come in once these have left."""
        room = self._ledger.room
        free = room.free[host] - room.need[guest]
        for other in leaving:
            free += room.need[other]
        mask = room.mask[guest]
        if free & mask != mask:
            return False
        counters = room.counters_of.get(guest)
        if not counters:
            return True
        limits = room.cloud.counter_limits
        gone = [room.counters_of.get(other, ()) for other in leaving]
        return all(
            room.counts[counter].get(host, 0) + 1 - sum(counter in each for each in gone) <= limits[counter]
            for counter in counters
        )

    def _crowding(self, guest: int, host: int) -> set[int]:
        """Residents that count in a counter that keeps the instance out."""
        room, limits = self._ledger.room, self._ledger.room.cloud.counter_limits
        full = {c for c in room.counters_of.get(guest, ()) if room.counts[c].get(host, 0) >= limits[c]}
        if not full:
            return set()
        return {other for other in self._ledger.residents[host] if full & set(room.counters_of.get(other, ()))}
