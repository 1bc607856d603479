"""Host aggregates: making and changing them, with what follows for zones and for Placement."""

from __future__ import annotations

from collections.abc import Mapping

from vmpath_service.simulator.records import Aggregate, Host
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.world import World, uuid_of

ZONE = "availability_zone"


def create(world: World, name: str, zone: str | None) -> Aggregate:
    """A new aggregate. Raises Refused 409 for a name that is taken."""
    if any(aggregate.name == name for aggregate in world.aggregates.values()):
        raise Refused(409, f"Aggregate {name} already exists.")
    number = world.last_aggregate = max((world.last_aggregate, *world.aggregates)) + 1
    metadata = {ZONE: zone} if zone else {}
    aggregate = Aggregate(number, uuid_of("aggregate", f"{number}:{name}"), name, metadata, world.now)
    _announce(world, aggregate, "create", "start")
    world.aggregates[number] = aggregate
    _announce(world, aggregate, "create", "end")
    return aggregate


def delete(world: World, aggregate: Aggregate) -> None:
    """Raises Refused 400 while there are hosts in it."""
    if aggregate.hosts:
        raise Refused(400, f"Cannot delete aggregate {aggregate.number}. Reason: Host aggregate is not empty.")
    _announce(world, aggregate, "delete", "start")
    del world.aggregates[aggregate.number]
    _announce(world, aggregate, "delete", "end")


def add_host(world: World, aggregate: Aggregate, host: Host) -> None:
    """Raises Refused 409 when it is there already, or would be in two zones or change that of servers."""
    if host.name in aggregate.hosts:
        raise Refused(409, f"Host {host.name} already exists in aggregate {aggregate.number}.")
    _check_zone(world, host, aggregate, aggregate.metadata.get(ZONE), 409, "add host to")
    _announce(world, aggregate, "add_host", "start")
    aggregate.hosts.append(host.name)
    host.aggregates.append(aggregate)
    provider = world.ledger.providers[host.uuid]
    provider.aggregates.append(aggregate.uuid)
    provider.generation += 1
    _changed(world, aggregate, (host.name,))
    _announce(world, aggregate, "add_host", "end")


def remove_host(world: World, aggregate: Aggregate, host: Host) -> None:
    """Raises Refused 404 when it is not in it, 409 when that would change the zone of servers."""
    if host.name not in aggregate.hosts:
        raise Refused(404, f"Host {host.name} could not be found in aggregate {aggregate.number}.")
    if aggregate.metadata.get(ZONE) and world.on_host[host.name]:
        raise _zone_refused(409, "remove host from", aggregate)
    _announce(world, aggregate, "remove_host", "start")
    aggregate.hosts.remove(host.name)
    host.aggregates.remove(aggregate)
    provider = world.ledger.providers[host.uuid]
    provider.aggregates.remove(aggregate.uuid)
    provider.generation += 1
    _changed(world, aggregate, (host.name,))
    _announce(world, aggregate, "remove_host", "end")


def set_metadata(world: World, aggregate: Aggregate, given: Mapping[str, str | None]) -> None:
    """Set, or with None remove, some. Raises Refused 400 when that would change the zone of servers."""
    if ZONE in given and given[ZONE] != aggregate.metadata.get(ZONE):
        for name in aggregate.hosts:
            _check_zone(world, world.hosts[name], aggregate, given[ZONE], 400, "update")
    _announce(world, aggregate, "update_metadata", "start")
    for key, value in given.items():
        if value is None:
            aggregate.metadata.pop(key, None)
        else:
            aggregate.metadata[key] = value
    _changed(world, aggregate, tuple(aggregate.hosts))
    _announce(world, aggregate, "update_metadata", "end")


def _announce(world: World, aggregate: Aggregate, action: str, phase: str) -> None:
    if world.announcer is not None:
        world.announcer.aggregate(aggregate, action, phase)


def _check_zone(world: World, host: Host, aggregate: Aggregate, zone: str | None, status: int, action: str) -> None:
    others = {a.metadata[ZONE] for a in host.aggregates if a is not aggregate and a.metadata.get(ZONE)}
    if zone and others - {zone}:
        raise Refused(
            status,
            f"Cannot {action} aggregate {aggregate.number}. Reason: One or more hosts already in availability"
            f" zone(s) {sorted(others)}.",
        )
    becomes = zone or next(iter(others), "nova")
    if becomes != host.zone and world.on_host[host.name] and (zone or action == "update"):
        raise _zone_refused(status, action, aggregate)


def _zone_refused(status: int, action: str, aggregate: Aggregate) -> Refused:
    return Refused(
        status,
        f"Cannot {action} aggregate {aggregate.number}. Reason: One or more hosts contain instances in this zone.",
    )


def _changed(world: World, aggregate: Aggregate, hosts: tuple[str, ...]) -> None:
    aggregate.updated_at = world.now
    for name in hosts:
        host = world.hosts[name]
        zones = [a.metadata[ZONE] for a in host.aggregates if a.metadata.get(ZONE)]
        host.zone = zones[0] if zones else "nova"
