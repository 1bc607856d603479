"""Layer 2: who has to step aside when nobody can move.

Everybody who is stuck waits for room on a host that others cannot leave: hosts and those who wait form a graph
(from where an instance is to where it goes), and what keeps them all is in its strongly connected components that
lead nowhere else. There, the cheapest set of instances is sent away from a host so that one who waits for it can
come in: instances that are about to leave anyway cost one migration more, settled ones two. The places where they
go, and the place that is cleared, are claimed at once, so nobody takes what is freed for another: each round
brings at least one instance to where it is to end, and how often an instance steps aside is limited.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.cascade import gain
from vmpath_service.pathfinder.components import sinks
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.parking import Parking
from vmpath_service.pathfinder.problem import Problem

# How often one instance may step aside.
PATIENCE = 4
# A component this many hosts larger gives one more of its instances way at a time.
STRIDE = 100
# How many options are tried out for each one that is chosen.
TRIED = 100
# How much more an option that sets off a lot counts than several that set off as much together: it is the exponent of
# what is set off. 1 goes by cost alone; above, fewer step aside, bigger ones.
APPETITE = 1.5
# How many third hosts are looked at per instance that needs one cleared.
THIRD_HOSTS = 48


@dataclass(frozen=True, slots=True)
class Option:
    """``guest`` can go where it waits to go once each of ``aside`` has gone to the host beside it."""

    cost: float
    guest: int
    aside: tuple[tuple[int, int], ...]


class Breaker:
    """Breaks the deadlocks of one rehearsal."""

    def __init__(self, problem: Problem, rehearsal: Rehearsal) -> None:
        self._problem, self._rehearsal, self._room = problem, rehearsal, rehearsal.room
        self._residents: list[set[int]] | None = None
        self._seen = 0
        self._stepped: dict[int, int] = {}

    def break_deadlock(self, budget: Budget) -> list[int]:
        """Let some step aside; returns all that should be tried now, empty if nothing helps."""
        self._follow()
        rehearsal = self._rehearsal
        waiting: dict[int, list[int]] = {}
        edges: dict[int, set[int]] = {}
        for guest in sorted(rehearsal.pending):
            stop = rehearsal.next_stop(guest)
            waiting.setdefault(stop, []).append(guest)
            edges.setdefault(rehearsal.room.where[guest], set()).add(stop)
        # where a hole may be filled by several, the biggest goes: what it leaves behind lets most others in
        for guests in waiting.values():
            guests.sort(key=lambda guest: (-self._problem.weights[guest], guest))
        cores = sinks(edges)
        for spare in (False, True):
            if spare and not self._problem.boots:
                break
            parking = Parking(self._problem, rehearsal, spare)
            for deep in (False, True):
                woken: list[int] = []
                for core in cores:
                    woken += self._break_core(core, waiting, parking, deep, budget)
                if woken:
                    return woken
            everywhere = sorted(waiting)
            for deep in (False, True):
                woken = self._break_core(everywhere, waiting, parking, deep, budget, only=1)
                if woken:
                    return woken
        return []

    def _follow(self) -> None:
        """Bring the residents of the hosts up to date."""
        moves = self._rehearsal.moves
        if self._residents is None:
            self._residents = [set() for _ in self._problem.receives]
            for guest, host in enumerate(self._room.where):
                if host != NOWHERE:
                    self._residents[host].add(guest)
        else:
            for move in moves[self._seen :]:
                self._residents[move.source].discard(move.guest)
                self._residents[move.dest].add(move.guest)
        self._seen = len(moves)

    def _break_core(
        self,
        core: list[int],
        waiting: dict[int, list[int]],
        parking: Parking,
        deep: bool,
        budget: Budget,
        only: int | None = None,
    ) -> list[int]:
        inside = set(core)
        options: list[Option] = []
        for host in core:
            for guest in waiting.get(host, ()):
                if guest in self._rehearsal.claims:
                    continue
                if len(core) > 1 and self._room.where[guest] not in inside:
                    continue
                if not budget.spend():
                    return []
                option = self._deep(guest, parking, budget) if deep else self._shallow(guest, host, parking, ())
                if option is not None:
                    options.append(option)
        options.sort(key=lambda each: (each.cost / self._problem.weight(each.guest), each.guest))
        allowed = only or 1 + len(core) // STRIDE
        if len(options) > 1:
            options = self._best(options, waiting, allowed)
        woken: list[int] = []
        busy: set[int] = set()
        for option in options:
            if allowed <= 0:
                break
            if self._apply(option, parking, busy):
                woken += [guest for guest, _ in option.aside] + [option.guest]
                allowed -= 1
        return woken

    def _best(self, options: list[Option], waiting: dict[int, list[int]], wanted: int) -> list[Option]:
        """The cheap options, those first that set off most for what they cost."""
        problem = self._problem
        tried = options[: TRIED * wanted]
        won = [gain(problem, self._rehearsal, waiting, each.aside, each.guest) for each in tried]
        worth = [most**APPETITE / each.cost for most, each in zip(won, tried, strict=True)]
        order = sorted(range(len(tried)), key=lambda number: (-worth[number], number))
        return [tried[number] for number in order] + options[TRIED * wanted :]

    def _apply(self, option: Option, parking: Parking, busy: set[int]) -> bool:
        """Claim the places of an option; False if it no longer holds after others were applied."""
        rehearsal, room = self._rehearsal, self._room
        stop = rehearsal.next_stop(option.guest)
        touched = {stop, room.where[option.guest], *(room.where[guest] for guest, _ in option.aside)}
        if touched & busy or any(guest in rehearsal.claims for guest, _ in option.aside):
            return False
        leaving = {room.where[guest] for guest, _ in option.aside}
        for guest, place in option.aside:
            # a place that is itself being cleared was looked at when the option was made
            if place not in leaving and not parking.admits(guest, room.where[guest], place):
                return False
        for guest, place in option.aside:
            rehearsal.detour(guest, [place])
            rehearsal.claim(guest)
            self._stepped[guest] = self._stepped.get(guest, 0) + 1
        rehearsal.claim(option.guest)
        busy |= touched
        busy.update(place for _, place in option.aside)
        return True

    def _shallow(self, guest: int, host: int, parking: Parking, banned: Collection[int]) -> Option | None:
        """The cheapest way to make room for the instance on the host by sending others straight elsewhere."""
        room, rehearsal = self._room, self._rehearsal
        away = {host, *banned}
        candidates = self._candidates(guest, host)
        best: tuple[float, int, int] | None = None
        for cost, other in candidates:
            if best is not None and cost >= best[0]:
                break
            if not self._suffices(guest, host, (other,)):
                continue
            place = parking.place(other, host, away)
            if place is not None:
                price = cost * (1.0 if place[1] else 1.5)
                if best is None or price < best[0]:
                    best = (price, other, place[0])
        if best is not None:
            return Option(best[0], guest, ((best[1], best[2]),))
        chosen: list[int] = []
        costs = {other: cost for cost, other in candidates}
        # counters first: who is counted against the newcomer has to go, whatever its size
        crowded = self._crowding(guest, host)
        for _, other in sorted(candidates, key=lambda each: (each[1] not in crowded, -each[0], each[1])):
            if self._suffices(guest, host, chosen):
                break
            if parking.place(other, host, away) is not None:
                chosen.append(other)
        if not chosen or not self._suffices(guest, host, chosen):
            return None
        for other in list(chosen):
            rest = [each for each in chosen if each != other]
            if rest and self._suffices(guest, host, rest):
                chosen = rest
        aside: list[tuple[int, int]] = []
        for other in chosen:
            place = parking.place(other, host, away)
            if place is None:
                break
            room.hold(other, place[0])
            aside.append((other, place[0]))
        for other, where in aside:
            room.release(other, where)
        if len(aside) < len(chosen) or rehearsal.room.where[guest] == host:
            return None
        return Option(1.5 * sum(costs[other] for other, _ in aside), guest, tuple(aside))

    def _deep(self, guest: int, parking: Parking, budget: Budget) -> Option | None:
        """Make room by sending one instance to a third host that is cleared for it."""
        host = self._rehearsal.next_stop(guest)
        best: Option | None = None
        for cost, other in self._candidates(guest, host):
            if best is not None and cost >= best.cost:
                break
            if not self._suffices(guest, host, (other,)):
                continue
            for third in parking.roomiest(other, host, (), THIRD_HOSTS):
                if not budget.spend():
                    return best
                way = self._shallow(other, third, parking, (host,))
                if way is None or any(each in (guest, other) for each, _ in way.aside):
                    continue
                if best is None or cost + way.cost < best.cost:
                    best = Option(cost + way.cost, guest, (*way.aside, (other, third)))
        return best

    def _candidates(self, guest: int, host: int) -> list[tuple[float, int]]:
        """Who could leave the host, cheapest first, with what that costs in memory moved."""
        rehearsal, stepped = self._rehearsal, self._stepped
        assert self._residents is not None
        weights, mobile, claims, pending = (
            self._problem.weights,
            self._problem.mobile,
            rehearsal.claims,
            rehearsal.pending,
        )
        found = [
            (weights[other] if other in pending else 2.0 * weights[other], other)
            for other in self._residents[host]
            if other != guest and mobile[other] and other not in claims and stepped.get(other, 0) < PATIENCE
        ]
        found.sort()
        return found

    def _suffices(self, guest: int, host: int, leaving: Iterable[int]) -> bool:
        """Whether the instance may come in once these have left."""
        room = self._room
        free = room.free[host] - room.need[guest]
        missing = {c: 1 + room.counts[c].get(host, 0) for c in room.counters_of.get(guest, ())}
        for other in leaving:
            free += room.need[other]
            for counter in room.counters_of.get(other, ()):
                if counter in missing:
                    missing[counter] -= 1
        mask = room.mask[guest]
        limits = self._problem.cloud.counter_limits
        return free & mask == mask and all(count <= limits[c] for c, count in missing.items())

    def _crowding(self, guest: int, host: int) -> set[int]:
        """Residents that count in a counter that keeps the instance out."""
        room, limits = self._room, self._problem.cloud.counter_limits
        full = {c for c in room.counters_of.get(guest, ()) if room.counts[c].get(host, 0) >= limits[c]}
        if not full:
            return set()
        assert self._residents is not None
        return {other for other in self._residents[host] if full & set(room.counters_of.get(other, ()))}
