"""What a search has to say, and what its moves cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.model.plan import Outcome
from vmpath_service.pathfinder.problem import Move, Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """``moves`` is a legal sequence, ``ends`` when each was over in rehearsal, if it was rehearsed.

    For all outcomes but ``found`` there is an explanation; with ``undecided``, ``moves`` is how far the search came.
    """

    outcome: Outcome
    moves: Sequence[Move]
    explanation: str | None = None
    ends: Sequence[float] | None = None


def price(problem: Problem, moves: Sequence[Move]) -> int:
    """What a sequence costs: what each of its moves costs, added up."""
    return sum(problem.weight(move.guest) for move in moves)


def least(problem: Problem) -> int:
    """What any path costs at least."""
    return sum(problem.weight(guest) for guest in problem.movers)
