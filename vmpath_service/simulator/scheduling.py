"""Whether Nova's scheduler and the checks at the destination admit a server on a host.

Pure: nothing is changed. The order is the order in which Nova finds out.
"""

from __future__ import annotations

from vmpath_service.simulator import isolation
from vmpath_service.simulator.records import Host, Server
from vmpath_service.simulator.world import World


def refusal(world: World, server: Server, target: Host, live: bool) -> str | None:
    """Why the server may not go to `target`, or None when it may.

    live: also what only a live migration asks for (a hypervisor of the same type, no older, and
    nothing in the guest that forbids it).
    """
    if server.host == target.name:
        return "it is there already"
    if target.disabled:
        return f"compute service of {target.name} is disabled"
    if not world.is_up(target):
        return f"compute service of {target.name} is down"
    reason = world.ledger.obstacle(target.uuid, server.resources)
    if reason is not None:
        return reason
    return (
        _traits(world, server, target)
        or _zone_and_aggregates(server, target)
        or _group(world, server, target)
        or (_live_only(world, server, target) if live else None)
    )


def choose(world: World, server: Server, live: bool) -> Host | None:
    """The admissible host with most memory left, as Nova's RAM weigher prefers; None if none."""
    best: Host | None = None
    most = -1
    for host in world.hosts.values():
        inventory = host.inventories.get("MEMORY_MB")
        used = world.ledger.providers[host.uuid].used.get("MEMORY_MB", 0)
        left = (inventory.capacity if inventory else 0) - used
        # Whether it is admitted takes longer to find out than whether it would be better.
        if left > most and refusal(world, server, host, live) is None:
            best, most = host, left
    return best


def _traits(world: World, server: Server, target: Host) -> str | None:
    if not server.required_traits and not server.forbidden_traits:
        return None
    for trait in (*server.required_traits, *server.forbidden_traits):
        if trait.startswith("CUSTOM_") and trait not in world.ledger.custom_traits:
            return f"Placement does not know trait {trait}"
    there = world.ledger.tree_traits(target.uuid)
    for trait in server.required_traits:
        if trait not in there:
            return f"{target.name} lacks trait {trait}"
    for trait in server.forbidden_traits:
        if trait in there:
            return f"{target.name} has forbidden trait {trait}"
    return None


def _zone_and_aggregates(server: Server, target: Host) -> str | None:
    if server.pinned_zone is not None and server.pinned_zone != target.zone:
        return f"{target.name} is not in availability zone {server.pinned_zone}"
    names = {name for a in target.aggregates for name in (a.name, a.uuid)}
    for wanted in server.required_aggregates:
        if wanted not in names:
            return f"{target.name} is not in aggregate {wanted}"
    return isolation.refusal(server, target)


def _group(world: World, server: Server, target: Host) -> str | None:
    group = world.group_of.get(server.uuid)
    if group is None:
        return None
    others = [member for member in group.members if member != server.uuid]
    if group.policy == "anti-affinity":
        there = sum(1 for member in others if member in world.on_host[target.name])
        if there >= group.most_per_host:
            return f"server group {group.name} has {there} members on {target.name}"
    if group.policy == "affinity":
        present = {world.servers[member].host for member in group.members if member in world.servers} - {None}
        # The first member of all is free to go anywhere.
        if present and target.name not in present:
            return f"server group {group.name} has no member on {target.name}"
    return None


def late_refusal(world: World, server: Server, target: Host) -> str | None:
    """Why the destination turns down what the scheduler has let pass, or None.

    There a member of a strict anti-affinity group counts also where it is going to, and where it has just been, until
    its migration has ended.
    """
    group = world.group_of.get(server.uuid)
    if group is None or group.policy != "anti-affinity":
        return None
    there = sum(1 for member in group.members if member != server.uuid and _counts_at(world, member, target.name))
    if there >= group.most_per_host:
        return "Anti-affinity instance group policy was violated"
    return None


def _counts_at(world: World, member: str, host: str) -> bool:
    if member in world.on_host[host]:
        return True
    last = world.servers[member].migration if member in world.servers else None
    return last is not None and last in world.touching[host]


def _live_only(world: World, server: Server, target: Host) -> str | None:
    if server.refuses_live is not None:
        return server.refuses_live
    source = world.hosts[server.host] if server.host is not None else None
    if source is None:
        return None
    if source.hypervisor_type != target.hypervisor_type:
        return "the hypervisors are of different types"
    if source.hypervisor_version > target.hypervisor_version:
        return f"the hypervisor of {target.name} is older"
    if source.cell != target.cell:
        return f"{target.name} is in another cell"
    return None
