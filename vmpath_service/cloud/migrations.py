"""Nova's migration records: what their statuses mean, and which of them are under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vmpath_service.cloud.wire import Migration, Server
from vmpath_service.model.readings import MigrationOutcome, MigrationReading
from vmpath_service.model.snapshot import InFlight

# Cold migrations end as "finished" and wait for a confirmation; evacuations end as "done".
_COMPLETED = frozenset(("completed", "finished", "confirmed", "done"))
_FAILED = frozenset(("failed", "error", "reverted"))
_CANCELLED = frozenset(("cancelled",))
_MOVING = frozenset(("MIGRATING", "RESIZE"))


def outcome_of(status: str) -> MigrationOutcome:
    """What a status means; one that is not known is taken as under way, so that nobody acts on it."""
    if status in _COMPLETED:
        return MigrationOutcome.COMPLETED
    if status in _FAILED:
        return MigrationOutcome.FAILED
    if status in _CANCELLED:
        return MigrationOutcome.CANCELLED
    return MigrationOutcome.UNDER_WAY


def reading(record: Migration, progress: Migration | None) -> MigrationReading:
    """A record as the engine sees it; ``progress`` is its entry among the server's migrations under way."""
    return MigrationReading(
        id=record.id,
        uuid=record.uuid,
        instance=record.instance_uuid or record.server_uuid or "",
        source=record.source_compute,
        dest=record.dest_compute,
        status=record.status,
        outcome=outcome_of(record.status),
        kind=record.migration_type or "live-migration",
        memory_total=None if progress is None else progress.memory_total_bytes,
        memory_processed=None if progress is None else progress.memory_processed_bytes,
        memory_remaining=None if progress is None else progress.memory_remaining_bytes,
    )


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What the records say of the listed servers.

    ``flights`` per server: both ends are known. ``abandoned`` per server: a record that never ended although
    nothing moves the server any more. ``moved_by`` per migration uuid: its server, for reading Placement.
    """

    flights: Mapping[str, InFlight]
    abandoned: Mapping[str, Migration]
    moved_by: Mapping[str, str]


def is_moving(server: Server) -> bool:
    """Whether Nova is moving the server to another host."""
    return server.status in _MOVING or (server.task_state or "").startswith(("migrating", "resize"))


def under_way(records: Iterable[Migration], servers: Mapping[str, Server], hosts: frozenset[str]) -> UnderWay:
    """Relate records to servers; only the newest record of a server says anything of its present."""
    newest: dict[str, Migration] = {}
    moved_by: dict[str, str] = {}
    for record in records:
        uuid = record.instance_uuid
        if uuid is None or uuid not in servers:
            continue
        if record.uuid is not None:
            moved_by[record.uuid] = uuid
        if uuid not in newest or newest[uuid].id < record.id:
            newest[uuid] = record
    flights: dict[str, InFlight] = {}
    abandoned: dict[str, Migration] = {}
    for uuid, record in newest.items():
        server = servers[uuid]
        if outcome_of(record.status) is not MigrationOutcome.UNDER_WAY:
            continue
        source, dest = record.source_compute, record.dest_compute
        if source is None or dest is None or source == dest or not {source, dest} <= hosts:
            continue
        if server.host not in (source, dest):
            continue
        if is_moving(server):
            flights[uuid] = InFlight(uuid, source, dest, record.uuid)
        elif server.task_state is None:
            abandoned[uuid] = record
    return UnderWay(flights, abandoned, moved_by)
