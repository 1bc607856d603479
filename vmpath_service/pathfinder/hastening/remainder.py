"""The rest of the way where a course has got stuck: single migrations, one after the other."""

from __future__ import annotations

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.hastening.course import Course
from vmpath_service.pathfinder.problem import Move
from vmpath_service.pathfinder.serial.task import Task, with_time
from vmpath_service.pathfinder.serial.walk import Manner, Walk


def walked_on(course: Course, budget: Budget) -> bool:
    """Go on from where nothing moves any more, each migration after the one before; False if that leads nowhere."""
    problem = course.problem
    if not course.stuck or with_time(problem) is None:
        return False
    room = course.room.copy()
    for guest, host in course.claims.items():
        room.release(guest, host)
    goal = problem.goal
    left = [guest for guest, host in enumerate(room.where) if host != NOWHERE and host != goal[guest] != NOWHERE]
    walk = Walk(Task(problem, room, goal, left, against_time=False), Manner())
    if not walk.run(budget):
        return False
    for guest, source, dest in walk.ledger.made:
        course.append(Move(guest, source, dest))
    return True
