"""What would follow if some instances stepped aside: the moves that this sets off, tried out and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.problem import Problem

# How many moves are followed.
LENGTH = 300


def gain(
    problem: Problem,
    rehearsal: Rehearsal,
    waiting: Mapping[int, Sequence[int]],
    aside: Sequence[tuple[int, int]],
    guest: int,
) -> int:
    """The memory (MiB) that reaches its end once the instances ``aside`` have gone to the hosts beside them.

    ``guest`` goes first, then whoever waits for what becomes free, in the order of ``waiting``.
    """
    room = rehearsal.room
    where = room.where
    done: list[tuple[int, int]] = []
    moved: set[int] = set()
    won = 0

    def move(who: int, host: int) -> None:
        done.append((who, where[who]))
        room.move(who, host)
        moved.add(who)

    freed: list[int] = []
    for other, place in aside:
        freed.append(where[other])
        move(other, place)
    freed.append(where[guest])
    move(guest, rehearsal.next_stop(guest))
    won += problem.weight(guest)
    position = 0
    while position < len(freed) and len(done) < LENGTH:
        host = freed[position]
        position += 1
        for who in waiting.get(host, ()):
            if who not in moved and room.fits(who, host):
                freed.append(where[who])
                move(who, host)
                won += problem.weight(who)
    for who, host in reversed(done):
        room.move(who, host)
    return won
