"""What a walk is to do: from a placement to a placement, with time or against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Bring every instance of ``movers`` from where ``room`` has it to ``goal``.

    ``against_time``: the way from the target back to the start. Its mirror image is a way from the start to the
    target, since single migrations can be undone as long as no host is over its limits.
    """

    problem: Problem
    room: Room
    goal: Sequence[int]
    movers: Sequence[int]
    against_time: bool

    @property
    def cloud(self) -> CompiledCloud:
        return self.problem.cloud

    def may_stop(self, guest: int, source: int, stop: int) -> bool:
        """Whether filters and passages let the instance go from ``source`` by ``stop`` to its goal; not room."""
        cloud = self.problem.cloud
        if not cloud.admits(guest, stop):
            return False
        if cloud.free_passage():
            return True
        goal = self.goal[guest]
        if self.against_time:
            return cloud.may_pass(stop, source) and cloud.may_pass(goal, stop)
        return cloud.may_pass(source, stop) and cloud.may_pass(stop, goal)

    def may_go(self, guest: int, source: int, dest: int) -> bool:
        """Whether the instance may be moved so, passages considered; not room, nor filters at its goal."""
        cloud = self.cloud
        return cloud.may_pass(dest, source) if self.against_time else cloud.may_pass(source, dest)

    def moves(self, made: Sequence[tuple[int, int, int]]) -> list[Move]:
        """The migrations of a walk (instance, from, to), in the order in which they are to be carried out."""
        if self.against_time:
            return [Move(guest, dest, source) for guest, source, dest in reversed(made)]
        return [Move(*each) for each in made]


def with_time(problem: Problem) -> Task | None:
    """The task of a problem; None where single steps do not say it all.

    That is where a constraint vetoes single moves, or an instance can only get to its goal by a relay.
    """
    cloud = problem.cloud
    if cloud.vetoes or not all(problem.mobile[guest] for guest in problem.movers):
        return None
    if not cloud.free_passage() and not all(
        cloud.may_pass(cloud.home[guest], problem.goal[guest]) for guest in problem.movers
    ):
        return None
    return Task(problem, Room(cloud, problem.departures), problem.goal, problem.movers, False)


def against_time(forth: Task) -> Task | None:
    """The task of going back from the target to the start; None where that says nothing of the way there."""
    room = forth.room.copy()
    if not _within_limits(room):
        return None
    home = list(room.where)
    for guest in forth.movers:
        room.move(guest, forth.goal[guest])
    if not _within_limits(room):
        return None
    return Task(forth.problem, room, home, forth.movers, True)


def _within_limits(room: Room) -> bool:
    limits = room.cloud.counter_limits
    return all(free & room.guards == room.guards for free in room.free) and all(
        count <= limit for counts, limit in zip(room.counts, limits, strict=True) for count in counts.values()
    )
