"""Layer 3: exhaustive search that looks at many placements at once, for what is too much to go through one by one.

A placement is one integer. Instances of the same class, counters and goal are interchangeable, so it says, for each
kind of instances, in which of all ways the members can be spread over the hosts they are; moves and what is free on
the hosts follow from tables by array operations, ten to twenty times as fast as placement by placement. A counter is
one more resource, of which each member takes 1. States are kept in sorted layers; the way to one is found afterwards,
by going back from layer to layer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import numpy as np
from numpy.typing import NDArray

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.search import Result
from vmpath_service.pathfinder.trace import told

Keys = NDArray[np.int64]


# All placements have to be numbered by integers of the machine.
MOST = 2**62
# Entries that all tables may have.
ENTRIES = 300_000
NOBODY = np.zeros(0, dtype=np.intp)
# Bits of a word that is computed with.
BITS = 62
# How many states are expanded at once.
CHUNK = 1 << 14


@dataclass(frozen=True, slots=True)
class _Kind:
    """Interchangeable instances. ``spreads``: the hosts of the members, sorted, in every way there is."""

    position: int
    guests: tuple[int, ...]
    goals: tuple[int, ...]
    """Per member, where it is to be; all the same, but where classes alone are looked at."""
    weight: int
    need: tuple[int, ...]
    """Per dimension; counters come after resources."""
    ways: frozenset[tuple[int, int]]
    spreads: tuple[tuple[int, ...], ...]
    number: dict[tuple[int, ...], int]
    radix: int
    onward: dict[int, list[_Shift]]
    """Per destination: the moves that lead there."""
    back: dict[int, list[_Shift]]
    """Per destination: what undoes the moves that lead there."""

    def __len__(self) -> int:
        return len(self.spreads)

    def spread(self, state: int) -> tuple[int, ...]:
        """The hosts of the members in a state."""
        return self.spreads[state // self.radix % len(self)]

    def detour(self, source: int, dest: int) -> int:
        """What a move costs beyond what it saves of the way that is still to go."""
        return self.weight * ((dest != self.goals[0]) + (source == self.goals[0]))


@dataclass(frozen=True, slots=True)
class _Shift:
    """Moves of a kind that are alike: what each adds to the state, per spread; 0 where there is no such move.

    ``detour``: what it costs beyond what it saves; ``source``: from where, -1 for several hosts.
    """

    table: Keys
    source: int
    detour: int


@dataclass(frozen=True, slots=True)
class _Found:
    """States one move away from some of a layer; ``rows``: their positions in the layer."""

    keys: Keys
    rows: NDArray[np.intp]
    kind: _Kind
    dest: int
    shift: _Shift


class _Word:
    """Some dimensions packed into one integer of the machine: amounts, with a guard bit above each.

    ``bare``: per host what is free without the instances that may move; ``taken``: per kind, per host and spread;
    ``need``, ``mask``: per kind; ``credit``: per host by how much it is over its capacity at the start.
    """

    def __init__(self, kinds: Sequence[_Kind], fields: Sequence[_Field], hosts: int) -> None:
        self.bare = np.zeros(hosts, dtype=np.int64)
        self.credit = np.zeros(hosts, dtype=np.int64)
        self.need = [0] * len(kinds)
        self.mask = [0] * len(kinds)
        shift = 0
        for field in fields:
            guard = 1 << (shift + field.width - 1)
            self.bare += (np.array(field.bare, dtype=np.int64) << shift) + guard
            self.credit += np.array(field.credit, dtype=np.int64) << shift
            for kind in kinds:
                amount = kind.need[field.dimension] // field.unit
                self.need[kind.position] += amount << shift
                self.mask[kind.position] += guard if amount else 0
            shift += field.width
        self.taken = []
        for kind in kinds:
            table = np.zeros((hosts, len(kind)), dtype=np.int64)
            for number, spread in enumerate(kind.spreads):
                for host in spread:
                    table[host, number] += self.need[kind.position]
            self.taken.append(table)


@dataclass(frozen=True, slots=True)
class _Field:
    """One dimension of a word, in multiples of ``unit``."""

    dimension: int
    unit: int
    width: int
    bare: Sequence[int]
    credit: Sequence[int]


class _Seen:
    """A set of states: sorted arrays, few of them."""

    def __init__(self) -> None:
        self._runs: list[Keys] = []
        self.size = 0

    def add(self, keys: Keys) -> None:
        """Put in sorted states that are new."""
        self.size += len(keys)
        self._runs.append(keys)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = np.concatenate((self._runs.pop(), self._runs.pop()))
            merged.sort(kind="stable")
            self._runs.append(merged)

    def new(self, keys: Keys) -> Keys:
        """Those of some sorted states that are not in it."""
        for run in self._runs:
            keys = keys[~among(keys, run)]
        return keys


def among(keys: Keys, run: Keys) -> NDArray[np.bool_]:
    """Per key: whether it is in a sorted array."""
    if not len(run):
        return np.zeros(len(keys), dtype=np.bool_)
    at = np.searchsorted(run, keys)
    at[at == len(run)] = 0
    same: NDArray[np.bool_] = run[at] == keys
    return same


class VectorSearch:
    """Search through all placements of a cloud. ``fixed``: instances that are known to stay where they are.

    ``without``: movable instances that are left out altogether; ``classes``: instances of the same class are taken for
    the same, wherever they are to be. With either, a path found says nothing, but if there is none, there is none. To
    be asked only where ``applicable``.
    """

    def __init__(
        self, problem: Problem, fixed: Container[int] = (), without: Iterable[int] = (), *, classes: bool = False
    ) -> None:
        self._problem = problem
        self._room = room = Room(problem.cloud, problem.departures)
        cloud = problem.cloud
        for guest in without:
            room.release(guest, room.where[guest])
            room.where[guest] = NOWHERE
        groups: dict[tuple[int, ...], list[int]] = {}
        for guest, host in enumerate(room.where):
            if host != NOWHERE and problem.mobile[guest] and guest not in fixed:
                key = (
                    cloud.class_of[guest],
                    -1 if classes else problem.goal[guest],
                    *cloud.counters_of.get(guest, ()),
                )
                groups.setdefault(key, []).append(guest)
        places = [self._places(guests) for guests in groups.values()]
        counts = [
            math.comb(len(some) + len(at) - 1, len(some)) for some, at in zip(groups.values(), places, strict=True)
        ]
        entries = sum(counts) * len(problem.receives) ** 2
        self.applicable = not cloud.vetoes and entries <= ENTRIES and math.prod(counts) <= MOST
        """Whether placements have numbers, and tables that are not too big."""
        if not self.applicable:
            return
        self.kinds: list[_Kind] = []
        radix = 1
        for guests, at in zip(groups.values(), places, strict=True):
            self.kinds.append(self._kind(guests, at, radix))
            radix *= len(self.kinds[-1])
        self.start = self._key([[room.where[guest] for guest in kind.guests] for kind in self.kinds])
        self.goal = self._key([kind.goals for kind in self.kinds])
        self._words = self._packed()
        alike: dict[tuple[int, ...], list[_Kind]] = {}
        for kind in self.kinds:
            alike.setdefault(kind.need, []).append(kind)
        self._alike = list(alike.values())
        """Kinds that ask for the same, side by side."""

    def _packed(self) -> list[_Word]:
        """Resources and counters, in as few words as hold them."""
        cloud, room = self._problem.cloud, self._room
        hosts = len(self._problem.receives)
        free = [
            [*room.amounts(room.free[host]), *(most - counts.get(host, 0) for most, counts in self._counters())]
            for host in range(hosts)
        ]
        words: list[list[_Field]] = []
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
            field = _Field(dimension, unit, (2 * most).bit_length() + 1, bare, [max(0, -amount) for amount in start])
            if field.width > left:
                words.append([])
                left = BITS
            left -= field.width
            words[-1].append(field)
        return [_Word(self.kinds, fields, hosts) for fields in words]

    def _counters(self) -> Iterator[tuple[int, dict[int, int]]]:
        """Per counter: its limit, and host to how many count there."""
        return zip(self._problem.cloud.counter_limits, self._room.counts, strict=True)

    @told("search all placements from both ends, many at once")
    def decide(self, budget: Budget) -> Result:
        """Whether there is a path, and one of few moves if so: breadth first from both ends."""
        ends = [[single(key)] for key in (self.start, self.goal)]
        if self.start == self.goal:
            return Result("found")
        seen = [_Seen(), _Seen()]
        for layers, known in zip(ends, seen, strict=True):
            known.add(layers[0])
        while True:
            side = 0 if len(ends[0][-1]) <= len(ends[1][-1]) else 1
            layer = ends[side][-1]
            if not budget.spend(1 + len(layer)):
                return Result("given up")
            found = [each.keys for each in (self.after(layer) if side == 0 else self.before(layer))]
            fresh = seen[side].new(united(found))
            if not len(fresh):
                return Result("exhausted")
            seen[side].add(fresh)
            ends[side].append(fresh)
            met = fresh[among(fresh, ends[1 - side][-1])]
            if len(met):
                middle = int(met[0])
                return Result(
                    "found", self._moves(self._way_there(ends[0], middle) + self._way_on(ends[1], middle)[1:])
                )

    @told("search all placements for the cheapest way, many at once")
    def cheapest(self, budget: Budget, below: int | None = None) -> Result:
        """The cheapest path, if its cost is less than ``below`` (A*, by what moves cost beyond what they must)."""
        least = sum(
            self._problem.weight(guest)
            for kind in self.kinds
            for guest in kind.guests
            if self._room.where[guest] != kind.goals[0]
        )
        waiting: dict[int, list[Keys]] = {0: [single(self.start)]}
        layers: list[tuple[int, Keys]] = []
        seen = _Seen()
        goal = single(self.goal)
        while waiting:
            dear = min(waiting)
            if below is not None and least + dear >= below:
                break
            layer = seen.new(united(waiting.pop(dear)))
            while len(layer):
                seen.add(layer)
                layers.append((dear, layer))
                if among(goal, layer)[0]:
                    return Result("found", self._moves(self._cheapest_way(layers)))
                if not budget.spend(1 + len(layer)):
                    return Result("given up")
                straight: list[Keys] = []
                for found in self.after(layer):
                    more = found.shift.detour
                    if not more:
                        straight.append(found.keys)
                    elif below is None or least + dear + more < below:
                        waiting.setdefault(dear + more, []).append(found.keys)
                layer = seen.new(united(straight))
        return Result("exhausted")

    def _places(self, guests: Sequence[int]) -> list[int]:
        """The hosts where instances of one kind may be."""
        problem, cloud = self._problem, self._problem.cloud
        open_to = {
            host for host, receives in enumerate(problem.receives) if receives and cloud.admits(guests[0], host)
        }
        return sorted(open_to.union(*((problem.goal[guest], self._room.where[guest]) for guest in guests)))

    def _kind(self, guests: Sequence[int], places: Sequence[int], radix: int) -> _Kind:
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
        kind = _Kind(
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
            kind.onward.setdefault(dest, []).append(_Shift(there, source, kind.detour(source, dest)))
            kind.back.setdefault(dest, []).append(
                _Shift(_shifted(kind, dest, source), source, kind.detour(source, dest))
            )
        if len(guests) == 1:
            # it is on one host only, so all moves to a destination that cost the same can be looked at together
            for dest, shifts in kind.onward.items():
                alike: dict[int, Keys] = {}
                for shift in shifts:
                    alike[shift.detour] = shift.table + alike.get(shift.detour, 0)
                kind.onward[dest] = [_Shift(table, -1, detour) for detour, table in alike.items()]
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

    def after(self, layer: Keys) -> Iterator[_Found]:
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
                                yield _Found(here[moved] + by[moved], begin + rows[moved], kind, dest, shift)

    def _fits(self, kind: _Kind, dest: int, words: Sequence[NDArray[np.int64]], count: int) -> NDArray[np.bool_]:
        """Per state: whether one of the kind may arrive there."""
        result = np.ones(count, dtype=np.bool_)
        for word, free in zip(self._words, words, strict=True):
            mask = word.mask[kind.position]
            if mask:
                result &= (free[dest] - word.need[kind.position]) & mask == mask
        return result

    def before(self, layer: Keys) -> Iterator[_Found]:
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
                            yield _Found(keys[rows] + by[rows], begin + rows, kind, dest, shift)

    def _way_there(self, layers: Sequence[Keys], key: int) -> list[int]:
        """The states from the start to one of the last layer."""
        states = [key]
        for layer in reversed(layers[:-1]):
            states.append(self._one(self.before(single(states[-1])), layer))
        return states[::-1]

    def _way_on(self, layers: Sequence[Keys], key: int) -> list[int]:
        """The states from one of the last layer to the goal."""
        states = [key]
        for layer in reversed(layers[:-1]):
            states.append(self._one(self.after(single(states[-1])), layer))
        return states

    def _one(self, found: Iterator[_Found], layer: Keys) -> int:
        """One of the states found that is in the layer."""
        return next(int(known[0]) for each in found if len(known := each.keys[among(each.keys, layer)]))

    def _cheapest_way(self, layers: Sequence[tuple[int, Keys]]) -> list[int]:
        """The states from the start to the goal, which is in the last layer."""
        states = [self.goal]
        number = len(layers) - 1
        while number:
            number, before = self._state_before(layers, number, states[-1])
            states.append(before)
        return states[::-1]

    def _state_before(self, layers: Sequence[tuple[int, Keys]], number: int, key: int) -> tuple[int, int]:
        """The layer and the state from which the state of this layer was reached at no more than it cost."""
        dear = layers[number][0]
        for found in self.before(single(key)):
            paid = dear - found.shift.detour
            for earlier in range(number - 1, -1, -1):
                if layers[earlier][0] < paid:
                    break
                if layers[earlier][0] == paid and among(found.keys, layers[earlier][1])[0]:
                    return earlier, int(found.keys[0])
        raise AssertionError("every state but the first was reached from one before")

    def _moves(self, states: Sequence[int]) -> list[Move]:
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


def single(key: int) -> Keys:
    return np.array([key], dtype=np.int64)


def _shifted(kind: _Kind, source: int, dest: int) -> Keys:
    """Per spread: what it adds to the state when a member goes from the one host to the other; 0 without a member."""
    row = np.zeros(len(kind), dtype=np.int64)
    for position, spread in enumerate(kind.spreads):
        if source in spread:
            rest = list(spread)
            rest[rest.index(source)] = dest
            row[position] = (kind.number[tuple(sorted(rest))] - position) * kind.radix
    return row


def united(parts: Sequence[Keys]) -> Keys:
    """All states of some arrays, sorted, each once."""
    if not parts:
        return np.zeros(0, dtype=np.int64)
    keys = np.concatenate(parts)
    keys.sort()
    first = np.ones(len(keys), dtype=np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    return keys[first]
