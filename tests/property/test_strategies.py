"""Every strategy keeps the contract; on small clouds the default agrees with the exact one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.path_problems import posed, problems
from vmpath_service.model.errors import InvalidInput
from vmpath_service.pathfinder import PathSettings
from vmpath_service.pathfinder.answer import price
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.strategies import registry
from vmpath_service.pathfinder.strategies.contract import StrategyContract

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(problems(), st.sampled_from(sorted(registry.OWN)), st.booleans())
def test_the_contract(drawn, name, best_effort):
    StrategyContract(lambda: registry.make(name)).check(posed(drawn), PathSettings(best_effort=best_effort))


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(problems(most_hosts=4, most_instances=8))
def test_the_default_is_as_good_as_the_exact_one(drawn):
    problem = posed(drawn)
    answers = {
        name: registry.make(name).find(problem, PathSettings(objective="cost"), Budget(4_000_000), None)
        for name in registry.OWN
    }
    layered, exact, greedy = answers["layered"], answers["exact"], answers["greedy"]
    assert layered.outcome == exact.outcome
    if exact.outcome == "found":
        assert price(problem, layered.moves) == price(problem, exact.moves)
    assert greedy.outcome in ("undecided", exact.outcome)


def test_an_unknown_strategy_is_named():
    with pytest.raises(InvalidInput, match="there is no strategy 'exakt'; did you mean 'exact'"):
        registry.make("exakt")
