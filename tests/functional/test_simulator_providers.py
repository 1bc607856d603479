"""Nested providers and a shared disk, as Placement shows them and as vmpath reads them back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.reading import reader
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.snapshot import Aggregate, Host, Instance, Inventory, Snapshot
from vmpath_service.simulator.clock import SteppedClock

GPUS = {"nested": {name: {"inventories": {"VGPU": {"total": 2}}, "traits": ["CUSTOM_A40"]} for name in ("g1", "g2")}}
PCI = "CUSTOM_PCI_8086_154D"


def with_devices(name: str, **devices: int) -> Host:
    plain = host(name)
    more = {kind: Inventory(total=total) for kind, total in devices.items()}
    return msgspec.structs.replace(plain, inventories=plain.inventories | more)


def guest(name: str, at: str, **devices: int) -> Instance:
    plain = instance(name, at)
    return msgspec.structs.replace(plain, resources=plain.resources | devices)


def start(simulated_cloud: Factory, given: Snapshot) -> Operator:
    cloud = simulated_cloud(given, clock=SteppedClock())
    return Operator(cloud, connect(cloud))


def providers(cloud: Operator) -> dict[str, dict[str, Any]]:
    found = cloud.placement.get("/resource_providers").json()["resource_providers"]
    return {provider["name"]: provider for provider in found}


def holdings(cloud: Operator, consumer: str) -> dict[str, dict[str, int]]:
    """Provider name -> what a consumer holds there."""
    names = {provider["uuid"]: name for name, provider in providers(cloud).items()}
    found = cloud.placement.get(f"/allocations/{consumer}").json()["allocations"]
    return {names[uuid]: part["resources"] for uuid, part in found.items()}


def test_devices_are_on_a_child(simulated_cloud: Factory) -> None:
    given = snapshot(
        with_devices("h1", VGPU=4, **{PCI: 1}), with_devices("h2", VGPU=4), host("h3"), guest("a", "h1", VGPU=1)
    )
    cloud = start(simulated_cloud, given)
    shown = providers(cloud)
    child = shown["h1_pci_0000_84_00_0"]
    assert child["parent_provider_uuid"] == child["root_provider_uuid"] == shown["h1"]["uuid"]
    assert shown["h1"]["parent_provider_uuid"] is None
    inventories = cloud.placement.get(f"/resource_providers/{child['uuid']}/inventories").json()["inventories"]
    assert {name: each["total"] for name, each in inventories.items()} == {"VGPU": 4}
    own = cloud.placement.get(f"/resource_providers/{shown['h1']['uuid']}/inventories").json()["inventories"]
    assert set(own) == {"VCPU", "MEMORY_MB", "DISK_GB"}
    tree = cloud.placement.get(f"/resource_providers?in_tree={child['uuid']}").json()["resource_providers"]
    assert {p["name"] for p in tree} == {"h1", "h1_pci_0000_84_00_0", f"h1_0000:81:00.0_{PCI}"}
    assert holdings(cloud, identity("a")) == {
        "h1": {"VCPU": 1, "MEMORY_MB": 1000, "DISK_GB": 1},
        "h1_pci_0000_84_00_0": {"VGPU": 1},
    }
    # The scheduler knows that h3 has none, and takes the whole tree along.
    assert cloud.migrate("a", "h3").status_code == 202
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.migrate("a", "h2").status_code == 202
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h2")
    assert set(holdings(cloud, identity("a"))) == {"h2", "h2_pci_0000_84_00_0"}


def test_candidates_name_each_way_and_the_whole_tree(simulated_cloud: Factory) -> None:
    plain = host("h1")
    given = snapshot(msgspec.structs.replace(plain, extra=GPUS), host("h2"), guest("a", "h1", VGPU=2))
    cloud = start(simulated_cloud, given)
    shown = providers(cloud)
    answer = cloud.placement.get("/allocation_candidates?resources=VCPU:1,VGPU:1").json()
    # The first child is full.
    [request] = answer["allocation_requests"]
    assert {place: part["resources"] for place, part in request["allocations"].items()} == {
        shown["h1"]["uuid"]: {"VCPU": 1},
        shown["h1_g2"]["uuid"]: {"VGPU": 1},
    }
    assert set(answer["provider_summaries"]) == {shown[name]["uuid"] for name in ("h1", "h1_g1", "h1_g2")}
    summary = answer["provider_summaries"][shown["h1_g1"]["uuid"]]
    assert summary["resources"] == {"VGPU": {"capacity": 2, "used": 2}}
    assert summary["root_provider_uuid"] == shown["h1"]["uuid"]
    assert summary["traits"] == ["CUSTOM_A40"]
    older = cloud.placement.get("/allocation_candidates?resources=VCPU:1", microversion="1.28").json()
    assert set(older["provider_summaries"]) == {shown[name]["uuid"] for name in ("h1", "h2")}


def test_a_shared_disk_is_found_through_the_aggregate(simulated_cloud: Factory) -> None:
    racks = [Aggregate("nfs"), Aggregate("other")]
    hosts = [host(f"h{n}", aggregates=(racks[n // 2],)) for n in range(3)]
    given = msgspec.structs.replace(
        snapshot(*hosts, instance("a", "h0"), instance("b", "h2")),
        extra={"shared_disk": {"total": 3, "name": "nfs", "aggregate": "nfs"}},
    )
    cloud = start(simulated_cloud, given)
    shown = providers(cloud)
    nfs = f"/resource_providers/{shown['nfs']['uuid']}"
    assert cloud.placement.get(f"{nfs}/traits").json()["traits"] == ["MISC_SHARES_VIA_AGGREGATE"]
    joined = cloud.placement.get(f"/resource_providers/{shown['h0']['uuid']}/aggregates").json()["aggregates"]
    assert cloud.placement.get(f"{nfs}/aggregates").json()["aggregates"] == joined
    assert set(holdings(cloud, identity("a"))) == {"h0", "nfs"}
    assert set(holdings(cloud, identity("b"))) == {"h2"}
    # While it moves, a server counts twice on what both hosts share.
    assert cloud.migrate("a", "h1").status_code == 202
    cloud.step(1)
    assert cloud.placement.get(f"{nfs}/usages").json()["usages"] == {"DISK_GB": 2}
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.placement.get(f"{nfs}/usages").json()["usages"] == {"DISK_GB": 1}
    candidates = cloud.placement.get("/allocation_candidates?resources=VCPU:1,DISK_GB:1").json()
    places = {frozenset(request["allocations"]) for request in candidates["allocation_requests"]}
    uuid = {name: provider["uuid"] for name, provider in shown.items()}
    assert places == {
        frozenset((uuid["h0"], uuid["nfs"])), frozenset((uuid["h1"], uuid["nfs"])), frozenset((uuid["h2"],))
    }  # fmt: skip


def test_devices_are_read_back_as_they_were_given(simulated_cloud: Factory) -> None:
    given = snapshot(
        with_devices("h1", VGPU=4, **{PCI: 1}), with_devices("h2", VGPU=4),
        guest("a", "h1", VGPU=1), guest("b", "h2", VGPU=3),
    )  # fmt: skip
    cloud = start(simulated_cloud, given)
    read = reader(cloud.cloud).read()
    totals = [
        {h.name: {kind: i.total for kind, i in h.inventories.items()} for h in value.hosts} for value in (given, read)
    ]
    assert totals[0] == totals[1]
    assert {i.name: i.resources for i in read.instances} == {i.name: i.resources for i in given.instances}
    assert all(not h.used_by_others for h in read.hosts)


def test_several_devices_are_read_as_their_sum(simulated_cloud: Factory) -> None:
    given = snapshot(msgspec.structs.replace(host("h1"), extra=GPUS), guest("a", "h1", VGPU=2), instance("b", "h1"))
    cloud = start(simulated_cloud, given)
    [read] = reader(cloud.cloud).read().hosts
    assert read.inventories["VGPU"].limit() == 4
    assert read.inventories["VGPU"].max_unit is not None
    assert set(read.inventories) == {"VCPU", "MEMORY_MB", "DISK_GB", "VGPU"}
    assert not read.used_by_others
    assert "CUSTOM_A40" in read.traits


def test_a_shared_disk_is_read_as_belonging_to_no_host(simulated_cloud: Factory) -> None:
    given = msgspec.structs.replace(
        snapshot(host("h1"), host("h2"), instance("a", "h1"), instance("b", "h2")),
        extra={"shared_disk": {"total": 100}},
    )
    read = reader(start(simulated_cloud, given).cloud).read()
    assert all(set(h.inventories) == {"VCPU", "MEMORY_MB"} for h in read.hosts)
    assert all(i.resources == {"VCPU": 1, "MEMORY_MB": 1000} for i in read.instances)
    assert all(not h.used_by_others for h in read.hosts)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"shared_disk": {"total": -1}}, "extra.shared_disk"),
        ({"shared_disk": {"total": 1, "aggregate": "none"}}, "no host is in an aggregate 'none'"),
        ({"shared_disk": 7}, "extra.shared_disk"),
    ],
)
def test_a_wrong_shared_disk_is_refused(simulated_cloud: Factory, extra: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        simulated_cloud(msgspec.structs.replace(snapshot(host("h1")), extra=extra))


def test_wrong_nested_devices_are_refused(simulated_cloud: Factory) -> None:
    wrong = msgspec.structs.replace(host("h1"), extra={"nested": {"g": {"inventory": {}}}})
    with pytest.raises(InvalidInput, match=r"host h1: extra.nested"):
        simulated_cloud(snapshot(wrong))
