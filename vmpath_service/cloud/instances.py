"""Servers as instances of the snapshot. Pure mapping."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vmpath_service.cloud import flavors, movability, scheduling, wire
from vmpath_service.cloud.neutron import DevicePort
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cloud.storage import storage_of
from vmpath_service.model.declarations import StorageKind
from vmpath_service.model.readings import InstanceReading
from vmpath_service.model.snapshot import Instance

# Deleted ones are listed only when one asks for changes; they hold place, if any, as others do.
GONE = frozenset(("DELETED", "SOFT_DELETED"))


def instance(
    server: wire.Server,
    resources: Mapping[str, int],
    movable: tuple[movability.Movable, str | None],
    settings: CloudSettings,
    aggregate_keys: Collection[str] = (),
    shared: Collection[str] = (),
    disks: StorageKind = "unknown",
    ports: Collection[DevicePort] = (),
    unknown: Collection[str] = (),
    by_caution: bool = False,
) -> Instance:
    """The snapshot's value of one server.

    ``movable`` says how it can be moved, and why it cannot; ``aggregate_keys`` is what aggregates say anything about,
    ``shared`` the resource classes that it has from a provider that several hosts share, ``disks`` where its host is
    declared to have its disks, ``ports`` those with a device behind them, ``unknown`` what else may keep
    Nova from migrating it, in words, ``by_caution`` that it is not movable for want of knowledge only.
    """
    required, forbidden = flavors.traits_of(server)
    image = server.image.id if isinstance(server.image, wire.Image) else None
    return Instance(
        uuid=server.id,
        name=server.name or None,
        host=server.host,
        status=server.status,
        task_state=server.task_state,
        resources=dict(resources),
        project_id=server.tenant_id,
        flavor=server.flavor.original_name,
        image=image,
        created_at=server.created,
        metadata=dict(server.metadata),
        tags=server.tags,
        locked=server.locked,
        pinned_availability_zone=server.pinned_availability_zone,
        required_traits=required,
        forbidden_traits=forbidden,
        movable=movable[0],
        why_not=movable[1],
        post_copy=movability.post_copy(server, settings),
        storage=storage_of(server, shared, disks),
        extra=scheduling.extra(server, aggregate_keys, shared, ports, _scope(settings.mode_key), unknown, by_caution),
    )


def _scope(key: str) -> str:
    """How all keys begin by which instances say something to vmpath."""
    scope, separator, _ = key.rpartition(":")
    return scope + separator if separator else key


def reading(server: wire.Server, settings: CloudSettings) -> InstanceReading:
    """A server as it is now."""
    return InstanceReading(
        uuid=server.id,
        host=server.host,
        status=server.status,
        task_state=server.task_state,
        post_copy=movability.post_copy(server, settings),
        why_not=movability.unwilling(server, settings),
    )


def face(server: wire.Server) -> tuple[object, ...]:
    """What must not change while the cloud is read: where it is, what it does, what it asks for."""
    return (server.host, server.status, server.task_state, server.locked, server.flavor, server.metadata)
