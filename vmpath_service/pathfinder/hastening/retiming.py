"""Some instances of a layout are timed and routed anew while all others stay as they are, by CP-SAT.

Each of them goes straight, or by a stop on one of a few hosts. All others count by what they leave of room, counters
and slots from moment to moment. Moments are whole units, durations rounded down: what is legal stays so when it is
rounded, so the search begins with the layout as it is. What is found is taken as an order of starts; when exactly they
are follows from that.

One worker, a fixed seed and limits in CP-SAT's deterministic time: the same layout gives the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import floor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

from vmpath_service.pathfinder.hastening.justification import Layout
from vmpath_service.pathfinder.problem import Move

# How many units of time the longest migration has, and what is added to moments, and less to durations, since they may
# be whole but for what floats lose.
UNITS = 400
NEARLY = 1e-3
ROUNDING = 1e-6
# How much more the last end counts than the sum of the ends that are late.
LAST = 20
# What ends after this share of the makespan is late.
LATE = 0.9

Account = tuple[str, int, int]
"""Room of a dimension, or a counter, on a host; or something limited, by its key."""


def timed_anew(layout: Layout, stops: Mapping[int, Sequence[int]], effort: float) -> Layout | None:
    """The layout with these instances timed anew, each by one of its ``stops`` or none; None if nothing is better.

    Better is what is over sooner, or what has less that ends late. ``stops``: instances that go from one host to
    another in the layout, by one stop at most, between hosts that are not beyond their capacity, in a cloud without a
    network. ``effort``: in CP-SAT's deterministic seconds.
    """
    moves = _Model(layout, stops).solved(effort)
    if moves is None:
        return None
    problem, now = layout.problem, 0.0
    starts, ends = [], []
    for move in moves:
        # one after the other first, as is legal in this order
        starts.append(max(now, problem.boots.get(move.dest, 0.0)))
        now = starts[-1] + problem.ways.lasts(move.guest, move.source, move.dest)
        ends.append(now)
    result = Layout(problem, moves, starts, ends)
    result.advance()
    return result


class _Model:
    def __init__(self, layout: Layout, stops: Mapping[int, Sequence[int]]) -> None:
        from ortools.sat.python import cp_model

        self._layout, self._problem, self._stops = layout, layout.problem, stops
        self._model = cp_model.CpModel()
        self._scale = UNITS / max(end - start for start, end in zip(layout.starts, layout.ends, strict=True))
        self._horizon = self._whole(layout.makespan)
        self._late = floor(LATE * self._horizon)
        self._taken: dict[Account, list[tuple[cp_model.IntervalVar, int]]] = {}
        """Per account: what instances take of it that are timed anew, and when."""
        self._at_first: dict[Account, int] = {}
        """Per account: what those take in the beginning."""
        self._limits: dict[int, int] = {}
        self._ends: dict[int, tuple[cp_model.IntVar, cp_model.IntVar]] = {}
        """Per instance: when its first and when its last migration starts."""
        self._by: dict[int, dict[int, cp_model.IntVar]] = {}
        self._legs: dict[int, list[int]] = {}
        for position in sorted(range(len(layout.moves)), key=lambda each: (layout.starts[each], each)):
            self._legs.setdefault(layout.moves[position].guest, []).append(position)
        self._last = self._model.new_int_var(0, self._horizon, "")
        self._tardy: list[cp_model.IntVar] = []
        self._now, latest = 0, 0
        """What the layout as it is is worth."""
        for guest in sorted(stops):
            self._route(guest)
            end = self._whole(layout.starts[self._legs[guest][-1]]) + self._length(guest)
            latest = max(latest, end)
            self._now += max(0, end - self._late)
        self._now += LAST * latest
        self._model.add_hint(self._last, latest)
        self._limit()
        self._model.minimize(LAST * self._last + sum(self._tardy))

    def solved(self, effort: float) -> list[Move] | None:
        """All migrations in the order of their starts; None if nothing better was found."""
        from ortools.sat.python import cp_model

        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = effort
        status = solver.solve(self._model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or round(solver.objective_value) >= self._now:
            return None
        layout = self._layout
        # of those that start in the same unit, none waits for another
        found = [
            (self._whole(start), start, move)
            for start, move in zip(layout.starts, layout.moves, strict=True)
            if move.guest not in self._stops
        ]
        for guest, (first, last) in self._ends.items():
            source, dest = self._between(guest)
            begun, come = solver.value(first), solver.value(last)
            stop = next((stop for stop, chosen in self._by[guest].items() if solver.value(chosen)), None)
            if stop is None:
                found.append((begun, begun / self._scale, Move(guest, source, dest)))
            else:
                found.append((begun, begun / self._scale, Move(guest, source, stop)))
                found.append((come, come / self._scale, Move(guest, stop, dest)))
        found.sort(key=lambda each: each[:2])
        return [move for _, _, move in found]

    def _whole(self, moment: float) -> int:
        return floor(moment * self._scale + NEARLY)

    def _length(self, guest: int) -> int:
        lasts = self._problem.ways.lasts(guest, *self._between(guest))
        return max(1, floor(lasts * self._scale + ROUNDING))

    def _between(self, guest: int) -> tuple[int, int]:
        """From where to where it goes in all."""
        moves, legs = self._layout.moves, self._legs[guest]
        return moves[legs[0]].source, moves[legs[-1]].dest

    def _route(self, guest: int) -> None:
        """The instance goes from where it is to where it ends, straight or by a stop."""
        model, layout, problem = self._model, self._layout, self._problem
        legs, horizon, boots = self._legs[guest], self._horizon, problem.boots
        source, dest = self._between(guest)
        now = layout.moves[legs[0]].dest if len(legs) == 2 else None
        length = self._length(guest)
        begun, come = self._whole(layout.starts[legs[0]]), self._whole(layout.starts[legs[-1]])
        first = model.new_int_var(0, horizon - length, "")
        last = model.new_int_var(self._whole(boots.get(dest, 0.0)), horizon - length, "")
        tardy = model.new_int_var(0, horizon - self._late, "")
        model.add_hint(first, begun)
        model.add_hint(last, come)
        model.add_hint(tardy, max(0, come + length - self._late))
        model.add(self._last >= last + length)
        model.add(tardy >= last + length - self._late)
        self._tardy.append(tardy)
        self._ends[guest] = first, last
        straight = model.new_bool_var("")
        model.add_hint(straight, now is None)
        model.add(first == last).only_enforce_if(straight)
        model.add(last >= first + length).only_enforce_if(straight.negated())
        by = self._by[guest] = {stop: model.new_bool_var("") for stop in self._stops[guest]}
        model.add_exactly_one(straight, *by.values())
        self._hold(guest, source, model.new_interval_var(0, first + length, first + length, ""))
        self._hold(guest, dest, model.new_interval_var(last, horizon - last, horizon, ""))
        for account in self._accounts(guest, source):
            self._at_first[account[0]] = self._at_first.get(account[0], 0) + account[1]
        hosts = len(problem.receives)
        leaving = model.new_fixed_size_interval_var(first, length, "")
        arriving = model.new_fixed_size_interval_var(last, length, "")
        for key, amount, limit in problem.ways.shares(guest, source, dest):
            self._take(key, arriving if key == 2 * hosts + dest else leaving, amount, limit)
        for stop, chosen in by.items():
            model.add_hint(chosen, stop == now)
            size = model.new_int_var(0, horizon, "")
            model.add_hint(size, come + length - begun)
            self._hold(guest, stop, model.new_optional_interval_var(first, size, last + length, chosen, ""))
            up = self._whole(boots.get(stop, 0.0))
            if up:
                model.add(first >= up).only_enforce_if(chosen)
            inward = model.new_optional_fixed_size_interval_var(first, length, chosen, "")
            onward = model.new_optional_fixed_size_interval_var(last, length, chosen, "")
            for key, amount, limit in problem.ways.shares(guest, source, stop):
                if key == 2 * hosts + stop:
                    self._take(key, inward, amount, limit)
            for key, amount, limit in problem.ways.shares(guest, stop, dest):
                if key != 2 * hosts + dest:
                    self._take(key, onward, amount, limit)

    def _accounts(self, guest: int, host: int) -> list[tuple[Account, int]]:
        """What the instance takes on a host."""
        cloud = self._problem.cloud
        room = [(("room", host, number), amount) for number, amount in enumerate(cloud.demand(guest)) if amount]
        return [*room, *((("counter", host, counter), 1) for counter in cloud.counters_of.get(guest, ()))]

    def _hold(self, guest: int, host: int, interval: cp_model.IntervalVar) -> None:
        for account, amount in self._accounts(guest, host):
            self._taken.setdefault(account, []).append((interval, amount))

    def _take(self, key: int, interval: cp_model.IntervalVar, amount: float, limit: float) -> None:
        self._limits[key] = int(limit)
        self._taken.setdefault(("limited", key, 0), []).append((interval, int(amount)))

    def _limit(self) -> None:
        """Of each account, no more is taken than is there, beside what all others take."""
        changes = self._changes()
        room, cloud = self._problem.room(), self._problem.cloud
        for account, taken in self._taken.items():
            what, host, number = account
            if what == "room":
                free = list(room.amounts(room.free[host]))[number]
            elif what == "counter":
                free = cloud.counter_limits[number] - room.counts[number].get(host, 0)
            else:
                free = self._limits[host]
            free += self._at_first.get(account, 0)
            steps = {0: free}
            for moment, amount in sorted(changes.get(account, ())):
                free += amount
                steps[moment] = free
            if sum(amount for _, amount in taken) <= min(steps.values()):
                continue
            most = max(steps.values())
            intervals, amounts = [interval for interval, _ in taken], [amount for _, amount in taken]
            moments = [*steps, self._horizon]
            for begin, end in pairwise(moments):
                if steps[begin] < most and begin < end:
                    intervals.append(self._model.new_fixed_size_interval_var(begin, end - begin, ""))
                    amounts.append(most - steps[begin])
            self._model.add_cumulative(intervals, amounts, most)

    def _changes(self) -> dict[Account, list[tuple[int, int]]]:
        """Per account: when all others take less of it, and more, by how much."""
        changes: dict[Account, list[tuple[int, int]]] = {}
        layout = self._layout
        for move, start, end in zip(layout.moves, layout.starts, layout.ends, strict=True):
            if move.guest in self._stops:
                continue
            begun, over = self._whole(start), self._whole(end)
            for account, amount in self._accounts(move.guest, move.dest):
                changes.setdefault(account, []).append((begun, -amount))
            for account, amount in self._accounts(move.guest, move.source):
                changes.setdefault(account, []).append((over, amount))
            for key, taken, _ in self._problem.ways.shares(move.guest, move.source, move.dest):
                changes.setdefault(("limited", key, 0), []).extend([(begun, -int(taken)), (over, int(taken))])
        return changes
