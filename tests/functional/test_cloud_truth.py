"""The awkward cases of a cloud, each read as it is: what can move, why not, and who holds what."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from tests.functional.conftest import Factory
from tests.functional.reading import essence, notes_of, reader
from tests.functional.small_cloud import host, identity, instance, snapshot
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.snapshot import Aggregate, Inventory, Storage
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.settings import Settings

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

SHARE = {"VCPU": 1, "MEMORY_MB": 1000, "DISK_GB": 1}


def pair(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a", image="an-image"), instance("y", "b", image="an-image")),
        clock=SteppedClock(),
    )


def change(cloud: SimulatedCloud, name: str, **values: Any) -> None:
    """Let a server be otherwise, at once."""
    world = cloud.world
    with world.lock:
        server = world.servers[identity(name)]
        for key, value in values.items():
            setattr(server, key, value)
        world.touch(server)


@pytest.mark.parametrize(
    ("state", "status", "why"),
    [
        ({"vm_state": "rescued"}, "RESCUE", "it is in rescue mode; unrescue it first"),
        ({"vm_state": "error"}, "ERROR", "it is in status ERROR; look at its fault, then reset its state"),
        ({"vm_state": "building"}, "BUILD", "it is still being built"),
        (
            {"vm_state": "building", "task_state": "spawning"},
            "BUILD",
            "Nova is busy with it (task spawning, status BUILD)",
        ),
        ({"task_state": "deleting"}, "ACTIVE", "Nova is busy with it (task deleting, status ACTIVE)"),
        ({"vm_state": "suspended"}, "SUSPENDED", "it is suspended; resume it first"),
        ({"vm_state": "resized"}, "VERIFY_RESIZE", "its resize waits to be confirmed or reverted"),
        (
            {"vm_state": "stopped"},
            "SHUTOFF",
            "it is stopped (SHUTOFF); vmpath:movable = cold would let vmpath move it",
        ),
    ],
)
def test_what_is_not_at_rest_stays_and_holds_its_place(
    simulated_cloud: Factory, state: dict[str, Any], status: str, why: str
) -> None:
    cloud = pair(simulated_cloud)
    change(cloud, "x", **state)
    read = reader(cloud).read()
    found = {each.name: each for each in read.instances}["x"]
    assert (found.status, found.movable, found.why_not) == (status, "no", why)
    assert (found.host, found.resources) == ("a", SHARE)
    assert all(not each.used_by_others for each in read.hosts)


def test_a_soft_deleted_server_is_unlisted_and_still_holds_its_place(simulated_cloud: Factory) -> None:
    cloud = pair(simulated_cloud)
    change(cloud, "x", vm_state="soft-delete")
    read = reader(cloud).read()
    assert [each.name for each in read.instances] == ["y"]
    assert {each.name: each.used_by_others for each in read.hosts} == {"a": SHARE, "b": {}}


@pytest.mark.parametrize(
    ("vm_state", "why"),
    [
        ("shelved_offloaded", "it is shelved and on no host"),
        ("error", "it is in status ERROR; look at its fault, then reset its state"),
        ("building", "it is still being built"),
    ],
)
def test_a_server_on_no_host_is_said_and_holds_nothing(simulated_cloud: Factory, vm_state: str, why: str) -> None:
    cloud = pair(simulated_cloud)
    change(cloud, "x", vm_state=vm_state)
    world = cloud.world
    with world.lock:
        world.place(world.servers[identity("x")], None)
        world.ledger.release(identity("x"))
    reading = reader(cloud).read_with_notes()
    found = {each.name: each for each in reading.snapshot.instances}["x"]
    assert (found.host, found.movable, found.why_not) == (None, "no", why)
    assert all(not each.used_by_others for each in reading.snapshot.hosts)
    assert "1 servers are on no host" in notes_of(reading)


def test_an_unconfirmed_resize_holds_its_source_too(simulated_cloud: Factory) -> None:
    cloud = pair(simulated_cloud)
    world = cloud.world
    with world.lock:
        server = world.servers[identity("x")]
        record = world.new_migration(server, "a", "b", "migration", "finished")
        world.claim(server, record, world.hosts["b"])
        world.place(server, "b")
    change(cloud, "x", vm_state="resized")
    read = reader(cloud).read()
    found = {each.name: each for each in read.instances}["x"]
    assert (found.host, found.resources) == ("b", SHARE)
    assert found.why_not == "its resize waits to be confirmed or reverted"
    assert {each.name: each.used_by_others for each in read.hosts} == {"a": SHARE, "b": {}}
    assert read.in_flight == ()


def test_hypervisors_that_cannot_live_migrate_are_left_out_with_their_servers(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("metal", hypervisor_type="ironic"), instance("x", "a"), instance("y", "metal"))
    )
    reading = reader(cloud).read_with_notes()
    assert [each.name for each in reading.snapshot.hosts] == ["a"]
    assert [each.name for each in reading.snapshot.instances] == ["x"]


def test_a_ratio_does_not_admit_what_is_larger_than_the_host(simulated_cloud: Factory) -> None:
    big = msgspec.structs.replace(instance("big", "large"), resources=SHARE | {"VCPU": 20})
    wide = host("large")
    wide = msgspec.structs.replace(
        wide, inventories=wide.inventories | {"VCPU": Inventory(total=32, allocation_ratio=4.0, max_unit=32)}
    )
    cloud = compile_cloud(reader(simulated_cloud(snapshot(wide, host("small"), big))).read())
    index = cloud.host_index
    assert cloud.refusal(0, index["small"]) == "small gives no more than 16 VCPU at once, asked for 20"
    assert cloud.admits(0, index["large"])


def test_pinned_cpus_are_pcpu_and_left_to_the_scheduler(simulated_cloud: Factory) -> None:
    pinned = {"PCPU": 4, "MEMORY_MB": 1000, "DISK_GB": 1}
    hosts = [
        msgspec.structs.replace(each, inventories=each.inventories | {"PCPU": Inventory(total=8, max_unit=8)})
        for each in (host("a"), host("b"))
    ]
    cloud = simulated_cloud(
        snapshot(*hosts, msgspec.structs.replace(instance("x", "a", image="an-image"), resources=pinned))
    )
    vmpath = reader(cloud)
    reading = vmpath.read_with_notes()
    (found,) = reading.snapshot.instances
    assert (found.resources, found.movable) == (pinned, "live")
    assert found.extra == {"scheduler_decides": ["pinned CPUs"]}
    assert "1 servers need what Placement's figures do not prove" in notes_of(reading)
    before = vmpath.requests_sent()
    vmpath.read()
    assert vmpath.requests_sent() - before <= 10


def test_devices_of_nested_providers_are_summed_and_hold_their_guest(simulated_cloud: Factory) -> None:
    devices = {"nested": {name: {"inventories": {"VGPU": {"total": 2}}} for name in ("g1", "g2")}}
    with_devices = msgspec.structs.replace(host("a"), extra=devices)
    guest = msgspec.structs.replace(instance("x", "a", image="an-image"), resources=SHARE | {"VGPU": 1})
    read = reader(simulated_cloud(snapshot(with_devices, host("b"), guest))).read()
    found = {each.name: each for each in read.hosts}
    assert found["a"].inventories["VGPU"].limit() == 4
    assert "VGPU" not in found["b"].inventories
    assert read.instances[0].resources == SHARE | {"VGPU": 1}
    assert read.instances[0].why_not == "it uses a device of class VGPU of its host"
    assert all(not each.used_by_others for each in read.hosts)


def test_a_shared_disk_belongs_to_no_host_and_costs_no_further_requests(simulated_cloud: Factory) -> None:
    hosts = [host(name, aggregates=(Aggregate("nfs"),)) for name in "abcdefgh"]
    guests = [instance(f"x{name}", name, image="an-image") for name in "abcdefgh"]
    given = msgspec.structs.replace(
        snapshot(*hosts, *guests), extra={"shared_disk": {"total": 100, "name": "nfs", "aggregate": "nfs"}}
    )
    vmpath = reader(simulated_cloud(given))
    read = vmpath.read()
    assert all("DISK_GB" not in each.inventories and not each.used_by_others for each in read.hosts)
    for each in read.instances:
        assert each.resources == {"VCPU": 1, "MEMORY_MB": 1000}
        assert each.storage == Storage("shared")
        assert each.extra["scheduler_decides"] == ["DISK_GB of a provider that hosts share"]
        assert each.movable == "live"
    (pool,) = read.extra["shared_pools"]
    assert (pool["name"], pool["capacity"], pool["used"]) == ("nfs", {"DISK_GB": 100}, {"DISK_GB": 8})
    before = vmpath.requests_sent()
    vmpath.read()
    # four of them for the disk
    assert vmpath.requests_sent() - before <= 14


def test_what_hosts_share_must_be_free_a_second_time(simulated_cloud: Factory) -> None:
    hosts = [host(name, aggregates=(Aggregate("nfs"),)) for name in "ab"]
    large = msgspec.structs.replace(instance("x", "a", image="an-image"), resources=SHARE | {"DISK_GB": 60})
    given = msgspec.structs.replace(
        snapshot(*hosts, large, instance("y", "b", image="an-image")),
        extra={"shared_disk": {"total": 100, "name": "nfs", "aggregate": "nfs"}},
    )
    found = {each.name: each for each in reader(simulated_cloud(given)).read().instances}
    assert found["x"].why_not == (
        "of the DISK_GB that hosts share (nfs) 39 are free, and while it moves Nova counts its 60 twice"
    )
    assert found["y"].movable == "live"


def test_projects_flavors_and_images_are_kept_off_hosts_set_apart(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(
            host("a"),
            host("b", aggregates=(Aggregate("tenant", {"filter_tenant_id": "p,o"}),)),
            host("c", aggregates=(Aggregate("ssd", {"ssd": "true", "os_type": "linux"}),)),
            instance("x", "a", project_id="p", image="an-image"),
            instance("y", "a", project_id="q", image="an-image"),
            instance("z", "c", project_id="q", image="an-image"),
        )
    )
    change(cloud, "y", image_properties={"os_type": "windows", "hw_disk_bus": "virtio"})
    world = cloud.world
    with world.lock:
        flavor = world.servers[identity("z")].flavor
        specs = {**flavor.extra_specs, "aggregate_instance_extra_specs:ssd": "true"}
    change(cloud, "z", flavor=dataclasses.replace(flavor, extra_specs=specs))
    read = compile_cloud(reader(cloud).read())
    names = {each.name: number for number, each in enumerate(read.snapshot.instances)}
    admitted = {
        name: {at for at, place in read.host_index.items() if read.admits(number, place)}
        for name, number in names.items()
    }
    assert admitted == {"x": {"b"}, "y": {"a"}, "z": {"c"}}


def test_what_no_server_explains_is_used_by_others(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a", image="an-image")))
    vmpath = reader(cloud)
    assert all(not each.used_by_others for each in vmpath.read().hosts)
    world = cloud.world
    with world.lock:
        world.ledger.allocate("leak", {identity("a"): {"MEMORY_MB": 300, "VCPU": 2}}, "p", "u", "INSTANCE")
    found = {each.name: each for each in vmpath.read().hosts}
    assert found["a"].used_by_others == {"MEMORY_MB": 300, "VCPU": 2}
    assert found["b"].used_by_others == {}
    with world.lock:
        world.ledger.release(identity("x"))
    reading = vmpath.read_with_notes()
    assert reading.snapshot.instances[0].resources == {"VCPU": 1, "MEMORY_MB": 1000, "DISK_GB": 1}
    assert any("Placement holds nothing for 1 servers" in note for note in reading.notes)


def test_a_place_that_a_broken_migration_left_elsewhere_is_said(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "a")))
    share = {"MEMORY_MB": 1000, "VCPU": 1, "DISK_GB": 1}
    world = cloud.world
    with world.lock:
        world.ledger.release(identity("x"))
        world.ledger.allocate(identity("x"), {identity("b"): share}, "p", "u", "INSTANCE")
        world.ledger.allocate("migration", {identity("a"): share}, "p", "u", "MIGRATION")
    read = reader(cloud).read()
    found = {each.name: each for each in read.instances}
    assert found["x"].why_not is not None
    assert "held on b since a migration broke; heal its allocations first" in found["x"].why_not
    assert found["y"].movable == "live"
    assert {each.name: each.used_by_others for each in read.hosts}["b"] == share


def test_an_allocation_counts_more_than_the_flavor(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a")))
    world = cloud.world
    with world.lock:
        world.ledger.allocate(identity("x"), {identity("a"): {"MEMORY_MB": 1500, "VCPU": 1}}, "p", "u", "INSTANCE")
    read = reader(cloud).read()
    assert read.instances[0].resources == {"MEMORY_MB": 1500, "VCPU": 1}
    assert all(not each.used_by_others for each in read.hosts)


def test_a_list_of_candidates_that_is_cut_short_is_noticed_and_completed(simulated_cloud: Factory) -> None:
    since = "2026-01-01T00:00:00Z"
    parts = [*(host(name) for name in "abcdef"), *(instance(f"x{name}", name, created_at=since) for name in "abcdef")]
    whole = reader(simulated_cloud(snapshot(*parts))).read()
    cut = simulated_cloud(snapshot(*parts), settings=Settings(max_allocation_candidates=2))
    reading = reader(cut).read_with_notes()
    assert essence(reading.snapshot) == essence(whole)
    assert "Placement cuts its lists of candidates short" in notes_of(reading)
    assert "4 hosts were asked for one by one" in notes_of(reading)


def test_an_inventory_changed_without_its_capacity_is_noticed(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a")))
    vmpath = reader(cloud)
    before = {each.name: each for each in vmpath.read().hosts}["b"].inventories["VCPU"]
    with cloud.world.lock:
        provider = cloud.world.ledger.providers[identity("b")]
        provider.inventories["VCPU"] = dataclasses.replace(provider.inventories["VCPU"], max_unit=2)
        provider.generation += 1
    after = {each.name: each for each in vmpath.read().hosts}["b"].inventories["VCPU"]
    assert (before.limit(), before.max_unit) == (64, 16)
    assert (after.limit(), after.max_unit) == (64, 2)
