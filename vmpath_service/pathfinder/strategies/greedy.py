"""One rehearsal, no more."""

from __future__ import annotations

from vmpath_service.pathfinder import route
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.attempt import Progress, rehearse
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies.base import Strategy


class GreedyStrategy(Strategy):
    """Rehearse once and break deadlocks. Proves nothing: who gets stuck leaves it undecided."""

    name = "greedy"
    summary = "one rehearsal with deadlock breaking: quick, proves nothing"

    def find(self, problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
        rehearsal = rehearse(problem, settings, budget, progress)
        if not rehearsal.pending:
            return Answer("found", rehearsal.moves, ends=rehearsal.ends)
        return route.given_up(problem, rehearsal, settings)
