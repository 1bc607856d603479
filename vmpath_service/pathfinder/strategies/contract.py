"""What every strategy must do, as checks that a test suite runs on each of its strategies; uses no test framework."""

from __future__ import annotations

from collections.abc import Callable

from vmpath_service.model.compiled import NOWHERE
from vmpath_service.pathfinder.admission import obstacles
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.ordering import legal
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies.base import Strategy


class StrategyContract:
    """``make`` builds the strategy; a failed check raises AssertionError."""

    def __init__(self, make: Callable[[], Strategy]) -> None:
        self.make = make

    def check(self, problem: Problem, settings: PathSettings, steps: int = 200_000) -> Answer:
        """All checks on one problem without obstacles to be seen at a glance; returns the answer."""
        strategy = self.make()
        name = strategy.name
        assert name, f"{type(strategy).__name__} has no name"
        assert strategy.summary, f"{name} has no summary"
        assert not list(obstacles(problem)), "this problem is not for strategies"
        answer = strategy.find(problem, settings, Budget(steps), None)
        again = self.make().find(problem, settings, Budget(steps), None)
        assert list(answer.moves) == list(again.moves), f"{name} gives another answer the second time"
        assert answer.outcome == again.outcome, f"{name} gives another answer the second time"
        self._check_answer(name, problem, settings, answer)
        spent = Budget(1)
        self._check_answer(name, problem, settings, self.make().find(problem, settings, spent, None))
        return answer

    def _check_answer(self, name: str, problem: Problem, settings: PathSettings, answer: Answer) -> None:
        if answer.outcome == "found":
            assert legal(problem, answer.moves), f"{name} gives a sequence that is not legal or ends elsewhere"
            return
        assert answer.explanation, f"{name} does not explain why it found nothing"
        assert (answer.outcome == "partial") == settings.best_effort, f"{name} takes no heed of best effort"
        where = list(problem.cloud.home)
        for move in answer.moves:
            assert where[move.guest] == move.source, f"{name} moves an instance from where it is not"
            where[move.guest] = move.dest
        for guest, host in enumerate(where):
            ends = (problem.cloud.home[guest], problem.goal[guest])
            assert host in ends or host == NOWHERE, f"{name} leaves an instance half way"
