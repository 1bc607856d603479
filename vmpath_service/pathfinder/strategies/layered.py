"""The default: fast where it is easy, thorough where it is hard."""

from __future__ import annotations

from vmpath_service.pathfinder import route
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.attempt import Progress
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies.base import Strategy


class LayeredStrategy(Strategy):
    """Rehearse, break deadlocks, prove, search what is stuck exhaustively, improve what was found."""

    name = "layered"
    summary = "rehearsal, deadlock breaking, proofs, search of the stuck part"

    def find(self, problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
        return route.find(problem, settings, budget, progress)
