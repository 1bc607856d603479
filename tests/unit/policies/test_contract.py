"""The contract finds what policies do wrong."""

import dataclasses

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.options import read_options
from vmpath_service.policies.base import Decision, Policy, Scope, Score
from vmpath_service.policies.contract import PolicyContract


class Careless(Policy):
    """Moves x to b, whatever that means."""

    name = "careless"
    summary = "Moves x to b."
    changes: dict[str, object] = {}
    restless = False

    def decide(self, cloud, scope):
        where = [
            cloud.host_index["b"] if each.uuid == "x" else at
            for each, at in zip(cloud.snapshot.instances, cloud.home, strict=True)
        ]
        settled = any(each.uuid == "x" and each.host == "b" for each in cloud.snapshot.instances)
        wanted = {} if settled and not self.restless else {"x": "b"}
        decision = Decision(wanted, self.score(cloud, cloud.home, scope), self.score(cloud, where, scope))
        return dataclasses.replace(decision, **self.changes)

    def score(self, cloud, where, scope):
        return Score(float(sum(host == cloud.host_index["a"] for host in where)), "instances on a", {})


def check(snapshot, scope=None, limit=None, restless=False, **changes):
    def make(_):
        policy = Careless(read_options(Careless.declared(), {"max_migrations": limit}, texts=False, where="test"))
        policy.changes, policy.restless = changes, restless
        return policy

    return PolicyContract(make).check(compile_cloud(snapshot), scope or Scope())


ZONES = {"a": {"availability_zone": "one"}, "b": {"availability_zone": "two"}}


def test_it_accepts_what_is_right():
    assert check(cloud({"a": 8, "b": 8}, {"x": ("a", 2)})).placement == {"x": "b"}


@pytest.mark.parametrize(
    ("snapshot", "sentence"),
    [
        (cloud({"a": 8, "b": 1}, {"x": ("a", 2)}), "b would be 1 MEMORY_MB over its capacity"),
        (cloud({"a": 8, "b": 8}, {"x": ("a", 2)}, immovable=["x"]), "x may not be migrated"),
        (cloud({"a": 8, "b": 8}, {"x": ("a", 2)}, disabled=["b"]), "which is up and disabled"),
        (cloud({"a": 8, "b": 8}, {"x": ("a", 2)}, down=["a"]), "from a, which is down"),
        (cloud({"a": 8, "b": 8}, {"x": ("a", 2), "y": ("b", 2)}, apart={"g": ["x", "y"]}), "would hold 2"),
        (
            cloud(
                {"a": 8, "b": 8},
                {"x": ("a", 2)},
                of_host=ZONES,
                of_instance={"x": {"pinned_availability_zone": "one"}},
            ),
            "is pinned to one",
        ),
        (cloud({"a": 8, "b": 8}, {"x": ("b", 2)}), "to where it is"),
    ],
)
def test_it_refuses_moves_that_may_not_be(snapshot, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check(snapshot, restless=True)


def test_it_refuses_what_the_scope_leaves_out():
    with pytest.raises(AssertionError, match="touches b, which is outside the scope"):
        check(cloud({"a": 8, "b": 8}, {"x": ("a", 2)}, of_host=ZONES), Scope(zones=("one",)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"emptied": ("b",)}, "calls b emptied, but it is not"),
        ({"in_use": {"a": "for fun"}}, "calls a in use, but it is empty"),
        ({"in_use": {"b": ""}}, "does not say why b stays in use"),
        ({"disable": ("b",)}, "disables b and moves instances there"),
        ({"after": Score(2.0, "instances on a", {})}, "wrong score after"),
    ],
)
def test_it_refuses_wrong_reports(changes, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check(cloud({"a": 8, "b": 8}, {"x": ("a", 2)}), **changes)
