"""What guards leave alone, and where they cut a target."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput, NotFound
from vmpath_service.policies import registry
from vmpath_service.policies.approval import needs_a_person
from vmpath_service.policies.base import Scope
from vmpath_service.policies.course import Point, worth
from vmpath_service.policies.deciding import decide
from vmpath_service.policies.guards import dated


def decided(snapshot, name="balance", scope=None, **given):
    given = {"aggressiveness": 5, **given} if name == "balance" else given
    return decide(registry.make(name, given), compile_cloud(snapshot), scope or Scope())


def uneven(**more):
    return cloud({"a": 100, "b": 100, "c": 100}, {f"x{number}": ("a", 10) for number in range(6)}, **more)


def test_without_guards_it_is_evened_out():
    decision = decided(uneven())
    assert len(decision.placement) == 4
    assert [point.migrations for point in decision.curve] == [0, 1, 2, 3, 4]
    scores = [point.score for point in decision.curve]
    assert scores == sorted(scores, reverse=True)
    assert decision.curve[-1].memory_mb == 40
    assert decision.reasons["x0"] == "a is filled to 60% MEMORY_MB, b to 0% MEMORY_MB"


@pytest.mark.parametrize(
    ("given", "of_instance"),
    [
        ({"projects": ("p",)}, {"project_id": "p"}),
        ({"metadata": ("tier=web",)}, {"metadata": {"tier": "web"}}),
        ({"metadata": ("tier",)}, {"metadata": {"tier": "db"}}),
    ],
)
def test_only_these_instances(given, of_instance):
    assert decided(uneven(of_instance={"x3": of_instance}), **given).placement.keys() == {"x3"}


@pytest.mark.parametrize(
    ("given", "of_instance"),
    [
        ({"exclude_projects": ("p",)}, {"project_id": "p"}),
        ({"exclude_metadata": ("tier=web",)}, {"metadata": {"tier": "web"}}),
    ],
)
def test_not_these_instances(given, of_instance):
    there = {f"x{number}": of_instance for number in range(4)}
    assert decided(uneven(of_instance=there), **given).placement.keys() == {"x4", "x5"}


def test_those_that_moved_lately_are_left_alone():
    lately = {f"x{number}": {"extra": {"migrated_at": "2026-11-20T11:30:00Z"}} for number in range(5)}
    long_ago = {"x5": {"extra": {"migrated_at": "2026-11-20T10:30:00+00:00"}}}
    import msgspec

    snapshot = msgspec.structs.replace(uneven(of_instance=lately | long_ago), taken_at="2026-11-20T12:00:00Z")
    assert decided(snapshot, cool_down=3600).placement.keys() == {"x5"}
    with pytest.raises(InvalidInput, match="taken_at"):
        decided(uneven(of_instance=lately), cool_down=3600)


def test_when_instances_moved_is_told_by_whoever_knows():
    snapshot = dated(uneven(), {"x0": 1_700_000_000.0}, 1_700_000_060.0)
    assert snapshot.instances[0].extra == {"migrated_at": "2023-11-14T22:13:20+00:00"}
    assert snapshot.instances[1].extra == {}
    assert snapshot.taken_at == "2023-11-14T22:14:20+00:00"


def test_excluded_hosts_are_neither_left_nor_arrived_at():
    assert set(decided(uneven(), exclude_hosts=("b",)).placement.values()) == {"c"}
    assert decided(uneven(), exclude_hosts=("a",)).placement == {}
    with pytest.raises(NotFound, match="there is no host 'd'"):
        decided(uneven(), exclude_hosts=("d",))
    with pytest.raises(InvalidInput, match="no host is within what the policy does not exclude"):
        decided(uneven(), exclude_hosts=("a", "b", "c"))


def test_what_is_broken_already_is_said_with_the_way_out():
    guests = {"x": ("a", 8), "y": ("a", 8), "z": ("b", 1), "w": ("b", 1)}
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, guests, apart={"g": ["z", "w"]})
    assert decided(snapshot, "threshold").notes[-1] == (
        "the cloud is broken before anything moves (a is over its capacity and server group g is violated): the "
        "policy heal repairs that"
    )
    assert not any("broken" in note for note in decided(snapshot, "heal").notes)


def test_limits_cut_the_target_and_say_so():
    decision = decided(uneven(), max_memory=25)
    assert len(decision.placement) == 2
    assert decision.notes[-1] == "2 further migrations are left out: max_memory = 25 is used up"
    assert {each.reason for each in decision.leftovers} == {"max_memory = 25 is used up"}
    assert len(decided(uneven(), max_hosts_touched=2).placement) >= 1
    assert len({*decided(uneven(), max_hosts_touched=2).placement.values()}) == 1


def test_a_drain_that_guards_cut_short_falls_short():
    decision = decided(uneven(), "drain", Scope(hosts=("a",)), max_memory=30)
    assert len(decision.placement) == 3
    assert decision.shortage == (
        "3 more migrations are wanted than the guards allow (max_memory = 30 is used up); run it again, or loosen them"
    )
    assert decision.emptied == ()


def test_the_target_ends_where_the_curve_flattens():
    guests = {"x0": ("a", 30), "x1": ("a", 30), "y0": ("a", 4), "y1": ("a", 4)}
    snapshot = cloud({"a": 100, "b": 100}, guests)
    every = decided(snapshot)
    assert [round(point.score, 6) for point in every.curve] == [34, 4, 0]
    fewer = decided(snapshot, min_gain=5)
    assert len(fewer.placement) == 1
    assert fewer.notes[-1].endswith("min_gain = 5: all further migrations would gain less")
    assert decided(snapshot, min_gain=1000).placement == {}


def test_a_step_that_pays_late_is_kept_whole():
    points = [Point(number, 0, score) for number, score in enumerate((5, 5, 5, 4, 4, 4, 4, 4, 4, 3))]
    assert worth(points, 0) == 9
    assert worth(points, 0.3) == 3
    assert worth(points, 0.5) == 0


def test_whether_somebody_is_asked():
    assert needs_a_person("manual", 1)
    assert not needs_a_person("automatic", 1000)
    assert needs_a_person("automatic-below 5", 5)
    assert not needs_a_person("automatic-below 5", 4)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"approval": "automatic-below"}, "automatic-below N"),
        ({"approval": "automatic-below -3"}, "automatic-below N"),
        ({"approval": "never"}, "expected manual, automatic"),
        ({"no_go": "8-18 mon"}, "expected a time such as 08:00-18:00"),
        ({"metadata": ("=web",)}, "expected KEY or KEY=VALUE"),
        ({"max_memory": 0}, "a whole number of at least 1"),
        ({"cool_down": -1}, "a number of at least 0"),
    ],
)
def test_guards_that_make_no_sense(given, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        registry.make("balance", given)
