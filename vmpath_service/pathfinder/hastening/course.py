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
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from vmpath_service.pathfinder.hastening.balancing import Balance

# What ends within this time ends at once, in seconds.
INSTANT = 1e-9
# How many of those who wait for something that is not a host's own are offered it in vain.
VAIN = 16
# How much chance may change who goes first.
CHANCE = 0.1

Rank = tuple[bool, float, int]
"""Who goes first, least first: whether its source has room enough, its merit, the instance."""


class Course:
    """``moves`` in the order of their starts, with ``starts`` and ``ends`` in seconds."""

    def __init__(self, problem: Problem, style: Style, late: Mapping[int, float] | None = None) -> None:
        self.problem, self.style = problem, style
        self.room = problem.room()
        self.where = self.room.where
        self.traffic = Traffic(problem.ways)
        self.moves: list[Move] = []
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.now = 0.0
        self.pending: set[int] = set()
        """Instances that are neither where they are to end nor on their way there."""
        self.flying: set[int] = set()
        self.stops: dict[int, list[int]] = {}
        """Instances that go by a detour: the stops still before them, the next one last."""
        self.heading: list[int] = list(problem.goal)
        """Per instance: where it goes next."""
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
        self._waiting: dict[int, list[Rank]] = {}
        self._waits_for: dict[int, int] = {}
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
                self.heading[guest] = stops[0]
            self.incoming[stops[0]].add(guest)
            self.outgoing[self.where[guest]].add(guest)
            self.owed[problem.goal[guest]] += self.room.need[guest]
        self._fullness = _final_slack(problem, self.room)
        chance = random.Random(style.seed)
        self._favour = [
            chance.uniform(-CHANCE, CHANCE) * bool(style.seed) - style.weight * took / self.longest
            for took in self.seconds
        ]
        self._late = late or {}
        for guest, merit in self._late.items():
            self._favour[guest] -= merit
        self.foresight = Foresight(self) if style.ahead and problem.limits.per_host is not None else None
        self._left: list[float] = [0.0] * problem.ways.link_ends
        for guest in sorted(self.pending) if problem.ways.linked else ():
            self._load(guest, self.where[guest], 1)
        self._shut: dict[int, tuple[int, bool]] = {}
        self._heaviest = max(self._left, default=0.0) or 1.0
        self._relief = Relief(self)
        self.balance: Balance | None = None
        if style.even:
            # arrays, which take time to load, are for those that need them
            from vmpath_service.pathfinder.hastening.balancing import Balance

            self.balance = Balance(self)

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
        self.now = start + self.problem.ways.lasts(move.guest, move.source, move.dest)
        self.moves.append(move)
        self.starts.append(start)
        self.ends.append(self.now)

    def claim(self, guest: int, host: int) -> None:
        """Keep a place for an instance."""
        self.room.hold(guest, host)
        if self.balance is not None:
            self.balance.note(host, -self.room.need[guest])
        self.claims[guest] = host
        self.claimed[host].add(guest)
        if host == self.problem.goal[guest]:
            self.owed[host] -= self.room.need[guest]

    def turn_aside(self, guest: int, host: int) -> None:
        """Send an instance by this host before it goes where it is to end (or back)."""
        if guest in self.pending:
            self.incoming[self.heading[guest]].discard(guest)
        else:
            self.pending.add(guest)
            self.outgoing[self.where[guest]].add(guest)
            self.owed[self.problem.goal[guest]] += self.room.need[guest]
        self.stops[guest] = [host]
        self.heading[guest] = host
        self.incoming[host].add(guest)

    def try_to_start(self, guest: int) -> bool:
        """Start the instance's next migration if everything admits it."""
        if guest in self.flying or guest not in self.pending:
            return False
        source, dest = self.where[guest], self.heading[guest]
        claimed = guest in self.claims
        if dest in self.down:
            return False
        if not (self.room.holds_well(guest, dest) if claimed else self.room.fits(guest, dest)):
            return False
        if self._hindered(guest):
            return False
        if self._waits_for:
            self._waits_for.pop(guest, None)
        goal = self.problem.goal[guest]
        if claimed:
            del self.claims[guest]
            self.claimed[dest].discard(guest)
        else:
            self.room.hold(guest, dest)
            if self.balance is not None:
                self.balance.note(dest, -self.room.need[guest])
            if dest == goal:
                self.owed[dest] -= self.room.need[guest]
        self.where[guest] = dest
        if self.balance is not None:
            self.balance.note(source, self.room.need[guest])
        self.incoming[dest].discard(guest)
        self.outgoing[source].discard(guest)
        self.residents[source].discard(guest)
        self.leaving[source].add(guest)
        self.flying.add(guest)
        stops = self.stops.get(guest)
        if stops:
            stops.pop()
            self.heading[guest] = stops[-1] if stops else goal
            if not stops:
                del self.stops[guest]
        if dest == goal and not stops:
            self.pending.discard(guest)
        self.traffic.start(guest, source, dest)
        if self.foresight is not None:
            self.foresight.count(guest, source, dest)
        if self._left:
            self._load(guest, source, -1)
        end = self.now + self.problem.ways.lasts(guest, source, dest)
        heapq.heappush(self._events, (end, guest, source))
        self.moves.append(Move(guest, source, dest))
        self.starts.append(self.now)
        self.ends.append(end)
        return True

    def _ranks(self, guests: Sequence[int]) -> list[Rank]:
        """Who goes first: least first."""
        where, fullness, favour = self.where, self._fullness, self._favour
        if self.foresight is not None:
            urgencies = self.foresight.urgencies(guests)
            if self.balance is not None:
                urgencies = list(map(add, urgencies, self.balance.merits(guests)))
            return [
                (False, fullness[where[guest]] + favour[guest] - urgency, guest)
                for guest, urgency in zip(guests, urgencies, strict=True)
            ]
        free, owed, guards = self.room.free, self.owed, self.room.guards
        left, path, heading = self._left, self.problem.ways.path, self.heading
        weight, own = self.style.links, self.problem.ways.own
        opening = (self.style.opening + self.style.weight) / self.longest
        ranks = []
        for guest in guests:
            source = where[guest]
            merit = fullness[source] + favour[guest]
            if left:
                ends = path(source, heading[guest])[1]
                most = max([left[end] for end in ends], default=0)
                entry = own[source]
                if entry is not None and self.style.opening and self._closed(source):
                    # the first to leave opens the host: the shorter it takes, the sooner the others come
                    most = max(most, left[entry])
                    merit += opening * self.seconds[guest]
                merit -= weight * most / self._heaviest
            ranks.append(((free[source] - owed[source]) & guards == guards, merit, guest))
        return ranks

    def _closed(self, host: int) -> bool:
        """Whether somebody waits to come to the host, and none of them has room there now."""
        free = self.room.free[host]
        known = self._shut.get(host)
        if known is None or known[0] != free:
            waiting, fits = self.incoming[host], self.room.fits
            known = (free, bool(waiting) and not any(fits(guest, host) for guest in waiting))
            self._shut[host] = known
        return known[1]

    def _hindered(self, guest: int) -> bool:
        """Whether something limited keeps the instance from starting; if it is not a host's own, it waits for that."""
        key = self.traffic.blocker(guest, self.where[guest], self.heading[guest])
        if key is None:
            return False
        if self.problem.ways.waited_for[key] and self._waits_for.get(guest) != key:
            self._waits_for[guest] = key
            heapq.heappush(self._waiting.setdefault(key, []), self._ranks((guest,))[0])
        return True

    def _load(self, guest: int, source: int, sign: int) -> None:
        """Count the seconds for which the links on the way to where the instance is to end are busy with it."""
        sent = sign * self.seconds[guest]
        for end, share in self.problem.ways.loads(source, self.problem.goal[guest]):
            self._left[end] += sent * share

    def _land(self, guest: int, source: int, freed: dict[int, None]) -> None:
        dest = self.where[guest]
        self.flying.discard(guest)
        self.leaving[source].discard(guest)
        self.room.release(guest, source)
        freed.update(dict.fromkeys(self.traffic.finish(guest, source, dest)))
        self.residents[dest].add(guest)
        if guest in self.pending:
            self.outgoing[dest].add(guest)
            self.incoming[self.heading[guest]].add(guest)

    def _go_on(self, touched: Iterable[int], freed: Iterable[int], budget: Budget) -> bool:
        """Start what can start on or from the hosts where something has changed, and relieve them."""
        traffic = self.traffic
        if self.foresight is not None:
            self.foresight.look()
        arriving: set[int] = set()
        bound: set[int] = set()
        candidates: set[int] = set()
        for host in touched:
            if not traffic.no_entry[host]:
                arriving |= self.incoming[host]
                bound |= self.claimed[host]
            if not traffic.no_exit[host]:
                candidates |= self.outgoing[host]
        if self.claims:
            bound.update(guest for guest in candidates if guest in self.claims)
        if self._relief.able:
            big = self.big
            late = self._late
            first = [
                guest
                for guest in arriving
                if (self.seconds[guest] >= big or guest in late) and guest not in self.claims
            ]
            first.sort(key=lambda guest: (-late.get(guest, 0.0), -self.seconds[guest], guest))
            for guest in first:
                if not self.try_to_start(guest) and guest not in self.flying and guest not in self.claims:
                    self._relief.make_room_for(guest)
        if self.balance is not None and not budget.spend(1 + self.balance.even_out(touched)):
            return False
        for guest in sorted(bound):
            if guest in self.claims:
                self.try_to_start(guest)
        candidates |= arriving
        if not budget.spend(1 + len(candidates)):
            return False
        where, heading, no_exit, no_entry = self.where, self.heading, traffic.no_exit, traffic.no_entry
        for _, _, guest in sorted(self._ranks(self._able(candidates))):
            # most find that the slots have been taken by those who went before them
            if not (no_exit[where[guest]] or no_entry[heading[guest]]):
                self.try_to_start(guest)
        for key in freed:
            if self.problem.ways.waited_for[key]:
                self._offer(key)
        return not self._relief.able or budget.spend(self._relief.relieve(touched))

    def _able(self, candidates: Iterable[int]) -> list[int]:
        """Those of the candidates for whom there are slots and room now; the others get none in this round, in which
        places are only taken."""
        room, where, heading = self.room, self.where, self.heading
        no_exit, no_entry = self.traffic.no_exit, self.traffic.no_entry
        free, need, masks, counters_of = room.free, room.need, room.mask, room.counters_of
        flying, claims, pending = self.flying, self.claims, self.pending
        alike = self.problem.ways.alike
        able = []
        for guest in candidates:
            dest, mask = heading[guest], masks[guest]
            if (free[dest] - need[guest]) & mask != mask:
                continue
            if no_exit[where[guest]] or no_entry[dest]:
                continue
            if guest in flying or guest in claims or guest not in pending:
                continue
            if (alike or not self._hindered(guest)) and (guest not in counters_of or room.countable(guest, dest)):
                able.append(guest)
        return able

    def _offer(self, key: int) -> None:
        """Let some try who wait for something that is shared by many hosts."""
        heap = self._waiting.get(key)
        again: list[Rank] = []
        while heap and len(again) < VAIN and not self.traffic.full(key):
            entry = heapq.heappop(heap)
            guest = entry[2]
            if self._waits_for.get(guest) != key:
                continue
            if not self.try_to_start(guest) and self._waits_for.get(guest) == key:
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
