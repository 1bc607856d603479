"""Stops that others could make needless by waiting: a path is shortened by letting those wait who were let in.

Somebody stepped aside so that another could come, and went on later, when there was room where he belongs. Where that
room came about independently, he could have waited for it, and the other for him. This is tried for each stop: the
stop is left out, the rest is gone through in the same order, and whoever cannot go waits until he can. As soon as
nobody waits any more, all is as it was before, and so is the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.serial.task import Task

Steps = list[tuple[int, int, int]]
"""Instance, from, to."""

# How many moves are gone through for one stop, and how many may wait at once.
FOLLOWED = 9000
WAITING = 450
# How many of them are as much work as a step of the budget.
CHEAPER = 8


def shortened(task: Task, steps: Sequence[tuple[int, int, int]], budget: Budget) -> Steps:
    """The steps of a legal sequence with fewer stops on the way, or the same ones."""
    sequence = list(steps)
    room = task.room.copy()
    budget.spend(len(sequence) // CHEAPER)
    position = 0
    while position < len(sequence):
        guest, _, dest = sequence[position]
        if dest != task.goal[guest] and budget.left > 0 and not budget.ended():
            shorter = _without(task, room, sequence, position, budget)
            if shorter is not None:
                sequence = shorter
                continue
        room.move(guest, dest)
        position += 1
    return sequence


class _Waiting:
    """Those who wait, each for one host. Moves are made in ``room``; ``made`` are the moves so far."""

    def __init__(self, task: Task, room: Room) -> None:
        self._task, self._room = task, room
        self.made: Steps = []
        self.dest: dict[int, int] = {}
        """Per instance that waits: the host it waits for."""
        self._at: dict[int, list[int]] = {}

    def wait(self, guest: int, dest: int) -> None:
        """The instance is to go there from where it is as soon as it can."""
        self.dest[guest] = dest
        self._at.setdefault(dest, []).append(guest)

    def go(self, guest: int, dest: int) -> bool:
        """Move the instance if there is room, and then those who waited for the room that it leaves."""
        room = self._room
        if not room.fits(guest, dest):
            return False
        freed = [self._moved(guest, dest)]
        while freed:
            host = freed.pop()
            waiting = self._at.get(host)
            if not waiting:
                continue
            still = []
            for other in waiting:
                if self.dest.get(other) != host:
                    continue
                if room.fits(other, host):
                    freed.append(self._moved(other, host))
                    del self.dest[other]
                else:
                    still.append(other)
            self._at[host] = still
        return True

    def _moved(self, guest: int, dest: int) -> int:
        source = self._room.where[guest]
        self._room.move(guest, dest)
        self.made.append((guest, source, dest))
        return source

    def undo(self) -> None:
        """Take all moves back."""
        for guest, source, _ in reversed(self.made):
            self._room.move(guest, source)


def _without(task: Task, room: Room, sequence: Steps, position: int, budget: Budget) -> Steps | None:
    """The sequence without the stop to which the move at ``position`` leads; None if that does not come out."""
    stopper = sequence[position][0]
    waiting = _Waiting(task, room)
    onward = False
    end = min(len(sequence), position + FOLLOWED)
    for number in range(position + 1, end):
        guest, _, dest = sequence[number]
        if guest in waiting.dest or (guest == stopper and not onward):
            onward = onward or guest == stopper
            home = room.where[guest]
            if home != dest and not task.may_go(guest, home, dest):
                break
            # it has not left yet: it goes on straight, if it still has to go
            waiting.dest.pop(guest, None)
            if home != dest and not waiting.go(guest, dest):
                waiting.wait(guest, dest)
        elif not waiting.go(guest, dest):
            waiting.wait(guest, dest)
            if len(waiting.dest) > WAITING:
                break
        if onward and not waiting.dest:
            budget.spend(1 + len(waiting.made) // CHEAPER)
            result = [*sequence[:position], *waiting.made, *sequence[number + 1 :]]
            waiting.undo()
            return result
    budget.spend(1 + len(waiting.made) // CHEAPER)
    waiting.undo()
    return None
