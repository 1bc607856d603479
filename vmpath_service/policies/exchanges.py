"""The same hosts in use, all within their limits, with few migrations: a search by exchanges.

Instances of one kind are counted, not told apart: what counts is how many of each kind are on each host, and how many
of those that were there at the start are missing. Again and again one host is looked at, an overfull one or one whose
instances are away, and the best migration or exchange of two instances between it and the others is made, even where
that makes things worse; what has just been changed stays for a while (tabu search). Being overfull is permitted at a
price that rises while some host is overfull and falls while none is, so that the search goes along the border of what
fits (strategic oscillation; Glover and Laguna, Tabu Search, 1997).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vmpath_service.policies.board import Board, obstacle

# Other hosts that are compared in a step, and how many exchanges in all; drawn anew each time.
_HOSTS = 128
_COMPARED = 40_000
# How many sizes are compared in a step; where there are more, others each time.
_SIZES = 40
# How the price of being overfull changes: down with each step with nothing overfull, up after so many with something.
_FALL, _RISE, _AFTER = 0.9, 1.03, 30
_LOWEST, _HIGHEST = 0.02, 20.0
# For how many steps a count stays as it is after a change, at least and at most.
_TABU = (5, 15)
# How often a host is looked at whose instances are away while others are overfull.
_AWAY = 0.3
_NEVER = 1e9

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def exchange(board: Board, hosts: Sequence[int], steps: int, save: str) -> bool:
    """Put instances home, and hosts that are overfull within their limits; whether all hosts are so in the end.

    ``hosts``: those in use that may receive; instances move between them alone. ``steps``: how many are made at most;
    fewer where there are many sizes or kinds. ``save``: ``migrations`` or ``memory``. A board that is within
    its limits stays so and never comes to move more. Members of server groups stay where they are.
    """
    search = _Search(board, hosts, save)
    if search.hopeless:
        return False
    search.run(steps)
    search.settle()
    return search.found is not None


def settled(
    guests: Sequence[int], home: Sequence[int], where: Sequence[int], places: Mapping[int, int]
) -> dict[int, int]:
    """Instances that are alike onto these hosts, so many on each: at home, where they are, or anywhere."""
    left = dict(places)
    ends: dict[int, int] = {}
    for wish in (home, where):
        for guest in guests:
            if guest not in ends and left.get(wish[guest]):
                ends[guest] = wish[guest]
                left[wish[guest]] -= 1
    rest = (host for host, count in left.items() for _ in range(count))
    return {guest: ends[guest] if guest in ends else next(rest) for guest in guests}


@dataclass(frozen=True, slots=True)
class _Choice:
    """Sizes that are compared.

    ``kinds``: of each size; ``every``: all of them in a row, each size from its one of ``starts`` on. ``change``: per
    resource class, what a host gets more for each pair of sizes that it is given and gives for it.
    """

    kinds: Sequence[Ints]
    every: Ints
    starts: Ints
    change: Ints

    def cheapest(self, size: int, costs: Floats) -> int | None:
        """The kind of this size that costs least; None for no instance at all."""
        if size == len(self.kinds):
            return None
        kinds = self.kinds[size]
        return int(kinds[costs[kinds].argmin()])


class _Search:
    def __init__(self, board: Board, hosts: Sequence[int], save: str) -> None:
        self._board = board
        cloud, where = board.cloud, board.accounts.where
        self._guests: dict[int, list[int]] = {}
        pooled: dict[int, list[int]] = {host: [] for host in hosts}
        for host in hosts:
            for guest in board.guests[host]:
                if guest not in cloud.counters_of and guest not in cloud.also_at and obstacle(cloud, guest) is None:
                    pooled[host].append(guest)
        self._hosts = list(hosts)
        self.hopeless = not all(self._can_fit(host, pooled[host]) for host in hosts)
        """Whether some host is overfull by what stays where it is."""
        row = {host: at for at, host in enumerate(self._hosts)}
        for host in self._hosts:
            for guest in pooled[host]:
                self._guests.setdefault(cloud.class_of[guest], []).append(guest)
        self._kinds = sorted(self._guests, key=lambda kind: (cloud.classes[kind].demand, kind))
        examples = [self._guests[kind][0] for kind in self._kinds]
        shape = len(self._hosts), len(self._kinds)
        self._there: Ints = np.zeros(shape, dtype=np.int64)
        self._natives: Ints = np.zeros(shape, dtype=np.int64)
        for at, kind in enumerate(self._kinds):
            for guest in self._guests[kind]:
                self._there[row[where[guest]], at] += 1
                if cloud.home[guest] in row:
                    self._natives[row[cloud.home[guest]], at] += 1
        self._admitted = np.ones(shape, dtype=bool)
        for at, guest in enumerate(examples):
            if (mask := cloud.mask(guest)) is not None:
                self._admitted[:, at] = np.frombuffer(mask, dtype=np.uint8)[self._hosts] == 1
        memory = [max(1, cloud.snapshot.instances[guest].memory_mb()) for guest in examples]
        self._worth: Ints = np.array(memory if save == "memory" else [1] * len(examples), dtype=np.int64)
        self._price = self._worth / max(1.0, float(self._worth.mean())) if examples else self._worth * 1.0
        self._measure(examples)
        self._tabu: Ints = np.zeros(shape, dtype=np.int64)
        self._chance = np.random.default_rng(0)
        self._weight = 1.0
        self.found: Ints | None = None
        """The counts with the fewest migrations of all that were within the limits."""
        self._least = 0
        self._note()

    def run(self, steps: int) -> None:
        """So many steps, or until everybody is at home."""
        if len(self._hosts) < 2 or not self._kinds:
            return
        width = (min(_SIZES, len(self._of_size)) + 1) ** 2
        sample = min(len(self._hosts), _HOSTS, max(8, _COMPARED // width))
        # each kind is looked at on both hosts, whether it leaves or arrives
        compared = sample * (width + 4 * len(self._kinds))
        steps = min(steps, steps * _COMPARED // compared)
        overfull = 0
        for step in range(1, steps + 1):
            host = self._next()
            if host is None:
                return
            self._step(host, sample, step)
            if self._over.any():
                overfull += 1
                if overfull >= _AFTER:
                    self._weight = min(_HIGHEST, self._weight * _RISE)
            else:
                overfull = 0
                self._note()
                self._weight = max(_LOWEST, self._weight * _FALL)

    def settle(self) -> None:
        """Put the instances where the best counts want them."""
        if self.found is None:
            return
        board, home = self._board, self._board.cloud.home
        for at, kind in enumerate(self._kinds):
            places = {host: int(count) for host, count in zip(self._hosts, self.found[:, at], strict=True) if count}
            for guest, host in settled(self._guests[kind], home, board.accounts.where, places).items():
                if host != board.accounts.where[guest]:
                    board.move(guest, host)

    def _can_fit(self, host: int, guests: Sequence[int]) -> bool:
        cloud = self._board.cloud
        return all(
            used - sum(cloud.demand(guest)[at] for guest in guests) <= most
            for at, (used, most) in enumerate(
                zip(self._board.accounts.used[host], self._board.limits[host], strict=True)
            )
        )

    def _measure(self, examples: Sequence[int]) -> None:
        """Sizes of kinds, limits and use of hosts, in the resource classes that can run out."""
        board, cloud = self._board, self._board.cloud
        width = len(cloud.dimensions)
        demands = np.array([cloud.demand(guest) for guest in examples], dtype=np.int64).reshape(len(examples), width)
        limits = np.array([board.limits[host] for host in self._hosts], dtype=np.int64).reshape(
            len(self._hosts), width
        )
        used = np.array([board.accounts.used[host] for host in self._hosts], dtype=np.int64).reshape(limits.shape)
        every = range(width)
        scarce = [at for at in every if len(limits) and used[:, at].sum() > limits[:, at].min()] or list(every)
        self._demands, self._limits, self._used = demands[:, scarce], limits[:, scarce], used[:, scarce]
        smallest = [min((int(each) for each in column if each), default=1) for column in self._demands.T]
        self._unit: Floats = 1.0 / np.array(smallest, dtype=float)
        found, size_of = np.unique(self._demands, axis=0, return_inverse=True)
        self._sizes: Ints = found
        by_size = np.split(np.argsort(size_of, kind="stable"), np.cumsum(np.bincount(size_of))[:-1])
        self._of_size = by_size if len(examples) else []
        self._all = self._choice(range(len(self._of_size)))
        self._over: Floats = self._excess(self._used - self._limits)

    def _choice(self, sizes: Sequence[int]) -> _Choice:
        kinds = [self._of_size[size] for size in sizes]
        # the last stands for nothing: a migration instead of an exchange
        amounts = np.vstack([self._sizes[list(sizes)], np.zeros((1, self._sizes.shape[1]), dtype=np.int64)])
        change = amounts[:, None, :] - amounts[None, :, :]
        return _Choice(
            kinds=kinds,
            every=np.concatenate([np.zeros(0, dtype=np.int64), *kinds]),
            starts=np.cumsum([0, *(len(each) for each in kinds[:-1])]),
            change=change.reshape(-1, change.shape[2]).T,
        )

    def _offered(self) -> _Choice:
        """The sizes that are compared in a step: all, or some where there are many."""
        number = len(self._of_size)
        if number <= _SIZES:
            return self._all
        return self._choice([int(each) for each in np.sort(self._chance.choice(number, _SIZES, replace=False))])

    def _excess(self, beyond: Ints) -> Floats:
        """How much is beyond limits (last axis: resource classes), in smallest instances."""
        return np.maximum(0, beyond) @ self._unit

    def _note(self) -> None:
        """Keep the counts if they are within the limits and the best so far."""
        if self._over.any():
            return
        away = int((np.maximum(0, self._natives - self._there) * self._worth).sum())
        if self.found is None or away < self._least:
            self.found, self._least = self._there.copy(), away

    def _next(self) -> int | None:
        """The host to look at; None where all are within their limits and everybody is at home."""
        overfull = np.nonzero(self._over)[0]
        if not len(overfull) or self._chance.random() < _AWAY:
            away = np.nonzero((self._natives > self._there).any(axis=1))[0]
            if len(away):
                return int(away[self._chance.integers(len(away))])
        return int(overfull[self._chance.integers(len(overfull))]) if len(overfull) else None

    def _step(self, host: int, sample: int, step: int) -> None:
        """The best exchange of the host with one of some others."""
        rows = np.arange(len(self._hosts))
        if sample < len(rows):
            rows = self._chance.choice(rows, sample, replace=False)
        give = self._leaving(host, step) + self._arriving(rows, step)
        take = self._arriving(host, step) + self._leaving(rows, step)
        choice = self._offered()
        sizes = len(choice.kinds) + 1
        gain = self._pressure(host, rows, choice.change).reshape(len(rows), sizes, sizes)
        gain *= self._weight
        gain[:, :-1, :] += np.minimum.reduceat(give[:, choice.every], choice.starts, axis=1)[:, :, None]
        gain[:, :, :-1] += np.minimum.reduceat(take[:, choice.every], choice.starts, axis=1)[:, None, :]
        # among equals any
        gain += self._chance.random((len(rows), 1, 1)) * 0.01
        gain += self._chance.random((1, sizes, sizes)) * 0.01
        gain[rows == host] = _NEVER
        gain[:, -1, -1] = _NEVER
        best = int(gain.argmin())
        other, given, taken = (int(each) for each in np.unravel_index(best, gain.shape))
        if gain[other, given, taken] >= _NEVER / 2:
            return
        until = step + int(self._chance.integers(*_TABU))
        partner = int(rows[other])
        out = choice.cheapest(given, give[other])
        into = choice.cheapest(taken, take[other])
        if out != into:
            self._move(out, host, partner, until)
            self._move(into, partner, host, until)

    def _pressure(self, host: int, rows: Ints, change: Ints) -> Floats:
        """How much more is beyond limits after each exchange: others x pairs of sizes."""
        slack = self._used - self._limits
        result = np.full((len(rows), change.shape[1]), -self._over[host])
        result -= self._over[rows][:, None]
        for at, unit in enumerate(self._unit):
            own = np.maximum(0, slack[host, at] - change[at])
            theirs = slack[rows, at][:, None] + change[at]
            np.maximum(0, theirs, out=theirs)
            theirs += own
            result += theirs * unit
        return result

    def _leaving(self, rows: int | Ints, step: int) -> Floats:
        """What it costs that an instance of each kind leaves: its worth where a native goes."""
        there = self._there[rows]
        free = (there > 0) & (self._tabu[rows] <= step)
        return np.where(free, (there <= self._natives[rows]) * self._price, _NEVER)

    def _arriving(self, rows: int | Ints, step: int) -> Floats:
        """What it costs that an instance of each kind arrives: less than nothing where a native is missing."""
        free = self._admitted[rows] & (self._tabu[rows] <= step)
        return np.where(free, (self._there[rows] < self._natives[rows]) * -self._price, _NEVER)

    def _move(self, kind: int | None, source: int, dest: int, until: int) -> None:
        if kind is None:
            return
        for row, sign in ((source, -1), (dest, 1)):
            self._there[row, kind] += sign
            self._used[row] += sign * self._demands[kind]
            self._over[row] = self._excess(self._used[row] - self._limits[row])
            self._tabu[row, kind] = until
