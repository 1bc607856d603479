"""Flavors, derived from what servers hold, and what a server of a flavor asks for."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from vmpath_service.simulator.records import Flavor, Shape
from vmpath_service.simulator.world import uuid_of

COUNTED = ("VCPU", "PCPU", "MEMORY_MB", "DISK_GB")


def flavor_of(name: str | None, resources: Mapping[str, int], extra_specs: Mapping[str, str]) -> Flavor:
    """The flavor that explains these resources; equal arguments give the same flavor."""
    return _flavor(name, tuple(sorted(resources.items())), tuple(sorted(extra_specs.items())))


@functools.lru_cache(maxsize=65536)
def _flavor(
    name: str | None,
    resources: tuple[tuple[str, int], ...],
    extra_specs: tuple[tuple[str, str], ...],
) -> Flavor:
    amounts, specs = dict(resources), dict(extra_specs)
    pinned = amounts.get("PCPU", 0)
    if pinned and not amounts.get("VCPU"):
        specs.setdefault("hw:cpu_policy", "dedicated")
    elif pinned:
        specs.setdefault("hw:cpu_policy", "mixed")
    for kind, amount in amounts.items():
        if kind not in COUNTED:
            specs[f"resources:{kind}"] = str(amount)
    vcpus = amounts.get("VCPU", 0) + pinned
    memory, disk = amounts.get("MEMORY_MB", 0), amounts.get("DISK_GB", 0)
    shown = name or f"{vcpus}c-{memory}m-{disk}g"
    key = f"{shown}:{sorted(amounts.items())}:{sorted(specs.items())}"
    return Flavor(uuid_of("flavor", key), shown, vcpus, memory, disk, specs)


def resources_of(flavor: Flavor) -> dict[str, int]:
    """What Placement counts for a server of this flavor, in the classes that it uses."""
    cpu = "PCPU" if flavor.extra_specs.get("hw:cpu_policy") == "dedicated" else "VCPU"
    disk = flavor.disk_gb + flavor.ephemeral_gb + -(-flavor.swap_mb // 1024)
    amounts = {cpu: flavor.vcpus, "MEMORY_MB": flavor.ram_mb, "DISK_GB": disk}
    for key, value in flavor.extra_specs.items():
        if key.startswith("resources:"):
            amounts[key.removeprefix("resources:")] = int(value)
    return {name: amount for name, amount in amounts.items() if amount}


def shape_of(flavor: Flavor) -> Shape:
    """What a server of this flavor takes, and the traits that it asks its host for."""
    return Shape(flavor, resources_of(flavor), _traits(flavor, "required"), _traits(flavor, "forbidden"))


def _traits(flavor: Flavor, kind: str) -> tuple[str, ...]:
    specs = flavor.extra_specs.items()
    return tuple(key.removeprefix("trait:") for key, value in specs if key.startswith("trait:") and value == kind)
