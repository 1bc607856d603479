"""Freeing hosts."""

import pytest

from tests.clouds import cloud
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints import registry as constraints
from vmpath_service.model.constraints.base import CompiledConstraint, Constraint
from vmpath_service.model.errors import InvalidInput
from vmpath_service.pathfinder.cp_sat import available
from vmpath_service.policies import neighbourhoods, registry, repacking
from vmpath_service.policies.base import Scope


def consolidate(snapshot, scope=None, **given):
    return registry.make("consolidate", given).decide(compile_cloud(snapshot), scope or Scope())


def even(count, each, capacity=12):
    """So many hosts with instances of these sizes each."""
    names = [f"h{number}" for number in range(count)]
    guests = {f"{name}-{at}": (name, size) for name in names for at, size in enumerate(each)}
    return cloud(dict.fromkeys(names, capacity), guests)


def test_four_of_six_hosts_are_freed():
    decision = consolidate(even(6, (2, 2)))
    assert len(decision.emptied) == 4
    assert len(decision.placement) == 8
    assert (decision.before.value, decision.after.value) == (6, 2)
    assert decision.notes == (
        "2 hosts in use; no placement of these instances uses less than 2",
        "8 migrations; no way to free 4 hosts takes less than 8",
    )


def test_the_hosts_that_are_cheapest_to_empty_are_freed():
    decision = consolidate(cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 5), "y": ("b", 2), "z": ("c", 6)}))
    assert decision.placement == {"y": "c"} or decision.placement == {"y": "a"}
    assert decision.emptied == ("b",)


def test_the_smaller_hosts_are_freed():
    snapshot = cloud({"big": 20, "s1": 8, "s2": 8}, {"x": ("big", 4), "y": ("s1", 6), "z": ("s2", 6)})
    assert consolidate(snapshot).emptied == ("s1", "s2")


def test_two_classes_are_minded():
    room = {"MEMORY_MB": 10, "VCPU": 4}
    snapshot = cloud(
        {"a": room, "b": room, "c": room},
        {
            "x": ("a", {"MEMORY_MB": 1, "VCPU": 3}),
            "y": ("b", {"MEMORY_MB": 6, "VCPU": 1}),
            "z": ("c", {"MEMORY_MB": 5, "VCPU": 1}),
        },
    )
    decision = consolidate(snapshot)
    assert decision.placement in ({"x": "b"}, {"x": "c"})


def test_headroom_stays_free():
    snapshot = even(6, (2, 2))
    assert consolidate(snapshot).after.value == 2
    assert consolidate(snapshot, headroom={"MEMORY_MB": 0.25}).after.value == 3
    assert consolidate(snapshot, headroom={"MEMORY_MB": 0.6}).after.value == 6


def test_headroom_of_a_class_that_no_host_has():
    with pytest.raises(InvalidInput, match="headroom names 'VCPUS', which no host has; there are: MEMORY_MB"):
        consolidate(even(2, (1,)), headroom={"VCPUS": 0.1})


def test_a_spare_host_is_kept():
    decision = consolidate(even(6, (2, 2)), spare_hosts=1)
    assert decision.after.value == 2
    assert len(decision.emptied) == 3
    assert not any("largest hosts die" in note for note in decision.notes)
    kept = next(note for note in decision.notes if note.startswith("kept as spare"))
    assert not any(name in kept for name in decision.emptied)


def test_more_spare_hosts_are_kept_where_they_are_smaller_than_what_may_die():
    snapshot = cloud(
        {"big": 20, "s1": 10, "s2": 10, "s3": 10},
        {"x": ("big", 10), "y": ("s1", 4), "z": ("s2", 3), "w": ("s3", 3)},
    )
    decision = consolidate(snapshot, spare_hosts=1)
    assert decision.after.value == 1
    assert decision.emptied == ("s3",)
    assert "kept as spare hosts: s1, s2" in decision.notes


def test_too_few_spare_hosts_are_said_to_be_so():
    decision = consolidate(even(2, (6, 6)), spare_hosts=1)
    assert decision.placement == {}
    assert "if the 1 largest hosts die, 12 MEMORY_MB find no room on the others and the spare hosts" in decision.notes


def zoned(pins):
    """Two hosts in use of one zone each, and an empty one of each zone; the empty one of zone one is the larger."""
    zones = {"a": "one", "big": "one", "b": "two", "small": "two"}
    return cloud(
        {"a": 10, "big": 20, "b": 10, "small": 10},
        {"x": ("a", 8), "y": ("b", 8)},
        immovable=["x", "y"],
        of_host={name: {"availability_zone": zone} for name, zone in zones.items()},
        of_instance={uuid: {"pinned_availability_zone": zone} for uuid, zone in pins.items()},
    )


def test_a_spare_host_is_where_what_dies_may_go():
    kept = "kept as spare hosts: "
    assert f"{kept}big" in consolidate(zoned({}), spare_hosts=1).notes
    decision = consolidate(zoned({"x": "one", "y": "two"}), spare_hosts=1)
    assert f"{kept}big, small" in decision.notes


def test_it_says_if_what_dies_has_nowhere_to_go():
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 6), "y": ("b", 6)},
        of_host={"a": {"traits": ["CUSTOM_X"]}},
        of_instance={"x": {"required_traits": ["CUSTOM_X"]}},
    )
    notes = consolidate(snapshot, spare_hosts=1).notes
    assert "if a dies, x may find no place on the others and the spare hosts" in notes


def test_any_two_hosts_may_die():
    # in sum the first two spare hosts have enough, but no gap for the large ones once two of the hosts have died
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10, "e1": 10, "e2": 10, "e3": 10},
        {"x": ("a", 6), "y": ("b", 6), "z": ("c", 6)},
        apart={"g": ["x", "y", "z"]},
    )
    notes = consolidate(snapshot, spare_hosts=2).notes
    assert "kept as spare hosts: e1, e2" in notes
    assert not any("find no place" in note for note in notes)


def test_a_host_with_a_locked_instance_stays_in_use_and_receives():
    snapshot = cloud(
        {"a": 10, "b": 10, "c": 10},
        {"x": ("a", 1), "y": ("b", 2), "z": ("c", 3)},
        immovable=["x"],
        of_instance={"x": {"why_not": "it is locked"}},
    )
    decision = consolidate(snapshot)
    assert decision.placement == {"y": "a", "z": "a"}
    assert [(each.instance, each.host, each.reason) for each in decision.leftovers] == [("x", "a", "it is locked")]


def test_a_group_stays_apart():
    snapshot = cloud(
        dict.fromkeys("abcd", 10),
        {"x": ("a", 1), "y": ("b", 1), "z": ("c", 1), "w": ("d", 1)},
        apart={"g": ["x", "y", "z"]},
    )
    decision = consolidate(snapshot)
    assert decision.after.value == 3
    where = {"x": "a", "y": "b", "z": "c"} | decision.placement
    assert len({where[name] for name in "xyz"}) == 3


def test_zones_are_each_consolidated_by_themselves_where_instances_are_pinned():
    names = {f"{zone}{number}": zone for zone in ("one", "two") for number in range(3)}
    snapshot = cloud(
        {name: 30 if zone == "one" else 10 for name, zone in names.items()},
        {f"on-{name}": (name, 4) for name in names},
        of_host={name: {"availability_zone": zone} for name, zone in names.items()},
        of_instance={f"on-{name}": {"pinned_availability_zone": zone} for name, zone in names.items()},
    )
    decision = consolidate(snapshot)
    assert decision.after.value == 3
    assert all(names[host] == names[uuid.removeprefix("on-")] for uuid, host in decision.placement.items())


def test_only_newer_hypervisors_receive():
    snapshot = cloud(
        dict.fromkeys("abc", 10),
        {"x": ("a", 4), "y": ("b", 3), "z": ("c", 3)},
        of_host={"a": {"hypervisor_version": 1}, "b": {"hypervisor_version": 2}, "c": {"hypervisor_version": 1}},
    )
    decision = consolidate(snapshot)
    assert decision.placement == {"x": "b", "z": "b"}


def test_a_disabled_host_is_freed_but_receives_nothing():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 4), "y": ("b", 1), "z": ("c", 1)}, disabled=["a"])
    decision = consolidate(snapshot)
    assert "a" in decision.emptied
    assert decision.after.value == 1


def test_an_empty_large_host_is_taken_into_use_if_that_frees_more():
    snapshot = cloud({"big": 20, "s1": 8, "s2": 8}, {"y": ("s1", 6), "z": ("s2", 6)})
    decision = consolidate(snapshot)
    assert decision.placement == {"y": "big", "z": "big"}
    assert decision.after.value == 1


def test_an_empty_host_is_left_alone_if_it_frees_nothing():
    assert consolidate(cloud({"a": 8, "b": 8, "c": 8}, {"y": ("b", 6), "z": ("c", 6)})).placement == {}


def test_use_that_nothing_listed_explains_keeps_a_host_in_use():
    snapshot = cloud(
        {"a": 10, "b": 10}, {"x": ("a", 1), "y": ("b", 5)}, of_host={"a": {"used_by_others": {"MEMORY_MB": 1}}}
    )
    decision = consolidate(snapshot)
    assert decision.placement == {"y": "a"}
    assert "free_unlisted" in decision.notes[1]
    assert consolidate(snapshot, free_unlisted=True).placement == {"x": "b"}


def test_max_migrations_frees_the_hosts_with_the_fewest_instances():
    snapshot = cloud(
        dict.fromkeys("abcd", 20),
        {"x": ("a", 9), "y1": ("b", 1), "y2": ("b", 1), "z1": ("c", 8), "z2": ("c", 1), "w": ("d", 11)},
    )
    assert consolidate(snapshot).after.value == 2
    decision = consolidate(snapshot, max_migrations=1)
    assert decision.placement == {"x": "d"}
    assert decision.after.value == 3


def test_only_hosts_of_the_scope_are_touched():
    snapshot = even(6, (2, 2))
    decision = consolidate(snapshot, Scope(hosts=("h0", "h1", "h2")))
    assert set(decision.placement.values()) | set(decision.emptied) == {"h0", "h1", "h2"}
    assert (decision.before.value, decision.after.value) == (3, 1)


def test_doing_it_again_moves_nothing():
    snapshot = even(6, (2, 3))
    decision = consolidate(snapshot)
    names = {f"h{number}": 12 for number in range(6)}
    again = {f"h{n}-{at}": (f"h{n}", size) for n in range(6) for at, size in enumerate((2, 3))}
    moved = {uuid: (decision.placement.get(uuid, host), size) for uuid, (host, size) in again.items()}
    assert consolidate(cloud(names, moved)).placement == {}


class NotWith(Constraint):
    """y goes nowhere that x is on."""

    name = "not-with"

    def compile(self, snapshot):
        def veto(instance, host, where):
            met = instance.uuid == "y" and where["x"] == host.name
            return "y does not go where x is" if met else None

        return CompiledConstraint(veto=veto)


def test_a_veto_sends_an_instance_elsewhere_or_keeps_its_host_in_use():
    rules = (*constraints.make(), NotWith())
    roomy = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 2), "z": ("c", 5)})
    decision = registry.make("consolidate").decide(compile_cloud(roomy, rules), Scope())
    assert decision.placement == {"y": "c"}
    alone = cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 2), "w": ("b", 1)})
    policy = registry.make("consolidate", {"save": "memory"})
    assert policy.decide(compile_cloud(alone), Scope()).placement.keys() == {"y", "w"}
    assert policy.decide(compile_cloud(alone, rules), Scope()).placement == {}


def test_what_is_saved_among_targets_with_equally_many_hosts():
    snapshot = cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 2), "w": ("b", 1)})
    assert consolidate(snapshot).placement == {"x": "b"}
    assert consolidate(snapshot, save="memory").placement == {"y": "a", "w": "a"}


def test_what_is_freed_may_be_kept_free():
    snapshot = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 6), "y": ("b", 2), "z": ("c", 1)})
    decision = consolidate(snapshot, disable_freed=True)
    assert decision.disable == decision.emptied == ("b", "c")
    assert consolidate(snapshot).disable == ()
    assert len(consolidate(snapshot, disable_freed=True, spare_hosts=1).disable) == 1


def test_what_stands_in_the_way_of_freeing_more():
    guests = {"x": ("a", 6), "y": ("b", 6), "z": ("c", 7)}
    decision = consolidate(cloud({"a": 10, "b": 10, "c": 10}, guests))
    assert decision.notes[-1] == (
        "3 hosts whose instances may all move stay in use; to free a, the least filled, x would have to leave: "
        "none of 2 hosts takes it: 2 without room (nearest: b is 2 MEMORY_MB short)"
    )


def lopsided():
    """One host is out of memory, one out of CPUs; one large, one small and one of the others fill a host."""
    small, large = {"MEMORY_MB": 2, "VCPU": 6}, {"MEMORY_MB": 6, "VCPU": 2}
    both = {"MEMORY_MB": 4, "VCPU": 4}
    room = {name: {"MEMORY_MB": 12, "VCPU": 12} for name in "abcd"}
    guests = {"a1": ("a", large), "a2": ("a", large), "b1": ("b", small), "b2": ("b", small)}
    return cloud(room, guests | {"c1": ("c", both), "d1": ("d", both)})


def test_repacking_frees_more_hosts_than_filling_gaps():
    less, more = consolidate(lopsided(), repack=False), consolidate(lopsided())
    assert (less.after.value, more.after.value) == (3, 2)
    assert any(text.startswith("it makes room on") for text in more.reasons.values())
    how = "OR-Tools" if available() else "is not installed"
    assert any(note.startswith("instances of hosts that stay in use move, too") and how in note for note in more.notes)
    assert not any("OR-Tools" in note for note in less.notes)
    assert "no placement of these instances uses less than" in more.notes[0]


def test_for_each_host_in_use_it_says_what_stands_in_the_way():
    guests = {"x": ("a", 4), "y": ("b", 6), "z": ("c", 8), "w": ("d", 7)}
    decision = consolidate(cloud(dict.fromkeys("abcd", 12), guests, immovable=["z"]))
    assert decision.in_use == {
        "b": "no placement of these instances uses fewer hosts",
        "c": "z may not be migrated: it is not movable",
        "d": "no placement of these instances uses fewer hosts",
    }
    thirds = consolidate(cloud(dict.fromkeys("abc", 12), {name: (name, 8) for name in "abc"}))
    assert all("but not for each of its instances where it may go" in text for text in thirds.in_use.values())
    uneven = consolidate(cloud({"a": 20, "b": 12, "c": 12}, {"x": ("a", 16), "y": ("b", 7), "z": ("c", 7)}))
    assert uneven.in_use["a"] == "its instances take 16 MEMORY_MB, the other hosts in use have 10 to spare"
    full = consolidate(cloud({"a": 12, "b": 12}, {"x": ("a", 7), "y": ("b", 6)}))
    assert set(full.in_use.values()) == {"no placement of these instances uses fewer hosts"}
    apart = consolidate(cloud({"a": 12, "b": 12}, {"x": ("a", 5), "y": ("b", 5)}, apart={"g": ["x", "y"]}))
    assert apart.in_use == dict.fromkeys(
        "ab", "the other hosts have enough to spare in sum, but not for each of its instances where it may go"
    )
    few = consolidate(even(3, (2, 2)), max_migrations=1)
    assert few.in_use["h0"] == "it would take 2 more migrations, max_migrations = 1 leaves 1"


def test_without_ortools_it_says_so(monkeypatch):
    for module in (neighbourhoods, repacking):
        monkeypatch.setattr(module, "available", lambda: False)
    notes = consolidate(lopsided()).notes
    assert any(
        note.endswith("OR-Tools, which may find targets with fewer migrations, is not installed") for note in notes
    )
    notes = consolidate(lopsided(), neighbourhoods=0).notes
    assert any(note.endswith("OR-Tools was not used") for note in notes)
