"""Evening out."""

import random

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope


def balance(snapshot, scope=None, **given):
    return registry.make("balance", given).decide(compile_cloud(snapshot), scope or Scope())


def difference(decision, name="MEMORY_MB"):
    return decision.after.terms[f"{name} max - min"]


def forty_servers(seed):
    chance = random.Random(seed)
    sizes = chance.choices((512, 1024, 2048, 4096), (4, 4, 2, 1), k=40)
    names = [f"compute-{number}" for number in range(6)]
    room = dict.fromkeys(names, 24576)
    guests, used = {}, dict.fromkeys(names, 0)
    for number, size in enumerate(sizes):
        host = chance.choice([name for name in names[:4] if used[name] + size <= 24576])
        used[host] += size
        guests[f"vm-{number}"] = (host, size)
    return cloud(room, guests, apart={"g": ["vm-0", "vm-1", "vm-2"]}, immovable=["vm-3", "vm-4"])


@pytest.mark.parametrize("seed", range(5))
def test_forty_servers_on_six_hosts_end_within_ten_points(seed):
    snapshot = forty_servers(seed)
    decision = balance(snapshot)
    assert decision.before.terms["MEMORY_MB max - min"] > 10
    assert difference(decision) <= 10
    assert not {"vm-3", "vm-4"} & decision.placement.keys()


def test_hosts_of_unequal_size_are_filled_to_the_same_share():
    snapshot = cloud({"large": 200, "small": 100}, {f"x{number}": ("small", 10) for number in range(9)})
    decision = balance(snapshot)
    assert len(decision.placement) == 6
    assert decision.after.value == pytest.approx(0)


def test_instances_change_places_where_no_single_move_helps():
    guests = {"x1": ("a", 10), "x2": ("a", 10), "y1": ("b", 6), "y2": ("b", 6)}
    # 20 and 12: to move 10, or 6, would turn the imbalance around or make it worse
    decision = balance(cloud({"a": 30, "b": 30}, guests), threshold=0)
    assert decision.placement == {"x1": "b", "y1": "a"}
    assert difference(decision) == pytest.approx(0)


def test_nothing_is_moved_within_the_threshold():
    snapshot = cloud({"a": 100, "b": 100}, {"x": ("a", 2), "y": ("a", 2), "z": ("a", 2)})
    assert balance(snapshot, threshold=6).placement == {}
    assert balance(snapshot, threshold=5).placement != {}


def test_migrations_that_gain_little_are_not_made():
    snapshot = cloud({"a": 100, "b": 100}, {"x": ("a", 2), "y": ("a", 2), "z": ("a", 2)})
    decision = balance(snapshot, aggressiveness=1, threshold=0)
    assert decision.placement == {}
    assert "gains 20 points of a host or more" in decision.notes[0]
    assert decision.shortage is None


def test_max_migrations_is_said_to_be_the_reason():
    snapshot = cloud({"a": 100, "b": 100}, {f"x{number}": ("a", 10) for number in range(8)})
    decision = balance(snapshot, max_migrations=1)
    assert len(decision.placement) == 1
    assert decision.notes == ("fullest and emptiest host still differ by 60.0 points: max_migrations = 1 is used up",)


def test_disabled_hosts_do_not_count():
    snapshot = cloud({"a": 100, "b": 100, "c": 100}, {"x": ("a", 10), "y": ("b", 10), "z": ("c", 50)}, disabled=["c"])
    decision = balance(snapshot)
    assert decision.placement == {}
    assert decision.before.value == 0


def test_two_classes_with_weights():
    room = {"MEMORY_MB": 100, "VCPU": 100}
    guests = {
        "m1": ("a", {"MEMORY_MB": 40, "VCPU": 1}),
        "m2": ("a", {"MEMORY_MB": 40, "VCPU": 1}),
        "c1": ("b", {"MEMORY_MB": 1, "VCPU": 40}),
        "c2": ("b", {"MEMORY_MB": 1, "VCPU": 40}),
    }
    decision = balance(
        cloud({"a": room, "b": room}, guests), classes=("MEMORY_MB", "VCPU"), weights={"MEMORY_MB": 0.5, "VCPU": 0.5}
    )
    assert difference(decision) < 1
    assert difference(decision, "VCPU") < 1


def test_what_may_not_move_is_named_where_it_stands_in_the_way():
    snapshot = cloud(
        {"a": 100, "b": 100}, {"x": ("a", 60)}, immovable=["x"], of_instance={"x": {"why_not": "it is locked"}}
    )
    decision = balance(snapshot)
    assert [each.reason for each in decision.leftovers] == ["it is locked"]


def test_wrong_classes_and_weights():
    snapshot = cloud({"a": 100}, {"x": ("a", 1)})
    with pytest.raises(InvalidInput, match="classes names 'RAM', which no host has; there are: MEMORY_MB"):
        balance(snapshot, classes=("RAM",))
    with pytest.raises(InvalidInput, match="weights must give every one of classes a share"):
        balance(snapshot, weights={"VCPU": 0.5})
    with pytest.raises(InvalidInput, match="up and enabled"):
        balance(cloud({"a": 100}, {"x": ("a", 1)}, disabled=["a"]))
