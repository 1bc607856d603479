"""Layer 1: an event-driven rehearsal that starts whatever may start, and says who is stuck when nothing moves.

Room is taken when a migration starts and given back at its source when it ends, so the moves in the order of
their starts are a legal sequence. Who is refused waits for the one thing that refused it (room on a host, a
slot, a link) and is tried again only when that became freer: each waits in exactly one place, for something that
does not suffice at that moment, so no wake-up is lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.traffic import Traffic
from vmpath_service.pathfinder.vetoes import refused

# How many waiters a freed link is offered to in vain before the rest waits for the next time.
VAIN = 16


class Rehearsal:
    """Moves instances in thought, in time; ``moves`` is the sequence so far, in the order of the starts."""

    def __init__(self, problem: Problem, rank: Sequence[float], report: Callable[[int], None] | None = None) -> None:
        self.problem = problem
        self.room = problem.room()
        self.traffic = Traffic(problem.ways)
        self.moves: list[Move] = []
        self.ends: list[float] = []
        """Per move: when it has ended, in seconds."""
        self.final: list[int] = list(problem.goal)
        """Per instance: where it is to end."""
        self.stops: dict[int, list[int]] = {}
        """Instances that go by a detour: the stops still before them, the next one last."""
        self.claims: dict[int, int] = {}
        """Instances for which a place is kept: it is counted there already."""
        self.pending: set[int] = set(problem.movers)
        """Instances that are neither where they are to end nor on their way there."""
        self.now = 0.0
        self._rank = rank
        self._report = report
        self._waits_for: dict[int, int] = {}
        self._waiting: dict[int, list[tuple[float, int]]] = {}
        self._flying: list[tuple[float, int, int]] = []
        self._booted: dict[int, float] = dict(problem.boots)
        self._vetoed: list[int] = []
        self._hosts = len(problem.cloud.snapshot.hosts)
        self._first_link = problem.ways.first_link

    def next_stop(self, guest: int) -> int:
        """Where the instance goes next."""
        stops = self.stops.get(guest)
        return stops[-1] if stops else self.final[guest]

    def run(self, fresh: Sequence[int]) -> None:
        """Try these instances, then follow what happens until nothing is under way."""
        for guest in sorted(fresh, key=lambda g: (self._rank[g], g)):
            self._waits_for.pop(guest, None)
            self._try(guest)
        while self._flying:
            self.now = self._flying[0][0]
            freed: dict[int, None] = {}
            onward: list[int] = []
            while self._flying and self._flying[0][0] == self.now:
                _, guest, source = heapq.heappop(self._flying)
                if guest < 0:
                    freed[source] = None  # a host has come up: its room can be had
                    continue
                dest = self.room.where[guest]
                self.room.release(guest, source)
                freed[source] = None
                freed.update(dict.fromkeys(self.traffic.finish(guest, source, dest)))
                if guest in self.pending:
                    onward.append(guest)
            for key in freed:
                self._wake(key)
            for guest in onward:
                self._try(guest)
            if self._vetoed and freed:
                again, self._vetoed = self._vetoed, []
                for guest in again:
                    self._try(guest)

    def detour(self, guest: int, stops: Sequence[int]) -> None:
        """Send an instance by these hosts (in this order) before it goes where it is to end."""
        self.stops[guest] = list(stops)[::-1]
        self.pending.add(guest)

    def claim(self, guest: int) -> None:
        """Keep the place at its next stop for an instance: nobody else takes what is freed for it."""
        host = self.next_stop(guest)
        self.room.hold(guest, host)
        self.claims[guest] = host

    def _wake(self, key: int) -> None:
        heap = self._waiting.get(key)
        if heap is None:
            return
        waits_for = self._waits_for
        if key < self._hosts:
            # the amounts differ, so whoever waits for room is asked
            del self._waiting[key]
            heap.sort()
            up, claims = key not in self._booted, self.claims
            free, need, mask = self.room.free, self.room.need, self.room.mask
            still = []
            for entry in heap:
                guest = entry[1]
                if waits_for.get(guest) != key:
                    continue
                if up and guest not in claims and (free[key] - need[guest]) & mask[guest] != mask[guest]:
                    still.append(entry)  # most find no more room than before
                    continue
                del waits_for[guest]
                self._try(guest)
            if still:
                self._waiting[key] = still + self._waiting.get(key, [])
            return
        vain = 0
        while heap:
            entry = heap[0]
            guest = entry[1]
            if waits_for.get(guest) != key:
                heapq.heappop(heap)
                continue
            if vain >= VAIN:
                break
            heapq.heappop(heap)
            del waits_for[guest]
            again = self._try(guest)
            if again == key:
                vain += 1
                if key < self._first_link:
                    break  # a slot is a slot; on links, the rates differ
        if not heap and self._waiting.get(key) is heap:
            del self._waiting[key]

    def _try(self, guest: int) -> int | None:
        """Start the instance's next move, or let it wait; returns the key it waits for."""
        room, source = self.room, self.room.where[guest]
        stops = self.stops.get(guest)
        dest = stops[-1] if stops else self.final[guest]
        claimed = guest in self.claims
        booted = self._booted.get(dest)
        if booted is not None and booted > self.now:
            if dest not in self._waiting:
                heapq.heappush(self._flying, (booted, -1, dest))
            return self._wait(guest, dest)
        if not (room.holds_well(guest, dest) if claimed else room.fits(guest, dest)):
            return self._wait(guest, dest)
        blocker = self.traffic.blocker(guest, source, dest)
        if blocker is not None:
            return self._wait(guest, blocker)
        if self.problem.cloud.vetoes and self._refused(guest, dest):
            self._vetoed.append(guest)
            return None
        if claimed:
            del self.claims[guest]
        else:
            room.hold(guest, dest)
        room.where[guest] = dest
        if stops:
            stops.pop()
            if not stops:
                del self.stops[guest]
        if dest == self.final[guest] and guest not in self.stops:
            self.pending.discard(guest)
        self.traffic.start(guest, source, dest)
        end = self.now + self.problem.ways.lasts(guest, source, dest)
        heapq.heappush(self._flying, (end, guest, source))
        self.moves.append(Move(guest, source, dest))
        self.ends.append(end)
        if self._report is not None:
            self._report(len(self.moves))
        return None

    def _wait(self, guest: int, key: int) -> int:
        self._waits_for[guest] = key
        heap = self._waiting.get(key)
        entry = (self._rank[guest], guest)
        if heap is None:
            self._waiting[key] = [entry]
        else:
            heapq.heappush(heap, entry)
        return key

    def _refused(self, guest: int, dest: int) -> bool:
        return refused(self.problem, self.room.where, guest, dest)
