"""Instances that are yet to be placed: after the last migration, as far as there is room and nobody objects."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.vetoes import refused


def placed(problem: Problem, moves: Sequence[Move]) -> list[tuple[int, int]]:
    """Instance and host of those that can be placed after these moves, the dearest first: all once all have moved,
    unless a constraint forbids it at that moment."""
    if not problem.arrivals:
        return []
    room = Room(problem.cloud, problem.departures)
    for move in moves:
        room.move(move.guest, move.dest)
    result: list[tuple[int, int]] = []
    waiting = sorted(problem.arrivals, key=lambda guest: (-problem.weight(guest), guest))
    while waiting:
        still = []
        for guest in waiting:
            host = problem.goal[guest]
            if host == NOWHERE:
                continue
            if not room.fits(guest, host) or refused(problem, room.where, guest, host):
                still.append(guest)
                continue
            room.hold(guest, host)
            room.where[guest] = host
            result.append((guest, host))
        if len(still) == len(waiting):
            break
        waiting = still  # a constraint may have objected to the moment only
    return result
