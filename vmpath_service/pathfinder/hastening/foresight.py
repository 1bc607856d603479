"""What waits for whom, seen ahead: the chain of migrations that cannot begin before somebody has left a host.

On a host that is short of room for what it has yet to take in, arrivals wait for departures. So once somebody has
left it, there come at least its slots' work of arrivals, or the longest of them, and after that what waits on the
host where that one comes from, and so on. Chains run in circles on full clouds: a few links of them are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmpath_service.pathfinder.hastening.course import Course

# How many hosts a chain is followed along. Chains are looked at again when so much of all has started, or after so
# much of the longest migration.
DEPTH = 3
STARTED = 0.02
FRESH = 0.5


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
        self._enough = STARTED * len(course.pending)

    def tail(self, guest: int) -> float:
        """The seconds of the longest chain that begins when the instance starts."""
        return self._course.seconds[guest] + self._behind[self._course.where[guest]]

    def urgency(self, guest: int) -> float:
        """How soon the instance has to go: by its chain, and by what the slots of its hosts have left to do."""
        course = self._course
        work = max(self._going[course.where[guest]], self._coming[course.problem.goal[guest]])
        return max(work, self._slots * self.tail(guest)) / self._most

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
        seconds, where = course.seconds, course.where
        for _ in range(DEPTH):
            longer = [0.0] * len(behind)
            for host in short:
                longest = max([seconds[guest] + behind[where[guest]] for guest in course.incoming[host]])
                longer[host] = max(behind[host], longest)
            behind = longer
        self._behind = behind
