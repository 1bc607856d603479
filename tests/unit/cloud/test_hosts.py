from dataclasses import replace

import msgspec
import pytest

from tests.unit.cloud import shapes
from vmpath_service.cloud import hosts, wire
from vmpath_service.cloud.placement import Tree
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.snapshot import Aggregate, Inventory

SERVICES = msgspec.json.decode(shapes.SERVICES, type=wire.Services).services
HYPERVISORS = msgspec.json.decode(shapes.HYPERVISORS, type=wire.Hypervisors).hypervisors
PROVIDERS = {
    "ac7cf6f7-47cc-50b1-b940-0d2351df8890": wire.Provider("ac7cf6f7-47cc-50b1-b940-0d2351df8890", "five.example.org"),
    "uuid-of-six": wire.Provider("uuid-of-six", "six.example.org"),
}
TREE = Tree({"VCPU": Inventory(total=16)}, {"VCPU": 3}, ("CUSTOM_GOLD",))


def test_the_three_names_of_a_host_are_related() -> None:
    found = hosts.nodes(SERVICES, HYPERVISORS, PROVIDERS)
    assert {name: node.provider for name, node in found.usable.items()} == {
        "compute5": "ac7cf6f7-47cc-50b1-b940-0d2351df8890",
        "compute6": "uuid-of-six",  # its hypervisor's id is a number, as below 2.53: found by its name
    }


def test_a_host_of_the_snapshot() -> None:
    node = hosts.nodes(SERVICES, HYPERVISORS, PROVIDERS).usable
    aggregates = hosts.aggregates_of(
        [wire.Aggregate("z", ("compute6",), {"vmpath:cell": "cell2"}), wire.Aggregate("a", ("compute6",))]
    )["compute6"]
    six = hosts.host(node["compute6"], TREE, aggregates, {"VCPU": 1}, "vmpath:cell")
    assert (six.name, six.uuid, six.state, six.status) == ("compute6", "uuid-of-six", "up", "disabled")
    assert (six.disabled_reason, six.cell, six.availability_zone) == ("vmpath: drain", "cell2", "az2")
    assert six.aggregates == (Aggregate("a"), Aggregate("z", {"vmpath:cell": "cell2"}))
    assert six.used_by_others == {"VCPU": 1}
    five = hosts.host(node["compute5"], TREE, (), {}, "vmpath:cell")
    assert (five.state, five.status, five.cell) == ("down", "enabled", None)


def test_a_host_that_only_placement_has_as_disabled_takes_nothing_in() -> None:
    node = hosts.nodes(SERVICES, HYPERVISORS, PROVIDERS).usable["compute5"]
    up = replace(node, service=wire.Service("nova-compute", "compute5", "enabled", state="up"))
    five = hosts.host(up, replace(TREE, disabled=True), (), {}, "vmpath:cell")
    assert five.status == "disabled"
    assert "though its service is enabled" in (five.disabled_reason or "")
    # one that is down takes nothing in anyway, and its trait waits until it comes back
    assert hosts.host(node, replace(TREE, disabled=True), (), {}, "vmpath:cell").status == "enabled"


def test_forced_down_is_down_whatever_the_service_reports() -> None:
    assert hosts.state_of(wire.Service("nova-compute", "a", "enabled", state="up", forced_down=True)) == "down"
    assert hosts.state_of(wire.Service("nova-compute", "a", "enabled", state="up")) == "up"


@pytest.mark.parametrize("kind", ["ironic", "IRONIC", "lxc"])
def test_hypervisors_that_cannot_live_migrate_are_left_out(kind: str) -> None:
    changed = [msgspec.structs.replace(HYPERVISORS[0], hypervisor_type=kind), HYPERVISORS[1]]
    found = hosts.nodes(SERVICES, changed, PROVIDERS)
    assert found.usable.keys() == {"compute6"}
    assert found.left_out == {"compute5"}


def test_a_service_with_many_ironic_nodes_is_no_error_but_one_with_two_others_is() -> None:
    twice = [*HYPERVISORS, msgspec.structs.replace(HYPERVISORS[0], hypervisor_hostname="again")]
    with pytest.raises(NoDecision, match="compute5 has 2 hypervisors"):
        hosts.nodes(SERVICES, twice, PROVIDERS)
    ironic = [msgspec.structs.replace(each, hypervisor_type="ironic") for each in twice]
    assert not hosts.nodes(SERVICES, ironic, PROVIDERS).usable


def test_a_service_without_a_hypervisor_is_bare() -> None:
    assert hosts.nodes(SERVICES, HYPERVISORS[:1], PROVIDERS).bare == {"compute6"}


def test_a_hypervisor_that_placement_does_not_know_stops_everything() -> None:
    with pytest.raises(NoDecision, match=r"no resource provider for six\.example\.org"):
        hosts.nodes(SERVICES, HYPERVISORS, {key: PROVIDERS[key] for key in list(PROVIDERS)[:1]})


def test_a_silent_cell_stops_everything() -> None:
    hosts.check_cells(SERVICES)
    silent = msgspec.json.decode(
        b'{"binary": "nova-compute", "host": "compute9", "status": "UNKNOWN"}', type=wire.Service
    )
    with pytest.raises(NoDecision, match=r"a cell of the cloud does not answer.* the first is compute9"):
        hosts.check_cells([*SERVICES, silent])


def test_the_present_is_the_newest_report() -> None:
    assert hosts.moment_of(SERVICES) == 1795201790.0
