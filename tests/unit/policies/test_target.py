"""The operator's own placement."""

import pytest

from tests.clouds import cloud
from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidFile, InvalidInput, InvalidTarget, NotFound
from vmpath_service.model.placement import Placement
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope


@pytest.fixture
def follow(tmp_path):
    def decide(snapshot, placement, scope=None, **given):
        path = str(tmp_path / "wanted.json")
        files.save(Placement(placement), path)
        return registry.make("target", {"file": path, **given}).decide(compile_cloud(snapshot), scope or Scope())

    return decide


def test_instances_go_where_the_file_says(follow):
    decision = follow(cloud({"a": 8, "b": 8}, {"x": ("a", 6), "y": ("b", 6)}), {"x": "b", "y": "a"})
    assert decision.placement == {"x": "b", "y": "a"}
    assert (decision.before.value, decision.after.value) == (2, 0)


def test_who_may_not_move_stays_with_a_reason(follow):
    decision = follow(cloud({"a": 8, "b": 8}, {"x": ("a", 1), "y": ("a", 1)}, immovable=["x"]), {"x": "b", "y": "b"})
    assert decision.placement == {"y": "b"}
    assert [each.instance for each in decision.leftovers] == ["x"]
    assert decision.after.value == 1


def test_what_no_rule_allows_is_refused(follow):
    with pytest.raises(InvalidTarget, match="b would be 4 MEMORY_MB over its capacity"):
        follow(cloud({"a": 8, "b": 8}, {"x": ("a", 6), "y": ("b", 6)}), {"x": "b"})
    with pytest.raises(InvalidTarget, match="b would hold 2 of server group g, at most 1 may"):
        follow(cloud({"a": 8, "b": 8}, {"x": ("a", 1), "y": ("b", 1)}, apart={"g": ["x", "y"]}), {"x": "b"})
    with pytest.raises(InvalidTarget, match="which is up and disabled"):
        follow(cloud({"a": 8, "b": 8}, {"x": ("a", 1)}, disabled=["b"]), {"x": "b"})


def test_what_is_wrong_already_may_stay(follow):
    snapshot = cloud({"a": 8, "b": 8, "c": 8}, {"x": ("a", 6), "y": ("a", 6), "z": ("b", 1)})
    assert follow(snapshot, {"z": "c", "x": "a"}).placement == {"z": "c"}


def test_names_that_are_not_there_are_refused(follow):
    with pytest.raises(NotFound, match="'who'"):
        follow(cloud({"a": 8}, {}), {"who": "a"})
    with pytest.raises(NotFound, match="'where'"):
        follow(cloud({"a": 8}, {"x": ("a", 1)}), {"x": "where"})


def test_a_policy_takes_nothing_away(follow):
    with pytest.raises(InvalidTarget, match="'x' is to be taken away"):
        follow(cloud({"a": 8}, {"x": ("a", 1)}), {"x": None})


def test_hosts_outside_the_scope_are_refused(follow):
    with pytest.raises(InvalidInput, match="b is outside the scope"):
        follow(cloud({"a": 8, "b": 8}, {"x": ("a", 1)}), {"x": "b"}, Scope(hosts=("a",)))


def test_a_limit_moves_those_first_that_have_room(follow):
    snapshot = cloud({"a": 8, "b": 8, "c": 8}, {"x": ("a", 6), "y": ("b", 6)})
    decision = follow(snapshot, {"x": "b", "y": "c"}, max_migrations=1)
    assert decision.placement == {"y": "c"}
    assert decision.shortage.startswith("1 more migrations are wanted than max_migrations = 1 allows")


def test_no_file():
    with pytest.raises(InvalidInput, match="--set file=PATH"):
        registry.make("target").decide(compile_cloud(cloud({"a": 8}, {})), Scope())
    with pytest.raises(InvalidFile, match="cannot be read"):
        registry.make("target", {"file": "/nowhere"}).decide(compile_cloud(cloud({"a": 8}, {})), Scope())
