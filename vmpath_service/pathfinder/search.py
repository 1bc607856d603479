"""Layer 3: exhaustive search over the placements of a few hosts.

States are placements of the instances on the hosts looked at; everything else stays. Instances of the same class,
counters and goal are interchangeable, so a state holds, per kind of instance, the sorted hosts of its members.
Since any schedule that holds both ends of its migrations can be put in the order of its starts, searching through
sequences of single moves loses nothing: where all hosts are looked at and the search comes to its end without the
goal, there is no path.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.trace import told
from vmpath_service.pathfinder.vetoes import refused

State = bytes | tuple[int, ...]
"""Per instance the position of its host; bytes where that suffices: they take a fifth of the memory."""

Verdict = Literal["found", "exhausted", "given up"]


# Up to so many hosts a state is a string of bytes.
BYTES = 256


@dataclass(frozen=True, slots=True)
class Result:
    """``exhausted``: no sequence of moves of these instances among these hosts leads to the goal."""

    verdict: Verdict
    moves: Sequence[Move] = ()


@dataclass(frozen=True, slots=True)
class _Kind:
    """Interchangeable instances: members ``begin`` to ``end`` of a state."""

    example: int
    begin: int
    end: int
    goal: int
    weight: int
    need: int
    mask: int
    counters: tuple[int, ...]
    ways: dict[int, list[int]]
    """Per place where one may be: the places where it may go from there."""


class Search:
    """Search from the placement of ``room`` to ``final``, moving the unpinned residents of ``hosts`` among them.

    ``fixed``: instances that are known to stay where they are.
    """

    def __init__(
        self,
        problem: Problem,
        room: Room,
        final: Sequence[int],
        hosts: Sequence[int],
        fixed: Container[int] = (),
    ) -> None:
        self._problem, self._room = problem, room
        self._hosts = list(hosts)
        self._position = {host: number for number, host in enumerate(self._hosts)}
        cloud = problem.cloud
        groups: dict[tuple[int, ...], list[int]] = {}
        for guest, host in enumerate(room.where):
            if host in self._position and problem.mobile[guest] and guest not in fixed:
                counters = cloud.counters_of.get(guest, ())
                identity = (guest,) if cloud.vetoes else (-1,)
                groups.setdefault((cloud.class_of[guest], final[guest], *identity, *counters), []).append(guest)
        self._guests: list[int] = []
        self._kinds: list[_Kind] = []
        members = list(groups.values())
        for group in members:
            group.sort(key=lambda guest: (room.where[guest], guest))
            example = group[0]
            ends = {self._position[host] for host in (*(room.where[guest] for guest in group), final[example])}
            self._kinds.append(
                _Kind(
                    example,
                    len(self._guests),
                    len(self._guests) + len(group),
                    self._position[final[example]],
                    problem.weight(example),
                    room.need[example],
                    room.mask[example],
                    cloud.counters_of.get(example, ()),
                    self._ways(example, ends),
                )
            )
            self._guests += group
        self._seal: Callable[[Iterable[int]], State] = bytes if len(self._hosts) <= BYTES else tuple
        self.start: State = self._seal(self._position[room.where[guest]] for guest in self._guests)
        self.goal: State = self._seal(self._position[final[guest]] for guest in self._guests)
        self._start_free = tuple(room.free[host] for host in self._hosts)
        self._counted = any(kind.counters for kind in self._kinds)
        self._toll = 1 + len(self._guests) // 32

    @told("forward from the start")
    def forward(self, budget: Budget, haste: int = 1) -> Result:
        """A* by memory moved; ``haste`` above 1 trades the cheapest way for a quicker answer."""
        cost: dict[State, int] = {self.start: 0}
        came: dict[State, tuple[State, int, int, int]] = {}
        first = self._distance(self.start)
        heap: list[tuple[int, int, int, State, tuple[int, ...]]] = [
            (haste * first, first, 0, self.start, self._start_free)
        ]
        number = 0
        while heap:
            _, distance, _, state, free = heapq.heappop(heap)
            spent = cost[state]
            if spent < 0:
                continue
            if state == self.goal:
                return Result("found", self._moves(came))
            cost[state] = -1 - spent  # closed; kept, since it must not be opened again
            for kind, source, dest in self._successors(state, free):
                if not budget.spend(self._toll):
                    return Result("given up")
                following = self._moved(state, kind, source, dest)
                price = spent + kind.weight
                known = cost.get(following)
                if known is not None and (known < 0 or known <= price):
                    continue
                cost[following] = price
                came[following] = (state, kind.begin, source, dest)
                ahead = distance + (kind.weight if source == kind.goal else 0)
                ahead -= kind.weight if dest == kind.goal else 0
                number += 1
                entry = (price + haste * ahead, ahead, number, following, self._shifted(free, kind, source, dest))
                heapq.heappush(heap, entry)
        return Result("exhausted")

    @told("backward from the target")
    def backward(self, budget: Budget) -> Verdict:
        """Whether the goal can be reached at all, from the goal back: ``exhausted`` if surely not.

        A state is passed through only if no host holds more than its capacity or what it held at the start: no
        path leads to any other.
        """
        room = self._room
        credit = [room.pack(tuple(max(0, -amount) for amount in room.amounts(packed))) for packed in self._start_free]
        free = list(self._start_free)
        for guest, begin, end in zip(self._guests, self.start, self.goal, strict=True):
            free[begin] += room.need[guest]
            free[end] -= room.need[guest]
        back: list[dict[int, list[int]]] = []
        for kind in self._kinds:
            sources: dict[int, list[int]] = {}
            for source, dests in kind.ways.items():
                for dest in dests:
                    sources.setdefault(dest, []).append(source)
            back.append(sources)
        seen = {self.goal}
        edge = [(self.goal, tuple(free))]
        guards = room.guards
        while edge:
            state, now = edge.pop()
            if state == self.start:
                return "found"
            counts = self._counts(state) if self._counted else {}
            for kind, sources in zip(self._kinds, back, strict=True):
                for dest in sorted(set(state[kind.begin : kind.end])):
                    if now[dest] & kind.mask != kind.mask:
                        continue  # it cannot have come here last
                    if any(counts[c, dest] > self._problem.cloud.counter_limits[c] for c in kind.counters):
                        continue
                    for source in sources.get(dest, ()):
                        if not budget.spend(self._toll):
                            return "given up"
                        if (now[source] - kind.need + credit[source]) & guards != guards:
                            continue
                        earlier = self._moved(state, kind, dest, source)
                        if earlier not in seen:
                            seen.add(earlier)
                            edge.append((earlier, self._shifted(now, kind, dest, source)))
        return "exhausted"

    def _ways(self, guest: int, ends: set[int]) -> dict[int, list[int]]:
        cloud, receives = self._problem.cloud, self._problem.receives
        hosts = self._hosts
        open_to = [place for place, host in enumerate(hosts) if receives[host] and cloud.admits(guest, host)]
        return {
            source: [dest for dest in open_to if dest != source and cloud.may_pass(hosts[source], hosts[dest])]
            for source in sorted({*open_to, *ends})
        }

    def _successors(self, state: State, free: tuple[int, ...]) -> Iterator[tuple[_Kind, int, int]]:
        counts = self._counts(state) if self._counted else {}
        limits = self._problem.cloud.counter_limits
        veto = self._veto(state) if self._problem.cloud.vetoes else None
        for kind in self._kinds:
            need, mask = kind.need, kind.mask
            for source in sorted(set(state[kind.begin : kind.end])):
                for dest in kind.ways[source]:
                    if (free[dest] - need) & mask != mask:
                        continue
                    if kind.counters and any(counts.get((c, dest), 0) >= limits[c] for c in kind.counters):
                        continue
                    if veto is not None and veto(kind.example, self._hosts[dest]):
                        continue
                    yield kind, source, dest

    def _counts(self, state: State) -> dict[tuple[int, int], int]:
        counts = {
            (counter, place): self._room.counts[counter].get(host, 0)
            for counter in range(len(self._room.counts))
            for place, host in enumerate(self._hosts)
        }
        for kind in self._kinds:
            for counter in kind.counters:
                for position in range(kind.begin, kind.end):
                    counts[counter, self.start[position]] -= 1
                    here = (counter, state[position])
                    counts[here] = counts.get(here, 0) + 1
        return counts

    def _veto(self, state: State) -> Callable[[int, int], bool]:
        where = list(self._room.where)
        for guest, place in zip(self._guests, state, strict=True):
            where[guest] = self._hosts[place]
        return lambda guest, dest: refused(self._problem, where, guest, dest)

    def _moved(self, state: State, kind: _Kind, source: int, dest: int) -> State:
        block = list(state[kind.begin : kind.end])
        block.remove(source)
        block.append(dest)
        block.sort()
        return self._seal((*state[: kind.begin], *block, *state[kind.end :]))

    def _shifted(self, free: tuple[int, ...], kind: _Kind, source: int, dest: int) -> tuple[int, ...]:
        row = list(free)
        row[source] += kind.need
        row[dest] -= kind.need
        return tuple(row)

    def _distance(self, state: State) -> int:
        return sum(kind.weight for kind in self._kinds for host in state[kind.begin : kind.end] if host != kind.goal)

    def _moves(self, came: dict[State, tuple[State, int, int, int]]) -> list[Move]:
        """The way to the goal, with real instances in place of interchangeable ones."""
        steps = []
        state = self.goal
        while state != self.start:
            state, begin, source, dest = came[state]
            steps.append((begin, source, dest))
        there: dict[tuple[int, int], list[int]] = {}
        for kind in self._kinds:
            for position in range(kind.begin, kind.end):
                there.setdefault((kind.begin, self.start[position]), []).append(self._guests[position])
        moves = []
        for begin, source, dest in reversed(steps):
            guest = there[begin, source].pop()
            there.setdefault((begin, dest), []).append(guest)
            moves.append(Move(guest, self._hosts[source], self._hosts[dest]))
        return moves
