"""After the search: stops on the way that prove needless once the whole sequence is known.

Who went aside and on later is let go straight, at the moment when it left or at the moment when it arrived, where the
sequence stays legal: in the first case it is at its end earlier, in the second at its source longer, and only arrivals
on that one host in between have to be looked at again. Costs a walk through the moves of one host per try.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room

# How often the whole sequence is gone through; each time may open ways for the next.
ROUNDS = 3


def straightened(problem: Problem, moves: Sequence[Move], ends: Sequence[float]) -> tuple[list[Move], list[float]]:
    """A legal sequence with fewer moves, or the same one, and when each of its moves ends in rehearsal.

    Where a constraint vetoes single moves, what it says depends on the exact placement: nothing is changed then.
    """
    kept: list[Move | None] = list(moves)
    if not problem.cloud.vetoes:
        for _ in range(ROUNDS):
            if not _one_round(problem, kept):
                break
    rest = [(move, end) for move, end in zip(kept, ends, strict=True) if move is not None]
    return [move for move, _ in rest], [end for _, end in rest]


def _one_round(problem: Problem, moves: list[Move | None]) -> bool:
    timeline = _Timeline(problem, moves)
    legs: dict[int, list[int]] = {}
    for position, move in enumerate(moves):
        if move is not None:
            legs.setdefault(move.guest, []).append(position)
    changed = False
    for guest, positions in legs.items():
        number = 1
        while number < len(positions):
            first, last = positions[number - 1], positions[number]
            at = timeline.merge(guest, first, last)
            if at is None:
                number += 1
                continue
            changed = True
            positions[number - 1 : number + 1] = [at] if at >= 0 else []
            number = max(1, number - 1)
    return changed


class _Timeline:
    """What comes to and leaves each host, in the order of the sequence ``moves``, which it changes."""

    def __init__(self, problem: Problem, moves: list[Move | None]) -> None:
        self._problem, self._moves = problem, moves
        self._room = Room(problem.cloud, problem.departures)
        self._events: dict[int, set[int]] = {}
        for position, move in enumerate(moves):
            if move is not None:
                self._events.setdefault(move.source, set()).add(position)
                self._events.setdefault(move.dest, set()).add(position)

    def merge(self, guest: int, first: int, last: int) -> int | None:
        """Make one move of two that follow each other, if that is legal.

        Returns its position, -1 if none is needed (there and back again), or None if both have to stay.
        """
        moves, cloud = self._moves, self._problem.cloud
        away, onward = moves[first], moves[last]
        assert away is not None
        assert onward is not None
        stop, source, dest = away.dest, away.source, onward.dest
        if source != dest and not cloud.may_pass(source, dest):
            return None
        straight = None if source == dest else Move(guest, source, dest)
        for at, changed in ((first, dest), (last, source)):
            # to and fro: the instance never leaves, which is the second case
            if straight is None and at == first:
                continue
            moves[first] = moves[last] = None
            moves[at] = straight
            if self._legal(changed, {first, last}):
                self._events[stop] -= {first, last}
                for host in (source, dest):
                    self._events.setdefault(host, set()).difference_update((first, last))
                    if straight is not None:
                        self._events[host].add(at)
                return at if straight is not None else -1
            moves[first], moves[last] = away, onward
        return None

    def _legal(self, host: int, more: set[int]) -> bool:
        """Whether every arrival on the host is legal, with these positions looked at too."""
        room = self._room
        free, limits = room.free[host], self._problem.cloud.counter_limits
        counts: dict[int, int] = {}
        for position in sorted(self._events.get(host, set()) | more):
            move = self._moves[position]
            if move is None:
                continue
            counters = room.counters_of.get(move.guest, ())
            if move.dest == host:
                free -= room.need[move.guest]
                if free & room.mask[move.guest] != room.mask[move.guest]:
                    return False
                for counter in counters:
                    counts[counter] = counts.get(counter, room.counts[counter].get(host, 0)) + 1
                    if counts[counter] > limits[counter]:
                        return False
            elif move.source == host:
                free += room.need[move.guest]
                for counter in counters:
                    counts[counter] = counts.get(counter, room.counts[counter].get(host, 0)) - 1
        return True
