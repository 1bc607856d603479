"""The cloud at one moment (``vmpath-snapshot/1``): immutable values and the arithmetic of capacity.

Sizes are MiB (``_mb``), disks GiB, link rates Mbit/s (``_mbps``), dirty rates MiB/s (``_mb_s``), times
seconds (``_s``). What is absent in a file has the default given here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

# Beyond 2**53 a double no longer holds every integer, and capacity is computed in doubles.
LARGEST = 2**53
# Slower than a kbit/s is a mistake, and makes times that mean nothing.
SLOWEST_MBPS = 0.001

Amount = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]
Quantity = Annotated[float, msgspec.Meta(ge=0, le=LARGEST)]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=LARGEST)]
Rate = Annotated[float, msgspec.Meta(ge=SLOWEST_MBPS, le=LARGEST)]
Name = Annotated[str, msgspec.Meta(min_length=1)]

FORMAT: Literal["vmpath-snapshot/1"] = "vmpath-snapshot/1"


def label_of(uuid: str, name: str | None) -> str:
    """The name a person knows an instance by, with the identity behind it."""
    return uuid if name in (None, uuid) else f"{name} ({uuid})"


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of the values of a snapshot."""


class Inventory(_Value, frozen=True):
    """What a host has of one resource class, in Placement's terms, or its ``capacity`` as given."""

    total: Amount | None = None
    reserved: Amount = 0
    allocation_ratio: Ratio = 1.0
    min_unit: Positive = 1
    max_unit: Positive | None = None
    step_size: Positive = 1
    capacity: Amount | None = None

    def limit(self) -> int:
        """Placement's capacity: ``int((total - reserved) * allocation_ratio)`` in double precision."""
        if self.capacity is not None:
            return self.capacity
        return int(((self.total or 0) - self.reserved) * self.allocation_ratio)


class Aggregate(_Value, frozen=True):
    name: Name
    metadata: dict[str, str] = {}


class Host(_Value, frozen=True):
    """A hypervisor; ``name`` is the nova-compute service's host, the name os-migrateLive wants."""

    name: Name
    inventories: dict[Name, Inventory]
    uuid: Name | None = None
    state: Literal["up", "down", "off"] = "up"
    status: Literal["enabled", "disabled"] = "enabled"
    disabled_reason: str | None = None
    used_by_others: dict[Name, Amount] = {}
    availability_zone: str | None = None
    cell: str | None = None
    aggregates: tuple[Aggregate, ...] = ()
    traits: tuple[Name, ...] = ()
    hypervisor_type: str | None = None
    hypervisor_version: int | None = None
    links: tuple[Name, ...] = ()
    boot_s: Quantity = 120.0
    extra: dict[str, Any] = {}

    def receives(self) -> bool:
        """Whether an instance may arrive here without any host step before it."""
        return self.state == "up" and self.status == "enabled"


class Memory(_Value, frozen=True):
    """What is known of a guest's memory: use, and how fast it is written to."""

    used_mb: Quantity | None = None
    dirty_mb_s: Quantity | None = None
    working_set_mb: Quantity | None = None
    working_set_s: Quantity | None = None


class Storage(_Value, frozen=True):
    kind: Literal["shared", "volume", "local", "unknown"] = "unknown"
    copy_gb: Quantity = 0.0


class Instance(_Value, frozen=True):
    """A server. ``host`` is null for one that is yet to be placed."""

    uuid: Name
    host: Name | None
    resources: dict[Name, Amount]
    name: str | None = None
    status: str = "ACTIVE"
    task_state: str | None = None
    project_id: str | None = None
    flavor: str | None = None
    image: str | None = None
    created_at: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    locked: bool = False
    pinned_availability_zone: str | None = None
    required_traits: tuple[Name, ...] = ()
    forbidden_traits: tuple[Name, ...] = ()
    required_aggregates: tuple[Name, ...] = ()
    movable: Literal["live", "cold", "no"] = "live"
    why_not: str | None = None
    post_copy: Literal["allowed", "forbidden"] = "allowed"
    memory: Memory | None = None
    storage: Storage | None = None
    extra: dict[str, Any] = {}

    def label(self) -> str:
        """The name a person knows it by, with the identity behind it."""
        return label_of(self.uuid, self.name)

    def memory_mb(self) -> int:
        """The memory that Placement counts for it, in MiB."""
        return self.resources.get("MEMORY_MB", 0)


class InFlight(_Value, frozen=True):
    """A migration under way when the snapshot was taken: its instance counts at both ends."""

    instance: Name
    source: Name
    dest: Name
    migration: Name | None = None


class Rules(_Value, frozen=True):
    max_server_per_host: Positive = 1


class ServerGroup(_Value, frozen=True):
    uuid: Name
    policy: Literal["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"]
    members: tuple[Name, ...]
    name: str | None = None
    rules: Rules | None = None

    def max_per_host(self) -> int:
        """How many members a strict anti-affinity group admits on one host."""
        return self.rules.max_server_per_host if self.rules else 1


class Network(_Value, frozen=True):
    links: dict[Name, Rate] = {}


class Snapshot(_Value, frozen=True, omit_defaults=False):  # its format must never be left out as a default
    """The whole cloud; ``files.load_snapshot`` guarantees that every reference in it resolves."""

    hosts: tuple[Host, ...]
    instances: tuple[Instance, ...]
    format: Literal["vmpath-snapshot/1"] = FORMAT
    taken_at: str | None = None
    region: str | None = None
    in_flight: tuple[InFlight, ...] = ()
    server_groups: tuple[ServerGroup, ...] = ()
    network: Network | None = None
    extra: dict[str, Any] = {}
