"""Which instances are interchangeable for a search."""

from __future__ import annotations

from collections.abc import Container, Iterable

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.room import Room


def room_without(problem: Problem, without: Iterable[int] = ()) -> Room:
    """The accounts of the start, once those have left who are to be gone, and without some instances altogether."""
    room = Room(problem.cloud, problem.departures)
    for guest in without:
        room.release(guest, room.where[guest])
        room.where[guest] = NOWHERE
    return room


def interchangeable(problem: Problem, room: Room, fixed: Container[int], *, by_goal: bool) -> list[list[int]]:
    """The placed instances that may move, but for ``fixed``, in groups of the same class and counters.

    ``by_goal``: those of a group have the same goal, too.
    """
    cloud = problem.cloud
    groups: dict[tuple[int, ...], list[int]] = {}
    for guest, host in enumerate(room.where):
        if host != NOWHERE and problem.mobile[guest] and guest not in fixed:
            goal = problem.goal[guest] if by_goal else NOWHERE
            groups.setdefault((cloud.class_of[guest], goal, *cloud.counters_of.get(guest, ())), []).append(guest)
    return list(groups.values())
