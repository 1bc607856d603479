"""What waits for whom, seen ahead: the chain of migrations that cannot begin before somebody has left a host.

On a host that is short of room for what it has yet to take in, arrivals wait for departures. So once somebody has
left it, there come at least its slots' work of arrivals, or the longest of them, and after that what waits on the
host where that one comes from, and so on. Chains run in circles on full clouds: a few links of them are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from operator import add
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vmpath_service.pathfinder.hastening.course import Course

# How many hosts a chain is followed along. Chains are looked at again when so much of all has started, or after so
# much of the longest migration.
DEPTH = 3
STARTED = 0.02
FRESH = 0.5
# How many have to wait for the chains to be followed by array operations.
MANY = 2_000


class Foresight:
    """The chains of one course, where hosts have slots."""

    def __init__(self, course: Course) -> None:
        self._course = course
        hosts = len(course.owed)
        self._slots = course.problem.limits.per_host or 1
        self._coming, self._going = [0.0] * hosts, [0.0] * hosts
        for guest in course.pending:
            self._coming[course.problem.goal[guest]] += course.seconds[guest]
            self._going[course.where[guest]] += course.seconds[guest]
        self._most = max([*self._coming, *self._going], default=0.0) or 1.0
        self._behind = [0.0] * hosts
        self._until = 0.0
        self._started = 0
        self._lasting: NDArray[np.float64] | None = None
        """The seconds of each instance, once they are asked for as an array."""
        self._enough = STARTED * len(course.pending)

    def tails(self, guests: Iterable[int]) -> list[float]:
        """Per instance: the seconds of the longest chain that begins when it starts."""
        seconds, where, behind = self._course.seconds, self._course.where, self._behind
        return [seconds[guest] + behind[where[guest]] for guest in guests]

    def urgencies(self, guests: Sequence[int]) -> list[float]:
        """Per instance: how soon it has to go, by its chain, and by what the slots of its hosts have left to do."""
        slots, most, going, coming = self._slots, self._most, self._going, self._coming
        where, goal = self._course.where, self._course.problem.goal
        return [
            max(going[where[guest]], coming[goal[guest]], slots * tail) / most
            for guest, tail in zip(guests, self.tails(guests), strict=True)
        ]

    def count(self, guest: int, source: int, dest: int) -> None:
        """The instance has started."""
        self._started += 1
        seconds = self._course.seconds[guest]
        self._going[source] -= seconds
        if dest == self._course.problem.goal[guest]:
            self._coming[dest] -= seconds
        else:
            self._going[dest] += seconds

    def look(self) -> None:
        """Follow the chains anew if it is time."""
        course = self._course
        if course.now < self._until and self._started < self._enough:
            return
        self._started = 0
        self._until = course.now + FRESH * course.longest
        free, guards = course.room.free, course.room.guards
        short = [
            host
            for host, owed in enumerate(course.owed)
            if course.incoming[host] and (free[host] - owed) & guards != guards
        ]
        behind = [0.0] * len(course.owed)
        for host in short:
            behind[host] = self._coming[host] / self._slots
        if sum(len(course.incoming[host]) for host in short) >= MANY:
            self._behind = self._followed_at_once(short, behind)
            return
        # what is looked up does not change meanwhile: it is laid out in rows first
        waiting = [guest for host in short for guest in course.incoming[host]]
        took = [course.seconds[guest] for guest in waiting]
        sources = [course.where[guest] for guest in waiting]
        ends = list(accumulate(len(course.incoming[host]) for host in short))
        rows = list(zip(short, [0, *ends], ends, strict=False))
        for _ in range(DEPTH):
            chains = list(map(add, took, map(behind.__getitem__, sources)))
            longer = [0.0] * len(behind)
            for host, first, last in rows:
                longer[host] = max(behind[host], max(chains[first:last]))
            behind = longer
        self._behind = behind

    def _followed_at_once(self, short: Sequence[int], behind: list[float]) -> list[float]:
        """The same by array operations, which compare and add the same numbers; worth it where many wait."""
        # numpy takes long to be imported, and few clouds are so big
        import numpy as np

        course = self._course
        rows = [course.incoming[host] for host in short]
        sizes = np.array([len(row) for row in rows])
        waiting = np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(sizes.sum()))
        if self._lasting is None:
            self._lasting = np.array(course.seconds)
        took = self._lasting[waiting]
        sources = np.fromiter(map(course.where.__getitem__, waiting.tolist()), dtype=np.int64, count=len(waiting))
        begins = np.cumsum(sizes) - sizes
        known = np.array(behind)
        for _ in range(DEPTH):
            longest = np.maximum.reduceat(took + known[sources], begins)
            longer = np.zeros(len(behind))
            longer[short] = np.maximum(known[short], longest)
            known = longer
        followed: list[float] = known.tolist()
        return followed
