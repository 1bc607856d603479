"""Searches that look at many placements at once find what a search one by one finds."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import placements, posed, problems, reachable
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.pathfinder import core
from vmpath_service.pathfinder.answer import price
from vmpath_service.pathfinder.arrangements import Arrangements, parts
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.fixity import never_moving
from vmpath_service.pathfinder.outlines import Outlines
from vmpath_service.pathfinder.strategies.contract import legal
from vmpath_service.pathfinder.vector_arrangements import VectorArrangements
from vmpath_service.pathfinder.vector_search import VectorSearch

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
PLENTY = 1_000_000


def with_movers(drawn):
    problem = posed(drawn)
    assume(problem.movers)
    return problem


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7), st.booleans())
def test_all_placements_at_once(drawn, without_the_fixed):
    problem = with_movers(drawn)
    fixed = never_moving(problem) if without_the_fixed else ()
    assume(not any(guest in fixed for guest in problem.movers))
    search = VectorSearch(problem, fixed)
    assert search.applicable
    there_is_one = reachable(compile_cloud(drawn[0]), drawn[1])
    decided, cheapest = search.decide(Budget(PLENTY)), search.cheapest(Budget(PLENTY))
    assert decided.verdict == cheapest.verdict == ("found" if there_is_one else "exhausted")
    if there_is_one:
        assert legal(problem, decided.moves)
        assert legal(problem, cheapest.moves)
        best = price(problem, core.whole(problem, fixed).forward(Budget(PLENTY)).moves)
        assert price(problem, cheapest.moves) == best
        assert search.cheapest(Budget(PLENTY), best).verdict == "exhausted"


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=3, most_instances=6))
def test_who_is_proved_never_to_move_never_does(drawn):
    problem = with_movers(drawn)
    still = set(never_moving(problem, Budget(PLENTY)))
    assume(still)
    home = problem.cloud.home
    assert all(state[guest] == home[guest] for state in placements(problem.cloud, drawn[1]) for guest in still)


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7))
def test_what_is_impossible_without_some_or_by_classes_is_impossible(drawn):
    problem = with_movers(drawn)
    there_is_one = reachable(compile_cloud(drawn[0]), drawn[1])
    for without in ((), *parts(problem, ())):
        for classes in (False, True):
            search = VectorSearch(problem, (), without, classes=classes)
            assert not there_is_one or search.decide(Budget(PLENTY)).verdict == "found"


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7))
def test_what_the_biggest_cannot_do_however_the_others_are_put_is_impossible(drawn):
    problem = with_movers(drawn)
    there_is_one = reachable(compile_cloud(drawn[0]), drawn[1])
    forbidden = [Outlines(problem, (), without).forbid(Budget(PLENTY)) for without in parts(problem, ())]
    assert not (there_is_one and any(forbidden))


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=7))
def test_arrangements_at_once_tell_what_can_be_reached(drawn):
    problem = with_movers(drawn)
    arrangements = VectorArrangements(problem, ())
    assume(arrangements.applicable())
    there_is_one = reachable(compile_cloud(drawn[0]), drawn[1])
    assert arrangements.reach(Budget(PLENTY)) == ("reachable" if there_is_one else "unreachable")
    assert Arrangements(problem, ()).reach(Budget(PLENTY)) == ("reachable" if there_is_one else "unreachable")
