"""Placement's books against Nova's word: who holds what, and who should. Pure.

What is being moved, resized, built or deleted is left alone: its books are wrong for a while by design. So is what
Nova calls ERROR, as nobody but its operator knows where the guest runs.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vmpath_service.cloud import migrations, wire
from vmpath_service.model.readings import MigrationOutcome

Amounts = Mapping[str, int]
_AT_REST = frozenset(("ACTIVE", "PAUSED", "SHUTOFF", "SUSPENDED", "RESCUE", "SHELVED"))
_EVACUATION = "evacuation"


class Kind(enum.StrEnum):
    """What is wrong."""

    LEAKED_BY_MIGRATION = "leaked by a migration"
    LEAKED_BY_DELETED = "leaked by a deleted server"
    MISPLACED = "on the wrong host"
    MISSING = "missing"
    UNEXPLAINED = "unexplained"


class Remedy(enum.StrEnum):
    """What sets it right."""

    RELEASE = "release"
    TAKE_OVER = "take over"
    WRITE = "write"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a consumer holds at one provider of a host."""

    host: str
    provider: str
    resources: Amounts


@dataclass(frozen=True, slots=True)
class Books:
    """What was read. ``holdings`` by consumer. ``up`` are hosts; ``roots`` their providers. ``records`` are all that
    are known. ``gone`` are consumers that surely were servers once, and are
    deleted; ``hidden`` servers that exist though no list shows them. ``demands``: what servers ask of their own
    host alone. ``stale_before``: a record that was not changed
    since this moment moves nothing any more if its server is at rest."""

    holdings: Mapping[str, tuple[Entry, ...]]
    servers: Mapping[str, wire.Server]
    records: tuple[wire.Migration, ...]
    up: frozenset[str]
    roots: Mapping[str, str]
    demands: Mapping[str, Amounts] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    stale_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong. ``consumer`` holds ``resources`` on ``host``, or should (MISSING). ``instance`` is the server
    concerned, if it is known. Without a ``remedy`` somebody has to look; ``why`` says at what."""

    kind: Kind
    consumer: str
    instance: str | None
    host: str
    resources: Amounts
    remedy: Remedy
    why: str


def judge(books: Books) -> list[Finding]:
    """All that is wrong, in a stable order."""
    judged = _Judge(books)
    found = [*judged.of_servers(), *judged.of_others()]
    return sorted(found, key=lambda each: (each.host, each.kind, each.consumer))


def strangers(books: Books) -> list[str]:
    """Consumers that are neither listed servers nor migrations that are known."""
    known = {record.uuid for record in books.records}
    return sorted(uuid for uuid in books.holdings if uuid not in books.servers and uuid not in known)


class _Judge:
    def __init__(self, books: Books) -> None:
        self._books = books
        self._by_uuid = {record.uuid: record for record in books.records if record.uuid is not None}
        self._of_server: dict[str, list[wire.Migration]] = {}
        for record in books.records:
            if record.instance_uuid is not None:
                self._of_server.setdefault(record.instance_uuid, []).append(record)

    def of_servers(self) -> Iterator[Finding]:
        """What servers themselves hold, and do not hold."""
        for uuid, server in self._books.servers.items():
            if server.host is None or self._unrest(uuid) is not None:
                continue
            held = self._books.holdings.get(uuid, ())
            own = [entry for entry in held if entry.host == server.host]
            for entry in held:
                if entry.host == server.host or entry.host not in self._books.roots:
                    continue
                if self._evacuated_from(uuid, entry.host):
                    continue
                remedy = Remedy.RELEASE if own else Remedy.NONE
                if not own and self._stand_in(uuid, server.host) is not None:
                    remedy = Remedy.TAKE_OVER
                why = f"server {uuid} is {server.status} on {server.host}"
                yield Finding(Kind.MISPLACED, uuid, uuid, entry.host, entry.resources, remedy, why)
            if not own and server.host in self._books.roots:
                yield self._missing(uuid, server.host, bool(held))

    def _missing(self, uuid: str, host: str, elsewhere: bool) -> Finding:
        stand_in = self._stand_in(uuid, host)
        demand = self._books.demands.get(uuid, {})
        why = f"server {uuid} is there and holds nothing there"
        if stand_in is not None:
            why += f"; migration {stand_in} still holds its share"
            return Finding(Kind.MISSING, uuid, uuid, host, demand, Remedy.TAKE_OVER, why)
        remedy = Remedy.WRITE if demand and not elsewhere else Remedy.NONE
        return Finding(Kind.MISSING, uuid, uuid, host, demand, remedy, why)

    def of_others(self) -> Iterator[Finding]:
        """What is held by whoever is no listed server."""
        books = self._books
        for consumer, entries in books.holdings.items():
            if consumer in books.servers or consumer in books.hidden:
                continue
            record = self._by_uuid.get(consumer)
            for entry in entries:
                if record is not None:
                    found = self._of_migration(consumer, record, entry)
                    if found is not None:
                        yield found
                elif consumer in books.gone:
                    why = f"server {consumer} is deleted"
                    kind = Kind.LEAKED_BY_DELETED
                    yield Finding(kind, consumer, consumer, entry.host, entry.resources, Remedy.RELEASE, why)
                elif entry.host in books.roots:
                    why = f"{consumer} is neither a server nor a migration that Nova shows"
                    yield Finding(
                        Kind.UNEXPLAINED, consumer, None, entry.host, entry.resources, Remedy.NONE, why
                    )

    def _of_migration(self, consumer: str, record: wire.Migration, entry: Entry) -> Finding | None:
        uuid = record.instance_uuid or ""
        kind, what = Kind.LEAKED_BY_MIGRATION, f"migration {record.id} of server {uuid} says {record.status}"
        server = self._books.servers.get(uuid)
        if server is None:
            if uuid not in self._books.gone:
                return None
            why = f"{what}, and the server is deleted"
            return Finding(kind, consumer, uuid, entry.host, entry.resources, Remedy.RELEASE, why)
        unrest = self._unrest(uuid)
        if unrest is not None:
            # an ERROR after a migration that broke: worth telling, for its operator to look at
            if server.status != "ERROR" or migrations.outcome_of(record.status) is MigrationOutcome.UNDER_WAY:
                return None
            return Finding(kind, consumer, uuid, entry.host, entry.resources, Remedy.NONE, f"{what}; {unrest}")
        own = any(each.host == server.host for each in self._books.holdings.get(uuid, ()))
        remedy = Remedy.RELEASE if own else Remedy.NONE
        if not own and entry.host == server.host:
            remedy = Remedy.TAKE_OVER
        why = f"{what}, and the server is {server.status} on {server.host}"
        return Finding(kind, consumer, uuid, entry.host, entry.resources, remedy, why)

    def _unrest(self, uuid: str) -> str | None:
        """Why the books of a server may be wrong for a while."""
        server = self._books.servers[uuid]
        if server.task_state is not None:
            return f"the server is busy with task {server.task_state}"
        if server.status == "ERROR":
            return "the server is in ERROR: find out where its guest runs, then reset its state"
        if server.status not in _AT_REST:
            return f"the server is {server.status}"
        for record in self._of_server.get(uuid, ()):
            going = migrations.outcome_of(record.status) is MigrationOutcome.UNDER_WAY
            if going and record.moment() >= self._books.stale_before:
                return f"its migration {record.id} says {record.status}"
        return None

    def _stand_in(self, uuid: str, host: str) -> str | None:
        """A migration of the server that holds its share of a host."""
        for record in self._of_server.get(uuid, ()):
            if record.uuid is not None and any(
                entry.host == host for entry in self._books.holdings.get(record.uuid, ())
            ):
                return record.uuid
        return None

    def _evacuated_from(self, uuid: str, host: str) -> bool:
        """Whether the server left a host that is down: that cleans up by itself when it is back."""
        return host not in self._books.up and any(
            record.migration_type == _EVACUATION and record.source_compute == host
            for record in self._of_server.get(uuid, ())
        )
