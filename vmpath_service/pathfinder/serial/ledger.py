"""Who is where during a walk: moves can be made, tried out and taken back."""

from __future__ import annotations

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.serial.task import Task


class Ledger:
    """The state of one walk. ``made``: the moves so far, as (instance, from, to).

    ``size``: per instance what it asks for in its dominant dimension, as a share of what the biggest mover does.
    """

    def __init__(self, task: Task) -> None:
        problem, cloud = task.problem, task.cloud
        self.task = task
        self.room = task.room.copy()
        self.where = self.room.where
        self.goal = task.goal
        self.made: list[tuple[int, int, int]] = []
        self.left = len(task.movers)
        """How many instances are not where they are to be."""
        total = [max(1, sum(row[d] for row in cloud.capacity)) for d in range(len(cloud.dimensions))]
        share = [
            max((amount / most for amount, most in zip(kind.demand, total, strict=True)), default=0.0)
            for kind in cloud.classes
        ]
        biggest = max((share[cloud.class_of[guest]] for guest in task.movers), default=0.0) or 1.0
        self.size = [share[number] / biggest for number in cloud.class_of]
        hosts = range(len(cloud.capacity))
        self.waiting: list[list[int]] = [[] for _ in hosts]
        """Per host: the instances that belong there and were elsewhere at some time, the biggest first."""
        for guest in task.movers:
            self.waiting[task.goal[guest]].append(guest)
        self.rank = [-size for size in self.size]
        for guests in self.waiting:
            guests.sort(key=lambda guest: (self.rank[guest], guest))
        self.residents: list[set[int]] = [set() for _ in hosts]
        """Per host: who was there when moves were last made for good."""
        for guest, host in enumerate(self.where):
            if host != NOWHERE:
                self.residents[host].add(guest)
        self.surplus = list(self.room.free)
        """Per host: the packed amounts that are free once all who belong there have come and nobody else has left."""
        for guest in task.movers:
            self.surplus[task.goal[guest]] -= self.room.need[guest]
        for guest in problem.arrivals:
            self.surplus[problem.goal[guest]] -= self.room.need[guest]
        self.stamp = [0] * len(cloud.capacity)
        """Per host: when somebody last came or left for good."""
        self.clock = 0
        self._final = 0

    def move(self, guest: int, dest: int) -> None:
        """Move an instance."""
        source, goal = self.where[guest], self.goal[guest]
        self.room.move(guest, dest)
        need = self.room.need[guest]
        self.made.append((guest, source, dest))
        if source == goal:
            self.left += 1
            if guest not in self.waiting[goal]:
                self.waiting[goal].append(guest)
                self.waiting[goal].sort(key=lambda other: (self.rank[other], other))
        else:
            self.surplus[source] += need
        if dest == goal:
            self.left -= 1
        else:
            self.surplus[dest] -= need

    def take_back(self, mark: int) -> None:
        """Undo all moves but the first ``mark``, which must not go behind what was made for good."""
        made, goal, room, surplus = self.made, self.goal, self.room, self.surplus
        while len(made) > mark:
            guest, source, dest = made.pop()
            room.move(guest, source)
            end, need = goal[guest], room.need[guest]
            if source == end:
                self.left -= 1
            else:
                surplus[source] -= need
            if dest == end:
                self.left += 1
            else:
                surplus[dest] += need

    def keep(self) -> None:
        """All moves so far are made for good."""
        self.clock += 1
        residents, stamp = self.residents, self.stamp
        for guest, source, dest in self.made[self._final :]:
            residents[source].discard(guest)
            residents[dest].add(guest)
            stamp[source] = stamp[dest] = self.clock
        self._final = len(self.made)
