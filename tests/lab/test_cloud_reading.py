"""What vmpath reads of genuine Nova and Placement, and what it asks of them, against the lab's own tools."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call
from tests.lab.scenario import Scenario, Wish
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.declarations import EVERY_HOST, Declaration, Declarations
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def reader(lab: NovaLab, cloud: str = "novalab", **settings: Any) -> NovaCloud:
    """vmpath's view of the lab."""
    return NovaCloud(CloudSettings(cloud=cloud, config_files=(str(lab.clouds_file),), **settings))


def by_uuid(snapshot: Snapshot) -> dict[str, Instance]:
    return {each.uuid: each for each in snapshot.instances}


def by_name(snapshot: Snapshot) -> dict[str, Host]:
    return {each.name: each for each in snapshot.hosts}


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
        built.stopped: "it is stopped (SHUTOFF); vmpath:movable = cold would let vmpath move it",
    }


def test_a_second_reading_asks_little(clean_lab_for_module: NovaLab, built: Scenario) -> None:
    vmpath = reader(clean_lab_for_module)
    first = vmpath.read()
    before = vmpath.requests_sent()
    assert vmpath.read().instances == first.instances
    assert vmpath.requests_sent() - before <= 10


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
    free = by_uuid(reader(clean_lab).read())[servers["free"]]
    assert (free.movable, free.post_copy) == ("no", "forbidden")
    assert "declare post_copy_permitted" in (free.why_not or "")
    declared = Declarations({EVERY_HOST: Declaration(post_copy_permitted="no", storage="shared")})
    snapshot = reader(clean_lab, declarations=declared).read()
    found = by_uuid(snapshot)
    assert "strict affinity group pair" in (found[servers["bound"]].why_not or "")
    assert found[servers["wished"]].why_not == "its metadata forbids it (vmpath:movable = no)"
    free = found[servers["free"]]
    assert (free.movable, free.post_copy, free.flavor) == ("live", "forbidden", "vmpath.small")
    host = by_name(snapshot)["compute6"]
    assert sorted((each.name, each.metadata) for each in host.aggregates) == [
        ("rack", {"ssd": "true", "vmpath:cell": "west"}),
        ("second", {"availability_zone": "second"}),
    ]
    assert (host.cell, host.availability_zone) == ("west", "second")
