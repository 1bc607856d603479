"""What a flavor makes Nova ask Placement for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from vmpath_service.cloud.wire import Flavor, Server

_RESOURCE = re.compile(r"resources(?:\d+|_[\w-]+)?:(\w+)")
_TRAIT = re.compile(r"trait(?:\d+|_[\w-]+)?:(\w+)")
_MIB_PER_GIB = 1024


def resources_of(server: Server) -> dict[str, int] | None:
    """The amounts per resource class; None where the flavor is not shown (below 2.47).

    The rules are Nova's (its scheduler's ResourceRequest): VCPU, or PCPU for dedicated CPUs; DISK_GB is root (0
    when booted from a volume) + ephemeral + swap rounded up to GiB; ``resources:CLASS`` overrides, 0 leaves out.
    """
    flavor = server.flavor
    if flavor.vcpus is None:
        return None
    policy = flavor.extra_specs.get("hw:cpu_policy") or server.image_properties().get("hw_cpu_policy")
    cpus = "PCPU" if policy == "dedicated" else "VCPU"
    root = 0 if server.volume_backed() else flavor.disk
    amounts = {
        cpus: flavor.vcpus,
        "MEMORY_MB": flavor.ram,
        "DISK_GB": root + flavor.ephemeral + math.ceil(int(flavor.swap or 0) / _MIB_PER_GIB),
    }
    numbered: dict[str, int] = {}
    for key, value in flavor.extra_specs.items():
        match = _RESOURCE.fullmatch(key)
        if match is None or not value.isdigit():
            continue
        if key.startswith("resources:"):
            amounts[match[1]] = int(value)
        else:
            numbered[match[1]] = numbered.get(match[1], 0) + int(value)
    for name, amount in numbered.items():
        amounts[name] = amounts.get(name, 0) + amount
    return {name: amount for name, amount in amounts.items() if amount}


def traits_of(server: Server) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The traits that flavor and image require and forbid, sorted."""
    asked = set(_traits(server))
    required = tuple(sorted(name for name, kind in asked if kind == "required"))
    return required, tuple(sorted(name for name, kind in asked if kind == "forbidden"))


def _traits(server: Server) -> Iterator[tuple[str, str]]:
    for source in (server.flavor.extra_specs, server.image_properties()):
        for key, value in source.items():
            match = _TRAIT.fullmatch(key)
            if match is not None:
                yield match[1], str(value)


def device_of(flavor: Flavor) -> str | None:
    """The device of its host that a guest of this flavor is given, in words; None if there is none."""
    specs = flavor.extra_specs
    if specs.get("pci_passthrough:alias"):
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
    return resource_class in ("VGPU", "PGPU", "FPGA", "PCI_DEVICE") or resource_class.startswith("CUSTOM_PCI_")
