"""What the simulated cloud has none of: nested providers, shared ones, full hosts, lists cut short."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.unit.cloud.canned import Canned
from vmpath_service.cloud.api import Api
from vmpath_service.cloud.microversions import Microversions
from vmpath_service.cloud.placement import Placement
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import NoDecision


def inventory(total: int, **more: Any) -> dict[str, Any]:
    return {"total": total, "reserved": 0, "min_unit": 1, "max_unit": total, "step_size": 1,
            "allocation_ratio": 1.0, **more}  # fmt: skip


def summary(**amounts: tuple[int, int]) -> dict[str, Any]:
    resources = {name: {"capacity": capacity, "used": used} for name, (capacity, used) in amounts.items()}
    return {"resources": resources, "traits": ["COMPUTE_NODE", "COMPUTE_STATUS_DISABLED"]}


def nested() -> dict[str, Any]:
    """Host ``a`` with two graphics cards below it, and a shared disk that belongs to no host."""
    return {
        "/resource_providers": {
            "resource_providers": [
                {"uuid": "a", "name": "a", "root_provider_uuid": "a"},
                {"uuid": "gpu1", "name": "a_1", "root_provider_uuid": "a"},
                {"uuid": "gpu2", "name": "a_2", "root_provider_uuid": "a"},
                {"uuid": "disks", "name": "disks", "root_provider_uuid": "disks"},
            ]
        },
        "/allocation_candidates MEMORY_MB:1": {
            "provider_summaries": {
                "a": summary(MEMORY_MB=(1000, 300)),
                "gpu1": summary(VGPU=(4, 1)),
                "gpu2": summary(VGPU=(2, 2)),
                "disks": summary(DISK_GB=(9000, 500)),
            }
        },
        "/resource_providers/a/inventories": {"inventories": {"MEMORY_MB": inventory(1000)}},
        "/resource_providers/gpu1/inventories": {"inventories": {"VGPU": inventory(4)}},
        "/resource_providers/gpu2/inventories": {"inventories": {"VGPU": inventory(2)}},
        "/resource_providers/a/allocations": {"allocations": {"x": {"resources": {"MEMORY_MB": 300}}}},
        "/resource_providers/gpu1/allocations": {"allocations": {"x": {"resources": {"VGPU": 1}}}},
        "/resource_providers/gpu2/allocations": {"allocations": {"x": {"resources": {"VGPU": 1}},
                                                                 "y": {"resources": {"VGPU": 1}}}},
    }  # fmt: skip


def placement(canned: Canned) -> Placement:
    return Placement(cast(Api, canned), Microversions(100, 39), CloudSettings(workers=1))


def test_a_tree_is_summed_and_shared_providers_belong_to_no_host() -> None:
    canned = Canned(nested())
    reader = placement(canned)
    reader.providers()
    tree = reader.trees(["a"])["a"]
    assert {name: each.limit() for name, each in tree.inventories.items()} == {"MEMORY_MB": 1000, "VGPU": 6}
    assert tree.inventories["VGPU"].max_unit == 4
    assert tree.used == {"MEMORY_MB": 300, "VGPU": 3}
    assert tree.traits == ("COMPUTE_NODE",)
    assert reader.allocations(["a"]) == {"a": {"x": {"MEMORY_MB": 300, "VGPU": 2}, "y": {"VGPU": 1}}}


def test_inventories_are_kept_until_the_capacity_disagrees() -> None:
    canned = Canned(nested())
    reader = placement(canned)
    reader.providers()
    reader.trees(["a"])
    canned.asked.clear()
    reader.trees(["a"])
    assert canned.asked == ["/allocation_candidates MEMORY_MB:1"]
    summaries = canned.answers["/allocation_candidates MEMORY_MB:1"]["provider_summaries"]
    summaries["gpu1"] = summary(VGPU=(8, 1))
    canned.answers["/resource_providers/gpu1/inventories"] = {"inventories": {"VGPU": inventory(8)}}
    canned.asked.clear()
    assert reader.trees(["a"])["a"].inventories["VGPU"].limit() == 10
    assert canned.asked == ["/allocation_candidates MEMORY_MB:1", "/resource_providers/gpu1/inventories"]


def test_an_inventory_that_changes_without_the_capacity_is_noticed_by_the_generation() -> None:
    canned = Canned(nested())
    providers = canned.answers["/resource_providers"]["resource_providers"]
    (gpu,) = [each for each in providers if each["uuid"] == "gpu1"]
    held = canned.answers["/resource_providers/gpu1/inventories"]
    reader = placement(canned)
    for generation in (1, 2):
        for each in (gpu, held):
            each["generation" if each is gpu else "resource_provider_generation"] = generation
        reader.providers()
        reader.trees(["a"])
    held["inventories"]["VGPU"]["max_unit"] = 1
    reader.providers()
    canned.asked.clear()
    assert reader.trees(["a"])["a"].inventories["VGPU"].max_unit == 4
    assert canned.asked == ["/allocation_candidates MEMORY_MB:1"]
    gpu["generation"] = held["resource_provider_generation"] = 3
    reader.providers()
    canned.asked.clear()
    tree = reader.trees(["a"])["a"]
    assert canned.asked == ["/allocation_candidates MEMORY_MB:1", "/resource_providers/gpu1/inventories"]
    assert tree.inventories["VGPU"].max_unit == 2


def test_of_many_that_may_have_changed_some_are_read_each_time_in_turn() -> None:
    names = [f"h{number:02}" for number in range(50)]
    listed = [{"uuid": name, "name": name, "root_provider_uuid": name, "generation": 1} for name in names]
    answers: dict[str, Any] = {
        "/resource_providers": {"resource_providers": listed},
        "/allocation_candidates MEMORY_MB:1": {
            "provider_summaries": {name: summary(MEMORY_MB=(10, 0)) for name in names}
        },
    }
    for name in names:
        answers[f"/resource_providers/{name}/inventories"] = {
            "inventories": {"MEMORY_MB": inventory(10)},
            "resource_provider_generation": 1,
        }
    canned = Canned(answers)
    reader = placement(canned)
    reader.providers()
    reader.trees(names)
    for name, provider in zip(names, listed, strict=True):
        provider["generation"] = answers[f"/resource_providers/{name}/inventories"]["resource_provider_generation"] = 2
    read: list[str] = []
    for expected in (20, 20, 10, 0):
        reader.providers()
        canned.asked.clear()
        reader.trees(names)
        asked = [path for path in canned.asked if path.endswith("/inventories")]
        assert len(asked) == expected
        read += asked
    assert len(set(read)) == 50


def test_what_no_list_of_candidates_shows_is_read_alone() -> None:
    answers = nested()
    summaries = answers["/allocation_candidates MEMORY_MB:1"]["provider_summaries"]
    answers["/resource_providers"]["resource_providers"] += [
        {"uuid": "full", "name": "full", "root_provider_uuid": "full"},
        {"uuid": "cut", "name": "cut", "root_provider_uuid": "cut"},
    ]
    answers["/allocation_candidates VCPU:1"] = {"provider_summaries": {"full": summary(VCPU=(4, 1), MEMORY_MB=(9, 9))}}
    answers["/allocation_candidates PCPU:1"] = {"provider_summaries": {}}
    answers["/resource_providers/full/inventories"] = {
        "inventories": {"VCPU": inventory(4), "MEMORY_MB": inventory(9)}
    }
    answers["/resource_providers/cut/inventories"] = {"inventories": {"MEMORY_MB": inventory(7, reserved=1)}}
    answers["/resource_providers/cut/usages"] = {"usages": {"MEMORY_MB": 6}}
    answers["/resource_providers/cut/traits"] = {"traits": ["CUSTOM_CUT"]}
    assert "cut" not in summaries
    reader = placement(Canned(answers))
    reader.providers()
    trees = reader.trees(["a", "full", "cut"])
    assert reader.cut_short == 0
    assert trees["full"].used == {"VCPU": 1, "MEMORY_MB": 9}
    assert (trees["cut"].used, trees["cut"].traits) == ({"MEMORY_MB": 6}, ("CUSTOM_CUT",))
    assert trees["cut"].inventories["MEMORY_MB"].limit() == 6


def test_hosts_that_a_list_cut_short_leaves_out_are_asked_for_one_by_one() -> None:
    answers = nested()
    answers["/resource_providers"]["resource_providers"] += [{"uuid": "b", "name": "b", "root_provider_uuid": "b"}]
    answers["/allocation_candidates VCPU:1"] = {"provider_summaries": {}}
    answers["/allocation_candidates PCPU:1"] = {"provider_summaries": {}}
    answers["/allocation_candidates MEMORY_MB:1 in b"] = {
        "provider_summaries": {"b": summary(MEMORY_MB=(50, 20)), "disks": summary(DISK_GB=(9000, 500))}
    }
    answers["/resource_providers/b/inventories"] = {"inventories": {"MEMORY_MB": inventory(50)}}
    canned = Canned(answers)
    reader = placement(canned)
    reader.providers()
    assert reader.trees(["a", "b"])["b"].used == {"MEMORY_MB": 20}
    assert reader.cut_short == 1
    canned.asked.clear()
    reader.trees(["a", "b"])
    assert len(canned.asked) == 4
    reader.trees(["a"])
    assert reader.cut_short == 0


def test_a_host_unknown_to_placement_stops_everything() -> None:
    reader = placement(Canned(nested()))
    reader.providers()
    with pytest.raises(NoDecision, match="no resource provider for 1 hosts, the first is b"):
        reader.trees(["a", "b"])


def test_a_provider_that_vanishes_meanwhile_stops_everything() -> None:
    answers = nested()
    del answers["/resource_providers/gpu2/inventories"]
    reader = placement(Canned(answers))
    reader.providers()
    with pytest.raises(NoDecision, match="changed while it was being read"):
        reader.trees(["a"])
