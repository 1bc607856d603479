"""Layer 3: what is left when rehearsal and deadlock breaking give up: other orders, proofs, exhaustive search.

The exhaustive search begins with the hosts of those who are stuck and a few others with room, everything else frozen
as the rehearsal left it, and is widened until it finds a way or takes in the whole cloud. That no way leads through
a part proves nothing; that none leads through the whole does.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from vmpath_service.pathfinder import explanation
from vmpath_service.pathfinder.answer import Answer, price
from vmpath_service.pathfinder.arrangements import Reach, parts, reach
from vmpath_service.pathfinder.attempt import rehearse
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.fixity import never_moving, proofs
from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.problem import Move, Problem
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.search import Result, Search, Verdict
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.trace import told

# Hosts times movable instances up to which the whole cloud is searched exhaustively.
SMALL = 20_000
# How many other orders are rehearsed, and how many steps of the budget each may take, per instance and host.
ORDERS = 20
PATIENCE = 50
# The same, up to which a way is made shorter by looking around it.
SHORTENED = 5_000
# Steps of the budget for each kind of search.
PACKING = 200_000
GLANCING = 40_000
CLASSES = 700_000
PART = 100_000
OUTLINES = 200_000
OUTLINE = 50_000
DECIDING = 2_000_000
ARRANGING = 1_500_000
PROVING = 300_000
SOLVING = 1_000_000
POLISHING_QUICKLY = 40_000
POLISHING = 500_000
SHORTENING = 30_000
WIDENING = 100_000
# Steps of the budget for each way to seek: whether the misplaced count by size, and whether by the room they lack.
SEEKING = {(True, True): 15_000, (False, True): 30_000, (False, False): 55_000}
EXHAUSTED = "no sequence of migrations exists (all that could lead to the target was searched)"
NO_ROOM_TO_TURN = (
    "no sequence of migrations exists (the {number} biggest that may move do not get to where they are to be,"
    " however all others are put on the hosts at every move)"
)
# How much nearer to the goal counts against a cheaper way, when any way will do.
HASTE = 5
# How many hosts beside those of the stuck instances the first part searched has; it grows by this factor.
SPARE = 2
WIDER = 2


def small(problem: Problem) -> bool:
    """Whether the whole cloud may be searched."""
    return len(problem.receives) * sum(problem.mobile) <= SMALL


@told("some are stuck: look for proofs, then for ways among ever more hosts")
def settle(problem: Problem, rehearsal: Rehearsal, settings: PathSettings, budget: Budget) -> Answer | None:
    """An answer for a problem on which ``rehearsal`` got stuck: a path, a proof that there is none, or None."""
    fixed = never_moving(problem, budget.share(PACKING) if small(problem) else None)
    reasons = proofs(problem, fixed)
    if reasons:
        return Answer("infeasible", [], explanation.proved(problem, reasons))
    if not small(problem):
        return part(problem, rehearsal, budget)
    result = whole(problem, fixed).forward(budget.share(GLANCING), HASTE)
    if result.verdict == "found":
        return cheaper(problem, Answer("found", result.moves), budget, fixed)
    if classes_forbid(problem, fixed, budget):
        return exhausted(problem, rehearsal)
    verdict, moves = at_once(problem, fixed, budget)
    if verdict == "found":
        return cheaper(problem, Answer("found", moves), budget, fixed)
    if verdict == "exhausted":
        return exhausted(problem, rehearsal)
    number = outlines_forbid(problem, fixed, budget.share(OUTLINES))
    if number:
        return exhausted(problem, rehearsal, NO_ROOM_TO_TURN.format(number=number))
    found_out = reach(problem, fixed, budget.share(ARRANGING))
    if found_out == "unreachable":
        return exhausted(problem, rehearsal)
    found = reorder(problem, settings, budget) or seek(problem, fixed, budget) or part(problem, rehearsal, budget)
    if found:
        return cheaper(problem, found, budget, fixed)
    return exhaust(problem, rehearsal, fixed, budget, found_out)


@told("take instances of a class for the same: all of them, then the biggest alone, then ever smaller ones")
def classes_forbid(problem: Problem, fixed: Container[int], budget: Budget) -> bool:
    """Whether the target cannot be reached even if it did not matter which instance of a class is where."""
    # numpy takes long to be imported, and few problems come here
    from vmpath_service.pathfinder.vector_search import VectorSearch

    whole = VectorSearch(problem, fixed, classes=True)
    if whole.applicable:
        verdict = whole.decide(budget.share(CLASSES)).verdict
        if verdict != "given up":
            return verdict == "exhausted"
    for without in parts(problem, fixed):
        search = VectorSearch(problem, fixed, without, classes=True)
        if search.applicable and search.decide(budget.share(PART)).verdict == "exhausted":
            return True
    return False


def outlines_forbid(problem: Problem, fixed: Container[int], budget: Budget) -> int:
    """How many of the biggest instances cannot get to where they are to be, whatever the others do; 0: not proved."""
    from vmpath_service.pathfinder.outlines import Outlines

    for without in parts(problem, fixed):
        outlines = Outlines(problem, fixed, without)
        if outlines.applicable and outlines.forbid(budget.share(OUTLINE)):
            return outlines.count
        if budget.left <= 0:
            break
    return 0


def at_once(problem: Problem, fixed: Container[int], budget: Budget) -> tuple[Verdict, Sequence[Move]]:
    """Search all placements from both ends, many at once: whether there is a path, and one of few moves."""
    from vmpath_service.pathfinder.vector_search import VectorSearch

    search = VectorSearch(problem, fixed)
    if not search.applicable:
        return "given up", ()
    outcome = search.decide(budget.share(DECIDING))
    return outcome.verdict, outcome.moves


@told("rehearse in other orders")
def reorder(problem: Problem, settings: PathSettings, budget: Budget) -> Answer | None:
    """Rehearse in other orders: for clouds that are small enough for that to be cheap."""
    patience = PATIENCE * (len(problem.receives) + len(problem.movers))
    for shuffle in range(1, ORDERS + 1):
        again = rehearse(problem, settings, budget.share(patience), shuffle=shuffle)
        if not again.pending:
            return Answer("found", again.moves, ends=again.ends)
    return None


def seek(problem: Problem, fixed: Container[int], budget: Budget) -> Answer | None:
    """Go for what was not seen yet: a way that takes many turns, where there are too many placements to see all."""
    from vmpath_service.pathfinder.novelty import NoveltySearch

    search = NoveltySearch(problem, fixed)
    if not search.applicable:
        return None
    for (by_size, by_room), steps in SEEKING.items():
        result = search.find(budget.share(steps), by_size=by_size, by_room=by_room)
        if result.verdict == "found":
            return Answer("found", result.moves)
    return None


@told("search among the hosts of those who are stuck and some others")
def part(problem: Problem, rehearsal: Rehearsal, budget: Budget) -> Answer | None:
    """Search among the hosts of the stuck instances and ever more others, from where the rehearsal ended."""
    room = rehearsal.room.copy()
    for guest, host in rehearsal.claims.items():
        room.release(guest, host)
    # also who has stepped aside and is not back yet, though the target lets it stay
    concerned = dict.fromkeys((*problem.movers, *(move.guest for move in rehearsal.moves)))
    misplaced = [guest for guest in concerned if room.where[guest] != problem.goal[guest]]
    stuck = {host for guest in misplaced for host in (room.where[guest], problem.goal[guest])}
    others = [host for host, receives in enumerate(problem.receives) if receives and host not in stuck]
    share = {host: _share(problem, room, host) for host in others}
    others.sort(key=lambda host: (-share[host], host))
    spare = SPARE
    while spare < len(others):
        hosts = sorted(stuck | set(others[:spare]))
        within = set(hosts)
        movable = sum(problem.mobile[guest] for guest, host in enumerate(room.where) if host in within)
        if movable * len(hosts) > SMALL:
            break
        result = Search(problem, room, problem.goal, hosts).forward(budget.share(WIDENING), HASTE)
        if result.verdict == "found":
            return Answer("found", [*rehearsal.moves, *result.moves])
        spare *= WIDER
    return None


def _share(problem: Problem, room: Room, host: int) -> float:
    """How much of a host is free, in its scarcest dimension."""
    amounts = zip(room.amounts(room.free[host]), problem.cloud.capacity[host], strict=True)
    return min((amount / limit for amount, limit in amounts if limit), default=0.0)


@told("search all placements for the cheapest way")
def cheaper(problem: Problem, found: Answer, budget: Budget, fixed: Container[int] = ()) -> Answer:
    """The cheapest path of a small cloud if the budget lets it be found, else a cheaper one near this one."""
    result = whole(problem, fixed).forward(budget.share(POLISHING_QUICKLY))
    if result.verdict == "given up":
        result = cheapest(problem, fixed, budget.share(POLISHING), price(problem, found.moves))
    if result.verdict == "found" and price(problem, result.moves) < price(problem, found.moves):
        return Answer("found", result.moves)
    if result.verdict != "given up" or len(problem.receives) * sum(problem.mobile) > SHORTENED:
        return found
    from vmpath_service.pathfinder.shortening import shortened

    moves = shortened(problem, fixed, found.moves, budget.share(SHORTENING))
    return found if moves is found.moves else Answer("found", moves)


def cheapest(problem: Problem, fixed: Container[int], budget: Budget, below: int | None = None) -> Result:
    """The cheapest path, if it costs less than ``below``: many placements at once where that can be done."""
    from vmpath_service.pathfinder.vector_search import VectorSearch

    search = VectorSearch(problem, fixed)
    return search.cheapest(budget, below) if search.applicable else whole(problem, fixed).forward(budget)


@told("search all placements")
def exhaust(
    problem: Problem, rehearsal: Rehearsal, fixed: Container[int], budget: Budget, known: Reach
) -> Answer | None:
    """Search the whole of a small cloud: a path, a proof that there is none, or None where the budget ends."""
    search = whole(problem, fixed)
    if known == "reachable" or search.backward(budget.share(PROVING)) != "exhausted":
        result = search.forward(budget.share(SOLVING), HASTE)
        if result.verdict == "found":
            return cheaper(problem, Answer("found", result.moves), budget, fixed)
        if result.verdict == "given up" or problem.cloud.vetoes:
            return None  # what a veto says holds for one placement: it proves nothing
    return exhausted(problem, rehearsal)


def exhausted(problem: Problem, rehearsal: Rehearsal, verdict: str = EXHAUSTED) -> Answer:
    """All that could lead to the target was searched: there is no path."""
    blocked = sorted(rehearsal.pending)
    return Answer("infeasible", [], explanation.exhausted(problem, rehearsal.room, blocked, verdict))


def whole(problem: Problem, fixed: Container[int]) -> Search:
    """A search through all placements of a cloud; ``fixed``: who is known to stay."""
    room = Room(problem.cloud, problem.departures)
    return Search(problem, room, problem.goal, range(len(problem.receives)), fixed)
