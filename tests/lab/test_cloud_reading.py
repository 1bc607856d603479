"""What vmpath reads of genuine Nova and Placement, and what it asks of them, against the lab's own tools."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.scenario import Scenario, Wish
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudDenied, NotFound, RequestRefused
from vmpath_service.model.readings import MigrationOutcome, MigrationReading
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def reader(lab: NovaLab, cloud: str = "novalab", **settings: Any) -> NovaCloud:
    """vmpath's view of the lab."""
    return NovaCloud(CloudSettings(cloud=cloud, config_files=(str(lab.clouds_file),), **settings))


def by_uuid(snapshot: Snapshot) -> dict[str, Instance]:
    return {each.uuid: each for each in snapshot.instances}


def by_name(snapshot: Snapshot) -> dict[str, Host]:
    return {each.name: each for each in snapshot.hosts}


def taken(snapshot: Snapshot) -> dict[str, dict[str, int]]:
    """What the snapshot says is taken on each host, by everything that counts there."""
    also = {flight.instance: {flight.source, flight.dest} for flight in snapshot.in_flight}
    sums = {host.name: dict(host.used_by_others) for host in snapshot.hosts}
    for instance in snapshot.instances:
        for host in also.get(instance.uuid, set()) | {instance.host}:
            assert host is not None
            for name, amount in instance.resources.items():
                sums[host][name] = sums[host].get(name, 0) + amount
    return sums


def held(lab: NovaLab) -> dict[str, dict[str, int]]:
    """What Placement says is held on each host."""
    sums: dict[str, dict[str, int]] = {}
    for provider, consumers in observe.allocations_by_provider(lab).items():
        sums[provider] = {}
        for resources in consumers.values():
            for name, amount in resources.items():
                sums[provider][name] = sums[provider].get(name, 0) + amount
    return sums


def newest(vmpath: NovaCloud, server: str) -> MigrationReading:
    """The server's newest record; Nova makes it some moments after it has accepted the request."""
    return until(lambda: vmpath.read_migrations([server])[server], "there is a record")[-1]


@pytest.fixture(scope="module")
def built(clean_lab_for_module: NovaLab) -> Scenario:
    return scenario.build_acceptance(clean_lab_for_module)


def test_reading_equals_the_truth(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    lab = clean_lab_for_module
    vmpath = reader(lab, page=15)
    reading = vmpath.read_with_notes()
    snapshot = reading.snapshot
    assert reading.notes == ()
    assert not list(snapshot_problems(snapshot))
    assert (snapshot.region, snapshot.in_flight) == ("RegionOne", ())
    assert {each.uuid: each.host for each in snapshot.instances} == built.homes
    providers = observe.providers(lab)
    for host in snapshot.hosts:
        assert host.uuid == providers[host.name]
        assert (host.state, host.status, host.used_by_others) == ("up", "enabled", {})
        genuine = call(lab.placement, "GET", f"/resource_providers/{host.uuid}/inventories")["inventories"]
        for name, inventory in genuine.items():
            mine = host.inventories[name]
            assert (mine.total, mine.reserved, mine.allocation_ratio, mine.max_unit) == (
                inventory["total"], inventory["reserved"], inventory["allocation_ratio"], inventory["max_unit"],
            )  # fmt: skip
        assert host.inventories.keys() == genuine.keys()
    allocations = observe.allocations_by_provider(lab)
    for instance in snapshot.instances:
        assert instance.host is not None
        assert instance.resources == allocations[instance.host][instance.uuid]
    groups = {group.name: group for group in snapshot.server_groups}
    assert {name: frozenset(group.members) for name, group in groups.items()} == built.members
    assert {group.policy for group in groups.values()} == {"anti-affinity"}
    stuck = {each.uuid: each.why_not for each in snapshot.instances if each.movable != "live"}
    assert stuck == {
        built.locked: "it is locked (not to be touched)",
        built.stopped: "it is stopped (SHUTOFF); vmpath moves running and paused instances",
    }


def test_a_second_reading_asks_little(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    vmpath = reader(clean_lab_for_module)
    first = vmpath.read()
    before = vmpath.requests_sent()
    assert vmpath.read().instances == first.instances
    assert vmpath.requests_sent() - before <= 10


def test_what_the_engine_asks_of_hosts_and_instances(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    lab = clean_lab_for_module
    vmpath = reader(lab)
    amounts = held(lab)
    for names in (["compute1", "nowhere"], [*lab.hosts, "nowhere"]):
        read = vmpath.read_hosts(names)
        assert read.keys() == set(names) - {"nowhere"}
        for name, host in read.items():
            assert (host.name, host.up, host.enabled) == (name, True, True)
            assert host.free["MEMORY_MB"] == 32768 - amounts[name]["MEMORY_MB"]
            assert host.free["VCPU"] == 64 - amounts[name]["VCPU"]
    some = [*list(built.homes)[:3], "00000000-0000-0000-0000-000000000000"]
    assert {uuid: each.host for uuid, each in vmpath.read_instances(some).items()} == {
        uuid: built.homes[uuid] for uuid in some[:3]
    }
    assert built.stopped is not None
    assert vmpath.read_instances([built.stopped])[built.stopped].status == "SHUTOFF"


def test_refusals_are_told_with_novas_reason(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    vmpath = reader(clean_lab_for_module)
    assert built.stopped is not None
    server = next(uuid for uuid, host in built.homes.items() if host == "compute1")
    for instance, dest, status, said in (
        (built.stopped, "compute4", 409, "vm_state stopped"),
        (server, "nowhere", 400, "nowhere could not be found"),
        ("00000000-0000-0000-0000-000000000000", "compute4", 404, "could not be found"),
    ):
        with pytest.raises(RequestRefused, match=said) as refusal:
            vmpath.live_migrate(instance, dest)
        assert refusal.value.status == status
        assert vmpath.read_migrations([instance])[instance] == ()
    # a server of another project does not even exist for an ordinary user
    with pytest.raises(RequestRefused, match="could not be found"):
        reader(clean_lab_for_module, "novalab-demo").live_migrate(server, "compute4")


def test_a_host_is_disabled_and_enabled(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    vmpath = reader(clean_lab_for_module)
    assert vmpath.disabled_reason("compute6") is None
    vmpath.disable_host("compute6", "vmpath: drain")
    try:
        assert vmpath.disabled_reason("compute6") == "vmpath: drain"
        assert not vmpath.read_hosts(["compute6"])["compute6"].enabled
        host = by_name(vmpath.read())["compute6"]
        assert (host.state, host.status, host.disabled_reason) == ("up", "disabled", "vmpath: drain")
        assert "COMPUTE_STATUS_DISABLED" not in host.traits
    finally:
        vmpath.enable_host("compute6")
    assert vmpath.disabled_reason("compute6") is None
    assert by_name(vmpath.read())["compute6"].status == "enabled"
    with pytest.raises(NotFound, match="nowhere"):
        vmpath.disable_host("nowhere", "vmpath: drain")


def test_forced_down_is_down(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    lab = clean_lab_for_module
    services = call(lab.compute, "GET", "/os-services?binary=nova-compute&host=compute5")["services"]
    url = f"/os-services/{services[0]['id']}"
    call(lab.compute, "PUT", url, {"forced_down": True})
    try:
        vmpath = reader(lab)
        snapshot = vmpath.read()
        assert by_name(snapshot)["compute5"].state == "down"
        there = [each for each in snapshot.instances if each.host == "compute5"]
        assert {each.why_not for each in there} == {"its host compute5 is down: nothing can leave it"}
        assert not vmpath.read_hosts(["compute5"])["compute5"].up
    finally:
        call(lab.compute, "PUT", url, {"forced_down": False})
    until(lambda: by_name(reader(lab).read())["compute5"].state == "up", "compute5 is up again")


def test_an_ordinary_user_is_told_what_is_missing(clean_lab_for_module: NovaLab) -> None:
    with pytest.raises(CloudDenied, match=r"does not allow user 'demo' .* GET /os-services \(403\)"):
        reader(clean_lab_for_module, "novalab-demo").read()


def test_a_migration_under_way_counts_once_at_each_end(clean_lab: NovaLab) -> None:
    wish = Wish("mover", "vmpath.medium", "compute1", metadata={"lab_seconds": "6"})
    server = scenario.boot(clean_lab, [wish, Wish("stays", "vmpath.small", "compute1")])["mover"]
    vmpath = reader(clean_lab)
    vmpath.read()
    assert vmpath.read_migrations([server])[server] == ()

    vmpath.live_migrate(server, "compute2")
    until(lambda: newest(vmpath, server).status == "running", "the migration is running")
    snapshot = vmpath.read()
    assert held(clean_lab) == taken(snapshot)
    (flight,) = snapshot.in_flight
    record = newest(vmpath, server)
    assert (flight.instance, flight.source, flight.dest) == (server, "compute1", "compute2")
    assert flight.migration == record.uuid
    assert all(not host.used_by_others for host in snapshot.hosts)
    moving = by_uuid(snapshot)[server]
    assert (moving.host, moving.status, moving.movable) == ("compute1", "MIGRATING", "no")
    assert moving.resources == {"VCPU": 2, "MEMORY_MB": 2048, "DISK_GB": 10}
    with pytest.raises(RequestRefused, match="migrating") as refusal:
        vmpath.live_migrate(server, "compute3")
    assert refusal.value.status == 409

    def partly() -> bool:
        remaining = newest(vmpath, server).remaining
        return remaining is not None and 0 < remaining < 1

    until(partly, "some of the memory is copied", 6)
    until(lambda: newest(vmpath, server).outcome is not MigrationOutcome.UNDER_WAY, "the migration ends")
    assert newest(vmpath, server).outcome is MigrationOutcome.COMPLETED
    until(lambda: vmpath.read_instances([server])[server].task_state is None, "the server rests")
    snapshot = vmpath.read()
    assert (by_uuid(snapshot)[server].host, by_uuid(snapshot)[server].movable) == ("compute2", "live")
    assert snapshot.in_flight == ()
    assert held(clean_lab) == taken(snapshot)


def test_an_unconfirmed_cold_migration_still_holds_its_source(clean_lab: NovaLab) -> None:
    wish = Wish("cold", "vmpath.small", "compute1")
    server = scenario.boot(clean_lab, [wish])["cold"]
    scenario.stop(clean_lab, server)
    call(clean_lab.compute, "POST", f"/servers/{server}/action", {"migrate": {"host": "compute2"}})
    vmpath = reader(clean_lab)

    def waits() -> bool:
        return vmpath.read_instances([server])[server].status == "VERIFY_RESIZE"

    until(waits, "the migration waits to be confirmed")
    snapshot = vmpath.read()
    assert by_name(snapshot)["compute1"].used_by_others == {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 5}
    assert by_name(snapshot)["compute2"].used_by_others == {}
    waiting = by_uuid(snapshot)[server]
    assert (waiting.host, waiting.why_not) == ("compute2", "its resize waits to be confirmed or reverted")
    assert snapshot.in_flight == ()
    assert held(clean_lab) == taken(snapshot)
    call(clean_lab.compute, "POST", f"/servers/{server}/action", {"confirmResize": None})

    def released() -> bool:
        return not by_name(vmpath.read())["compute1"].used_by_others

    until(released, "the source is given back")


def test_a_migration_that_broke_leaves_the_truth(clean_lab: NovaLab) -> None:
    """The driver raises midway: the server is in ERROR on the source, its allocation left on the target."""
    wish = Wish("breaks", "vmpath.small", "compute1", metadata={"lab_fail": "raise"})
    server = scenario.boot(clean_lab, [wish])["breaks"]
    vmpath = reader(clean_lab)
    vmpath.live_migrate(server, "compute2")
    until(lambda: newest(vmpath, server).outcome is MigrationOutcome.FAILED, "the migration fails")
    until(lambda: vmpath.read_instances([server])[server].status == "ERROR", "the server is in ERROR")
    snapshot = vmpath.read()
    broken = by_uuid(snapshot)[server]
    assert (broken.host, broken.movable) == ("compute1", "no")
    assert broken.resources == {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 5}
    genuine, mine = held(clean_lab), taken(snapshot)
    for host in clean_lab.hosts:
        for name, amount in genuine[host].items():
            assert mine[host].get(name, 0) >= amount


def test_a_compute_that_died_midway_leaves_the_truth(clean_lab: NovaLab) -> None:
    """The server rests on the source, its allocation is on the target, its place held by the migration."""
    wish = Wish("orphan", "vmpath.small", "compute1", metadata={"lab_seconds": "30"})
    server = scenario.boot(clean_lab, [wish])["orphan"]
    vmpath = reader(clean_lab)
    vmpath.live_migrate(server, "compute2")
    until(lambda: newest(vmpath, server).status == "running", "the migration is running")
    clean_lab.kill_compute("compute1")
    until(lambda: not vmpath.read_hosts(["compute1"])["compute1"].up, "compute1 is noticed to be down")
    snapshot = vmpath.read()
    assert [each.instance for each in snapshot.in_flight] == [server]
    assert held(clean_lab) == taken(snapshot)
    clean_lab.start_compute("compute1")
    until(lambda: vmpath.read_instances([server])[server].task_state is None, "the server rests")
    snapshot = vmpath.read()
    orphan = by_uuid(snapshot)[server]
    assert (orphan.host, orphan.status) == ("compute1", "ACTIVE")
    assert snapshot.in_flight == ()
    assert held(clean_lab) == taken(snapshot)
    # what the broken migration left on the target is nobody's, and the server is to be healed first
    left = observe.allocations_by_provider(clean_lab)
    assert set(left["compute2"]) == {server}
    assert by_name(snapshot)["compute2"].used_by_others == {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 5}
    assert "heal its allocations" in (orphan.why_not or "")


def test_groups_devices_and_zones(clean_lab: NovaLab) -> None:
    together = scenario.create_group(clean_lab, "pair", "affinity")
    servers = scenario.boot(
        clean_lab,
        [
            Wish("bound", "vmpath.small", "compute1", group=together),
            Wish("wished", "vmpath.small", "compute2", metadata={"vmpath:movable": "no"}),
            Wish("free", "vmpath.small", "compute2", metadata={"vmpath:mode": "pre-copy"}),
        ],
    )
    aggregate = call(clean_lab.compute, "POST", "/os-aggregates", {"aggregate": {"name": "rack"}})["aggregate"]
    action = f"/os-aggregates/{aggregate['id']}/action"
    call(clean_lab.compute, "POST", action, {"add_host": {"host": "compute6"}})
    call(clean_lab.compute, "POST", action, {"set_metadata": {"metadata": {"ssd": "true", "vmpath:cell": "west"}}})
    snapshot = reader(clean_lab).read()
    found = by_uuid(snapshot)
    assert "strict affinity group pair" in (found[servers["bound"]].why_not or "")
    assert found[servers["wished"]].why_not == "its metadata forbids it (vmpath:movable = no)"
    free = found[servers["free"]]
    assert (free.movable, free.post_copy, free.flavor) == ("live", "forbidden", "vmpath.small")
    host = by_name(snapshot)["compute6"]
    assert [(each.name, each.metadata) for each in host.aggregates] == [
        ("rack", {"ssd": "true", "vmpath:cell": "west"})
    ]
    assert (host.cell, host.availability_zone) == ("west", "nova")
