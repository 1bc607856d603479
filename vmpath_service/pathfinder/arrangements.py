"""Which arrangements can be reached where instances of the same class are taken for the same: exact, and much smaller.

An arrangement says how many instances of each class are on each host. Where moves can be undone, what single instances
can do follows from the arrangements: go through all that can be reached, and note for each a placement that belongs
to it. Wherever a second way leads to an arrangement, the placement it brings differs from the one noted by a
permutation of instances of the same class; those of one class on one host can be told apart by nothing, so may be
exchanged too. The permutations that can be brought about, at any arrangement, are just the group that all these
generate (the arrangements' graph is covered by the placements' graph, and this is its group of deck movements). So the
target is reached if and only if its arrangement is and the permutation that it asks for there is in the group.

Exchanges of two generate all permutations within the sets that they connect; what is left of the group permutes these
sets, and there are few.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Literal

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.kinds import interchangeable, room_without
from vmpath_service.pathfinder.permutations import Permutation, PermutationGroup
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.trace import told

Reach = Literal["reachable", "unreachable", "unknown"]

# Up to so many hosts; a place is one byte.
HOSTS = 255
# Steps of the budget for a part of the instances.
PART = 200_000
# Up to so many sets of instances that can be exchanged among themselves.
SETS = 20


def reach(problem: Problem, fixed: Container[int], budget: Budget) -> Reach:
    """Whether the target of a problem can be reached; ``fixed``: instances that are known to stay.

    First it is tried with the biggest instances alone, which is soon done, then with ever smaller ones.
    """
    # numpy takes long to be imported, and few problems come here
    from vmpath_service.pathfinder.vector_arrangements import VectorArrangements

    whole = Arrangements(problem, fixed)
    if not whole.applicable():
        return "unknown"
    for without in parts(problem, fixed):
        part = VectorArrangements(problem, fixed, without)
        if part.applicable() and part.reach(budget.share(PART)) == "unreachable":
            return "unreachable"
    at_once = VectorArrangements(problem, fixed)
    return (at_once if at_once.applicable() else whole).reach(budget)


def parts(problem: Problem, fixed: Container[int]) -> Iterator[list[int]]:
    """Instances to leave out so that a simpler problem is left: all but the biggest first, then ever fewer.

    What is big is judged by the dominant dimension, then by each by itself.
    """
    cloud = problem.cloud
    total = [max(1, sum(row[d] for row in cloud.capacity)) for d in range(len(cloud.dimensions))]
    moving = set(problem.movers)
    classes: dict[int, list[int]] = {}
    for guest, home in enumerate(cloud.home):
        if home != NOWHERE and problem.mobile[guest] and guest not in fixed:
            classes.setdefault(cloud.class_of[guest], []).append(guest)

    def shares(number: int) -> list[float]:
        return [amount / most for amount, most in zip(cloud.classes[number].demand, total, strict=True)]

    tried: set[frozenset[int]] = {frozenset()}
    scales: list[Callable[[list[float]], float]] = [partial(max, default=0.0)]
    scales += [itemgetter(dimension) for dimension in range(len(cloud.dimensions))]
    for scale in scales:
        sizes = {number: scale(shares(number)) for number in classes}
        without = [number for _, number in sorted((size, number) for number, size in sizes.items())]
        while without:
            biggest = without.pop()
            left_out = frozenset(without)
            if left_out in tried or not any(guest in moving for guest in classes[biggest]):
                continue
            tried.add(left_out)
            yield [guest for number in without for guest in classes[number]]


class _Side:
    """What was seen from one end. ``noted``: per arrangement the placement by which it was first reached."""

    def __init__(self, placement: bytes, arrangement: bytes, free: tuple[int, ...]) -> None:
        self.noted = {arrangement: placement}
        self.queue = deque([(placement, arrangement, free)])


class Arrangements:
    """What can be reached in a whole cloud; ``fixed``: instances that are known to stay where they are.

    ``without``: movable instances that are left out altogether; what cannot be reached without them cannot be reached
    with them.
    """

    def __init__(self, problem: Problem, fixed: Container[int], without: Iterable[int] = ()) -> None:
        self._problem = problem
        self._room = room_without(problem, without)
        cloud = problem.cloud
        self.guests: list[int] = []
        self._kinds: list[tuple[int, int, int]] = []
        """Per kind: an example, and the positions of its members among ``guests``, from and to."""
        for members in interchangeable(problem, self._room, fixed, by_goal=False):
            begin = len(self.guests)
            self.guests += members
            self._kinds.append((members[0], begin, len(self.guests)))
        hosts = range(len(problem.receives))
        self._ways = [
            {
                source: [
                    dest
                    for dest in hosts
                    if dest != source
                    and problem.receives[dest]
                    and cloud.admits(example, dest)
                    and cloud.may_pass(source, dest)
                ]
                for source in hosts
            }
            for example, _, _ in self._kinds
        ]
        self._leaders = list(range(len(self.guests)))
        self._generators: set[Permutation] = set()

    def applicable(self) -> bool:
        """Whether all moves can be undone and placements are small enough to be noted."""
        problem, room, limits = self._problem, self._room, self._problem.cloud.counter_limits
        if problem.cloud.vetoes or len(problem.receives) > HOSTS:
            return False
        if any(free & room.guards != room.guards for free in room.free):
            return False
        if any(count > limit for counts, limit in zip(room.counts, limits, strict=True) for count in counts.values()):
            return False
        if any(not problem.mobile[guest] for guest in problem.movers):
            return False
        for (_, begin, end), ways in zip(self._kinds, self._ways, strict=True):
            places = {room.where[guest] for guest in self.guests[begin:end]}
            seen = set(places)
            edge = list(places)
            while edge:
                place = edge.pop()
                for dest in ways[place]:
                    if place not in ways[dest]:
                        return False
                    if dest not in seen:
                        seen.add(dest)
                        edge.append(dest)
        return True

    @told("decide by arrangements whether the target can be reached")
    def reach(self, budget: Budget) -> Reach:
        """Whether the target can be reached; ``budget`` ends the search with ``unknown``."""
        room = self._room
        start = bytes(room.where[guest] for guest in self.guests)
        goal = bytes(self._problem.goal[guest] for guest in self.guests)
        free = list(room.free)
        for guest, begin, end in zip(self.guests, start, goal, strict=True):
            free[begin] += room.need[guest]
            free[end] -= room.need[guest]
        forth = _Side(start, self._arrangement(start), tuple(room.free))
        back = _Side(goal, self._arrangement(goal), tuple(free))
        wanted = self._arrangement(goal)
        toll = 1 + len(self.guests) // 8
        while forth.queue:
            if not self._expand(forth, budget, toll, exact=True):
                return "unknown"
            if wanted in forth.noted:
                if self._all_alike_exchange():
                    return "reachable"
            elif not self._expand(back, budget, toll, exact=False):
                return "unknown"
            elif not back.queue and self._arrangement(start) not in back.noted:
                return "unreachable"  # from the other end there was less to see
        if wanted not in forth.noted:
            return "unreachable"
        return self._in_group(self._difference(goal, forth.noted[wanted]))

    def _expand(self, side: _Side, budget: Budget, toll: int, *, exact: bool) -> bool:
        """Look at the neighbours of one arrangement; False when the budget ends."""
        if not side.queue:
            return True
        placement, arrangement, free = side.queue.popleft()
        if exact:
            self._exchange_neighbours(placement)
        for begin, end, position, source, dest in self._moves(placement, free):
            if not budget.spend(toll):
                return False
            following = placement[:position] + bytes([dest]) + placement[position + 1 :]
            block = bytearray(arrangement[begin:end])
            block.remove(source)
            insort(block, dest)
            reached = arrangement[:begin] + block + arrangement[end:]
            known = side.noted.get(reached)
            if known is None:
                side.noted[reached] = following
                side.queue.append((following, reached, self._shifted(free, position, source, dest)))
            elif exact:
                self._note(following, known)
        return True

    def _arrangement(self, placement: bytes) -> bytes:
        """How many instances of each kind are on each host, in a form that can be compared."""
        return b"".join(bytes(sorted(placement[begin:end])) for _, begin, end in self._kinds)

    def _moves(self, placement: bytes, free: Sequence[int]) -> Iterator[tuple[int, int, int, int, int]]:
        """One move for each kind, source and destination.

        Gives the positions where the kind begins and ends, that of the instance, from where and to where it goes.
        """
        room, limits = self._room, self._problem.cloud.counter_limits
        counts = self._counts(placement) if limits else {}
        for (example, begin, end), ways in zip(self._kinds, self._ways, strict=True):
            need, mask = room.need[example], room.mask[example]
            counters = room.counters_of.get(example, ())
            block = placement[begin:end]
            for source in sorted(set(block)):
                position = begin + block.index(source)
                for dest in ways[source]:
                    if (free[dest] - need) & mask == mask and all(
                        counts.get((counter, dest), 0) < limits[counter] for counter in counters
                    ):
                        yield begin, end, position, source, dest

    def _counts(self, placement: bytes) -> dict[tuple[int, int], int]:
        room = self._room
        counts = {(c, host): count for c, each in enumerate(room.counts) for host, count in each.items()}
        for guest, host in zip(self.guests, placement, strict=True):
            for counter in room.counters_of.get(guest, ()):
                counts[counter, room.where[guest]] -= 1
                counts[counter, host] = counts.get((counter, host), 0) + 1
        return counts

    def _shifted(self, free: Sequence[int], position: int, source: int, dest: int) -> tuple[int, ...]:
        row = list(free)
        need = self._room.need[self.guests[position]]
        row[source] += need
        row[dest] -= need
        return tuple(row)

    def _difference(self, placement: bytes, noted: bytes) -> Permutation:
        """A permutation of instances of the same kind that makes the noted placement the other one."""
        result = list(range(len(placement)))
        for _, begin, end in self._kinds:
            there: dict[int, list[int]] = {}
            odd = []
            for position in range(begin, end):
                if placement[position] != noted[position]:
                    there.setdefault(noted[position], []).append(position)
                    odd.append(position)
            for position in odd:
                result[position] = there[placement[position]].pop()
        return tuple(result)

    def _note(self, placement: bytes, noted: bytes) -> None:
        if placement != noted:
            found = self._difference(placement, noted)
            if any(self._leader(point) != self._leader(image) for point, image in enumerate(found)):
                self._generators.add(found)

    def _exchange_neighbours(self, placement: bytes) -> None:
        for _, begin, end in self._kinds:
            first: dict[int, int] = {}
            for position in range(begin, end):
                self._join(first.setdefault(placement[position], position), position)

    def _leader(self, position: int) -> int:
        leaders = self._leaders
        while leaders[position] != position:
            leaders[position] = leaders[leaders[position]]
            position = leaders[position]
        return position

    def _join(self, one: int, other: int) -> bool:
        one, other = self._leader(one), self._leader(other)
        self._leaders[max(one, other)] = min(one, other)
        return one != other

    def _all_alike_exchange(self) -> bool:
        """Whether any two instances of the same kind can be exchanged already."""
        return all(
            self._leader(position) == self._leader(begin)
            for _, begin, end in self._kinds
            for position in range(begin, end)
        )

    def _in_group(self, wanted: Permutation) -> Reach:
        """Whether the permutation can be brought about."""
        # what exchanges two, carried along by a permutation, exchanges the two that they are taken to
        grew = True
        while grew:
            grew = False
            for generator in self._generators:
                images: dict[int, int] = {}
                for position, image in enumerate(generator):
                    grew |= self._join(images.setdefault(self._leader(position), image), image)
        leaders = sorted({self._leader(position) for position in range(len(self.guests))})
        if len(leaders) > SETS:
            return "unknown"
        number = {leader: position for position, leader in enumerate(leaders)}

        def of_sets(permutation: Permutation) -> Permutation | None:
            """What it does to the sets; None where it tears one apart."""
            images: dict[int, int] = {}
            for position, image in enumerate(permutation):
                mine, its = number[self._leader(position)], number[self._leader(image)]
                if images.setdefault(mine, its) != its:
                    return None
            return tuple(images[each] for each in range(len(leaders)))

        asked = of_sets(wanted)
        if asked is None or len(set(asked)) < len(asked):
            return "unreachable"
        generators = {each for each in map(of_sets, self._generators) if each is not None}
        return "reachable" if asked in PermutationGroup(len(leaders), sorted(generators)) else "unreachable"
