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
        ({"vcpus": 4, "extra_specs": {"resources:PCPU": "4"}}, {"PCPU": 4, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"extra_specs": {"resources:MEMORY_MB": "300"}}, {"VCPU": 1, "MEMORY_MB": 300, "DISK_GB": 1}),
        ({"extra_specs": {"resources1:MEMORY_MB": "300"}}, {"VCPU": 1, "MEMORY_MB": 300, "DISK_GB": 1}),
        ({"extra_specs": {"resources_NUMA:VCPU": "2", "resources:DISK_GB": "0"}}, {"VCPU": 2, "MEMORY_MB": 1024}),
        ({"extra_specs": {"resources:VCPU": "many"}}, {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"vcpus": 4, "extra_specs": {"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}},
         {"PCPU": 5, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"vcpus": 4, "extra_specs": {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "^0"}},
         {"VCPU": 1, "PCPU": 3, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"vcpus": 6, "extra_specs": {"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0-2,5,^1"}},
         {"VCPU": 3, "PCPU": 3, "MEMORY_MB": 1024, "DISK_GB": 1}),
        ({"vcpus": 4, "extra_specs": {"hw:cpu_policy": "mixed"}, "properties": {"hw_cpu_realtime_mask": "2-99999999"}},
         {"VCPU": 2, "PCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 1}),
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
    ("changes", "expected"),
    [
        ({"extra_specs": {"hw:cpu_thread_policy": "require"}}, (("HW_CPU_HYPERTHREADING",), ())),
        ({"properties": {"hw_cpu_thread_policy": "isolate"}}, ((), ("HW_CPU_HYPERTHREADING",))),
        ({"properties": {"os_secure_boot": "required"}}, (("COMPUTE_SECURITY_UEFI_SECURE_BOOT",), ())),
        ({"properties": {"os_secure_boot": "optional"}}, ((), ())),
        ({"extra_specs": {"hw:tpm_version": "2.0"}}, (("COMPUTE_SECURITY_TPM_2_0",), ())),
        ({"extra_specs": {"hw:maxphysaddr_mode": "emulate"}}, (("COMPUTE_ADDRESS_SPACE_EMULATED",), ())),
    ],
)
def test_traits_that_are_implied_count_too(
    changes: dict[str, Any], expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    assert flavors.traits_of(server(**changes)) == expected


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
