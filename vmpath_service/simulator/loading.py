"""From a snapshot to a simulated cloud."""

from __future__ import annotations

import datetime

from vmpath_service.model import snapshot as model
from vmpath_service.model.constraints.isolation import EXTRA_SPECS, IMAGE_PROPERTIES
from vmpath_service.simulator import live_migration
from vmpath_service.simulator.clock import Clock
from vmpath_service.simulator.flavors import flavor_of
from vmpath_service.simulator.providers import add_shared_disk, split
from vmpath_service.simulator.records import (
    Aggregate,
    Host,
    MemoryBehaviour,
    Server,
    ServerGroup,
)
from vmpath_service.simulator.settings import Settings
from vmpath_service.simulator.world import World, uuid_of

ADMIN_PROJECT = uuid_of("project", "admin").replace("-", "")
ADMIN_USER = uuid_of("user", "admin").replace("-", "")
DEMO_PROJECT = uuid_of("project", "demo").replace("-", "")
DEMO_USER = uuid_of("user", "demo").replace("-", "")

CELL_KEY = "vmpath:cell"

# There to boot servers with, whatever the snapshot holds.
PLAIN_FLAVORS = (("sim.tiny", 1, 256), ("sim.small", 1, 1024), ("sim.big", 8, 16384))

# What a snapshot calls a status, as Nova's vm_state, task_state and power state.
STATES = {
    "ACTIVE": ("active", None, 1),
    "BUILD": ("building", "spawning", 0),
    "DELETED": ("deleted", None, 0),
    "ERROR": ("error", None, 0),
    "MIGRATING": ("active", "migrating", 1),
    "PAUSED": ("paused", None, 3),
    "REBOOT": ("active", "rebooting", 1),
    "RESCUE": ("rescued", None, 1),
    "SHELVED": ("shelved", None, 4),
    "SHELVED_OFFLOADED": ("shelved_offloaded", None, 4),
    "SHUTOFF": ("stopped", None, 4),
    "SOFT_DELETED": ("soft-delete", None, 4),
    "SUSPENDED": ("suspended", None, 7),
    "VERIFY_RESIZE": ("resized", None, 1),
}

# Statuses of servers that may well be on no host.
NOWHERE = ("SHELVED_OFFLOADED", "ERROR")


def load(snapshot: model.Snapshot, clock: Clock, settings: Settings) -> World:
    """A world with all that the snapshot holds; instances that should have a host and have none are left out."""
    world = World(clock, settings)
    if snapshot.network is not None:
        world.links = dict(snapshot.network.links)
    _add_hosts(world, snapshot)
    add_shared_disk(world, snapshot)
    for instance in snapshot.instances:
        if instance.host is not None or instance.status in NOWHERE:
            _add_server(world, instance)
    for name, vcpus, memory in PLAIN_FLAVORS:
        flavor = flavor_of(name, {"VCPU": vcpus, "MEMORY_MB": memory, "DISK_GB": 1}, {})
        world.flavors.setdefault(flavor.id, flavor)
    _add_groups(world, snapshot)
    for host in snapshot.hosts:
        _add_other_users(world, host)
    for moving in snapshot.in_flight:
        server = world.servers.get(moving.instance)
        if server is None:
            continue
        if server.host != moving.source:
            world.place(server, moving.source)
        server.task_state = None
        live_migration.resume_in_flight(world, server, world.hosts[moving.dest])
    return world


def _add_hosts(world: World, snapshot: model.Snapshot) -> None:
    by_name: dict[str, Aggregate] = {}
    for number, given in enumerate(snapshot.hosts, start=1):
        zone = given.availability_zone
        wanted = {a.name: dict(a.metadata) for a in given.aggregates}
        zoned = any(m.get("availability_zone") == zone for m in wanted.values())
        if zone is not None and zone != "nova" and not zoned:
            wanted.setdefault(f"zone-{zone}", {"availability_zone": zone})
        if given.cell is not None:
            # Nova's API does not tell the cell of a host: operators note it in an aggregate.
            wanted.setdefault(f"cell-{given.cell}", {CELL_KEY: given.cell})
        aggregates = []
        for name, metadata in wanted.items():
            aggregate = by_name.get(name)
            if aggregate is None:
                aggregate = Aggregate(len(by_name) + 1, uuid_of("aggregate", name), name, metadata, world.now)
                by_name[name] = aggregate
                world.aggregates[aggregate.number] = aggregate
            aggregate.hosts.append(given.name)
            aggregates.append(aggregate)
        own, nested = split(given)
        world.add_host(
            Host(
                number=number,
                name=given.name,
                uuid=given.uuid or uuid_of("host", given.name),
                service_uuid=uuid_of("service", given.name),
                hypervisor_hostname=given.name + world.settings.hypervisor_domain,
                inventories=own,
                zone=zone or "nova",
                cell=given.cell,
                traits=tuple(given.traits),
                hypervisor_type=given.hypervisor_type or "QEMU",
                hypervisor_version=given.hypervisor_version or 8002002,
                disabled=given.status == "disabled",
                disabled_reason=given.disabled_reason,
                silent_since=None if given.state == "up" else 0.0,
                aggregates=aggregates,
                links=given.links,
            ),
            nested,
        )


def _add_server(world: World, given: model.Instance) -> None:
    vm_state, task_state, power_state = STATES.get(given.status, ("active", None, 1))
    created = _moment(given.created_at, world.now - 86400)
    memory = given.memory or model.Memory()
    extra_specs = {f"trait:{name}": "required" for name in given.required_traits}
    extra_specs |= {f"trait:{name}": "forbidden" for name in given.forbidden_traits}
    extra_specs |= _texts(given, EXTRA_SPECS)
    # A guest that cannot move for what it is (a device, say) fails Nova's checks; one that is only
    # locked, or busy, does not.
    stuck = given.movable == "no" and not given.locked and given.task_state is None
    project = given.project_id or DEMO_PROJECT
    server = Server(
        number=world.new_server_number(),
        uuid=given.uuid,
        name=given.name or f"server-{given.uuid}",
        project_id=project,
        user_id=DEMO_USER,
        host=given.host,
        flavor=flavor_of(given.flavor, given.resources, extra_specs),
        resources={name: amount for name, amount in given.resources.items() if amount},
        created_at=created,
        updated_at=created,
        launched_at=None if vm_state == "building" else created,
        vm_state=vm_state,
        # A task belongs to a process that the snapshot cannot bring along; one that it shows
        # under way stays until it is reset.
        task_state=given.task_state or task_state,
        power_state=power_state,
        image=given.image,
        image_properties=_texts(given, IMAGE_PROPERTIES),
        metadata=dict(given.metadata),
        tags=list(given.tags),
        locked=given.locked,
        pinned_zone=given.pinned_availability_zone,
        zone=world.hosts[given.host].zone if given.host else None,
        required_traits=tuple(given.required_traits),
        forbidden_traits=tuple(given.forbidden_traits),
        required_aggregates=tuple(given.required_aggregates),
        refuses_live=(given.why_not or "it cannot be live-migrated") if stuck else None,
        memory=MemoryBehaviour(
            used_mb=memory.used_mb,
            dirty_mb_s=memory.dirty_mb_s or 0.0,
            working_set_mb=memory.working_set_mb or 0.0,
            working_set_s=memory.working_set_s,
        ),
    )
    world.ledger.custom_traits.update((*server.required_traits, *server.forbidden_traits))
    world.add_server(server)
    if server.host is not None:
        world.ledger.allocate(
            server.uuid,
            world.ledger.spread(world.hosts[server.host].uuid, server.resources),
            project,
            server.user_id,
        )


def _texts(given: model.Instance, name: str) -> dict[str, str]:
    found = given.extra.get(name)
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _add_groups(world: World, snapshot: model.Snapshot) -> None:
    for given in snapshot.server_groups:
        members = [member for member in given.members if member in world.servers]
        first = world.servers[members[0]] if members else None
        group = ServerGroup(
            uuid=given.uuid,
            name=given.name or given.uuid,
            policy=given.policy,
            rules=({"max_server_per_host": given.rules.max_server_per_host} if given.rules else {}),
            project_id=first.project_id if first else DEMO_PROJECT,
            user_id=first.user_id if first else DEMO_USER,
            members=members,
        )
        world.add_group(group)
        for member in members:
            world.servers[member].hints = {"group": [group.uuid]}


def _add_other_users(world: World, given: model.Host) -> None:
    """What Placement counts and no listed instance explains is held by a consumer of its own."""
    if any(given.used_by_others.values()):
        world.ledger.allocate(
            uuid_of("others", given.name),
            world.ledger.spread(world.hosts[given.name].uuid, given.used_by_others),
            ADMIN_PROJECT,
            ADMIN_USER,
        )


def _moment(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return default
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.timestamp()
