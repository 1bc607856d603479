"""Resource providers other than hosts: devices nested in a host, and disks that several share.

A snapshot shows them summed up. How they are told apart is in its ``extra``:

``extra: {"nested": {NAME: {"inventories": {CLASS: {…}}, "traits": […]}}}`` of a host
    Providers below the host's own; what they have the host does not have itself.
``extra: {"shared_disk": {"total": GB, "name": …, "aggregate": …, "reserved": …, "allocation_ratio": …}}``
    of the snapshot: a provider of DISK_GB for the hosts of that aggregate, or for all hosts, which
    have no disk of their own.

A host with VGPU or CUSTOM_PCI_* and no ``nested`` has each in one child, as libvirt's driver does.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from vmpath_service.model import snapshot as model
from vmpath_service.model.errors import InvalidInput
from vmpath_service.simulator.ledger import SHARES, Provider
from vmpath_service.simulator.records import Inventory
from vmpath_service.simulator.world import World, uuid_of

DISK = "DISK_GB"
ADDRESSES = ("pci_0000_84_00_0", "0000:81:00.0")


class Nested(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider below a host has."""

    inventories: dict[str, model.Inventory]
    traits: tuple[str, ...] = ()


class SharedDisk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A disk that several hosts share, in GB; by default all hosts do."""

    total: model.Amount
    name: str = "shared-disk"
    aggregate: str | None = None
    reserved: model.Amount = 0
    allocation_ratio: model.Ratio = 1.0


Shape = TypeVar("Shape")


def inventory(given: model.Inventory) -> Inventory:
    """Placement's own fields for an inventory of a snapshot."""
    fields = {"min_unit": given.min_unit, "step_size": given.step_size}
    if given.max_unit is not None:
        fields["max_unit"] = given.max_unit
    if given.capacity is not None:
        return Inventory(total=given.capacity, **fields)
    return Inventory(
        total=given.total or 0,
        reserved=given.reserved,
        allocation_ratio=given.allocation_ratio,
        **fields,
    )


def split(host: model.Host) -> tuple[dict[str, Inventory], list[Provider]]:
    """What a host has itself, and the providers below it. Raises InvalidInput for a wrong ``nested``."""
    where = f"host {host.name}: extra.nested"
    children = _converted(host.extra.get("nested") or {}, dict[str, Nested], where)
    elsewhere = {name for child in children.values() for name in child.inventories}
    for name, given in host.inventories.items():
        if name in elsewhere or not (name == "VGPU" or name.startswith("CUSTOM_PCI_")):
            continue
        address = ADDRESSES[0] if name == "VGPU" else f"{ADDRESSES[1]}_{name}"
        children[address] = Nested({name: given})
        elsewhere.add(name)
    root = host.uuid or uuid_of("host", host.name)
    nested = [
        Provider(
            uuid=uuid_of("provider", f"{root}:{name}"),
            name=f"{host.name}_{name}",
            inventories={kind: inventory(amount) for kind, amount in child.inventories.items()},
            traits=child.traits,
            parent=root,
        )
        for name, child in children.items()
    ]
    own = {name: inventory(given) for name, given in host.inventories.items() if name not in elsewhere}
    return own, nested


def add_shared_disk(world: World, snapshot: model.Snapshot) -> None:
    """Let the hosts of a snapshot share a disk, if it says so. Raises InvalidInput when it says it wrongly."""
    if "shared_disk" not in snapshot.extra:
        return
    where = "snapshot: extra.shared_disk"
    disk = _converted(snapshot.extra["shared_disk"], SharedDisk, where)
    aggregate = next((a for a in world.aggregates.values() if a.name == disk.aggregate), None)
    if disk.aggregate is not None and aggregate is None:
        raise InvalidInput(f"{where}.aggregate: no host is in an aggregate {disk.aggregate!r}")
    # Placement's aggregates are more than Nova's: without one of Nova's it gets one of its own.
    uuid = aggregate.uuid if aggregate else uuid_of("placement aggregate", disk.name)
    for host in world.hosts.values():
        if aggregate is None or host.name in aggregate.hosts:
            host.inventories.pop(DISK, None)
            if aggregate is None:
                world.ledger.providers[host.uuid].aggregates.append(uuid)
    world.ledger.add_provider(
        Provider(
            uuid=uuid_of("provider", disk.name),
            name=disk.name,
            inventories={DISK: Inventory(disk.total, disk.reserved, disk.allocation_ratio)},
            traits=(SHARES,),
            aggregates=[uuid],
        )
    )


def _converted(given: Any, shape: type[Shape], where: str) -> Shape:
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where}: {error}") from error
