"""Making free room even: stops that bring together what is free of one resource class and what is free of the others.

Where some hosts have memory left and no VCPU, and others VCPU and no memory, hardly anybody has room, and most of what
is free stays idle from the beginning to the end. What a host can take is what it has free in its scarcest dimension,
over what an instance asks for on average there. An instance that asks for much of what its host is short of, and for
little of what it has left, adds more to that by leaving than it takes by coming to a host that is free the other way
round. Such stops go before all else where they add enough; and of those that go straight to where they are to end,
they go first that add most by leaving.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vmpath_service.pathfinder.hastening.evenness import evenness, typical

if TYPE_CHECKING:
    from vmpath_service.pathfinder.hastening.course import Course

# How much it counts that a migration adds to what can be taken by leaving.
LEAVING = 0.7
# How many stops of this kind one instance makes at most.
PATIENCE = 2
# So many classes of instances are looked at, those of which most move.
KINDS = 64
# What a look at one host costs, in steps of the budget.
LOOK = 4


class Balance:
    """What the hosts of one course can take; it is told of each change."""

    def __init__(self, course: Course) -> None:
        self._course = course
        problem, room = course.problem, course.room
        cloud = problem.cloud
        sizes = typical(problem)
        self._used = [number for number, size in enumerate(sizes) if size]
        self._sizes = np.array([sizes[number] for number in self._used])
        commonest = Counter(cloud.class_of[guest] for guest in sorted(course.pending)).most_common(KINDS)
        kinds = sorted(kind for kind, _ in commonest)
        self._row_of = {kind: row for row, kind in enumerate(kinds)}
        demands = [[cloud.classes[kind].demand[number] for number in self._used] for kind in kinds]
        self._demand = np.array(demands, dtype=float).reshape(len(kinds), len(self._used)) / self._sizes
        self._size = self._demand.max(axis=1, initial=1e-9)
        examples = [cloud.classes[kind].example for kind in kinds]
        self._needs = [(room.need[guest], room.mask[guest]) for guest in examples]
        self._seconds = np.array([max(course.seconds[guest], 1e-3) for guest in examples])
        self._expected = list(room.free)
        """Per host: what is free there once those in flight have left, packed."""
        hosts = len(self._expected)
        self._free = np.zeros((hosts, len(self._used)))
        """The same in typical instances."""
        self._taken = np.zeros(hosts)
        """Per host: how many of those it can take, in fractions."""
        self._gain = np.zeros((len(kinds), hosts))
        """Per class and host: how many more it can take once one of the class has left; less than nothing where none
        can leave."""
        self._changed = set(range(hosts))
        self._stopped: dict[int, int] = {}
        self._all = len(course.pending)
        self._least = course.style.even * evenness(problem) if self._used else 1.0
        """What a stop has to add; more, the fewer are to be moved yet, since that is for less of the time."""

    def note(self, host: int, amount: int) -> None:
        """So much more, packed, is expected to be free on the host."""
        self._expected[host] += amount
        self._changed.add(host)

    def merits(self, guests: Sequence[int]) -> list[float]:
        """Per instance: what counts for it to go first."""
        self._refresh()
        where, class_of = self._course.where, self._course.problem.cloud.class_of
        merits = []
        for guest in guests:
            row = self._row_of.get(class_of[guest])
            gain = 0.0 if row is None else float(self._gain[row, where[guest]])
            merits.append(LEAVING * gain / float(self._size[row]) if gain > 0.0 else 0.0)
        return merits

    def even_out(self, touched: Iterable[int]) -> int:
        """Send instances by these hosts whose leaving adds enough to what can be taken; returns the steps of work."""
        course = self._course
        least = self._least * self._all / max(1, len(course.pending))
        # nobody adds more than it takes
        if least >= 1.0:
            return 0
        work = 0
        for host in touched:
            if host in course.down or not course.problem.receives[host]:
                continue
            while course.traffic.idle_in(host) > len(course.claimed[host]):
                work += LOOK
                guest = self._best(host, least)
                if guest is None:
                    break
                self._stopped[guest] = self._stopped.get(guest, 0) + 1
                course.turn_aside(guest, host)
                course.try_to_start(guest)
        return work

    def _refresh(self) -> None:
        """Look again at the hosts on which something has changed."""
        if not self._changed or not self._used:
            return
        hosts = sorted(self._changed)
        self._changed.clear()
        amounts, expected = self._course.room.amounts, self._expected
        rows = np.array([list(amounts(expected[host])) for host in hosts], dtype=float)[:, self._used] / self._sizes
        self._free[hosts] = rows
        self._taken[hosts] = taken = rows.min(axis=1)
        self._gain[:, hosts] = (rows[None, :, :] + self._demand[:, None, :]).min(axis=2) - taken

    def _best(self, host: int, least: float) -> int | None:
        """Who is to stop at a host next: who adds most for each second that it takes."""
        free = self._course.room.free[host]
        fitting = [row for row, (need, mask) in enumerate(self._needs) if (free - need) & mask == mask]
        if not fitting:
            return None
        self._refresh()
        loss = self._taken[host] - (self._free[host] - self._demand[fitting]).min(axis=1)
        gains = self._gain[fitting]
        sources = gains.argmax(axis=1)
        added = gains[np.arange(len(fitting)), sources] - loss
        for number in np.argsort(-added / self._seconds[fitting], kind="stable"):
            row, source, lost = fitting[number], int(sources[number]), loss[number]
            enough = least * self._size[row] + lost
            while self._gain[row, source] >= enough and self._gain[row, source] > 0.0:
                guest = self._leaver(row, source, host)
                if guest is not None:
                    return guest
                # nobody of the class can leave it by now: it is looked at again when something changes there
                self._gain[row, source] = -1.0
                source = int(self._gain[row].argmax())
        return None

    def _leaver(self, row: int, source: int, host: int) -> int | None:
        """An instance of a class that can leave one host for a stop at another."""
        course = self._course
        if source == host or course.traffic.no_exit[source]:
            return None
        problem = course.problem
        cloud, goal, claims, stops = problem.cloud, problem.goal, course.claims, course.stops
        for guest in sorted(course.outgoing[source]):
            if (
                self._row_of.get(cloud.class_of[guest]) == row
                and goal[guest] != host
                and guest not in claims
                and not stops.get(guest)
                and self._stopped.get(guest, 0) < PATIENCE
                and course.room.fits(guest, host)
                and cloud.admits(guest, host)
                and cloud.may_pass(source, host)
                and cloud.may_pass(host, goal[guest])
                and course.traffic.blocker(guest, source, host) is None
            ):
                return guest
        return None
