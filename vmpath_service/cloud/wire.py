"""Answers of Nova and Placement, as far as they are read: decoded straight into these, the rest is skipped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from vmpath_service.model.decoding import learn

Amounts = dict[str, int]


def seconds(stamp: str) -> float:
    """Nova's stamps of records name no zone: they are UTC."""
    moment = datetime.fromisoformat(stamp)
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


class _Part(msgspec.Struct, frozen=True):
    """Base of what an answer holds; unknown keys are ignored."""


class Service(_Part, frozen=True):
    """Of one in a cell that does not answer only binary and host are shown, and the status UNKNOWN."""

    binary: str
    host: str
    status: str
    id: str | int = ""
    state: str = "UNKNOWN"
    zone: str | None = None
    disabled_reason: str | None = None
    forced_down: bool = False
    updated_at: str | None = None


class Services(_Part, frozen=True):
    services: tuple[Service, ...]


class HypervisorService(_Part, frozen=True):
    host: str


class Hypervisor(_Part, frozen=True):
    id: str | int
    hypervisor_hostname: str
    service: HypervisorService
    hypervisor_type: str | None = None
    hypervisor_version: int | None = None


class Link(_Part, frozen=True):
    rel: str
    href: str


class Hypervisors(_Part, frozen=True):
    hypervisors: tuple[Hypervisor, ...]
    links: tuple[Link, ...] = msgspec.field(default=(), name="hypervisors_links")


class Aggregate(_Part, frozen=True):
    name: str
    hosts: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


class Aggregates(_Part, frozen=True):
    aggregates: tuple[Aggregate, ...]


class Group(_Part, frozen=True):
    """``policies`` and its like are what microversions below 2.64 show instead of ``policy``."""

    id: str
    name: str
    members: tuple[str, ...] = ()
    policy: str | None = None
    rules: dict[str, int] = {}
    policies: tuple[str, ...] = ()


class Groups(_Part, frozen=True):
    server_groups: tuple[Group, ...]


class Flavor(_Part, frozen=True):
    """``vcpus`` is absent below 2.47, where a server shows the id of its flavor only."""

    vcpus: int | None = None
    ram: int = 0
    disk: int = 0
    ephemeral: int = 0
    swap: int | str = 0
    original_name: str | None = None
    extra_specs: dict[str, str] = {}


class Image(_Part, frozen=True):
    id: str | None = None
    properties: dict[str, Any] = {}


class Server(_Part, frozen=True):
    """A server in a detailed list. ``image`` is an empty text for one that was booted from a volume."""

    id: str
    status: str
    name: str = ""
    tenant_id: str | None = None
    user_id: str | None = None
    created: str | None = None
    updated: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    image: Image | str | None = None
    flavor: Flavor = Flavor()
    locked: bool = False
    locked_reason: str | None = None
    pinned_availability_zone: str | None = None
    scheduler_hints: dict[str, Any] | None = None
    host: str | None = msgspec.field(default=None, name="OS-EXT-SRV-ATTR:host")
    task_state: str | None = msgspec.field(default=None, name="OS-EXT-STS:task_state")

    def volume_backed(self) -> bool:
        """Whether its root disk is a volume."""
        return self.image == ""

    def image_properties(self) -> dict[str, Any]:
        """Of the image it was booted from; empty where unknown."""
        return self.image.properties if isinstance(self.image, Image) else {}


class Servers(_Part, frozen=True):
    servers: tuple[Server, ...]
    links: tuple[Link, ...] = msgspec.field(default=(), name="servers_links")


class OneServer(_Part, frozen=True):
    server: Server


class Share(_Part, frozen=True):
    share_id: str
    status: str = ""


class Shares(_Part, frozen=True):
    shares: tuple[Share, ...]


class Migration(_Part, frozen=True):
    """A record of os-migrations (``instance_uuid``) or of a server's migrations under way (``server_uuid``)."""

    id: int
    status: str
    uuid: str | None = None
    instance_uuid: str | None = None
    server_uuid: str | None = None
    source_compute: str | None = None
    dest_compute: str | None = None
    migration_type: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    memory_total_bytes: int | None = None
    memory_processed_bytes: int | None = None
    memory_remaining_bytes: int | None = None

    def moment(self) -> float:
        """When it was changed last, or made, in seconds since the epoch; 0 where that is not shown."""
        stamp = self.updated_at or self.created_at
        return 0.0 if stamp is None else seconds(stamp)


class Migrations(_Part, frozen=True):
    migrations: tuple[Migration, ...]
    links: tuple[Link, ...] = msgspec.field(default=(), name="migrations_links")


class Provider(_Part, frozen=True):
    uuid: str
    name: str
    root_provider_uuid: str | None = None
    generation: int | None = None


class Providers(_Part, frozen=True):
    resource_providers: tuple[Provider, ...]


class ClassSummary(_Part, frozen=True):
    capacity: int
    used: int


class ProviderSummary(_Part, frozen=True):
    resources: dict[str, ClassSummary] = {}
    traits: tuple[str, ...] = ()


class Candidates(_Part, frozen=True):
    provider_summaries: dict[str, ProviderSummary]


class ProviderInventory(_Part, frozen=True):
    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int | None = None
    step_size: int = 1
    allocation_ratio: float = 1.0


class Inventories(_Part, frozen=True):
    inventories: dict[str, ProviderInventory]
    generation: int | None = msgspec.field(default=None, name="resource_provider_generation")


class Usages(_Part, frozen=True):
    usages: Amounts


class Traits(_Part, frozen=True):
    traits: tuple[str, ...]


class Allocation(_Part, frozen=True):
    resources: Amounts


class ProviderAllocations(_Part, frozen=True):
    allocations: dict[str, Allocation]


class ConsumerAllocations(_Part, frozen=True):
    """What a consumer holds, by provider; nothing where Placement does not know it."""

    allocations: dict[str, Allocation] = {}
    consumer_generation: int | None = None
    project_id: str | None = None
    user_id: str | None = None


class Port(_Part, frozen=True):
    id: str = ""
    device_id: str = ""
    network_id: str = ""
    project_id: str | None = None
    kind: str = msgspec.field(default="", name="binding:vnic_type")


class Ports(_Part, frozen=True):
    ports: tuple[Port, ...]
    links: tuple[Link, ...] = msgspec.field(default=(), name="ports_links")


class Network(_Part, frozen=True):
    id: str
    physical_network: str | None = msgspec.field(default=None, name="provider:physical_network")


class Networks(_Part, frozen=True):
    networks: tuple[Network, ...]
    links: tuple[Link, ...] = msgspec.field(default=(), name="networks_links")


class Agent(_Part, frozen=True):
    host: str = ""
    configurations: dict[str, Any] = {}


class Agents(_Part, frozen=True):
    agents: tuple[Agent, ...]
    links: tuple[Link, ...] = msgspec.field(default=(), name="agents_links")


def next_marker(links: Iterable[Link]) -> str | None:
    """Where the next page of a list begins, from the link to it; None after the last."""
    for link in links:
        if link.rel == "next":
            return next(iter(parse_qs(urlsplit(link.href).query).get("marker", [])), None)
    return None


# answers are decoded by several threads at once
learn(*(kind for kind in tuple(globals().values()) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)))
