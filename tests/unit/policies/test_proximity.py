"""Apart and close."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide

RACKS = {
    "a": {"links": ["nic:a", "rack-1"], "availability_zone": "one"},
    "b": {"links": ["nic:b", "rack-1"], "availability_zone": "one"},
    "c": {"links": ["nic:c", "rack-2"], "availability_zone": "two"},
}
LINKS = {"nic:a": 1000, "nic:b": 1000, "nic:c": 1000, "rack-1": 1000, "rack-2": 1000}


def apply(name, snapshot, **given_):
    return decide(registry.make(name, given_), compile_cloud(snapshot), Scope())


def web(where, room=10, **more):
    tagged = {uuid: {"tags": ["web"], "project_id": "p", "metadata": {"app": "shop"}} for uuid in where}
    return cloud(
        dict.fromkeys("abc", room), {uuid: (host, 2) for uuid, host in where.items()}, of_instance=tagged, **more
    )


@pytest.mark.parametrize("given_", [{"of": "tag"}, {"of": "project"}, {"of": "metadata", "key": "app"}])
def test_a_host_each(given_):
    decision = apply("spread", web({"x": "a", "y": "a", "z": "b"}), **given_)
    assert len(decision.placement) == 1
    assert set(decision.placement.values()) == {"c"}
    assert (decision.before.value, decision.after.value) == (1, 0)


def test_racks_apart():
    snapshot = web({"x": "a", "y": "b"}, of_host=RACKS, links=LINKS)
    assert apply("spread", snapshot, of="tag").placement == {}
    assert apply("spread", snapshot, of="tag", level="rack").placement == {"x": "c"}
    assert apply("spread", snapshot, of="tag", level="zone").placement == {"x": "c"}


def test_racks_by_metadata_of_aggregates():
    racks = {"a": "r1", "b": "r1", "c": "r2"}
    of_host = {
        name: {"aggregates": [{"name": f"in-{rack}", "metadata": {"place": rack}}]} for name, rack in racks.items()
    }
    snapshot = web({"x": "a", "y": "b"}, of_host=of_host)
    decision = apply("spread", snapshot, of="tag", level="rack", rack_key="place")
    assert decision.placement == {"x": "c"}
    assert decision.reasons == {"x": "others of web are at r1"}


def test_groups_gather_where_most_are():
    snapshot = web({"x": "a", "y": "a", "z": "b"})
    decision = apply("gather", snapshot, of="tag")
    assert decision.placement == {"z": "a"}
    assert (decision.before.value, decision.after.value) == (2, 0)


def test_a_whole_set_goes_where_no_single_migration_helps():
    guests = {"x": ("a", 4), "y": ("a", 4), "z": ("b", 4), "full": ("a", 4)}
    tagged = {uuid: {"tags": ["web"]} for uuid in "xyz"}
    decision = apply("gather", cloud({"a": 12, "b": 12}, guests, of_instance=tagged), of="tag")
    assert decision.placement == {"x": "b", "y": "b"}
    assert decision.after.value == 0


def test_a_soft_group_and_the_bound():
    import msgspec

    from vmpath_service.model.snapshot import ServerGroup

    snapshot = web({"x": "a", "y": "a", "z": "a", "w": "a"})
    group = ServerGroup("g", "soft-anti-affinity", ("x", "y", "z", "w"), name="web")
    snapshot = msgspec.structs.replace(snapshot, server_groups=(group,))
    decision = apply("spread", snapshot, names=("web",))
    assert decision.after.value == 1
    assert decision.notes == ("1 pairs at one place; with the places there are no fewer than 1",)


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [({"of": "metadata"}, "needs a key"), ({"key": "app"}, "needs a key"), ({"names": ("x",)}, "belongs to x")],
)
def test_settings_that_make_no_sense(given_, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        apply("spread", web({"x": "a"}), **given_)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=6), st.sampled_from(("spread", "gather")))
@settings(max_examples=60, deadline=None)
def test_where_there_is_room_no_placement_is_better(homes, name):
    snapshot = web({f"x{number}": host for number, host in enumerate(homes)}, room=20)
    compiled = compile_cloud(snapshot)
    policy = registry.make(name, {"of": "tag"})
    decision = decide(policy, compiled, Scope())
    best = min(
        policy.score(compiled, where, Scope()).value for where in itertools.product(range(3), repeat=len(homes))
    )
    assert decision.after.value == best


def test_who_stays_where_others_are_is_told_why():
    locked = cloud(
        {"a": 10, "b": 3},
        {"x": ("a", 2), "y": ("a", 4)},
        immovable=["x"],
        of_instance={"x": {"tags": ["web"], "why_not": "it is locked"}, "y": {"tags": ["web"]}},
    )
    decision = apply("spread", locked, of="tag")
    assert decision.placement == {}
    told = {each.instance: each.reason for each in decision.leftovers}
    assert told["x"] == "it is locked"
    assert told["y"] == "none of 1 hosts takes it: 1 without room (nearest: b is 1 MEMORY_MB short)"


def test_who_cannot_come_where_the_others_are_is_told_why():
    snapshot = web({"x": "a", "y": "a", "z": "b"}, room=5)
    decision = apply("gather", snapshot, of="tag")
    assert decision.placement == {}
    assert [(each.instance, each.reason) for each in decision.leftovers] == [
        ("z", "none of 1 hosts takes it: 1 without room (nearest: a is 1 MEMORY_MB short)")
    ]


def test_a_limit_is_why_the_rest_stays():
    decision = apply("spread", web({"x": "a", "y": "a", "z": "a"}), of="tag", max_migrations=1)
    assert len(decision.placement) == 1
    assert {each.reason for each in decision.leftovers} == {"max_migrations = 1 is used up"}
