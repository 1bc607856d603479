"""When each migration is expected to run: a list schedule over the partial order, and the lockstep waves."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.model.plan import Objective
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.ways import Share

VAIN = 16


@dataclass(frozen=True, slots=True)
class Schedule:
    """Per move: start and end in seconds, the rate in Mbit/s."""

    starts: Sequence[float]
    ends: Sequence[float]
    rates: Sequence[float]
    makespan: float


def rates(problem: Problem, moves: Sequence[Move]) -> list[float]:
    """Per move: the rate in Mbit/s."""
    if not problem.ways.linked:
        return [problem.limits.migration_mbps] * len(moves)
    path = problem.ways.path
    return [path(move.source, move.dest)[0] for move in moves]


def lengths(problem: Problem, moves: Sequence[Move]) -> list[float]:
    """Per move: the seconds it takes."""
    seconds = problem.ways.seconds
    return [seconds(move.guest, rate) for move, rate in zip(moves, rates(problem, moves), strict=True)]


def direct_seconds(problem: Problem) -> list[float]:
    """Per instance: the seconds that its migration from where it is to where it is to end takes.

    For one that does not move, what it would take at the full rate.
    """
    ways, full = problem.ways, problem.limits.migration_mbps
    result = [ways.seconds(guest, full) for guest in range(len(problem.goal))]
    if ways.linked:
        for guest in problem.movers:
            result[guest] = ways.lasts(guest, problem.cloud.home[guest], problem.goal[guest])
    return result


def tails(seconds: Sequence[float], after: Sequence[Sequence[int]]) -> list[float]:
    """Per move: the length of the longest chain that begins with it, in seconds."""
    tail = list(seconds)
    for position in range(len(tail) - 1, -1, -1):
        behind = tail[position]
        for earlier in after[position]:
            if seconds[earlier] + behind > tail[earlier]:
                tail[earlier] = seconds[earlier] + behind
    return tail


class _Jobs:
    """Moves with what each takes, what it waits for and who waits for it: the same for every schedule of them."""

    def __init__(self, problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]]) -> None:
        ways = problem.ways
        self.ways, self.moves, self.after = ways, moves, after
        self.rates = rates(problem, moves)
        seconds = ways.seconds
        self.seconds = [seconds(move.guest, rate) for move, rate in zip(moves, self.rates, strict=True)]
        shares = ways.shares
        self.shares: list[tuple[Share, ...]] = [shares(move.guest, move.source, move.dest) for move in moves]
        boots = problem.boots
        self.boots = [boots.get(move.dest, 0.0) for move in moves] if boots else [0.0] * len(moves)
        self.followers: list[list[int]] = [[] for _ in moves]
        for position, earlier in enumerate(after):
            for each in earlier:
                self.followers[each].append(position)


def schedule(
    problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]], urgency: Sequence[float]
) -> Schedule:
    """Start each move as soon as its predecessors have ended, its destination is up and the limits admit it.

    Among those that could start, the one with the greatest ``urgency`` goes first (a list schedule).
    """
    found = _list_schedule(_Jobs(problem, moves, after), urgency, [0.0] * len(moves), math.inf)
    assert found is not None
    return found


def _list_schedule(jobs: _Jobs, urgency: Sequence[float], chains: Sequence[float], most: float) -> Schedule | None:
    """A list schedule; None as soon as a move starts too late for the chain that begins with it to end before
    ``most``."""
    seconds, shares, followers = jobs.seconds, jobs.shares, jobs.followers
    first_link, brim = jobs.ways.first_link, jobs.ways.brim
    count = len(seconds)
    starts, ends = [0.0] * count, [0.0] * count
    missing = [len(earlier) for earlier in jobs.after]
    rank = [-each for each in urgency]
    used: list[float] = [0] * jobs.ways.keys
    waiting: dict[int, list[tuple[float, int]]] = {}
    # (time, move): negative numbers stand for moves whose destination has come up
    events: list[tuple[float, int]] = []
    push, pop = heapq.heappush, heapq.heappop

    hopeless = False

    def attempt(position: int, now: float) -> int | None:
        nonlocal hopeless
        mine = shares[position]
        for key, amount, limit in mine:
            if used[key] + amount > limit:
                heap = waiting.get(key)
                if heap is None:
                    waiting[key] = [(rank[position], position)]
                else:
                    push(heap, (rank[position], position))
                return key
        for key, amount, _ in mine:
            used[key] += amount
        starts[position] = now
        ends[position] = end = now + seconds[position]
        push(events, (end, position))
        hopeless = hopeless or now + chains[position] >= most
        return None

    for position, boot in enumerate(jobs.boots):
        if boot:
            missing[position] += 1
            push(events, (boot, -1 - position))
    ready = [position for position in range(count) if not missing[position]]
    for position in sorted(ready, key=lambda p: (rank[p], p)):
        attempt(position, 0.0)
    while events:
        if hopeless:
            return None
        now = events[0][0]
        freed: dict[int, None] = {}
        ready = []
        while events and events[0][0] == now:
            _, position = pop(events)
            if position < 0:
                position = -1 - position
                missing[position] -= 1
                if not missing[position]:
                    ready.append(position)
                continue
            for key, amount, _ in shares[position]:
                used[key] -= amount
                freed[key] = None
            for follower in followers[position]:
                missing[follower] -= 1
                if not missing[follower]:
                    ready.append(follower)
        # those that have become ready compete with those that wait for what they need
        for position in ready:
            found = None
            for key, amount, limit in shares[position]:
                if used[key] + amount > limit:
                    found = key
                    break
                if found is None and key in freed:
                    found = key
            if found is None:
                attempt(position, now)
            else:
                push(waiting.setdefault(found, []), (rank[position], position))
        for key in freed:
            heap, vain = waiting.get(key), 0
            while heap and vain < VAIN:
                if key >= first_link and used[key] > brim[key]:
                    break
                _, position = pop(heap)
                if attempt(position, now) == key:
                    vain += 1
                    if key < first_link:
                        break
    return Schedule(starts, ends, jobs.rates, max(ends, default=0.0))


def timetable(
    problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]], planned: Sequence[float]
) -> Schedule:
    """Give the moves, in the order of their ``planned`` starts, the earliest times that those before them leave.

    On each limited thing a move takes over the shares of those that end first. With ``planned`` from a schedule
    that keeps ``after`` and per-host limits, no move starts later than planned: by induction, all that go before
    it end no later than planned, and only those of them hold it up that then held it up too. A list schedule,
    where others may overtake, has no such guarantee.
    """
    return _timetable(_Jobs(problem, moves, after), planned)


def _timetable(jobs: _Jobs, planned: Sequence[float]) -> Schedule:
    seconds, after = jobs.seconds, jobs.after
    starts, ends = [0.0] * len(seconds), [0.0] * len(seconds)
    held: dict[int, list[tuple[float, float]]] = {}
    used: dict[int, float] = {}
    push, pop = heapq.heappush, heapq.heappop
    # a stable sort: equal starts in the order of the sequence
    for position in sorted(range(len(seconds)), key=planned.__getitem__):
        start = jobs.boots[position]
        for earlier in after[position]:
            if ends[earlier] > start:
                start = ends[earlier]
        shares = jobs.shares[position]
        for key, amount, limit in shares:
            heap = held.get(key)
            while heap and used[key] + amount > limit:
                end, other = pop(heap)
                if end > start:
                    start = end
                used[key] -= other
                spare = limit - used[key] - amount
                if spare > 0.0:
                    # nobody else may have this earlier than it becomes free
                    spare = min(spare, other)
                    push(heap, (end, spare))
                    used[key] += spare
                    # it fits now, even where rounding makes the sum look like more than the limit
                    break
        starts[position], ends[position] = start, start + seconds[position]
        for key, amount, _ in shares:
            heap = held.get(key)
            if heap is None:
                held[key], used[key] = [(ends[position], amount)], amount
            else:
                push(heap, (ends[position], amount))
                used[key] += amount
    return Schedule(starts, ends, jobs.rates, max(ends, default=0.0))


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
    jobs = _Jobs(problem, moves, after)
    seconds = jobs.seconds
    chains = tails(seconds, after)
    best: Schedule | None = None
    if expected is not None and objective != "cost":
        planned = [end - took for end, took in zip(expected, seconds, strict=True)]
        best = _timetable(jobs, planned)
        if best.makespan <= problem.bounds.makespan_s:
            return best
    best = _list_schedule(jobs, chains, chains, math.inf if best is None else best.makespan) or best
    assert best is not None
    if objective == "cost":
        return best
    outward, inward = [0.0] * len(problem.receives), [0.0] * len(problem.receives)
    for move, took in zip(moves, seconds, strict=True):
        outward[move.source] += took
        inward[move.dest] += took
    slots = problem.limits.per_host or 1
    urgency = [
        chain + max(outward[move.source], inward[move.dest]) / slots for chain, move in zip(chains, moves, strict=True)
    ]
    return _list_schedule(jobs, urgency, chains, best.makespan) or best


def waves(problem: Problem, moves: Sequence[Move], after: Sequence[Sequence[int]]) -> list[int]:
    """Per move the earliest lockstep wave, from 1, that is later than those of its predecessors and within limits.

    Whatever the partial order lets start, it lets start at once, so room needs no second look.
    """
    ways = problem.ways
    # links limit rates, not waves: keys below this are slots, the total and groups
    limited = ways.first_link
    taken: dict[int, int] = {}
    first_free = [1] * limited
    result: list[int] = []
    for move, earlier in zip(moves, after, strict=True):
        needs = ways.shares(move.guest, move.source, move.dest)
        if ways.linked:
            needs = tuple(share for share in needs if share[0] < limited)
        wave = 1
        for each in earlier:
            if result[each] >= wave:
                wave = result[each] + 1
        for key, _, _ in needs:
            if first_free[key] > wave:
                wave = first_free[key]
        while any(taken.get(limited * wave + key, 0) >= most for key, _, most in needs):
            wave += 1
        for key, _, most in needs:
            place = limited * wave + key
            taken[place] = count = taken.get(place, 0) + 1
            # full waves at the front are not looked at again
            if count >= most and first_free[key] == wave:
                first_free[key] = wave + 1
        result.append(wave)
    return result
