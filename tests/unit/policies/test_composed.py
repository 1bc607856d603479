"""One policy after the other."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide


def apply(driver, snapshot, *hosts, **given):
    return decide(registry.make(driver, given), compile_cloud(snapshot), Scope(hosts=hosts))


def troubled():
    guests = {"x": ("a", 12), "y": ("a", 12), "z": ("b", 2)} | {f"w{number}": ("c", 2) for number in range(4)}
    return cloud(dict.fromkeys("abcd", 20), guests)


def test_each_works_on_the_target_of_the_one_before():
    decision = apply("heal, drain, balance", troubled(), "b", threshold=0)
    # y leaves the overfull a, z leaves b, and nothing goes to b to even it out
    assert decision.reasons["x"].startswith("heal: ")
    assert decision.reasons["z"] == "drain: b is to be emptied"
    assert "b" not in decision.placement.values()
    assert decision.disable == decision.emptied == ("b",)
    terms = decision.after.terms
    assert (terms["heal: things broken"], terms["drain: instances on the hosts to empty"]) == (0, 0)


def test_an_instance_moved_twice_moves_once():
    decision = apply("drain, consolidate", troubled(), "b")
    assert len(decision.curve) == len(decision.placement) + 1
    assert all(host != "b" for host in decision.placement.values())


def test_the_limit_is_for_all_together():
    decision = apply("heal, drain", troubled(), "c", max_migrations=2)
    assert len(decision.placement) == 2
    assert "max_migrations" in decision.shortage


def test_options_of_one_name_are_told_apart():
    declared = {option.name for option in registry.find("threshold, balance").declared()}
    assert {"threshold.threshold", "balance.threshold", "threshold.classes", "weights"} <= declared
    policy = registry.make("threshold, balance", {"balance.threshold": "7"}, texts=True)
    assert policy.settings["balance.threshold"] == 7


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [("heal, heal", "found 'heal' twice"), ("heal, blance", "did you mean 'balance'"), ("heal,", "no policy ''")],
)
def test_drivers_that_make_no_sense(driver, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        registry.find(driver)
