"""Emptying hosts."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput, NotFound
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope


def drain(snapshot, *hosts, zones=(), aggregates=(), **given):
    return registry.make("drain", given).decide(
        compile_cloud(snapshot), Scope(hosts=hosts, zones=zones, aggregates=aggregates)
    )


def test_everything_leaves_the_host_and_nothing_else_moves():
    decision = drain(cloud({"a": 8, "b": 8, "c": 8}, {"x": ("a", 2), "y": ("a", 3), "z": ("b", 2)}), "a")
    assert decision.placement == {"x": "b", "y": "c"}
    assert decision.disable == decision.emptied == ("a",)
    assert (decision.before.value, decision.after.value) == (2, 0)
    assert decision.shortage is None
    assert not decision.leftovers


def test_packing_prefers_the_fullest_host_that_has_room():
    decision = drain(cloud({"a": 8, "b": 8, "c": 8}, {"x": ("a", 2), "z": ("b", 4)}), "a", destinations="pack")
    assert decision.placement == {"x": "b"}


def test_hosts_to_avoid_get_only_what_has_no_room_elsewhere():
    snapshot = cloud({"a": 8, "b": 8, "c": 8}, {"x": ("a", 4), "y": ("a", 3), "z": ("c", 3)})
    assert drain(snapshot, "a").placement == {"x": "b", "y": "c"}
    assert drain(snapshot, "a", avoid_hosts=["b"]).placement == {"x": "c", "y": "b"}
    assert drain(snapshot, "a", avoid_hosts=["b", "c"]).placement == {"x": "b", "y": "c"}


def test_a_locked_instance_stays_and_is_reported():
    snapshot = cloud(
        {"a": 8, "b": 8},
        {"x": ("a", 2), "y": ("a", 3)},
        immovable=["x"],
        of_instance={"x": {"why_not": "it is locked; unlock it to move it"}},
    )
    decision = drain(snapshot, "a")
    assert decision.placement == {"y": "b"}
    assert [(each.instance, each.host, each.reason) for each in decision.leftovers] == [
        ("x", "a", "it is locked; unlock it to move it")
    ]
    assert decision.emptied == ()
    assert decision.disable == ("a",)
    assert decision.shortage is None


def test_an_instance_in_flight_to_the_host_is_a_leftover():
    decision = drain(cloud({"a": 8, "b": 8, "c": 8}, {"x": ("b", 2)}, in_flight={"x": ("b", "a")}), "a")
    assert decision.placement == {}
    assert [(each.instance, each.host) for each in decision.leftovers] == [("x", "a")]
    assert decision.emptied == ()
    assert decision.after.value == 1


def test_a_group_stays_apart():
    snapshot = cloud(
        {"a": 8, "b": 100, "c": 8},
        {"x": ("a", 2), "y": ("b", 2), "z": ("c", 4)},
        apart={"g": ["x", "y"]},
    )
    assert drain(snapshot, "a").placement == {"x": "c"}


def test_members_of_a_group_do_not_meet_on_their_way_out():
    snapshot = cloud({"a": 8, "b": 8, "c": 8, "d": 9}, {"x": ("a", 2), "y": ("b", 2)}, apart={"g": ["x", "y"]})
    decision = drain(snapshot, "a", "b")
    assert sorted(decision.placement.values()) == ["c", "d"]


def test_one_that_does_not_fit_is_left_with_what_is_missing_and_what_would_help():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("a", 3), "z": ("b", 7)}, disabled=["c"])
    decision = drain(snapshot, "a")
    assert decision.placement == {"y": "b"}
    assert decision.after.value == 1
    assert decision.shortage == (
        "1 of 2 instances to be moved find no place: the other hosts have 6 MEMORY_MB too little "
        "(6 wanted, 0 free); to bring up or enable c would help, or to move or delete instances elsewhere"
    )
    assert [(each.instance, each.host) for each in decision.leftovers] == [("x", "a")]
    assert "b is 6 MEMORY_MB short" in decision.leftovers[0].reason


def test_room_in_pieces_is_called_so():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 5), "z": ("c", 5)})
    decision = drain(snapshot, "a", evict=False)
    assert decision.placement == {}
    assert "enough free in total" in decision.shortage
    assert "1 MEMORY_MB short" in decision.shortage


def test_others_make_room_where_that_is_the_only_way():
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "y1": ("b", 2), "y2": ("b", 3), "z": ("c", 5)},
    )
    decision = drain(snapshot, "a")
    assert decision.placement == {"x": "b", "y1": "c"}, "the cheapest eviction is taken"
    assert decision.shortage is None
    assert drain(snapshot, "a", evict=False).placement == {}


def test_a_sibling_makes_room_for_a_member_of_its_group():
    snapshot = cloud({"a": 10, "b": 20, "c": 6}, {"x": ("a", 8), "y": ("b", 2)}, apart={"g": ["x", "y"]})
    assert drain(snapshot, "a").placement == {"x": "b", "y": "c"}


def test_the_instances_that_need_room_now_do_not_count_on_what_leaves_later():
    # b is emptied too: nothing may arrive there, though it will be free in the end
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 4), "y": ("b", 4)})
    assert set(drain(snapshot, "a", "b").placement.values()) == {"c"}


def test_max_migrations_leaves_the_rest_and_says_so():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 1), "y": ("a", 2), "z": ("a", 3)})
    decision = drain(snapshot, "a", max_migrations=2)
    assert decision.placement == {"y": "b", "z": "b"}
    assert decision.shortage == (
        "1 more migrations are wanted than max_migrations = 2 allows; run it again, or raise it"
    )
    assert decision.emptied == ()


def test_an_eviction_counts_as_a_migration():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 5), "w": ("c", 2)})
    snapshot_tight = cloud({"a": 10, "b": 10, "c": 7}, {"x": ("a", 6), "y": ("b", 5), "w": ("c", 2)})
    assert len(drain(snapshot, "a", max_migrations=1).placement) == 1
    assert drain(snapshot_tight, "a", max_migrations=1).placement == {}
    assert len(drain(snapshot_tight, "a", max_migrations=2).placement) == 2


def test_a_host_that_is_down_cannot_be_emptied():
    decision = drain(cloud({"a": 8, "b": 8}, {"x": ("a", 2)}, down=["a"]), "a")
    assert decision.placement == {}
    assert [each.reason for each in decision.leftovers] == ["its host a is down"]


def test_a_disabled_host_can_be_emptied_but_receives_nothing():
    snapshot = cloud({"a": 8, "b": 80, "c": 8}, {"x": ("a", 2)}, disabled=["a", "b"])
    assert drain(snapshot, "a").placement == {"x": "c"}


def test_nothing_leaves_the_zone_of_the_scope():
    zones = {"a": "one", "b": "two", "c": "one"}
    snapshot = cloud(
        {"a": 8, "b": 80, "c": 8},
        {"x": ("a", 2)},
        of_host={name: {"availability_zone": zone} for name, zone in zones.items()},
    )
    assert drain(snapshot, "a").placement == {"x": "b"}
    assert drain(snapshot, "a", zones=("one",)).placement == {"x": "c"}
    assert drain(snapshot, "a", availability_zones=("one",)).placement == {"x": "c"}
    with pytest.raises(InvalidInput, match="a is not within zones two"):
        drain(snapshot, "a", zones=("two",))


def test_an_older_hypervisor_takes_nothing_in():
    versions = {"a": 8, "b": 7, "c": 8}
    snapshot = cloud(
        {"a": 8, "b": 80, "c": 8},
        {"x": ("a", 2)},
        of_host={name: {"hypervisor_version": version} for name, version in versions.items()},
    )
    assert drain(snapshot, "a").placement == {"x": "c"}


def test_no_host_named():
    with pytest.raises(InvalidInput, match="--host"):
        drain(cloud({"a": 8}, {}))


def test_an_unknown_host():
    with pytest.raises(NotFound, match="there is no host 'compute-01'; did you mean 'compute-001'"):
        drain(cloud({"compute-001": 8, "x": 1}, {}), "compute-01")


def test_no_other_host():
    decision = drain(cloud({"a": 8}, {"x": ("a", 2)}), "a")
    assert decision.leftovers[0].reason == "there is no other host, up and enabled, within the scope"


def test_where_all_cannot_leave_as_many_as_possible_do():
    snapshot = cloud({"a": 20, "b": 8}, {"large": ("a", 7), "x": ("a", 3), "y": ("a", 3), "z": ("a", 2)})
    decision = drain(snapshot, "a")
    assert decision.placement == {"x": "b", "y": "b", "z": "b"}
    assert decision.shortage.startswith("1 of 4 instances to be moved find no place")


def test_no_one_is_evicted_where_packing_is_enough():
    snapshot = cloud({"a": 20, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("a", 4), "z": ("a", 4), "w": ("b", 6)})
    decision = drain(snapshot, "a")
    assert decision.placement == {"x": "c", "y": "b", "z": "c"} or decision.placement == {"x": "c", "y": "c", "z": "b"}
