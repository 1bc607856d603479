from typing import Any

import msgspec
import pytest

from tests.unit.cloud.shapes import server
from vmpath_service.cloud import movability
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.declarations import Declaration, extra_of
from vmpath_service.model.snapshot import Host, ServerGroup

SETTINGS = CloudSettings()
UP = Host(name="compute3", inventories={})


def why(host: Host | None = UP, group: ServerGroup | None = None, **changes: Any) -> str | None:
    way, reason = movability.movable(server(**changes), host, group, {}, SETTINGS)
    assert way == ("live" if reason is None else "no")
    return reason


@pytest.mark.parametrize("status", ["ACTIVE", "PAUSED"])
def test_running_and_paused_servers_move(status: str) -> None:
    assert why(status=status) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"status": "SHUTOFF"}, "it is stopped (SHUTOFF); vmpath:movable = cold would let vmpath move it"),
        ({"status": "ERROR"}, "ERROR"),
        ({"status": "SUSPENDED"}, "resume"),
        ({"status": "VERIFY_RESIZE"}, "confirmed or reverted"),
        ({"status": "SHELVED"}, "it is shelved; unshelve it first"),
        ({"status": "SHELVED_OFFLOADED", "host": None}, "shelved"),
        ({"status": "RESCUE"}, "unrescue"),
        ({"status": "WHATEVER"}, "WHATEVER"),
        ({"task_state": "rebooting"}, "busy with it (task rebooting"),
        ({"status": "MIGRATING", "task_state": "migrating"}, "task migrating"),
        ({"locked": True}, "unlock it first"),
        ({"locked": True, "locked_reason": "kept here for a reason"}, "it is locked (kept here for a reason)"),
        ({"metadata": {"vmpath:movable": "no"}}, "its metadata forbids it (vmpath:movable = no)"),
        ({"metadata": {"vmpath:movable": "cold"}}, "cold migration only"),
        ({"metadata": {"vmpath:movable": "nope"}}, "expected live, cold or no"),
        ({"extra_specs": {"vmpath:movable": "no"}}, "its flavor forbids it"),
        ({"extra_specs": {"resources:VGPU": "1"}}, "VGPU"),
        ({"extra_specs": {"hw:mem_encryption": "True"}}, "SEV"),
        ({"properties": {"hw_mem_encryption": True}}, "SEV"),
        ({"extra_specs": {"accel:device_profile": "fpga"}}, "it uses the accelerator fpga of its host"),
        ({"properties": {"hw_tpm_version": "2.0"}}, "TPM"),
    ],
)
def test_each_obstacle_has_a_reason(changes: dict[str, Any], word: str) -> None:
    assert word in (why(**changes) or "")


def test_a_tpm_whose_secret_travels_is_no_obstacle() -> None:
    assert why(extra_specs={"hw:tpm_version": "2.0", "hw:tpm_secret_security": "deployment"}) is None


def test_a_device_that_only_placement_knows_of_holds_a_server() -> None:
    assert movability.movable(server(), UP, None, {"VCPU": 1, "VGPU": 1}, SETTINGS)[0] == "no"


def test_nothing_leaves_a_host_that_is_down_but_a_disabled_one_may_be_left() -> None:
    assert why(host=Host(name="compute3", inventories={}, state="down")) is not None
    assert why(host=Host(name="compute3", inventories={}, status="disabled")) is None
    assert why(host=None) == "it is on no host"


def test_only_strict_affinity_holds_a_server_even_alone() -> None:
    alone = ServerGroup("g", "affinity", ("x",), name="pair")
    assert "strict affinity group pair" in (why(group=alone) or "")
    for policy in ("anti-affinity", "soft-affinity", "soft-anti-affinity"):
        assert why(group=ServerGroup("g", policy, ("x",))) is None


@pytest.mark.parametrize(
    ("of_server", "of_flavor", "expected"),
    [
        (None, None, "allowed"),
        ("auto", None, "allowed"),
        ("post-copy", "auto", "allowed"),
        ("pre-copy", None, "forbidden"),
        (None, "pre-copy", "forbidden"),
        ("auto", "pre-copy", "forbidden"),
        ("pre-copy", "auto", "forbidden"),
        ("precopy", None, "forbidden"),
    ],
)
def test_post_copy_is_forbidden_by_mode(of_server: str | None, of_flavor: str | None, expected: str) -> None:
    given = server(
        metadata={} if of_server is None else {"vmpath:mode": of_server},
        extra_specs={} if of_flavor is None else {"vmpath:mode": of_flavor},
    )
    assert movability.post_copy(given, SETTINGS) == expected
    assert movability.misspelt_mode(given, SETTINGS) == ("precopy" if of_server == "precopy" else None)


def test_what_forbids_post_copy_leaves_only_hosts_that_are_declared_safe() -> None:
    pre_copy = {"metadata": {"vmpath:mode": "pre-copy"}}
    assert "Nova may switch what leaves compute3" in (why(**pre_copy) or "")
    safe = msgspec.structs.replace(UP, extra=extra_of(Declaration(post_copy_permitted="no")))
    assert why(host=safe, **pre_copy) is None
    switching = Declaration(post_copy_permitted="yes", timeout_action="force_complete")
    dangerous = msgspec.structs.replace(UP, extra=extra_of(switching))
    assert "Nova switches what leaves compute3 to post-copy" in (why(host=dangerous, **pre_copy) or "")
    assert why(host=dangerous) is None


def test_a_device_travels_where_the_flavor_says_so_and_not_where_the_server_does() -> None:
    specs = {"pci_passthrough:alias": "nic:1"}
    assert why(extra_specs=specs, metadata={"vmpath:movable": "live"}) == "it uses the PCI device nic:1 of its host"
    assert why(extra_specs=specs | {"vmpath:movable": "live"}) is None


@pytest.mark.parametrize(
    ("alias", "held", "stays"),
    [
        ("nic:1", {}, False),
        ("nic:1,gpu:2", {}, False),
        ("nic:1,disk:1", {}, True),
        ("nic:1", {"CUSTOM_PCI_8086_1": 1}, False),
        ("nic:1", {"VGPU": 1}, True),
        ("", {"CUSTOM_PCI_8086_1": 1}, True),
    ],
)
def test_devices_that_nova_can_move_are_no_obstacle(alias: str, held: dict[str, int], stays: bool) -> None:
    settings = CloudSettings(live_migratable_aliases=("nic", "gpu"))
    given = server(extra_specs={"pci_passthrough:alias": alias} if alias else {})
    assert movability.movable(given, UP, None, held, settings)[0] == ("no" if stays else "live")


@pytest.mark.parametrize(
    ("changes", "move_stopped", "expected"),
    [
        ({}, False, "no"),
        ({}, True, "cold"),
        ({"metadata": {"vmpath:movable": "cold"}}, False, "cold"),
        ({"extra_specs": {"vmpath:movable": "cold"}}, False, "cold"),
        ({"metadata": {"vmpath:movable": "live"}}, True, "no"),
        ({"metadata": {"vmpath:movable": "no"}}, True, "no"),
        ({"metadata": {"vmpath:movable": "cold"}, "extra_specs": {"vmpath:movable": "no"}}, True, "no"),
        ({"locked": True}, True, "no"),
        ({"task_state": "powering-on"}, True, "no"),
        ({"extra_specs": {"pci_passthrough:alias": "nic:1"}}, True, "cold"),
        ({"metadata": {"vmpath:mode": "pre-copy"}}, True, "cold"),
    ],
)
def test_what_is_stopped_goes_cold_where_that_is_wished(
    changes: dict[str, Any], move_stopped: bool, expected: str
) -> None:
    settings = CloudSettings(move_stopped=move_stopped)
    way, reason = movability.movable(server(status="SHUTOFF", **changes), UP, None, {}, settings)
    assert way == expected
    assert (reason is None) == (expected == "cold")


def test_a_stopped_server_on_a_host_that_is_down_stays() -> None:
    down = Host(name="compute3", inventories={}, state="down")
    assert movability.movable(server(status="SHUTOFF"), down, None, {}, CloudSettings(move_stopped=True))[0] == "no"


@pytest.mark.parametrize(
    ("changes", "declared", "cautious"),
    [
        ({}, {}, False),
        ({"locked": True}, {}, False),
        ({"extra_specs": {"pci_passthrough:alias": "nic:1"}}, {}, True),
        ({"extra_specs": {"pci_passthrough:alias": "nic:1"}, "locked": True}, {}, False),
        ({"extra_specs": {"resources:VGPU": "1"}}, {}, False),
        ({"metadata": {"vmpath:mode": "pre-copy"}}, {}, True),
        (
            {"metadata": {"vmpath:mode": "pre-copy"}},
            {"post_copy_permitted": "yes", "timeout_action": "force_complete"},
            False,
        ),
    ],
)
def test_what_is_feared_is_told_apart_from_what_is_known(
    changes: dict[str, Any], declared: dict[str, Any], cautious: bool
) -> None:
    host = msgspec.structs.replace(UP, extra=extra_of(Declaration(**declared)))
    given = server(**changes)
    _, reason = movability.movable(given, host, None, {}, SETTINGS)
    assert movability.held_by_caution(given, host, SETTINGS, reason) == cautious
