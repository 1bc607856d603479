"""What a flavor makes Nova ask Placement for."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator

from vmpath_service.cloud.wire import Flavor, Server

_RESOURCE = re.compile(r"resources(?:\d+|_[\w-]+)?:(\w+)")
_TRAIT = re.compile(r"trait(?:\d+|_[\w-]+)?:(\w+)")
_RANGE = re.compile(r"(\^?)(\d+)(?:-(\d+))?")
_MIB_PER_GIB = 1024
# What a flavor's extra spec or an image's property asks for, by name and value, without saying trait.
_IMPLIED = {
    ("hw:cpu_thread_policy", "require"): ("HW_CPU_HYPERTHREADING", "required"),
    ("hw:cpu_thread_policy", "isolate"): ("HW_CPU_HYPERTHREADING", "forbidden"),
    ("hw:maxphysaddr_mode", "passthrough"): ("COMPUTE_ADDRESS_SPACE_PASSTHROUGH", "required"),
    ("hw:maxphysaddr_mode", "emulate"): ("COMPUTE_ADDRESS_SPACE_EMULATED", "required"),
    ("hw:tpm_version", "1.2"): ("COMPUTE_SECURITY_TPM_1_2", "required"),
    ("hw:tpm_version", "2.0"): ("COMPUTE_SECURITY_TPM_2_0", "required"),
    ("os:secure_boot", "required"): ("COMPUTE_SECURITY_UEFI_SECURE_BOOT", "required"),
}


def resources_of(server: Server) -> dict[str, int] | None:
    """The amounts per resource class; None where the flavor is not shown (below 2.47).

    The rules are Nova's (its scheduler's ResourceRequest): VCPU, or PCPU for dedicated CPUs; DISK_GB is root (0
    when booted from a volume) + ephemeral + swap rounded up to GiB. What ``resources:CLASS`` asks for, in whichever
    group, takes the place of the flavor's own figure, 0 leaves it out; either kind of CPU stands for both.
    """
    flavor = server.flavor
    if flavor.vcpus is None:
        return None
    amounts: dict[str, int] = {}
    for key, value in flavor.extra_specs.items():
        match = _RESOURCE.fullmatch(key)
        if match is not None and value.isdigit():
            amounts[match[1]] = amounts.get(match[1], 0) + int(value)
    if not amounts.keys() & {"VCPU", "PCPU"}:
        amounts |= _processors(server, flavor.vcpus)
    amounts.setdefault("MEMORY_MB", flavor.ram)
    amounts.setdefault("DISK_GB", disks_gb(server))
    return {name: amount for name, amount in amounts.items() if amount}


def disks_gb(server: Server) -> int:
    """GiB of disks that are no volumes, by the flavor."""
    flavor = server.flavor
    root = 0 if server.volume_backed() else flavor.disk
    return root + flavor.ephemeral + math.ceil(int(flavor.swap or 0) / _MIB_PER_GIB)


def _processors(server: Server, count: int) -> dict[str, int]:
    """Shared and dedicated CPUs."""
    specs = server.flavor.extra_specs
    policy = processor_policy(server)
    if policy not in ("dedicated", "mixed"):
        return {"VCPU": count}
    dedicated = count
    if policy == "mixed":
        mask = (
            specs.get("hw:cpu_dedicated_mask")
            or server.image_properties().get("hw_cpu_realtime_mask")
            or specs.get("hw:cpu_realtime_mask")
        )
        dedicated = len(_chosen(str(mask), count)) if mask else 0
    shared = count - dedicated
    if specs.get("hw:emulator_threads_policy") == "isolate":
        dedicated += 1
    return {"VCPU": shared, "PCPU": dedicated}


def _chosen(mask: str, count: int) -> frozenset[int]:
    """The CPUs of a mask such as ``0-2,5`` or ``^0`` (all but the first)."""
    chosen: set[int] = set(range(count)) if mask.strip().startswith("^") else set()
    left_out: set[int] = set()
    for part in mask.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is not None:
            first = int(match[2])
            # a range in a flavor may be any text: no further than the flavor's CPUs
            numbers = range(first, min(int(match[3] or first), count - 1) + 1)
            (left_out if match[1] else chosen).update(numbers)
    return frozenset(chosen - left_out)


def processor_policy(server: Server) -> str | None:
    """shared, dedicated or mixed, as flavor or image say."""
    policy = server.flavor.extra_specs.get("hw:cpu_policy") or server.image_properties().get("hw_cpu_policy")
    return None if policy is None else str(policy)


def traits_of(server: Server) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The traits that flavor and image require and forbid, in so many words or by implication, sorted."""
    asked = set(_traits(server))
    required = tuple(sorted(name for name, kind in asked if kind == "required"))
    return required, tuple(sorted(name for name, kind in asked if kind == "forbidden"))


def _traits(server: Server) -> Iterator[tuple[str, str]]:
    for source in (server.flavor.extra_specs, server.image_properties()):
        for key, value in source.items():
            match = _TRAIT.fullmatch(key)
            if match is not None:
                yield match[1], str(value)
                continue
            # an image writes an underscore for the colon
            implied = _IMPLIED.get((key if ":" in key else key.replace("_", ":", 1), str(value)))
            if implied is not None:
                yield implied


def aliases_of(flavor: Flavor) -> frozenset[str]:
    """The aliases of PCI devices that a guest of this flavor is given."""
    asked = flavor.extra_specs.get("pci_passthrough:alias", "").split(",")
    return frozenset(name for each in asked if (name := each.partition(":")[0].strip()))


def device_of(flavor: Flavor, travelling: Collection[str] = ()) -> str | None:
    """The device of its host that a guest of this flavor is given, in words; None if there is none.

    ``travelling``: aliases of PCI devices that do not count, as a guest can take them along.
    """
    specs = flavor.extra_specs
    if not aliases_of(flavor) <= frozenset(travelling):
        return f"the PCI device {specs['pci_passthrough:alias']}"
    if specs.get("accel:device_profile"):
        return f"the accelerator {specs['accel:device_profile']}"
    for key, value in specs.items():
        match = _RESOURCE.fullmatch(key)
        if match is not None and value != "0" and is_device(match[1]):
            return f"a device of class {match[1]}"
    return None


def is_device(resource_class: str) -> bool:
    """Whether a resource class counts devices that a guest cannot take along."""
    return resource_class in ("VGPU", "PGPU", "FPGA") or is_pci_device(resource_class)


def is_pci_device(resource_class: str) -> bool:
    """Whether a resource class counts PCI devices, as Nova reports them to Placement."""
    return resource_class == "PCI_DEVICE" or resource_class.startswith("CUSTOM_PCI_")
