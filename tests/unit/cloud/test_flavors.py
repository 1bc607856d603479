from typing import Any

import pytest

from tests.unit.cloud.shapes import server
from vmpath_service.cloud import flavors, wire


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"disk": 10, "ephemeral": 5, "swap": 1025}, {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 17}),
        ({"disk": 10, "swap": ""}, {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 10}),
        ({"image": "", "disk": 10}, {"VCPU": 1, "MEMORY_MB": 1024}),
        ({"image": "", "disk": 10, "ephemeral": 3}, {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 3}),
        ({"extra_specs": {"hw:cpu_policy": "dedicated"}}, {"PCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"properties": {"hw_cpu_policy": "dedicated"}}, {"PCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"extra_specs": {"resources:VCPU": "0", "resources:CUSTOM_GOLD": "2"}},
         {"MEMORY_MB": 1024, "DISK_GB": 1, "CUSTOM_GOLD": 2}),
        ({"extra_specs": {"resources1:VGPU": "1", "resources2:VGPU": "1"}},
         {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 1, "VGPU": 2}),
    ],
)  # fmt: skip
def test_a_flavor_asks_for_what_nova_asks_placement_for(changes: dict[str, Any], expected: dict[str, int]) -> None:
    assert flavors.resources_of(server(**changes)) == expected


def test_a_flavor_that_is_not_shown_asks_for_nothing_known() -> None:
    assert flavors.resources_of(wire.Server(id="x", status="ACTIVE", flavor=wire.Flavor())) is None


def test_traits_come_from_flavor_and_image() -> None:
    asked = server(
        extra_specs={"trait:CUSTOM_A": "required", "trait:CUSTOM_B": "forbidden", "trait1:CUSTOM_C": "required"},
        properties={"trait:CUSTOM_D": "required", "hw_disk_bus": "virtio"},
    )
    assert flavors.traits_of(asked) == (("CUSTOM_A", "CUSTOM_C", "CUSTOM_D"), ("CUSTOM_B",))


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ({"pci_passthrough:alias": "a1:2"}, "the PCI device a1:2"),
        ({"resources:VGPU": "1"}, "a device of class VGPU"),
        ({"resources1:CUSTOM_PCI_8086_1": "1"}, "a device of class CUSTOM_PCI_8086_1"),
        ({"accel:device_profile": "fpga"}, "the accelerator fpga"),
        ({"resources:VGPU": "0"}, None),
        ({"resources:CUSTOM_GOLD": "1"}, None),
    ],
)
def test_devices_are_named(specs: dict[str, str], said: str | None) -> None:
    assert flavors.device_of(server(extra_specs=specs).flavor) == said
