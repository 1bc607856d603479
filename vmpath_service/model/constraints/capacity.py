"""Placement's resource classes: capacity of hosts, and what a single instance may ask for."""

from __future__ import annotations

from collections.abc import Hashable

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Dimension, Filter
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def _asked(instance: Instance) -> Hashable:
    return tuple(instance.resources.items())


def _units(host: Host) -> Hashable:
    return tuple(
        (name, inventory.min_unit, inventory.max_unit, inventory.step_size)
        for name, inventory in host.inventories.items()
    )


def _refusal(instance: Instance, host: Host) -> str | None:
    for name, amount in instance.resources.items():
        if not amount:
            continue
        inventory = host.inventories.get(name)
        if inventory is None:
            return f"{host.name} has no {name}"
        if amount < inventory.min_unit:
            return f"{host.name} gives no less than {inventory.min_unit} {name} at once, asked for {amount}"
        if inventory.max_unit is not None and amount > inventory.max_unit:
            return f"{host.name} gives no more than {inventory.max_unit} {name} at once, asked for {amount}"
        if amount % inventory.step_size:
            return f"{host.name} gives {name} in steps of {inventory.step_size}, asked for {amount}"
    return None


class CapacityConstraint(Constraint):
    """No host beyond the capacity that Placement counts, in any resource class.

    Capacity is ``int((total - reserved) * allocation_ratio)``; a class that a host lacks has capacity 0;
    ``min_unit``, ``max_unit`` and ``step_size`` restrict what one instance may ask for.
    """

    name = "capacity"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        classes = sorted({name for instance in snapshot.instances for name in instance.resources})
        dimensions = tuple(
            Dimension(
                name=name,
                capacity=[
                    inventory.limit() if (inventory := host.inventories.get(name)) else 0 for host in snapshot.hosts
                ],
                taken=[host.used_by_others.get(name, 0) for host in snapshot.hosts],
                demand=[instance.resources.get(name, 0) for instance in snapshot.instances],
            )
            for name in classes
        )
        return CompiledConstraint(filters=(Filter(_asked, _units, _refusal),), dimensions=dimensions)
