"""What vmpath reads of genuine Nova and Placement, and what it asks of them, against the lab's own tools."""

from __future__ import annotations

from typing import Any

from tests.lab import scenario
from tests.lab.nova_lab import NovaLab, call
from tests.lab.scenario import Wish
from vmpath_service.cloud.examination import Examination
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.rights import Verdict
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.declarations import EVERY_HOST, Declaration, Declarations
from vmpath_service.model.extras import undecided, wish
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def reader(lab: NovaLab, cloud: str = "novalab", **settings: Any) -> NovaCloud:
    """vmpath's view of the lab."""
    return NovaCloud(CloudSettings(cloud=cloud, config_files=(str(lab.clouds_file),), **settings))


def by_uuid(snapshot: Snapshot) -> dict[str, Instance]:
    return {each.uuid: each for each in snapshot.instances}


def by_name(snapshot: Snapshot) -> dict[str, Host]:
    return {each.name: each for each in snapshot.hosts}


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


def test_what_flavors_and_ports_say(clean_lab: NovaLab) -> None:
    wishes = {"vmpath:movable": {"vmpath:movable": "no"}, "vmpath:mode": {"vmpath:mode": "pre-copy"}}
    for name, specs in wishes.items():
        body = {"flavor": {"name": name, "ram": 512, "vcpus": 1, "disk": 1}}
        made = call(clean_lab.compute, "POST", "/flavors", body)["flavor"]["id"]
        call(clean_lab.compute, "POST", f"/flavors/{made}/os-extra_specs", {"extra_specs": specs})
    servers = scenario.boot(
        clean_lab,
        [
            Wish("staying", "vmpath:movable", "compute1"),
            Wish("careful", "vmpath:mode", "compute1"),
            Wish("passed-through", "lab.tiny", "compute2"),
            Wish("virtual-function", "lab.tiny", "compute2"),
            Wish("plain", "lab.tiny", "compute2"),
        ],
    )
    kinds = {"passed-through": "direct-physical", "virtual-function": "direct", "plain": "normal"}
    clean_lab.tell_ports(
        [
            {"id": f"port-{name}", "device_id": servers[name], "network_id": "net", "project_id": "theirs",
             "binding:vnic_type": kind}
            for name, kind in kinds.items()
        ],
        [{"id": "net", "provider:physical_network": "physnet1"}],
    )  # fmt: skip
    declared = Declarations({EVERY_HOST: Declaration(post_copy_permitted="no")})
    found = by_uuid(reader(clean_lab, declarations=declared, read_ports=True).read())
    read = {name: found[uuid] for name, uuid in servers.items()}
    assert read["staying"].why_not == "its flavor forbids it (vmpath:movable = no)"
    assert (read["careful"].movable, read["careful"].post_copy) == ("live", "forbidden")
    assert wish(read["careful"], "vmpath:mode") == "pre-copy"
    assert read["passed-through"].why_not == (
        "it has a port with a device (direct-physical) on physical network physnet1, which stays on its host"
    )
    assert read["virtual-function"].movable == "live"
    assert undecided(read["virtual-function"]) == ("a port with a device (direct) on physical network physnet1",)
    assert (read["plain"].movable, undecided(read["plain"])) == ("live", ())
    # nobody is asked for ports unless that is wished
    unasked = by_uuid(reader(clean_lab, declarations=declared).read())
    assert unasked[servers["passed-through"]].movable == "live"
    settings = CloudSettings(cloud="novalab", config_files=(str(clean_lab.clouds_file),), read_ports=True)
    checked = {each.name: each for each in Examination(settings).findings()}
    assert checked["see the ports of all projects"].verdict is Verdict.OK
