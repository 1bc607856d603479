"""Auditing and healing Placement's books: what is wrong must stay wrong on a second look, and is set right only while
nothing moves the server, in one request that Placement refuses if anybody came in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vmpath_service.cloud import flavors, hosts, wire
from vmpath_service.cloud.api import for_each
from vmpath_service.cloud.books import Books, Entry, Finding, Remedy, judge, strangers
from vmpath_service.cloud.instances import GONE
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.placement import Placement
from vmpath_service.model.errors import CloudBusy, CloudUnreachable, RequestRefused

# What a record of a migration has to be untouched for before it counts as forgotten by Nova.
_STALE_S = 3600.0
_PAGES_OF_RECORDS = 50
# What a host gives from its own provider alone.
_PLAIN = frozenset(("VCPU", "MEMORY_MB", "DISK_GB"))


@dataclass(frozen=True, slots=True)
class Healed:
    """What became of a finding: ``error`` is None where it was set right."""

    finding: Finding
    error: str | None


class Audit:
    """Looks at all books of a cloud. Raises what reading a cloud raises."""

    def __init__(
        self,
        nova: Nova,
        placement: Placement,
        workers: int,
        *,
        pause_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._nova = nova
        self._placement = placement
        self._workers = workers
        self._pause_s = pause_s
        self._sleep = sleep

    def check(self) -> list[Finding]:
        """All that is wrong, and still wrong when looked at again ``pause_s`` later.

        One request for every thousand servers and records and for every provider; some more for what is suspected.
        """
        books = self._read()
        suspected = judge(books)
        if not suspected:
            return []
        self._sleep(self._pause_s)
        again = set(map(_key, judge(self._look_again(books, suspected))))
        return [finding for finding in suspected if _key(finding) in again]

    def heal(self, findings: Iterable[Finding]) -> list[Healed]:
        """Set right what can be, one server after the other, each looked at again right before."""
        together: dict[str, list[Finding]] = {}
        for finding in findings:
            if finding.remedy is not Remedy.NONE:
                together.setdefault(finding.instance or finding.consumer, []).append(finding)
        healed: list[Healed] = []
        for those in together.values():
            error = self._heal(those)
            healed += [Healed(finding, error) for finding in those]
        return healed

    def _read(self) -> Books:
        nova, placement = self._nova, self._placement
        services = nova.services()
        hosts.check_cells(services)
        nodes = hosts.nodes(services, nova.hypervisors(), placement.providers()).usable
        roots = {name: node.provider for name, node in nodes.items()}
        held = placement.allocations_of_trees(roots.values())
        # who is read after what is held: what was booted or moved in between is no suspect
        servers = {uuid: each for uuid, each in nova.servers().items() if each.status not in GONE}
        records = nova.migrations_all(_PAGES_OF_RECORDS)
        names = {root: name for name, root in roots.items()}
        holdings: dict[str, list[Entry]] = {}
        for provider, consumers in held.items():
            name = names[placement.root_of(provider) or provider]
            for consumer, amounts in consumers.items():
                holdings.setdefault(consumer, []).append(Entry(name, provider, amounts))
        hosts.check_cells(nova.services())
        books = Books(
            holdings={consumer: tuple(entries) for consumer, entries in holdings.items()},
            servers=servers,
            records=nova.migrations() if records is None else records,
            up=frozenset(name for name, node in nodes.items() if hosts.state_of(node.service) == "up"),
            roots=roots,
            demands=_demands(servers),
            stale_before=hosts.moment_of(services) - _STALE_S,
        )
        return self._with_strangers(books)

    def _with_strangers(self, books: Books) -> Books:
        """Ask for each consumer that no list explains whether it is, or was, a server."""
        known = {record.uuid: record for record in books.records}
        asked = set(strangers(books))
        asked |= {
            known[uuid].instance_uuid or ""
            for uuid in books.holdings
            if uuid in known and known[uuid].instance_uuid not in books.servers
        }
        wanted = sorted(asked - {""})
        states = for_each(self._workers, self._nova.existence, wanted)
        found = dict(zip(wanted, states, strict=True))
        return replace(
            books,
            gone=frozenset(uuid for uuid, state in found.items() if state == "deleted"),
            hidden=frozenset(uuid for uuid, state in found.items() if state == "exists"),
        )

    def _look_again(self, books: Books, suspected: Sequence[Finding]) -> Books:
        """The books of what is suspected alone, as they are now."""
        nova = self._nova
        instances = sorted({each.instance for each in suspected if each.instance is not None})
        listed = for_each(self._workers, nova.server, instances)
        servers = {each.id: each for each in listed if each is not None and each.status not in GONE}
        fresh = nova.migrations_of(servers)
        # of a deleted server only the list of all records tells
        records = [record for record in books.records if record.instance_uuid not in servers]
        records += [record for those in fresh.values() for record in those]
        consumers = {each.consumer for each in suspected} | set(instances)
        consumers |= {record.uuid for record in records if record.instance_uuid in instances and record.uuid}
        return self._with_strangers(
            replace(
                books,
                holdings=self._holdings(consumers, books.roots),
                servers=servers,
                records=tuple(records),
                demands=_demands(servers),
            )
        )

    def _holdings(self, consumers: Collection[str], roots: Mapping[str, str]) -> Mapping[str, tuple[Entry, ...]]:
        wanted = sorted(consumers)
        names = {root: name for name, root in roots.items()}
        found: dict[str, tuple[Entry, ...]] = {}
        for consumer, held in zip(wanted, for_each(self._workers, self._placement.held_by, wanted), strict=True):
            entries = []
            for provider, amounts in held.items():
                root = self._placement.root_of(provider) or provider
                entries.append(Entry(names.get(root, self._placement.name_of(root)), provider, amounts))
            if entries:
                found[consumer] = tuple(entries)
        return found

    def _heal(self, findings: Sequence[Finding]) -> str | None:
        """The findings of one server, all or none; why not, if not."""
        books = self._look_again(self._read_hosts(), findings)
        now = {_key(each) for each in judge(books)}
        if any(_key(finding) not in now for finding in findings):
            return "it is not any more as it was"
        consumers = {finding.consumer for finding in findings}
        instance = findings[0].instance
        server = books.servers.get(instance or "")
        if server is not None:
            consumers.add(server.id)
            if _takes(findings):
                mine = (record.uuid for record in books.records if record.instance_uuid == server.id)
                consumers.update(uuid for uuid in mine if uuid is not None and uuid in books.holdings)
        body: dict[str, Any] = {}
        for consumer in sorted(consumers):
            before = self._placement.consumer(consumer)
            after: dict[str, Any] = {}
            if server is not None and consumer == server.id:
                after = self._due(server, findings, books)
            if after == {provider: part.resources for provider, part in before.allocations.items()}:
                continue
            owner = before if before.project_id else self._owner(server)
            body[consumer] = {
                "allocations": {provider: {"resources": dict(amounts)} for provider, amounts in after.items()},
                "project_id": owner.project_id,
                "user_id": owner.user_id,
                "consumer_generation": before.consumer_generation,
            }
        try:
            self._placement.rewrite(body)
        except (RequestRefused, CloudUnreachable, CloudBusy) as error:
            return str(error)
        return None

    def _read_hosts(self) -> Books:
        nova, placement = self._nova, self._placement
        services = nova.services()
        hosts.check_cells(services)
        nodes = hosts.nodes(services, nova.hypervisors(), placement.providers()).usable
        records = nova.migrations_all(_PAGES_OF_RECORDS)
        return Books(
            holdings={},
            servers={},
            records=nova.migrations() if records is None else records,
            up=frozenset(name for name, node in nodes.items() if hosts.state_of(node.service) == "up"),
            roots={name: node.provider for name, node in nodes.items()},
            stale_before=hosts.moment_of(services) - _STALE_S,
        )

    def _due(self, server: wire.Server, findings: Sequence[Finding], books: Books) -> dict[str, Mapping[str, int]]:
        """What a server is to hold: what it holds now but for what is on the wrong host, and what is missing."""
        wrong = {each.host for each in findings if each.consumer == server.id and each.host != server.host}
        due = {
            entry.provider: entry.resources
            for entry in books.holdings.get(server.id, ())
            if entry.host not in wrong
        }
        if _takes(findings):
            for record in books.records:
                if record.instance_uuid == server.id and record.uuid is not None:
                    entries = books.holdings.get(record.uuid, ())
                    due.update((each.provider, each.resources) for each in entries if each.host == server.host)
        elif any(each.remedy is Remedy.WRITE for each in findings) and server.host is not None:
            due[books.roots[server.host]] = books.demands[server.id]
        return due

    def _owner(self, server: wire.Server | None) -> wire.ConsumerAllocations:
        """Of a server that holds nothing yet."""
        if server is None:
            return wire.ConsumerAllocations()
        return wire.ConsumerAllocations(project_id=server.tenant_id, user_id=server.user_id)


def _takes(findings: Iterable[Finding]) -> bool:
    return any(each.remedy is Remedy.TAKE_OVER for each in findings)


def _key(finding: Finding) -> tuple[object, ...]:
    return (finding.kind, finding.consumer, finding.host, tuple(sorted(finding.resources.items())), finding.remedy)


def _demands(servers: Mapping[str, wire.Server]) -> Mapping[str, Mapping[str, int]]:
    """What servers ask of the provider of their host alone: of others nobody can say what is due where."""
    found: dict[str, Mapping[str, int]] = {}
    for uuid, server in servers.items():
        amounts = flavors.resources_of(server)
        if amounts and amounts.keys() <= _PLAIN and flavors.device_of(server.flavor) is None:
            found[uuid] = amounts
    return found
