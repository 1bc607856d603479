"""Tables from which moves and free room follow by array operations, for placements that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmpath_service.pathfinder.seen import Keys


@dataclass(frozen=True, slots=True)
class Kind:
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
    onward: dict[int, list[Shift]]
    """Per destination: the moves that lead there."""
    back: dict[int, list[Shift]]
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
class Shift:
    """Moves of a kind that are alike: what each adds to the state, per spread; 0 where there is no such move.

    ``detour``: what it costs beyond what it saves; ``source``: from where, -1 for several hosts.
    """

    table: Keys
    source: int
    detour: int


@dataclass(frozen=True, slots=True)
class Found:
    """States one move away from some of a layer; ``rows``: their positions in the layer."""

    keys: Keys
    rows: NDArray[np.intp]
    kind: Kind
    dest: int
    shift: Shift


@dataclass(frozen=True, slots=True)
class Field:
    """One dimension of a word, in multiples of ``unit``."""

    dimension: int
    unit: int
    width: int
    bare: Sequence[int]
    credit: Sequence[int]


class Word:
    """Some dimensions packed into one integer of the machine: amounts, with a guard bit above each.

    ``bare``: per host what is free without the instances that may move; ``taken``: per kind, per host and spread;
    ``need``, ``mask``: per kind; ``credit``: per host by how much it is over its capacity at the start.
    """

    def __init__(self, kinds: Sequence[Kind], fields: Sequence[Field], hosts: int) -> None:
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
