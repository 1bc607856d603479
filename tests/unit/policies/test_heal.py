"""Repairing what is broken."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide
from vmpath_service.policies.legality import problems


def heal(snapshot, scope=None, **given_):
    return decide(registry.make("heal", given_), compile_cloud(snapshot), scope or Scope())


def test_a_sound_cloud_is_left_alone():
    decision = heal(cloud({"a": 8, "b": 8}, {"x": ("a", 4), "y": ("b", 2)}))
    assert (decision.placement, decision.before.value, decision.shortage) == ({}, 0, None)


def test_the_one_whose_leaving_is_enough_leaves_an_overfull_host():
    decision = heal(cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("a", 4), "z": ("a", 2)}))
    assert decision.placement == {"z": "b"}
    assert decision.reasons == {"z": "a is 2 MEMORY_MB over its capacity"}
    assert decision.after.value == 0


def test_members_too_many_part():
    guests = {"x": ("a", 1), "y": ("a", 2), "z": ("b", 1)}
    decision = heal(cloud({"a": 9, "b": 9, "c": 9}, guests, apart={"g": ["x", "y", "z"]}))
    assert decision.placement == {"x": "c"}
    assert "a holds too many of server group g" in decision.reasons["x"]


def test_what_is_in_the_wrong_zone_or_on_a_disabled_host_moves():
    zones = {name: {"availability_zone": name[0]} for name in ("a1", "a2", "b1")}
    snapshot = cloud(
        {"a1": 9, "a2": 9, "b1": 9},
        {"x": ("b1", 1), "y": ("a1", 1)},
        of_host=zones,
        of_instance={"x": {"pinned_availability_zone": "a"}},
        disabled=["a1"],
    )
    decision = heal(snapshot)
    assert decision.placement == {"x": "a2", "y": "b1"}
    assert decision.reasons["y"] == "a1 is disabled"
    assert heal(snapshot, disabled_hosts=False).placement == {"x": "a2"}


def test_what_cannot_be_repaired_is_said():
    snapshot = cloud(
        {"a": 4, "b": 8, "c": 8},
        {"x": ("a", 6), "y": ("b", 1), "z": ("c", 1), "w": ("a", 1)},
        immovable=["x"],
        together={"t": ["y", "z"]},
        down=["c"],
    )
    decision = heal(snapshot)
    left = {each.instance: each.reason for each in decision.leftovers}
    assert "over its capacity; it is not movable" in left["x"]
    assert left["z"].startswith("c is down; ")
    assert decision.notes == (
        "the strict affinity server group t is on 2 hosts: Nova migrates none of its members",
    )
    assert decision.shortage.startswith("not all can be repaired by migration: ")


def test_others_make_room_only_where_that_is_the_only_way():
    guests = {"x": ("a", 6), "y": ("b", 4), "z": ("c", 5)}
    snapshot = cloud({"a": 6, "b": 8, "c": 8}, guests, disabled=["a"])
    decision = heal(snapshot)
    assert decision.placement == {}
    assert "nearest" in decision.leftovers[0].reason
    roomy = cloud({"a": 6, "b": 8, "c": 10}, guests, disabled=["a"])
    assert heal(roomy).placement == {"y": "c", "x": "b"}
    assert heal(roomy, evict=False).placement == {}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_as_many_things_are_repaired_as_going_through_all_placements_finds(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    room = {name: data.draw(st.integers(4, 9)) for name in "abc"}
    guests = {f"x{number}": (data.draw(st.sampled_from("abc")), size) for number, size in enumerate(sizes)}
    compiled = compile_cloud(cloud(room, guests))
    policy = registry.make("heal")
    decision = decide(policy, compiled, Scope())
    sane = [
        where
        for where in itertools.product(range(3), repeat=len(sizes))
        if not any(problems(compiled, where))
    ]
    scores = {where: policy.score(compiled, where, Scope()).value for where in sane}
    best = min(scores.values())
    if best == 0 and decision.after.value == 0:
        moves = min(
            sum(host != home for host, home in zip(where, compiled.home, strict=True))
            for where, score in scores.items()
            if score == 0
        )
        assert len(decision.placement) <= moves + 1
    assert decision.after.value == pytest.approx(best) or decision.leftovers
