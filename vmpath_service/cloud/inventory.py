"""The whole cloud, read at once: requests on one side, pure assembly on the other, and a watch over changes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec

from vmpath_service.cloud import (
    accounts,
    declared,
    flavors,
    groups,
    hosts,
    instances,
    migrations,
    movability,
    pools,
    scheduling,
    wire,
)
from vmpath_service.cloud.api import side_by_side
from vmpath_service.cloud.kept import OVERLAP_S, Doubtful, Kept, KeptServers
from vmpath_service.cloud.neutron import DevicePort, Neutron
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.placement import Placement, Tree
from vmpath_service.cloud.pools import Pool
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.cloud.shares import HELD, UNKNOWN, ShareHolders, Shares
from vmpath_service.model import extras
from vmpath_service.model.errors import CloudDenied, NoDecision
from vmpath_service.model.readings import MigrationOutcome
from vmpath_service.model.snapshot import Host, Instance, Snapshot

LOG = logging.getLogger(__name__)

# More servers than this that change in every round: the picture says nothing.
_RESTLESS_AT_MOST = 10
_RESTLESS_SHARE = 0.02
# Statuses in which a server may well be on no host.
_PLACELESS = ("SHELVED_OFFLOADED", "BUILD", "ERROR")


@dataclass(frozen=True, slots=True)
class Reading:
    """A snapshot and what is not known, or was decided with care, about it: one sentence each."""

    snapshot: Snapshot
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What the lists of Nova and Placement said."""

    services: tuple[wire.Service, ...]
    nodes: hosts.Nodes
    aggregates: tuple[wire.Aggregate, ...]
    groups: tuple[wire.Group, ...]
    servers: Mapping[str, wire.Server]
    records: tuple[wire.Migration, ...]
    trees: Mapping[str, Tree]
    """By the uuid of the host's provider."""
    ports: Mapping[str, tuple[DevicePort, ...]] = field(default_factory=dict)
    """By server, its ports with devices, where Neutron is asked."""
    reaching_few: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By server, its ports on physical networks that not all hosts have, where Neutron is asked."""
    pools: tuple[Pool, ...] = ()
    """Read only where a server asks for what its host does not have itself."""
    shares: ShareHolders = field(default_factory=ShareHolders)
    restless: frozenset[str] = frozenset()
    """Servers that changed between their reading and the last look."""


class Inventory:
    """Reads the cloud as a snapshot.

    Requests: two for services, one each for aggregates, server groups, migrations, resource providers and changes,
    one for every thousand servers and for every thousand hypervisors, one to three for what all hosts have and use
    (and one for each host that Placement leaves out of these lists); those of ``Neutron``, if it is asked. Where
    servers have something that hosts share, one, and three for each provider of such.
    One for each host the first time (its inventory), one for each host whose use is not the sum of its servers'
    flavors, one for each server that is being moved without a record among the newest thousand. A change during the
    reading adds four. Where the servers are kept between readings (``kept``), one for all that changed instead of
    those for every thousand, and one for each other one that something is said to have happened to. One for each
    server that may have Manila shares, see ``Shares``.
    """

    def __init__(
        self,
        nova: Nova,
        placement: Placement,
        neutron: Neutron | None,
        settings: CloudSettings,
        region: str | None,
        kept: KeptServers,
    ) -> None:
        self._nova = nova
        self._neutron = neutron
        self._kept = kept
        self._shares = Shares(nova, settings.workers)
        self._placement = placement
        self._settings = settings
        self._region = region

    def read(self) -> Reading:
        """The cloud at one moment; raises NoDecision rather than a partial picture, CloudDenied when rights are
        missing."""
        kept = self._kept.recall()
        if kept is not None:
            try:
                return self._read(kept)
            except Doubtful as doubt:
                LOG.info("all servers are listed anew: %s", doubt)
                self._kept.forget()
        return self._read(None)

    def _read(self, kept: Kept | None) -> Reading:
        listed_at, mark = self._kept.now(), self._kept.mark()
        services = self._nova.services()
        hosts.check_cells(services)
        moment = hosts.moment_of(services)
        picture = self._first_look(services, kept)
        for round_ in range(self._settings.rounds):
            changed = self._changes(picture, moment)
            if not changed:
                break
            picture = self._look_again(picture, changed)
            if round_ == self._settings.rounds - 1:
                picture = self._last_look(picture, moment)
        self._nova.check_groups(picture.servers.values(), picture.groups)
        # a cell that fell silent while its servers were listed left them out without a word
        services = self._nova.services()
        hosts.check_cells(services)
        picture = replace(picture, services=services, nodes=hosts.refreshed(picture.nodes, services))
        reading, unbacked = self._assembled(picture)
        if kept is not None:
            if strange := unbacked - kept.unbacked:
                raise Doubtful(f"{len(strange)} servers hold nothing in Placement any more")
            listed_at = kept.listed_at
        self._kept.keep(Kept(picture.servers, moment, mark, listed_at, unbacked))
        return reading

    def _first_look(self, services: tuple[wire.Service, ...], kept: Kept | None) -> Picture:
        nova, placement = self._nova, self._placement
        with side_by_side(self._settings.workers) as pool:
            servers = pool.submit(nova.servers) if kept is None else pool.submit(self._kept.brought_up_to_date, kept)
            hypervisors = pool.submit(nova.hypervisors)
            providers = pool.submit(placement.providers)
            aggregates = pool.submit(nova.aggregates)
            shown_groups = pool.submit(nova.groups)
            records = pool.submit(nova.migrations)
            ports = None if self._neutron is None else pool.submit(self._neutron.device_ports)
            reaching_few = None if self._neutron is None else pool.submit(self._neutron.reaching_few)
            nodes = hosts.nodes(services, hypervisors.result(), providers.result())
            listed = _present(servers.result())
            # use is read after the servers: what was booted in between shows up as used by others
            trees = placement.trees([node.provider for node in nodes.usable.values()])
            known = self._with_missing(records.result(), listed)
            return Picture(
                services=services,
                nodes=nodes,
                aggregates=aggregates.result(),
                groups=shown_groups.result(),
                servers=listed,
                records=known,
                trees=trees,
                ports={} if ports is None else ports.result(),
                reaching_few={} if reaching_few is None else reaching_few.result(),
            )

    def _changes(self, picture: Picture, moment: float) -> Mapping[str, wire.Server]:
        """Servers that are not as they were read: one request. Raises NoDecision when a cell fell silent."""
        recent = self._nova.servers(changed_since=moment - OVERLAP_S)
        changed = {}
        for uuid, server in recent.items():
            known = picture.servers.get(uuid)
            if server.status in instances.GONE:
                if known is not None:
                    changed[uuid] = server
            elif known is None or instances.face(known) != instances.face(server):
                changed[uuid] = server
        return changed

    def _look_again(self, picture: Picture, changed: Mapping[str, wire.Server]) -> Picture:
        """The picture with these changes and with migrations, groups and use read anew."""
        nova, placement = self._nova, self._placement
        roots = [node.provider for node in picture.nodes.usable.values()]
        with side_by_side(self._settings.workers) as pool:
            shown_groups = pool.submit(nova.groups)
            records = pool.submit(nova.migrations)
            trees = pool.submit(placement.trees, roots)
            listed = _present({**picture.servers, **changed})
            return replace(
                picture,
                servers=listed,
                groups=shown_groups.result(),
                records=self._with_missing(records.result(), listed),
                trees=trees.result(),
            )

    def _with_missing(
        self, newest: tuple[wire.Migration, ...], servers: Mapping[str, wire.Server]
    ) -> tuple[wire.Migration, ...]:
        """The newest records, and those of servers that are being moved for longer than these reach back."""
        under_way = {
            each.instance_uuid
            for each in newest
            if migrations.outcome_of(each.status) is MigrationOutcome.UNDER_WAY
        }
        missing = [
            uuid for uuid, server in servers.items() if migrations.is_moving(server) and uuid not in under_way
        ]
        if not missing:
            return newest
        older = self._nova.migrations_of(missing)
        return (*newest, *(record for records in older.values() for record in records))

    def _last_look(self, picture: Picture, moment: float) -> Picture:
        """What still changes is taken as it is now, if it is little.

        Of the hosts concerned it is then read who holds what: that is later than the last look, and what the
        servers do not explain counts as used by others, so that nothing is counted too low.
        """
        changed = self._changes(picture, moment)
        most = max(_RESTLESS_AT_MOST, int(len(picture.servers) * _RESTLESS_SHARE))
        if len(changed) > most:
            raise NoDecision(
                f"the cloud changes faster than it can be read: {len(changed)} servers changed during the last of"
                f" {self._settings.rounds + 1} readings"
            )
        return replace(picture, servers=_present({**picture.servers, **changed}), restless=frozenset(changed))

    def _assembled(self, picture: Picture) -> tuple[Reading, frozenset[str]]:
        """With the servers that hold nothing in Placement where they are."""
        guests, shared = _guests(picture)
        if shared:
            picture = replace(picture, pools=self._placement.pools())
        traits = {name: picture.trees[node.provider].traits for name, node in picture.nodes.usable.items()}
        picture = replace(picture, shares=self._shares.holders(picture.servers.values(), traits))
        under_way, forced = _moves(picture)
        used = {name: picture.trees[node.provider].used for name, node in picture.nodes.usable.items()}
        strange = accounts.unexplained(used, guests, under_way.flights, forced)
        nodes = picture.nodes.usable
        holdings: dict[str, Mapping[str, accounts.Amounts]] = {}
        while strange:
            read = self._placement.allocations([nodes[name].provider for name in strange])
            holdings.update((name, read[nodes[name].provider]) for name in strange)
            # whether one that holds place elsewhere holds its own, too, only its host can tell
            homes = {home for home, _ in accounts.strays(guests, under_way.flights, holdings).values()}
            strange = frozenset(homes - holdings.keys())
        settled = accounts.settle(guests, under_way.flights, under_way.moved_by, holdings)
        notes = [*self._nova.versions.notes()]
        if self._placement.cut_short:
            notes.append(
                "Placement cuts its lists of candidates short (max_allocation_candidates):"
                f" {self._placement.cut_short} hosts were asked for one by one"
            )
        reading = assemble(picture, under_way, settled, shared, self._settings, notes)
        stamped = replace(reading, snapshot=_stamped(reading.snapshot, self._region, reading.notes))
        return stamped, frozenset(settled.unbacked)


def _present(servers: Mapping[str, wire.Server]) -> Mapping[str, wire.Server]:
    return {uuid: server for uuid, server in servers.items() if server.status not in instances.GONE}


def _guests(picture: Picture) -> tuple[list[accounts.Guest], Mapping[str, tuple[str, ...]]]:
    """The servers on usable hosts with what their flavors ask of the host itself, and by server what they have from
    elsewhere: a class that the host does not have comes from a provider that several hosts share (DISK_GB of a
    network file system), and is held on none of them."""
    usable = picture.nodes.usable
    classes = {name: picture.trees[node.provider].inventories.keys() for name, node in usable.items()}
    guests: list[accounts.Guest] = []
    shared: dict[str, tuple[str, ...]] = {}
    for server in picture.servers.values():
        if server.host is None or server.host not in usable:
            continue
        there, asked = classes[server.host], flavors.resources_of(server)
        if asked is not None and not asked.keys() <= there:
            shared[server.id] = tuple(sorted(asked.keys() - there))
            asked = {name: amount for name, amount in asked.items() if name in there}
        guests.append(accounts.Guest(server.id, server.host, asked))
    return guests, shared


def _moves(picture: Picture) -> tuple[migrations.UnderWay, frozenset[str]]:
    """The migrations under way, and the hosts that must be read in full."""
    usable = picture.nodes.usable
    under_way = migrations.under_way(picture.records, picture.servers, frozenset(usable))
    forced: set[str] = set()
    if picture.restless:
        # where they are and where they may be on their way to
        for uuid in picture.restless:
            server = picture.servers.get(uuid)
            record = next((each for each in picture.records if each.instance_uuid == uuid), None)
            ends = (server.host if server else None, *((record.source_compute, record.dest_compute) if record else ()))
            forced.update(name for name in ends if name in usable)
        flights = {uuid: flight for uuid, flight in under_way.flights.items() if uuid not in picture.restless}
        under_way = replace(under_way, flights=flights)
    return under_way, frozenset(forced)


def assemble(
    picture: Picture,
    under_way: migrations.UnderWay,
    settled: accounts.Accounts,
    shared: Mapping[str, tuple[str, ...]],
    settings: CloudSettings,
    notes: Collection[str] = (),
) -> Reading:
    """Put a snapshot together. Pure. ``shared``: by server, the resource classes that it has from elsewhere than its
    host.

    Servers on hosts that cannot live-migrate at all are left out with their hosts; servers on a host that Nova
    does not list are left out with a note.
    """
    said = [*notes, *picture.shares.notes()]
    aggregates = hosts.aggregates_of(picture.aggregates)
    names = frozenset(each.name for each in picture.aggregates)
    facts = declared.declared(settings.declarations, aggregates, picture.nodes.usable, names)
    said += facts.notes
    found: dict[str, Host] = {}
    for name, node in picture.nodes.usable.items():
        tree = picture.trees[node.provider]
        found[name] = hosts.host(
            node, tree, aggregates.get(name, ()), settled.others.get(name, {}), settings.cell_key, facts.of(name)
        )
    if some_without := declared.cells_left_out(found.values()):
        said.append(some_without)
    bare = {server.host for server in picture.servers.values()} & picture.nodes.bare
    for service in picture.services:
        if service.binary == hosts.COMPUTE and service.host in bare:
            found[service.host] = hosts.bare_host(service, aggregates.get(service.host, ()))
            said.append(f"host {service.host} has servers and no hypervisor record: nothing is moved there or away")

    listed: dict[str, wire.Server] = {}
    lost: list[str] = []
    for uuid, server in picture.servers.items():
        if server.host is None or server.host in found:
            listed[uuid] = server
        elif server.host not in picture.nodes.left_out:
            lost.append(uuid)
    if lost:
        said.append(f"{len(lost)} servers on hosts that Nova does not list are left out, the first is {lost[0]}")

    server_groups = groups.server_groups(picture.groups, listed.keys())
    member_of = groups.group_of(server_groups)
    keys = scheduling.keys_of(picture.aggregates)
    short = pools.shortages(picture.pools)
    values: list[Instance] = []
    for uuid, server in listed.items():
        resources = settled.resources.get(uuid)
        if resources is None:
            resources = flavors.resources_of(server) or {}
        place = found[server.host] if server.host is not None else None
        left = None if server.task_state else _left_over(uuid, under_way, settled)
        way, why_not = movability.movable(server, place, member_of.get(uuid), resources, settings)
        if why_not is None or left is not None:
            why_not = left or short.get(uuid)
            if way == "live" and why_not is None:
                why_not = HELD if uuid in picture.shares.having else None
                why_not = why_not or movability.held_by_port(picture.ports.get(uuid, ()))
            way = way if why_not is None else "no"
        disks = facts.of(server.host or "").storage
        values.append(
            instances.instance(
                server,
                resources,
                (way, why_not),
                settings,
                keys,
                shared.get(uuid, ()),
                disks,
                picture.ports.get(uuid, ()),
                (
                    *picture.reaching_few.get(uuid, ()),
                    *((UNKNOWN,) if uuid in picture.shares.unknown else ()),
                ),
                movability.held_by_caution(server, place, settings, why_not),
            )
        )
    undecided = [
        each.label() for each in values if each.movable != "no" and extras.undecided(each)
    ]
    if undecided:
        said.append(
            f"{len(undecided)} servers need what Placement's figures do not prove (pinned CPUs, huge pages, NUMA"
            f" nodes, devices, networks, shared storage), the first is {undecided[0]}: whether they fit a host, Nova's"
            " scheduler decides"
        )
    misspelt = {uuid: mode for uuid in listed if (mode := movability.misspelt_mode(listed[uuid], settings))}
    if misspelt:
        uuid, mode = next(iter(misspelt.items()))
        said.append(
            f"{len(misspelt)} servers say something else than pre-copy, post-copy or auto under {settings.mode_key},"
            f" the first is {uuid} ({mode}): it counts as pre-copy"
        )
    if settled.unbacked:
        said.append(
            f"Placement holds nothing for {len(settled.unbacked)} servers on their hosts, the first is"
            f" {settled.unbacked[0]}: they are counted with what their flavors ask for"
        )
    if picture.restless:
        said.append(
            f"{len(picture.restless)} servers kept changing while the cloud was read: they are shown as they were last"
            " seen, and on their hosts all counts that Placement knows of"
        )
    homeless = sum(server.host is None for server in listed.values())
    if homeless:
        said.append(f"{homeless} servers are on no host (building, shelved or failed) and are not moved")
    somewhere = [server for server in picture.servers.values() if server.status not in _PLACELESS]
    if somewhere and all(server.host is None for server in somewhere) and found:
        raise CloudDenied("Nova does not show on which hosts the servers are: that needs the admin role")
    if not found:
        raise NoDecision("Nova lists no host that can live-migrate")
    snapshot = Snapshot(
        hosts=tuple(found[name] for name in sorted(found)),
        instances=tuple(sorted(values, key=lambda each: each.uuid)),
        in_flight=tuple(under_way.flights[uuid] for uuid in sorted(under_way.flights) if uuid in listed),
        server_groups=tuple(sorted(server_groups, key=lambda group: group.uuid)),
        extra=pools.extra_of(picture.pools),
    )
    return Reading(snapshot, tuple(said))


def _left_over(uuid: str, under_way: migrations.UnderWay, settled: accounts.Accounts) -> str | None:
    """Why a server that a migration left in disorder is not to be migrated again before somebody heals it."""
    holder = settled.misplaced.get(uuid)
    if holder is None:
        return None
    record = under_way.abandoned.get(uuid)
    state = f" (its last migration says {record.status})" if record is not None else ""
    return f"its place in Placement is held {holder} since a migration broke{state}; heal its allocations first"


def _stamped(snapshot: Snapshot, region: str | None, notes: tuple[str, ...]) -> Snapshot:
    taken_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.structs.replace(
        snapshot, taken_at=taken_at, region=region, extra=snapshot.extra | ({"notes": list(notes)} if notes else {})
    )
