"""The judge for small clouds: the cheapest path, or the proof that there is none."""

from __future__ import annotations

from vmpath_service.pathfinder import explanation, route
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.attempt import Progress, announce, rehearse
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.problem import Problem
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies.base import Strategy

# Steps of the budget for the search: what it remembers has to fit into the memory of a small machine.
STEPS = 2_000_000
# Steps for going through placements one by one, before many are looked at at once.
FEW = 40_000
# Steps for a rehearsal that shows who gets stuck, for the explanation.
SHOWING = 100_000


class ExactStrategy(Strategy):
    """Search all placements (A* by cost), whatever the objective. Undecided where the cloud is too big for that."""

    name = "exact"
    summary = "exhaustive search: the cheapest path or a proof; for small clouds"

    def find(self, problem: Problem, settings: PathSettings, budget: Budget, progress: Progress | None) -> Answer:
        from vmpath_service.pathfinder import core
        from vmpath_service.pathfinder.arrangements import reach
        from vmpath_service.pathfinder.fixity import never_moving, proofs

        announce("searching all placements", progress)
        fixed = never_moving(problem, budget.share(core.PACKING) if core.small(problem) else None)
        reasons = proofs(problem, fixed)
        verdict = None
        able = all(problem.mobile[guest] for guest in problem.movers)
        if not reasons and able:
            result = core.whole(problem, fixed).forward(budget.share(FEW))
            if result.verdict == "given up":
                result = core.cheapest(problem, fixed, budget.share(STEPS))
            if result.verdict == "found":
                return Answer("found", result.moves)
            if result.verdict == "exhausted" and not problem.cloud.vetoes:
                verdict = core.EXHAUSTED
            if result.verdict == "given up" and reach(problem, fixed, budget.share(STEPS)) == "unreachable":
                verdict = core.EXHAUSTED
        rehearsal = rehearse(problem, settings, budget.share(SHOWING), progress)
        if reasons:
            answer = Answer("infeasible", [], explanation.proved(problem, reasons))
        elif verdict is not None:
            blocked = sorted(rehearsal.pending)
            answer = Answer("infeasible", [], explanation.exhausted(problem, rehearsal.room, blocked, verdict))
        else:
            return route.given_up(problem, rehearsal, settings)
        return route.as_far_as_it_goes(problem, rehearsal, answer) if settings.best_effort else answer
