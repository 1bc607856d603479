"""Placements as numbers, and what is one move away from many of them at once.

A placement is one integer. Instances of the same class, counters and goal are interchangeable, so it says, for each
kind of instances, in which of all ways the members can be spread over the hosts they are; moves and what is free on
the hosts follow from tables by array operations, ten to twenty times as fast as placement by placement. A counter is
one more resource, of which each member takes 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import combinations_with_replacement, pairwise

import numpy as np
from numpy.typing import NDArray

from vmpath_service.pathfinder.kinds import interchangeable, room_without
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.seen import Keys
from vmpath_service.pathfinder.tables import Field, Found, Kind, Shift, Word

# All placements have to be numbered by integers of the machine.
MOST = 2**62
# Entries that all tables may have.
ENTRIES = 300_000
NOBODY = np.zeros(0, dtype=np.intp)
# Bits of a word that is computed with.
BITS = 62
# How many states are expanded at once.
CHUNK = 1 << 14


class Numbered:
    """The placements of a cloud. ``fixed``: instances that are known to stay where they are.

    ``without``: movable instances that are left out altogether; ``classes``: instances of the same class are taken for
    the same, wherever they are to be. To be asked only where ``applicable``.
    """

    def __init__(
        self, problem: Problem, fixed: Container[int] = (), without: Iterable[int] = (), *, classes: bool = False
    ) -> None:
        self._problem = problem
        self._room = room = room_without(problem, without)
        groups = interchangeable(problem, room, fixed, by_goal=not classes)
        places = [self._places(guests) for guests in groups]
        counts = [math.comb(len(some) + len(at) - 1, len(some)) for some, at in zip(groups, places, strict=True)]
        entries = sum(counts) * len(problem.receives) ** 2
        self.applicable = not problem.cloud.vetoes and entries <= ENTRIES and math.prod(counts) <= MOST
        """Whether placements have numbers, tables that are not too big, and amounts that fit into a word."""
        if not self.applicable:
            return
        self.kinds: list[Kind] = []
        radix = 1
        for guests, at in zip(groups, places, strict=True):
            self.kinds.append(self._kind(guests, at, radix))
            radix *= len(self.kinds[-1])
        self.start = self._key([[room.where[guest] for guest in kind.guests] for kind in self.kinds])
        self.goal = self._key([kind.goals for kind in self.kinds])
        fields = self._fields()
        if any(field.width > BITS for word in fields for field in word):
            self.applicable = False
            return
        self._words = [Word(self.kinds, word, len(problem.receives)) for word in fields]
        alike: dict[tuple[int, ...], list[Kind]] = {}
        for kind in self.kinds:
            alike.setdefault(kind.need, []).append(kind)
        self._alike = list(alike.values())
        """Kinds that ask for the same, side by side."""

    def _fields(self) -> list[list[Field]]:
        """Resources and counters, in as few words as hold them."""
        cloud, room = self._problem.cloud, self._room
        hosts = len(self._problem.receives)
        free = [
            [*room.amounts(room.free[host]), *(most - counts.get(host, 0) for most, counts in self._counters())]
            for host in range(hosts)
        ]
        words: list[list[Field]] = []
        left = 0
        for dimension in range(len(cloud.dimensions) + len(cloud.counter_limits)):
            unit = math.gcd(*(kind.need[dimension] for kind in self.kinds))
            if not unit:
                continue  # nobody asks for it
            start = [row[dimension] // unit for row in free]
            bare = list(start)
            for kind in self.kinds:
                for guest in kind.guests:
                    bare[room.where[guest]] += kind.need[dimension] // unit
            most = max(abs(amount) for amount in (*bare, *start)) + max(k.need[dimension] for k in self.kinds) // unit
            field = Field(dimension, unit, (2 * most).bit_length() + 1, bare, [max(0, -amount) for amount in start])
            if field.width > left:
                words.append([])
                left = BITS
            left -= field.width
            words[-1].append(field)
        return words

    def _counters(self) -> Iterator[tuple[int, dict[int, int]]]:
        """Per counter: its limit, and host to how many count there."""
        return zip(self._problem.cloud.counter_limits, self._room.counts, strict=True)

    def _places(self, guests: Sequence[int]) -> list[int]:
        """The hosts where instances of one kind may be."""
        problem, cloud = self._problem, self._problem.cloud
        open_to = {
            host for host, receives in enumerate(problem.receives) if receives and cloud.admits(guests[0], host)
        }
        return sorted(open_to.union(*((problem.goal[guest], self._room.where[guest]) for guest in guests)))

    def _kind(self, guests: Sequence[int], places: Sequence[int], radix: int) -> Kind:
        """The kind that these instances are."""
        problem, cloud, room = self._problem, self._problem.cloud, self._room
        example = guests[0]
        spreads = tuple(combinations_with_replacement(places, len(guests)))
        number = {spread: position for position, spread in enumerate(spreads)}
        ways = frozenset(
            (source, dest)
            for source in places
            for dest in places
            if dest != source
            and problem.receives[dest]
            and cloud.admits(example, dest)
            and cloud.may_pass(source, dest)
        )
        members = tuple(sorted(guests, key=lambda guest: (room.where[guest], guest)))
        counters = cloud.counters_of.get(example, ())
        kind = Kind(
            len(self.kinds),
            members,
            tuple(problem.goal[guest] for guest in members),
            problem.weight(example),
            (*cloud.demand(example), *(int(c in counters) for c in range(len(cloud.counter_limits)))),
            ways,
            spreads,
            number,
            radix,
            {},
            {},
        )
        for source, dest in sorted(ways):
            there = _shifted(kind, source, dest)
            kind.onward.setdefault(dest, []).append(Shift(there, source, kind.detour(source, dest)))
            kind.back.setdefault(dest, []).append(
                Shift(_shifted(kind, dest, source), source, kind.detour(source, dest))
            )
        if len(guests) == 1:
            # it is on one host only, so all moves to a destination that cost the same can be looked at together
            for dest, shifts in kind.onward.items():
                alike: dict[int, Keys] = {}
                for shift in shifts:
                    alike[shift.detour] = shift.table + alike.get(shift.detour, 0)
                kind.onward[dest] = [Shift(table, -1, detour) for detour, table in alike.items()]
        return kind

    def _key(self, hosts: Sequence[Sequence[int]]) -> int:
        pairs = zip(self.kinds, hosts, strict=True)
        return sum(kind.number[tuple(sorted(each))] * kind.radix for kind, each in pairs)

    def _unfolded(self, keys: Keys) -> tuple[list[Keys], list[NDArray[np.int64]]]:
        """Per kind its spread in each state; per word what is free, per host and state."""
        spreads = [keys // kind.radix % len(kind) for kind in self.kinds]
        words = []
        for word in self._words:
            free = np.repeat(word.bare[:, np.newaxis], len(keys), axis=1)
            for table, spread in zip(word.taken, spreads, strict=True):
                free -= np.take(table, spread, axis=1)
            words.append(free)
        return spreads, words

    def after(self, layer: Keys) -> Iterator[Found]:
        """States one move after those of a layer."""
        for begin in range(0, len(layer), CHUNK):
            keys = layer[begin : begin + CHUNK]
            spreads, words = self._unfolded(keys)
            for alike in self._alike:
                for dest in range(len(self._problem.receives)):
                    bound = [kind for kind in alike if dest in kind.onward]
                    rows = np.flatnonzero(self._fits(bound[0], dest, words, len(keys))) if bound else NOBODY
                    if not len(rows):
                        continue
                    here = keys[rows]
                    for kind in bound:
                        spread = spreads[kind.position][rows]
                        for shift in kind.onward[dest]:
                            by = shift.table[spread]
                            moved = np.flatnonzero(by)
                            if len(moved):
                                yield Found(here[moved] + by[moved], begin + rows[moved], kind, dest, shift)

    def _fits(self, kind: Kind, dest: int, words: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.bool_]:
        """Per state: whether one of the kind may arrive there."""
        result = np.ones(count, dtype=np.bool_)
        for word, free in zip(self._words, words, strict=True):
            mask = word.mask[kind.position]
            if mask:
                result &= (free[dest] - word.need[kind.position]) & mask == mask
        return result

    def before(self, layer: Keys) -> Iterator[Found]:
        """States one move before those of a layer.

        Without those in which a host holds more than its capacity and than at the start: no path leads there.
        """
        for begin in range(0, len(layer), CHUNK):
            keys = layer[begin : begin + CHUNK]
            spreads, words = self._unfolded(keys)
            for kind, spread in zip(self.kinds, spreads, strict=True):
                for dest, shifts in kind.back.items():
                    for shift in shifts:
                        by = shift.table[spread]
                        rows = np.flatnonzero(by)
                        for word, free in zip(self._words, words, strict=True):
                            mask = word.mask[kind.position]
                            if mask and len(rows):
                                rows = rows[free[dest][rows] & mask == mask]
                                before = free[shift.source][rows] + (
                                    word.credit[shift.source] - word.need[kind.position]
                                )
                                rows = rows[before & mask == mask]
                        if len(rows):
                            yield Found(keys[rows] + by[rows], begin + rows, kind, dest, shift)

    def moves(self, states: Sequence[int]) -> list[Move]:
        """The moves that lead from state to state, with real instances in place of interchangeable ones."""
        there: dict[tuple[int, int], list[int]] = {}
        for kind in self.kinds:
            for guest in kind.guests:
                there.setdefault((kind.position, self._room.where[guest]), []).append(guest)
        moves = []
        for before, after in pairwise(states):
            kind = next(each for each in self.kinds if each.spread(before) != each.spread(after))
            old, new = Counter(kind.spread(before)), Counter(kind.spread(after))
            (source,), (dest,) = old - new, new - old
            guest = there[kind.position, source].pop()
            there.setdefault((kind.position, dest), []).append(guest)
            moves.append(Move(guest, source, dest))
        return moves


def _shifted(kind: Kind, source: int, dest: int) -> Keys:
    """Per spread: what it adds to the state when a member goes from the one host to the other; 0 without a member."""
    row = np.zeros(len(kind), dtype=np.int64)
    for position, spread in enumerate(kind.spreads):
        if source in spread:
            rest = list(spread)
            rest[rest.index(source)] = dest
            row[position] = (kind.number[tuple(sorted(rest))] - position) * kind.radix
    return row
