"""The things of the simulated cloud, as Nova's database would hold them. They change in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

IN_PROGRESS = ("queued", "preparing", "running", "post-migrating")
ENDED = ("completed", "done", "error", "failed", "cancelled", "confirmed", "reverted")


@dataclass(frozen=True, slots=True)
class Inventory:
    """One resource class of a resource provider, with Placement's own fields."""

    total: int
    reserved: int = 0
    allocation_ratio: float = 1.0
    min_unit: int = 1
    max_unit: int = 2147483647
    step_size: int = 1

    @property
    def capacity(self) -> int:
        return int((self.total - self.reserved) * self.allocation_ratio)


@dataclass(frozen=True, slots=True)
class Flavor:
    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    extra_specs: dict[str, str] = field(default_factory=dict)
    ephemeral_gb: int = 0
    swap_mb: int = 0


@dataclass(slots=True)
class Host:
    """A nova-compute service with its one hypervisor and resource provider."""

    number: int
    name: str
    uuid: str
    service_uuid: str
    hypervisor_hostname: str
    inventories: dict[str, Inventory]
    zone: str = "nova"
    cell: str | None = None
    traits: tuple[str, ...] = ()
    hypervisor_type: str = "QEMU"
    hypervisor_version: int = 8002002
    disabled: bool = False
    disabled_reason: str | None = None
    forced_down: bool = False
    silent_since: float | None = None
    changed_at: float | None = None
    aggregates: list[Aggregate] = field(default_factory=list)
    links: tuple[str, ...] = ()
    copying: set[int] = field(default_factory=set)
    waiting: list[int] = field(default_factory=list)
    # What it was asked while it was dead, to be heard when it is back.
    unheard: list[Callable[[], None]] = field(default_factory=list)
    # Evacuations from here that it has not cleaned up after yet.
    evacuated: list[int] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Its nova-compute runs (which others may not have noticed to have changed)."""
        return self.silent_since is None


def address_of(host: Host) -> str:
    """Its IP address: made up from its number."""
    number = host.number
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@dataclass(slots=True)
class Aggregate:
    number: int
    uuid: str
    name: str
    metadata: dict[str, str]
    created_at: float
    hosts: list[str] = field(default_factory=list)
    updated_at: float | None = None


@dataclass(slots=True)
class ServerGroup:
    uuid: str
    name: str
    policy: str
    rules: dict[str, int]
    project_id: str
    user_id: str
    members: list[str] = field(default_factory=list)

    @property
    def most_per_host(self) -> int:
        return int(self.rules.get("max_server_per_host", 1))


@dataclass(frozen=True, slots=True)
class MemoryBehaviour:
    """How a guest uses its memory; None where the snapshot does not say."""

    used_mb: float | None = None
    dirty_mb_s: float = 0.0
    working_set_mb: float = 0.0
    working_set_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a resize changes about a server."""

    flavor: Flavor
    resources: dict[str, int]
    required_traits: tuple[str, ...] = ()
    forbidden_traits: tuple[str, ...] = ()


@dataclass(slots=True)
class Server:
    number: int
    uuid: str
    name: str
    project_id: str
    user_id: str
    host: str | None
    flavor: Flavor
    resources: dict[str, int]
    created_at: float
    updated_at: float
    launched_at: float | None = None
    vm_state: str = "active"
    task_state: str | None = None
    power_state: int = 1
    image: str | None = None
    image_properties: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    description: str | None = None
    locked: bool = False
    locked_reason: str | None = None
    pinned_zone: str | None = None
    zone: str | None = None
    hints: dict[str, list[str]] | None = None
    required_traits: tuple[str, ...] = ()
    forbidden_traits: tuple[str, ...] = ()
    required_aggregates: tuple[str, ...] = ()
    refuses_live: str | None = None
    memory: MemoryBehaviour = MemoryBehaviour()
    volumes: tuple[str, ...] = ()
    # Manila shares with their tags.
    shares: dict[str, str] = field(default_factory=dict)
    fault: tuple[float, int, str] | None = None
    state_before_resize: str | None = None
    migration: int | None = None
    deleted_at: float | None = None

    @property
    def shape(self) -> Shape:
        return Shape(self.flavor, self.resources, self.required_traits, self.forbidden_traits)

    def reshape(self, shape: Shape) -> None:
        self.flavor, self.resources = shape.flavor, shape.resources
        self.required_traits, self.forbidden_traits = shape.required_traits, shape.forbidden_traits


@dataclass(slots=True)
class Copy:
    """The copying of one guest's memory, from a moment on; sizes in bytes."""

    started_at: float
    total: int
    first_pass_s: float
    duration_s: float | None
    every_s: float
    remaining_at_start: int
    processed_before: int = 0


@dataclass(slots=True)
class Migration:
    number: int
    uuid: str
    server: str
    source: str
    target: str | None
    kind: str
    status: str
    project_id: str
    user_id: str
    flavor: str
    created_at: float
    updated_at: float | None = None
    dest_compute: str | None = None
    source_node: str | None = None
    dest_node: str | None = None
    dest_host: str | None = None
    copy: Copy | None = None
    rate_mb_s: float = 0.0
    phase: str = "scheduling"
    epoch: int = 0
    cancel_asked: bool = False
    post_copy: bool = False
    # What chance has chosen for it, in the words of `lab_fail`, or `refuse` or `hang`.
    fate: str | None = None
    # Why Nova refused it after having accepted it, and the last status it had on its way.
    trouble: str | None = None
    furthest: str = ""
    # Of a resize: what the server was, and what it becomes.
    before: Shape | None = None
    after: Shape | None = None


@dataclass(slots=True)
class Deed:
    """What was asked of a server; migration: the number of the one that it started, if it did."""

    action: str
    request_id: str
    user_id: str
    project_id: str
    started_at: float
    migration: int | None = None
