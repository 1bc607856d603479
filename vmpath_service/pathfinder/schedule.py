"""When each migration is expected to run: a list schedule over the partial order, and the lockstep waves."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.model.plan import Objective
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.traffic import Traffic

VAIN = 16


@dataclass(frozen=True, slots=True)
class Schedule:
    """Per move: start and end in seconds, the rate in Mbit/s."""

    starts: Sequence[float]
    ends: Sequence[float]
    rates: Sequence[float]
    makespan: float


def lengths(problem: Problem, moves: Sequence[Move]) -> tuple[list[float], list[float]]:
    """Per move: the rate in Mbit/s, and the seconds it takes at that rate."""
    traffic = Traffic(problem.cloud, problem.limits)
    rates = [traffic.path(move.source, move.dest)[0] for move in moves]
    return rates, [traffic.seconds(move.guest, rate) for move, rate in zip(moves, rates, strict=True)]


def direct_seconds(problem: Problem) -> list[float]:
    """Per instance: the seconds that its migration from where it is to where it is to end takes.

    For one that does not move, what it would take at the full rate.
    """
    traffic = Traffic(problem.cloud, problem.limits)
    misplaced = set(problem.movers)
    result = []
    for guest, home in enumerate(problem.cloud.home):
        rate = traffic.path(home, problem.goal[guest])[0] if guest in misplaced else problem.limits.migration_mbps
        result.append(traffic.seconds(guest, rate))
    return result


def tails(seconds: Sequence[float], after: Sequence[Sequence[int]]) -> list[float]:
    """Per move: the length of the longest chain that begins with it, in seconds."""
    tail = list(seconds)
    for position in range(len(tail) - 1, -1, -1):
        for earlier in after[position]:
            tail[earlier] = max(tail[earlier], seconds[earlier] + tail[position])
    return tail


def schedule(
    problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]], urgency: Sequence[float]
) -> Schedule:
    """Start each move as soon as its predecessors have ended, its destination is up and the limits admit it.

    Among those that could start, the one with the greatest ``urgency`` goes first (a list schedule).
    """
    traffic = Traffic(problem.cloud, problem.limits)
    rates, seconds = lengths(problem, moves)
    starts, ends = [0.0] * len(moves), [0.0] * len(moves)
    followers: list[list[int]] = [[] for _ in moves]
    missing = [0] * len(moves)
    rank = [-each for each in urgency]
    waiting: dict[int, list[tuple[float, int]]] = {}
    # (time, move): negative numbers stand for moves whose destination has come up
    events: list[tuple[float, int]] = []
    ready: list[int] = []

    def wait(position: int, key: int) -> None:
        heapq.heappush(waiting.setdefault(key, []), (rank[position], position))

    def attempt(position: int, now: float) -> int | None:
        move = moves[position]
        key = traffic.blocker(move.guest, move.source, move.dest)
        if key is not None:
            wait(position, key)
            return key
        traffic.start(move.guest, move.source, move.dest)
        starts[position] = now
        ends[position] = now + seconds[position]
        heapq.heappush(events, (ends[position], position))
        return None

    for position, earlier in enumerate(after):
        missing[position] = len(earlier)
        for each in earlier:
            followers[each].append(position)
        boot = problem.boots.get(moves[position].dest)
        if boot:
            missing[position] += 1
            heapq.heappush(events, (boot, -1 - position))
        if not missing[position]:
            ready.append(position)
    for position in sorted(ready, key=lambda p: (rank[p], p)):
        attempt(position, 0.0)
    while events:
        now = events[0][0]
        freed: dict[int, None] = {}
        ready = []
        while events and events[0][0] == now:
            _, position = heapq.heappop(events)
            if position < 0:
                position = -1 - position
                missing[position] -= 1
                if not missing[position]:
                    ready.append(position)
                continue
            move = moves[position]
            freed.update(dict.fromkeys(traffic.finish(move.guest, move.source, move.dest)))
            for follower in followers[position]:
                missing[follower] -= 1
                if not missing[follower]:
                    ready.append(follower)
        # those that have become ready compete with those that wait for what they need
        for position in ready:
            move = moves[position]
            key = traffic.blocker(move.guest, move.source, move.dest)
            if key is None:
                for each in traffic.wanted(move.guest, move.source, move.dest):
                    if each in freed:
                        key = each
                        break
            if key is None:
                attempt(position, now)
            else:
                wait(position, key)
        for key in freed:
            heap, vain = waiting.get(key), 0
            while heap and vain < VAIN:
                _, position = heapq.heappop(heap)
                if attempt(position, now) == key:
                    vain += 1
                    if key < traffic.first_link:
                        break
    return Schedule(starts, ends, rates, max(ends, default=0.0))


def timetable(
    problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]], planned: Sequence[float]
) -> Schedule:
    """Give the moves, in the order of their ``planned`` starts, the earliest times that those before them leave.

    On each limited thing a move takes over the shares of those that end first. With ``planned`` from a schedule
    that keeps ``after`` and per-host limits, no move starts later than planned: by induction, all that go before
    it end no later than planned, and only those of them hold it up that then held it up too. A list schedule,
    where others may overtake, has no such guarantee.
    """
    traffic = Traffic(problem.cloud, problem.limits)
    rates, seconds = lengths(problem, moves)
    starts, ends = [0.0] * len(moves), [0.0] * len(moves)
    held: dict[int, list[tuple[float, float]]] = {}
    used: dict[int, float] = {}
    for position in sorted(range(len(moves)), key=lambda position: (planned[position], position)):
        move = moves[position]
        start = max([problem.boots.get(move.dest, 0.0), *(ends[earlier] for earlier in after[position])])
        shares = traffic.shares(move.guest, move.source, move.dest)
        for key, amount, limit in shares:
            heap = held.get(key)
            while heap and used[key] + amount > limit:
                end, other = heapq.heappop(heap)
                start = max(start, end)
                used[key] -= other
                spare = limit - used[key] - amount
                if spare > 0.0:
                    # nobody else may have this earlier than it becomes free
                    heapq.heappush(heap, (end, min(spare, other)))
                    used[key] += min(spare, other)
        starts[position], ends[position] = start, start + seconds[position]
        for key, amount, _ in shares:
            heapq.heappush(held.setdefault(key, []), (ends[position], amount))
            used[key] = used.get(key, 0.0) + amount
    return Schedule(starts, ends, rates, max(ends, default=0.0))


def best_schedule(
    problem: Problem,
    moves: Sequence[Move],
    after: Sequence[Sequence[int]],
    objective: Objective,
    expected: Sequence[float] | None = None,
) -> Schedule:
    """The best of several: list schedules by the chains that hang on a move and by the load of its hosts, and the
    timetable in the order of the starts by which the moves end as ``expected``, if they have been laid out in time.
    """
    _, seconds = lengths(problem, moves)
    chains = tails(seconds, after)
    first = schedule(problem, moves, after, chains)
    if objective == "cost":
        return first
    if expected is not None:
        planned = [end - took for end, took in zip(expected, seconds, strict=True)]
        kept = timetable(problem, moves, after, planned)
        if kept.makespan <= first.makespan:
            first = kept
    load: dict[int, float] = {}
    for move, took in zip(moves, seconds, strict=True):
        for end in (2 * move.source, 2 * move.dest + 1):
            load[end] = load.get(end, 0.0) + took
    slots = problem.limits.per_host or 1
    urgency = [
        chain + max(load[2 * move.source], load[2 * move.dest + 1]) / slots
        for chain, move in zip(chains, moves, strict=True)
    ]
    second = schedule(problem, moves, after, urgency)
    return second if second.makespan < first.makespan else first


def waves(problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]]) -> list[int]:
    """Per move the earliest lockstep wave, from 1, that is later than those of its predecessors and within limits.

    Whatever the partial order lets start, it lets start at once, so room needs no second look.
    """
    limits = problem.limits
    groups_of: dict[int, list[int]] = {}
    if limits.per_group is not None:
        for number, group in enumerate(problem.cloud.snapshot.server_groups):
            for member in group.members:
                groups_of.setdefault(problem.cloud.instance_index[member], []).append(number)
    taken: dict[tuple[str, int, int], int] = {}
    first_free: dict[tuple[str, int], int] = {}
    result: list[int] = []
    for move, earlier in zip(moves, after, strict=True):
        wave = 1 + max((result[each] for each in earlier), default=0)
        needs: list[tuple[str, int, int]] = []
        if limits.per_host is not None:
            needs += [("out", move.source, limits.per_host), ("in", move.dest, limits.per_host)]
        if limits.in_total is not None:
            needs.append(("all", 0, limits.in_total))
        needs += [("group", group, limits.per_group or 0) for group in groups_of.get(move.guest, ())]
        wave = max([wave, *(first_free.get((kind, which), 1) for kind, which, _ in needs)])
        while any(taken.get((kind, which, wave), 0) >= most for kind, which, most in needs):
            wave += 1
        for kind, which, most in needs:
            taken[kind, which, wave] = count = taken.get((kind, which, wave), 0) + 1
            # full waves at the front are not looked at again
            if count >= most and first_free.get((kind, which), 1) == wave:
                first_free[kind, which] = wave + 1
        result.append(wave)
    return result
