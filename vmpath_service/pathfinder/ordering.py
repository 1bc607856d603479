"""From a legal sequence to a partial order that is safe whatever happens.

Claim. Take a legal sequence. Let every migration m into host b come after a set D(m) of earlier departures from
b such that, in every dimension that m asks for and every counter that it counts in,

    what is at b at the start + all earlier arrivals at b + m itself - D(m) <= capacity

(an instance that goes away and comes back counts once for each arrival), and every further move of an instance
after its previous one. Then starting each migration at any time after all of its own predecessors have ended,
with any subset never ending, never breaks legality.

Proof. Suppose m starts and b is over its limit in a dimension that m asks for. Let S be the set of arrivals at b
that have started and ask for that dimension, m among them, and s the last of S in the sequence. All that stands
at b in this dimension is what was there at the start and S, less what has left. D(s) has ended, since s has
started. So b holds at most the start + all arrivals up to s (a superset of S) + nothing else - D(s), which is
within the limit by the condition on s. An arrival later in the sequence that overtakes m has thus counted m as
present already and cannot take what m needs. The same holds for counters. Limits on what may be under way only
delay starts, and ``after`` points back in the sequence, so there is no deadlock.

D(m) always exists: all departures before m in the sequence will do, since the sequence is legal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder import vetoes
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room


@dataclass(slots=True)
class _Traffic:
    """Arrivals and departures of one host, as positions in the sequence, in its order."""

    arrivals: list[int] = field(default_factory=list)
    departures: list[int] = field(default_factory=list)


def order(problem: Problem, moves: Sequence[Move], ends: Sequence[float] | None = None) -> list[list[int]]:
    """Per move the positions of the moves that must have ended before it starts, ascending.

    ``ends``: when each move is expected to end; departures that end early are preferred. Where a constraint
    vetoes single moves, what it may look at is kept as it is in the sequence.
    """
    after = vetoes.edges(problem, moves)
    if after is None:
        return [[position - 1] if position else [] for position in range(len(moves))]
    when = range(len(moves)) if ends is None else ends
    hosts: dict[int, _Traffic] = {}
    latest: dict[int, int] = {}
    previous: dict[int, int] = {}
    for position, move in enumerate(moves):
        hosts.setdefault(move.source, _Traffic()).departures.append(position)
        hosts.setdefault(move.dest, _Traffic()).arrivals.append(position)
        if move.guest in latest:
            after[position].add(latest[move.guest])
            previous[position] = latest[move.guest]
        latest[move.guest] = position
    room = problem.room()
    for host in sorted(hosts):
        if hosts[host].arrivals:
            _order_host(room, moves, host, hosts[host], when, after, previous)
    return [sorted(each) for each in after]


def _order_host(
    room: Room,
    moves: Sequence[Move],
    host: int,
    traffic: _Traffic,
    when: Sequence[float],
    after: list[set[int]],
    previous: Mapping[int, int],
) -> None:
    free = room.free[host]
    counts: dict[int, int] = {}
    need, mask, counters_of = room.need, room.mask, room.counters_of
    limits = room.cloud.counter_limits
    left: list[int] = []
    passed = 0
    sorted_until = 0
    for position in traffic.arrivals:
        guest = moves[position].guest
        free -= need[guest]
        mine = counters_of.get(guest, ())
        for counter in mine:
            counts[counter] = counts.get(counter, 0) + 1
        crowded = [c for c in mine if room.counts[c].get(host, 0) + counts[c] > limits[c]]
        if free & mask[guest] == mask[guest] and not crowded:
            continue
        while passed < len(traffic.departures) and traffic.departures[passed] < position:
            left.append(traffic.departures[passed])
            passed += 1
        if sorted_until < len(left):
            left.sort(key=lambda d: (when[d], d))
            sorted_until = len(left)
        over = {c: room.counts[c].get(host, 0) + counts[c] - limits[c] for c in crowded}
        after[position].update(_choose(room, moves, left, free, mask[guest], over, _own(position, previous)))


def _own(position: int, previous: Mapping[int, int]) -> set[int]:
    """The earlier moves of the same instance: they come before this one anyway."""
    own = set()
    while position in previous:
        position = previous[position]
        own.add(position)
    return own


def _choose(
    room: Room, moves: Sequence[Move], left: Sequence[int], free: int, mask: int, over: dict[int, int], own: set[int]
) -> list[int]:
    """Few of the departures ``left`` that make up for what is missing, early ones first."""
    if not (over or own):
        return _choose_by_room(room.need, moves, left, free, mask)
    need, counters_of = room.need, room.counters_of
    over = dict(over)
    chosen: list[int] = []

    def give(departure: int, sign: int) -> None:
        nonlocal free
        guest = moves[departure].guest
        free += sign * need[guest]
        for counter in counters_of.get(guest, ()):
            if counter in over:
                over[counter] -= sign

    def enough() -> bool:
        return free & mask == mask and all(missing <= 0 for missing in over.values())

    for departure in left:
        if departure in own:
            give(departure, 1)
    for departure in left:
        if enough():
            break
        if departure not in own:
            give(departure, 1)
            chosen.append(departure)
    assert enough(), "the sequence is not legal"
    for departure in chosen[-2::-1]:
        give(departure, -1)
        if enough():
            chosen.remove(departure)
        else:
            give(departure, 1)
    return chosen


def _choose_by_room(
    need: Sequence[int], moves: Sequence[Move], left: Sequence[int], free: int, mask: int
) -> list[int]:
    """The same where nothing but room is missing and all departures count."""
    chosen: list[int] = []
    for departure in left:
        if free & mask == mask:
            break
        free += need[moves[departure].guest]
        chosen.append(departure)
    assert free & mask == mask, "the sequence is not legal"
    for place in range(len(chosen) - 2, -1, -1):
        without = free - need[moves[chosen[place]].guest]
        if without & mask == mask:
            free = without
            del chosen[place]
    return chosen


def legal(problem: Problem, moves: Sequence[Move]) -> bool:
    """Whether the moves, one by one, are legal at their starts and bring everything where it is to be."""
    room = problem.room()
    for move in moves:
        if room.where[move.guest] != move.source or not room.fits(move.guest, move.dest):
            return False
        room.move(move.guest, move.dest)
    return all(room.where[guest] == problem.goal[guest] or room.where[guest] == NOWHERE for guest in problem.movers)
