"""From one set of hosts to another."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.errors import InvalidInput, NotFound
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.policies.deciding import decide

ZONES = {name: {"availability_zone": name[:-1]} for name in ("old1", "old2", "new1", "new2")}
WAY = {"from_zones": ("old",), "to_zones": ("new",)}


def migrate(snapshot, **given):
    return decide(registry.make("zone-migration", given), compile_cloud(snapshot), Scope())


def two_zones(room=20, **more):
    guests = {"x": ("old1", 4), "y": ("old1", 2), "z": ("old2", 6), "w": ("new1", 3)}
    return cloud(dict.fromkeys(ZONES, room), guests, of_host=ZONES, **more)


def test_everything_goes():
    decision = migrate(two_zones(), **WAY)
    assert decision.placement.keys() == {"x", "y", "z"}
    assert set(decision.placement.values()) <= {"new1", "new2"}
    assert decision.disable == decision.emptied == ("old1", "old2")
    assert decision.shortage is None
    assert decision.reasons["x"] == "old1 is to be left"


@pytest.mark.parametrize(("order", "first"), [("largest", "z"), ("smallest", "y"), ("oldest", "y"), ("project", "x")])
def test_in_an_order_and_at_a_pace(order, first):
    of_instance = {
        "x": {"project_id": "a", "created_at": "2026-02-01T00:00:00Z"},
        "y": {"project_id": "b", "created_at": "2026-01-01T00:00:00Z"},
        "z": {"project_id": "b"},
    }
    decision = migrate(two_zones(of_instance=of_instance), order=order, max_migrations=1, **WAY)
    assert list(decision.placement) == [first]
    assert "2 more instances follow when it is applied again" in decision.notes[0]
    # a round that did what it was to do has not failed
    assert decision.shortage is None


def test_who_finds_no_place_costs_nobody_else_his_turn():
    zoned = {"z": {"pinned_availability_zone": "old"}}
    decision = migrate(two_zones(of_instance=zoned), max_migrations=1, **WAY)
    assert list(decision.placement) == ["x"]
    assert {each.instance for each in decision.leftovers} == {"y", "z"}
    assert "1 of 3 instances to be moved find no place" in decision.shortage
    rooms = {"old1": 20, "old2": 20, "new1": 5, "new2": 5}
    tight = cloud(rooms, {"x": ("old1", 4), "z": ("old2", 6)}, of_host=ZONES)
    decision = migrate(tight, max_migrations=1, **WAY)
    assert list(decision.placement) == ["x"]
    assert "new2 is 1 MEMORY_MB short" in decision.leftovers[0].reason


def test_what_is_pinned_to_the_zone_stays():
    decision = migrate(two_zones(of_instance={"x": {"pinned_availability_zone": "old"}}), **WAY)
    assert decision.placement.keys() == {"y", "z"}
    assert "is pinned to old" in decision.leftovers[0].reason
    assert "1 of 3 instances to be moved find no place" in decision.shortage


def test_sources_need_not_be_disabled():
    assert migrate(two_zones(), disable_sources=False, **WAY).disable == ()


@pytest.mark.parametrize(
    ("given", "kind", "sentence"),
    [
        ({}, InvalidInput, "not said where from"),
        ({"from_zones": ("old",)}, InvalidInput, "not said where to"),
        ({"from_zones": ("odl",), "to_zones": ("new",)}, NotFound, "did you mean 'old'"),
        ({"from_zones": ("old",), "to_hosts": ("old1",)}, InvalidInput, "no host to go to"),
    ],
)
def test_ends_that_make_no_sense(given, kind, sentence):
    with pytest.raises(kind, match=sentence):
        migrate(two_zones(), **given)
