"""A run of the whole rearrangement in time: it decides what is moved, in which order, and when.

Room is taken when a migration starts and given back at its source when it ends, slots and links likewise; so the
moves in the order of their starts are a legal sequence, and their times keep the limits. Unlike the rehearsal, it
does not wait until everybody is stuck: where slots idle although somebody waits for room, a host is relieved at once
(see ``relief``).

Who goes first where several could: those whose source is short of room for what it has yet to take in, then those
whose source will be fuller at the end (holes are handed on to where they are needed), long migrations before short
ones; or those first on whom most waits (see ``foresight``).
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Sequence

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder import admission
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.foresight import Foresight
from vmpath_service.pathfinder.hastening.relief import Relief
from vmpath_service.pathfinder.hastening.style import Style
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.schedule import direct_seconds
from vmpath_service.pathfinder.traffic import Traffic

# What ends within this time ends at once, in seconds.
INSTANT = 1e-9
# How many of those who wait for something that is not a host's own are offered it in vain.
VAIN = 16
# How much chance may change who goes first.
CHANCE = 0.1


class Course:
    """``moves`` in the order of their starts, with ``starts`` and ``ends`` in seconds."""

    def __init__(self, problem: Problem, style: Style) -> None:
        self.problem, self.style = problem, style
        self.room = Room(problem.cloud, problem.departures)
        self.where = self.room.where
        self.traffic = Traffic(problem.cloud, problem.limits)
        self.moves: list[Move] = []
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.now = 0.0
        self.pending: set[int] = set()
        """Instances that are neither where they are to end nor on their way there."""
        self.flying: set[int] = set()
        self.stops: dict[int, list[int]] = {}
        """Instances that go by a detour: the stops still before them, the next one last."""
        self.claims: dict[int, int] = {}
        """Instances for which a place is kept: the host where they count already."""
        hosts = len(problem.receives)
        self.claimed: list[set[int]] = [set() for _ in range(hosts)]
        """Per host: for whom a place is kept there."""
        self.incoming: list[set[int]] = [set() for _ in range(hosts)]
        """Per host: the pending instances whose next stop it is, but for those in flight."""
        self.outgoing: list[set[int]] = [set() for _ in range(hosts)]
        """Per host: the pending instances that are there."""
        self.residents: list[set[int]] = [set() for _ in range(hosts)]
        self.leaving: list[set[int]] = [set() for _ in range(hosts)]
        """Per host: those in flight from there."""
        self.owed: list[int] = [0] * hosts
        """Per host: what those take, packed, who are to end there and have neither started nor a place kept."""
        self.down: dict[int, float] = dict(problem.boots)
        """Hosts that are not up yet, and when they are."""
        self.seconds: Sequence[float] = direct_seconds(problem)
        self.longest = max((self.seconds[guest] for guest in problem.movers), default=0.0) or 1.0
        self.big = style.big * self.longest
        self._events: list[tuple[float, int, int]] = []
        self._waiting: dict[int, list[tuple[tuple[bool, float], int]]] = {}
        for guest, host in enumerate(self.where):
            if host != NOWHERE:
                self.residents[host].add(guest)
        for guest in problem.movers:
            stops = admission.relay(problem, guest, self.where[guest])
            if stops is None or not problem.mobile[guest]:
                continue
            self.pending.add(guest)
            if len(stops) > 1:
                self.stops[guest] = stops[:-1][::-1]
            self.incoming[stops[0]].add(guest)
            self.outgoing[self.where[guest]].add(guest)
            self.owed[problem.goal[guest]] += self.room.need[guest]
        self._fullness = _final_slack(problem, self.room)
        chance = random.Random(style.seed)
        self._favour = [
            chance.uniform(-CHANCE, CHANCE) * bool(style.seed) - style.weight * took / self.longest
            for took in self.seconds
        ]
        self.foresight = Foresight(self) if style.ahead and problem.limits.per_host is not None else None
        self._left: dict[int, float] = {}
        if problem.cloud.snapshot.network is not None:
            for guest in self.pending:
                self._load(guest, self.where[guest], 1)
        self._heaviest = max(self._left.values(), default=0.0) or 1.0
        self._relief = Relief(self)

    def run(self, budget: Budget, most: float = float("inf")) -> bool:
        """Carry everything out; False if somebody is stuck, it takes ``most`` seconds or the budget is used up."""
        hosts = range(len(self.owed))
        for host, up in self.down.items():
            if self.incoming[host]:
                heapq.heappush(self._events, (up, -1, host))
        self._go_on(hosts, {}, budget)
        while self.pending or self._events:
            if not self._events and not self._relief.last_resort(hosts):
                return False
            touched: dict[int, None] = {}
            freed: dict[int, None] = {}
            if self._events:
                self.now = self._events[0][0]
            while self._events and self._events[0][0] <= self.now + INSTANT:
                _, guest, host = heapq.heappop(self._events)
                touched[host] = None
                if guest < 0:
                    del self.down[host]
                    continue
                touched[self.where[guest]] = None
                self._land(guest, host, freed)
            if self.now >= most or not self._go_on(touched, freed, budget):
                return False
        return not self.pending

    @property
    def stuck(self) -> bool:
        """Whether nothing is under way although not everybody is where it is to end."""
        return bool(self.pending) and not self._events

    def append(self, move: Move) -> None:
        """A migration after all others, once its destination is up; room is the caller's affair."""
        start = max(self.now, self.problem.boots.get(move.dest, 0.0))
        self.now = start + self.traffic.seconds(move.guest, self.traffic.path(move.source, move.dest)[0])
        self.moves.append(move)
        self.starts.append(start)
        self.ends.append(self.now)

    def next_stop(self, guest: int) -> int:
        """Where the instance goes next."""
        stops = self.stops.get(guest)
        return stops[-1] if stops else self.problem.goal[guest]

    def claim(self, guest: int, host: int) -> None:
        """Keep a place for an instance."""
        self.room.hold(guest, host)
        self.claims[guest] = host
        self.claimed[host].add(guest)
        if host == self.problem.goal[guest]:
            self.owed[host] -= self.room.need[guest]

    def turn_aside(self, guest: int, host: int) -> None:
        """Send an instance by this host before it goes where it is to end (or back)."""
        if guest in self.pending:
            self.incoming[self.next_stop(guest)].discard(guest)
        else:
            self.pending.add(guest)
            self.outgoing[self.where[guest]].add(guest)
            self.owed[self.problem.goal[guest]] += self.room.need[guest]
        self.stops[guest] = [host]
        self.incoming[host].add(guest)

    def try_to_start(self, guest: int) -> bool:
        """Start the instance's next migration if everything admits it."""
        if guest in self.flying or guest not in self.pending:
            return False
        source, dest = self.where[guest], self.next_stop(guest)
        claimed = guest in self.claims
        if dest in self.down:
            return False
        if not (self.room.holds_well(guest, dest) if claimed else self.room.fits(guest, dest)):
            return False
        key = self.traffic.blocker(guest, source, dest)
        if key is not None:
            if key >= self.traffic.first_shared:
                heapq.heappush(self._waiting.setdefault(key, []), (self.rank(guest), guest))
            return False
        goal = self.problem.goal[guest]
        if claimed:
            del self.claims[guest]
            self.claimed[dest].discard(guest)
        else:
            self.room.hold(guest, dest)
            if dest == goal:
                self.owed[dest] -= self.room.need[guest]
        self.where[guest] = dest
        self.incoming[dest].discard(guest)
        self.outgoing[source].discard(guest)
        self.residents[source].discard(guest)
        self.leaving[source].add(guest)
        self.flying.add(guest)
        stops = self.stops.get(guest)
        if stops:
            stops.pop()
            if not stops:
                del self.stops[guest]
        if dest == goal and not stops:
            self.pending.discard(guest)
        self.traffic.start(guest, source, dest)
        if self.foresight is not None:
            self.foresight.count(guest, source, dest)
        if self._left:
            self._load(guest, source, -1)
        end = self.now + self.traffic.seconds(guest, self.traffic.path(source, dest)[0])
        heapq.heappush(self._events, (end, guest, source))
        self.moves.append(Move(guest, source, dest))
        self.starts.append(self.now)
        self.ends.append(end)
        return True

    def rank(self, guest: int) -> tuple[bool, float]:
        """Who goes first: least first."""
        source = self.where[guest]
        merit = self._fullness[source] + self._favour[guest]
        if self.foresight is not None:
            return False, merit - self.foresight.urgency(guest)
        if self._left:
            ends = self.traffic.path(source, self.next_stop(guest))[1]
            merit -= self.style.links * max(self._left.get(end, 0.0) for end in ends) / self._heaviest
        guards = self.room.guards
        short = (self.room.free[source] - self.owed[source]) & guards != guards
        return not short, merit

    def _load(self, guest: int, source: int, sign: int) -> None:
        """Count the seconds for which the links on the way to where the instance is to end are busy with it."""
        rate, ends = self.traffic.path(source, self.problem.goal[guest])
        for end in ends:
            seconds = sign * self.seconds[guest] * rate / self.traffic.link(end)[1]
            self._left[end] = self._left.get(end, 0.0) + seconds

    def _land(self, guest: int, source: int, freed: dict[int, None]) -> None:
        dest = self.where[guest]
        self.flying.discard(guest)
        self.leaving[source].discard(guest)
        self.room.release(guest, source)
        freed.update(dict.fromkeys(self.traffic.finish(guest, source, dest)))
        self.residents[dest].add(guest)
        if guest in self.pending:
            self.outgoing[dest].add(guest)
            self.incoming[self.next_stop(guest)].add(guest)

    def _go_on(self, touched: Iterable[int], freed: Iterable[int], budget: Budget) -> bool:
        """Start what can start on or from the hosts where something has changed, and relieve them."""
        traffic = self.traffic
        if self.foresight is not None:
            self.foresight.look()
        arriving: set[int] = set()
        bound: set[int] = set()
        candidates: set[int] = set()
        for host in touched:
            if traffic.idle_in(host) > 0:
                arriving |= self.incoming[host]
                bound |= self.claimed[host]
            if traffic.idle_out(host) > 0:
                candidates |= self.outgoing[host]
        if self.claims:
            bound.update(guest for guest in candidates if guest in self.claims)
        if self._relief.able:
            big = self.big
            first = [guest for guest in arriving if self.seconds[guest] >= big and guest not in self.claims]
            first.sort(key=lambda guest: (-self.seconds[guest], guest))
            for guest in first:
                if not self.try_to_start(guest) and guest not in self.flying and guest not in self.claims:
                    self._relief.make_room_for(guest)
        for guest in sorted(bound):
            if guest in self.claims:
                self.try_to_start(guest)
        candidates |= arriving
        if not budget.spend(1 + len(candidates)):
            return False
        # who finds no room now finds none in this round: places are only taken
        order = [
            (self.rank(guest), guest)
            for guest in candidates
            if guest not in self.flying
            and guest not in self.claims
            and guest in self.pending
            and self.room.fits(guest, self.next_stop(guest))
        ]
        order.sort()
        for _, guest in order:
            self.try_to_start(guest)
        for key in freed:
            if key >= traffic.first_shared:
                self._offer(key)
        return not self._relief.able or budget.spend(self._relief.relieve(touched))

    def _offer(self, key: int) -> None:
        """Let some try who wait for something that is shared by many hosts."""
        heap = self._waiting.get(key)
        again: list[tuple[tuple[bool, float], int]] = []
        seen: set[int] = set()
        while heap and len(again) < VAIN:
            entry = heapq.heappop(heap)
            guest = entry[1]
            if guest in seen or guest in self.flying or guest not in self.pending:
                continue
            seen.add(guest)
            if not self.try_to_start(guest):
                again.append(entry)
        for entry in again:
            heapq.heappush(self._waiting.setdefault(key, []), entry)


def _final_slack(problem: Problem, room: Room) -> list[float]:
    """Per host: the share that is free at the end of what it has, in its scarcest dimension."""
    free = list(room.free)
    for guest in problem.movers:
        free[problem.cloud.home[guest]] += room.need[guest]
        free[problem.goal[guest]] -= room.need[guest]
    return [
        min((amount / limit for amount, limit in zip(room.amounts(packed), limits, strict=True) if limit), default=1.0)
        for packed, limits in zip(free, problem.cloud.capacity, strict=True)
    ]
