"""The base class of strategies."""

from __future__ import annotations

import abc
from typing import ClassVar

from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.attempt import Progress
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.settings import PathSettings


class Strategy(abc.ABC):
    """Looks for a legal sequence of moves; order, waves and schedule are worked out from that by others.

    Subclasses declare ``name`` and ``summary`` and are registered under ``name`` in the entry point group
    ``vmpath.pathfinders``. They have no options and are made without arguments.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @abc.abstractmethod
    def find(self, problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
        """The best answer within the budget.

        The target is legal, and unless ``settings.best_effort`` nothing is seen at a glance to be impossible.
        ``found``: each move is legal at its start while its source still holds the instance, and after the last one
        all movers are where they are to be. ``infeasible``: only if that is proved. ``partial``: only with
        ``settings.best_effort``, which then takes the place of all but ``found``; all whom it moves end at home or
        where they are to be. All outcomes but ``found`` are explained. Every loop spends of the budget and ends
        when that is used up; the same arguments give the same answer.
        """
