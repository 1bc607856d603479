"""The best part of a way: as much as limits on what is moved in all admit, with nobody left half way.

What is best is the least misplaced memory, then the fewest misplaced instances, or the lowest score where a policy
gives one. Candidates are made in several ways and the best is taken:

* the beginning of a legal sequence;
* other parts of it: the safe partial order says what each migration needs before it, so any set that is closed
  under it is a legal sequence too. Instances are taken with all that they need, most memory for the least cost first;
* direct moves alone, the biggest first, and whatever else fits after one of the other candidates;
* in small clouds, a search through all placements that the limits admit.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.ordering import order
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.trace import told
from vmpath_service.pathfinder.vetoes import refused

Score = Callable[[Sequence[int]], float]
"""How good a placement is (per instance its host, NOWHERE: not placed); lower is better."""

# Hosts times movable instances up to which all placements are searched, and steps of the budget for that.
SMALL = 400
STEPS = 300_000
# Steps of the budget for choosing instances one by one.
CHOOSING = 500_000
# How often all that is misplaced is gone through for what fits now.
PASSES = 20


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How many migrations and how much memory (MiB) there may be in all; None: any."""

    migrations: int | None = None
    memory_mb: int | None = None

    def admits(self, migrations: int, memory_mb: int) -> bool:
        """Whether so much is within the limits."""
        return (self.migrations is None or migrations <= self.migrations) and (
            self.memory_mb is None or memory_mb <= self.memory_mb
        )

    def share(self, migrations: int, memory_mb: int) -> float:
        """How much of the limits that is; of nothing in particular where there are none."""
        if self.migrations is None and self.memory_mb is None:
            return float(migrations)
        parts = ((migrations, self.migrations), (memory_mb, self.memory_mb))
        return sum(amount / max(1, limit) for amount, limit in parts if limit is not None)


def size(problem: Problem, guest: int) -> int:
    """The memory of an instance in MiB."""
    return problem.cloud.snapshot.instances[guest].memory_mb()


def within(problem: Problem, moves: Sequence[Move], ceiling: Ceiling) -> bool:
    """Whether a whole sequence is within the limits."""
    return ceiling.admits(len(moves), sum(size(problem, move.guest) for move in moves))


def misplaced(problem: Problem, moves: Sequence[Move]) -> tuple[int, int]:
    """Memory (MiB) and number of the instances that are not where they are to be after these moves."""
    where = _ends(problem, moves)
    left = [guest for guest in problem.movers if where[guest] != problem.goal[guest]]
    return sum(size(problem, guest) for guest in left), len(left)


@told("choose the best part of the way within the limits")
def best_part(
    problem: Problem, moves: Sequence[Move], ceiling: Ceiling, budget: Budget, score: Score | None = None
) -> list[Move]:
    """The best legal sequence within the limits that was found; ``moves`` is a legal one, whole or as far as it goes.

    All whom it moves end at home or where they are to be.
    """
    rest = settled(problem, moves)
    if within(problem, rest, ceiling):
        parts = [[], rest]
    else:
        beginning = settled(problem, _first(problem, rest, ceiling))
        parts = [[], beginning, _closed_part(problem, rest, ceiling, budget.share(CHOOSING))]
    candidates = [_filled(problem, part, ceiling) for part in parts]
    if len(problem.receives) * sum(problem.mobile) <= SMALL:
        candidates += _searched(problem, ceiling, budget.share(STEPS), score)

    def worth(candidate: Sequence[Move]) -> tuple[float, int, int, int]:
        given = score(_ends(problem, candidate)) if score is not None else 0.0
        return (given, *misplaced(problem, candidate), sum(size(problem, move.guest) for move in candidate))

    if score is not None:
        candidates.append([])
    return min(candidates, key=worth)


def settled(problem: Problem, moves: Sequence[Move]) -> list[Move]:
    """A legal part of a legal sequence after which every instance is at home or where it is to be.

    Who would be left elsewhere stays where it last was well, and with it those for whom there is no room then.
    """
    kept = list(moves)
    for _ in range(PASSES):
        keep = _at_rest(problem, kept)
        if len(keep) == len(kept):
            return kept
        kept = list(_legal(problem, [kept[position] for position in keep]))
    return _beginning(problem, kept)


def _beginning(problem: Problem, moves: Sequence[Move]) -> list[Move]:
    """The longest beginning of a sequence after which every instance is at home or where it is to be."""
    away: set[int] = set()
    best = 0
    for position, move in enumerate(moves):
        if _may_stay(problem, move.guest, move.dest):
            away.discard(move.guest)
        else:
            away.add(move.guest)
        if not away:
            best = position + 1
    return list(moves[:best])


def _at_rest(problem: Problem, moves: Sequence[Move]) -> list[int]:
    """Positions of the moves up to which each instance comes to where it may stay."""
    last: dict[int, int] = {}
    for position, move in enumerate(moves):
        if _may_stay(problem, move.guest, move.dest):
            last[move.guest] = position
    return [position for position, move in enumerate(moves) if position <= last.get(move.guest, -1)]


def _may_stay(problem: Problem, guest: int, host: int) -> bool:
    return host != NOWHERE and host in (problem.goal[guest], problem.cloud.home[guest])


def _legal(problem: Problem, moves: Sequence[Move]) -> Iterator[Move]:
    """The moves of a sequence that are legal in turn when those that are not are left out."""
    room = Room(problem.cloud, problem.departures)
    for move in moves:
        if room.where[move.guest] == move.source and may_go(problem, room, move.guest, move.dest):
            room.move(move.guest, move.dest)
            yield move


def may_go(problem: Problem, room: Room, guest: int, dest: int) -> bool:
    """Whether an instance may be migrated to the host at this moment, whatever there is to ask."""
    source = room.where[guest]
    return (
        source not in (NOWHERE, dest)
        and problem.mobile[guest]
        and problem.receives[dest]
        and problem.cloud.admits(guest, dest)
        and problem.cloud.may_pass(source, dest)
        and room.fits(guest, dest)
        and not (problem.cloud.vetoes and refused(problem, room.where, guest, dest))
    )


def _ends(problem: Problem, moves: Sequence[Move]) -> list[int]:
    where = list(problem.cloud.home)
    for guest in problem.departures:
        where[guest] = NOWHERE
    for move in moves:
        where[move.guest] = move.dest
    return where


def _filled(problem: Problem, moves: Sequence[Move], ceiling: Ceiling) -> list[Move]:
    """The sequence, and after it whoever may go straight to its end, the biggest first."""
    result = list(moves)
    room = Room(problem.cloud, problem.departures)
    spent = 0
    for move in moves:
        room.move(move.guest, move.dest)
        spent += size(problem, move.guest)
    waiting = [guest for guest in problem.movers if room.where[guest] != problem.goal[guest]]
    waiting.sort(key=lambda guest: (-size(problem, guest), guest))
    freed = set(range(len(problem.receives)))
    for _ in range(PASSES):
        still = []
        before, freed = freed, set()
        for guest in waiting:
            dest = problem.goal[guest]
            if dest not in before and dest not in freed and not problem.cloud.vetoes:
                still.append(guest)  # nobody has left that host since it was asked
                continue
            memory = size(problem, guest)
            if not ceiling.admits(len(result) + 1, spent + memory) or not may_go(problem, room, guest, dest):
                still.append(guest)
                continue
            result.append(Move(guest, room.where[guest], dest))
            freed.add(room.where[guest])
            room.move(guest, dest)
            spent += memory
        if len(still) == len(waiting):
            break
        waiting = still
    return result


def _first(problem: Problem, moves: Sequence[Move], ceiling: Ceiling) -> list[Move]:
    """As much of the beginning of a sequence as the limits admit."""
    memory = 0
    for number, move in enumerate(moves):
        memory += size(problem, move.guest)
        if not ceiling.admits(number + 1, memory):
            return list(moves[:number])
    return list(moves)


def _closed_part(problem: Problem, moves: Sequence[Move], ceiling: Ceiling, budget: Budget) -> list[Move]:
    """The part of a sequence that brings most memory home within the limits, chosen instance by instance."""
    after = order(problem, moves)
    legs: dict[int, list[int]] = {}
    for position, move in enumerate(moves):
        legs.setdefault(move.guest, []).append(position)
    chosen: set[int] = set()
    used = [0, 0]

    def needs(guest: int) -> set[int] | None:
        """What has to be added to bring the instance to its end; None where that is beyond the limits."""
        found: set[int] = set()
        memory = 0
        open_ends = legs[guest][-1:]
        while open_ends:
            position = open_ends.pop()
            if position in found or position in chosen:
                continue
            found.add(position)
            move = moves[position]
            memory += size(problem, move.guest)
            if not budget.spend():
                return None
            if not ceiling.admits(used[0] + len(found), used[1] + memory):
                return None
            open_ends += after[position]
            if not _may_stay(problem, move.guest, move.dest):
                # nobody is left half way
                open_ends.append(next(each for each in legs[move.guest] if each > position))
        return found

    def rate(found: Collection[int]) -> float:
        """What these moves bring home for their share of the limits."""
        mine = [moves[each] for each in found]
        at_home = sum(1 + size(problem, move.guest) for move in mine if move.dest == problem.goal[move.guest])
        share = ceiling.share(len(found), sum(size(problem, move.guest) for move in mine))
        return at_home / share if share else 0.0

    heap: list[tuple[float, int]] = []
    for guest in sorted(legs):
        if budget.left <= 0:
            break
        found = needs(guest)
        if found and rate(found):
            heap.append((-rate(found), guest))
    heapq.heapify(heap)
    while heap and budget.left > 0 and not budget.ended():
        _, guest = heapq.heappop(heap)
        found = needs(guest)
        if not found:
            continue
        if heap and -rate(found) > heap[0][0]:
            heapq.heappush(heap, (-rate(found), guest))  # others have taken what made it cheap
            continue
        chosen |= found
        used[0] += len(found)
        used[1] += sum(size(problem, moves[each].guest) for each in found)
    return [moves[position] for position in sorted(chosen)]


def _searched(problem: Problem, ceiling: Ceiling, budget: Budget, score: Score | None) -> list[list[Move]]:
    """The best placement of a small cloud that the limits admit, and the cheapest way there, as the only entry;
    none where the budget did not suffice to see all. With limits on both number and memory, a way of fewer migrations
    is preferred at every stop, so that the best may be missed."""
    guests = [guest for guest, mobile in enumerate(problem.mobile) if mobile]
    home = problem.cloud.home
    start = tuple(home[guest] for guest in guests)
    cost = {start: (0, 0)}
    came: dict[tuple[int, ...], tuple[tuple[int, ...], Move]] = {}
    heap = [((0, 0), start)]
    by_memory = ceiling.migrations is None
    best: tuple[tuple[float, int, int], tuple[int, ...]] | None = None
    while heap:
        spent, state = heapq.heappop(heap)
        if spent != cost[state]:
            continue
        room = Room(problem.cloud, problem.departures)
        for guest, host in zip(guests, state, strict=True):
            if room.where[guest] != host:
                room.move(guest, host)
        if all(host in (problem.goal[guest], home[guest]) for guest, host in zip(guests, state, strict=True)):
            left = [guest for guest, host in zip(guests, state, strict=True) if host != problem.goal[guest]]
            given = score(room.where) if score is not None else 0.0
            worth = (given, sum(size(problem, guest) for guest in left), len(left))
            if best is None or worth < best[0]:
                best = (worth, state)
        for number, guest in enumerate(guests):
            memory = size(problem, guest)
            price = (spent[0] + memory, spent[1] + 1) if by_memory else (spent[0] + 1, spent[1] + memory)
            if not ceiling.admits(*(price[::-1] if by_memory else price)):
                continue
            for dest in range(len(problem.receives)):
                if not budget.spend():
                    return []
                if not may_go(problem, room, guest, dest):
                    continue
                following = (*state[:number], dest, *state[number + 1 :])
                if following not in cost or price < cost[following]:
                    cost[following] = price
                    came[following] = (state, Move(guest, state[number], dest))
                    heapq.heappush(heap, (price, following))
    assert best is not None  # the start is at rest
    moves: list[Move] = []
    state = best[1]
    while state != start:
        state, move = came[state]
        moves.append(move)
    return [moves[::-1]]
