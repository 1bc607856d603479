"""The live cloud as the engine needs it: Nova and Placement behind one object."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.cloud import hosts, instances, microversions, migrations, wire
from vmpath_service.cloud.actions import Actions
from vmpath_service.cloud.api import Api, Observe, for_each
from vmpath_service.cloud.audit import Audit
from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.inventory import Inventory, Reading
from vmpath_service.cloud.kept import KeptServers
from vmpath_service.cloud.looks import Looks
from vmpath_service.cloud.neutron import Neutron
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.pace import Brake, Pace
from vmpath_service.cloud.placement import Placement
from vmpath_service.cloud.session import CloudSession
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import NotFound
from vmpath_service.model.readings import HostReading, InstanceReading, MigrationReading
from vmpath_service.model.snapshot import Snapshot

# Up to this many hosts, and up to this share of all, are asked for one by one: Placement lists all or one.
_FEW_HOSTS = 3
_FEW_HOSTS_SHARE = 0.005
# A cloud of so many hosts is listed as cheaply as two of them.
_SMALL_CLOUD = 50
# How old the state of services may be that a look has read.
_PATIENCE_S = 1.0
# Requests of most looks: records, servers, services, and the room on hosts; without servers and services.
_A_LOOK = 4
_A_GLANCE = 2


@dataclass(frozen=True, slots=True)
class _Connection:
    """``nova`` and ``placement`` for looks, at their pace; what ``inventory`` and ``actions`` ask is not held back."""

    nova: Nova
    placement: Placement
    inventory: Inventory
    actions: Actions
    versions: microversions.Microversions


@dataclass(frozen=True, slots=True)
class Fencing:
    """Whether Nova counts a host as up, and whether it was told to count it as down."""

    up: bool
    forced_down: bool


class NovaCloud:
    """Fulfils the engine's port ``Cloud``. Connects when first used; may be shared by threads.

    Every call raises CloudUnreachable (CloudBusy, when the cloud wants fewer requests: all that is sent afterwards
    goes slowly for a while), CloudDenied, NoDecision or CloudError with one sentence; InvalidInput when the cloud is
    not configured rightly. Every request has a time-out. With ``changes``, which somebody is told of, the list of all
    servers is kept between readings. What ``read_migrations`` and then
    ``read_instances`` show is remembered for each thread, so that the next look is a few lists.
    """

    def __init__(
        self, settings: CloudSettings, changes: Changes | None = None, observe: Observe | None = None
    ) -> None:
        """``observe`` is told of every request to the cloud."""
        self._settings = settings
        self._changes = changes
        self._session = CloudSession(settings)
        brake = Brake()
        self._compute = Api(self._session, "compute", settings, Pace(0, brake=brake), observe)
        self._placement = Api(self._session, "placement", settings, Pace(0, brake=brake), observe)
        self._network = Api(self._session, "network", settings, Pace(0, brake=brake), observe)
        self._pace = Pace(settings.looks_per_second, brake=brake)
        self._looks_at_compute = Api(self._session, "compute", settings, self._pace, observe)
        self._looks_at_placement = Api(self._session, "placement", settings, self._pace, observe)
        # those who want no limit want everything at once
        self._patience_s = _PATIENCE_S if settings.looks_per_second else 0.0
        self._seen = threading.local()
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._providers: dict[str, str] = {}
        self._servers_seen = 0

    def requests_sent(self) -> int:
        """How many requests went to Nova, Placement and Neutron so far (authentication left out)."""
        asked = (self._compute, self._placement, self._network, self._looks_at_compute, self._looks_at_placement)
        return sum(api.sent for api in asked)

    def read_with_notes(self) -> Reading:
        """The whole cloud and what is not known about it; see ``Inventory`` for the requests it takes."""
        reading = self._connected().inventory.read()
        self._providers = {host.name: host.uuid for host in reading.snapshot.hosts if host.uuid is not None}
        self._servers_seen = len(reading.snapshot.instances)
        return reading

    def read(self) -> Snapshot:
        """The whole cloud; what is not known stands in ``extra["notes"]``."""
        return self.read_with_notes().snapshot

    def read_hosts(self, names: Collection[str]) -> Mapping[str, HostReading]:
        """These hosts now: one request for the services (one each up to three hosts, none where a look at instances
        has just read them), and one or two for the room of all of them, or one each of a few."""
        wanted = frozenset(names)
        if not wanted:
            return {}
        connection = self._connected()
        nova, placement = connection.nova, connection.placement
        listed, read_at = self._looks().services
        if time.monotonic() - read_at >= self._patience_s:
            if len(wanted) <= _FEW_HOSTS:
                listed = tuple(service for name in sorted(wanted) for service in nova.services(name))
            else:
                listed = nova.services()
        services = hosts.compute_services(listed, wanted)
        hosts.check_cells(services.values())
        providers = self._providers_of(connection, services.keys())
        known = [name for name in services if name in providers]
        roots = [providers[name] for name in known]
        few = 1 if len(self._providers) <= _SMALL_CLOUD else _FEW_HOSTS
        if len(roots) <= max(few, len(self._providers) * _FEW_HOSTS_SHARE):
            rooms = for_each(self._settings.workers, placement.free, roots)
        else:
            rooms = placement.free_of_all(roots)
        return {
            name: HostReading(
                name=name,
                up=hosts.state_of(services[name]) == "up",
                enabled=services[name].status == "enabled",
                free=free,
            )
            for name, free in zip(known, rooms, strict=True)
        }

    def expect(self, instances: int) -> None:
        """Of so many instances the calling thread will ask, some at a time: what it takes to read them is weighed
        against listing everything. Sends nothing."""
        looks = self._looks()
        looks.expected, looks.known = instances, self._servers_seen

    def read_instances(self, uuids: Collection[str], *, within: float = 0.0) -> Mapping[str, InstanceReading]:
        """These instances now: the first time one request each, or one for every thousand servers of the cloud if
        many are expected; afterwards two lists for all, see ``Looks``, or none, if they were listed ``within`` so many
        seconds."""
        wanted = sorted(set(uuids))
        if not wanted:
            return {}
        found = self._looks().servers(wanted, within)
        return {
            uuid: instances.reading(server, self._settings)
            for uuid, server in found.items()
            if server.status not in instances.GONE
        }

    def read_migrations(self, instances: Collection[str]) -> Mapping[str, Sequence[MigrationReading]]:
        """All migration records of these instances, oldest first: the first time one request each, or one for every
        thousand records if many are expected and there are not more; afterwards one list for all, see ``Looks``. And
        one for the progress of each that is under way, for some of them in turn."""
        if not instances:
            return {}
        looks = self._looks()
        # what has ended is not to wait in the midst of a look for its room to be used again
        self._pace.wait_for_room(_A_LOOK if looks.is_due() else _A_GLANCE)
        records = looks.migrations(sorted(set(instances)))
        progress = looks.progress(records)
        return {
            uuid: tuple(migrations.reading(record, progress.get((uuid, record.id))) for record in found)
            for uuid, found in records.items()
        }

    def live_migrate(self, instance: str, dest: str) -> None:
        """Ask Nova to live-migrate, once, by the scheduler's leave. Returns when Nova has accepted (202).

        Raises RequestRefused or CloudDenied when Nova said no, CloudUnreachable when the request surely never left,
        AnswerLost when it may have been carried out.
        """
        self._connected().actions.live_migrate(instance, dest)

    def abort(self, instance: str, migration: int) -> None:
        """Ask Nova to call a live migration off, once; raises as ``live_migrate`` does.

        What is accepted may come too late, and an aborted migration may yet end in ERROR some seconds later. Nova
        refuses what has ended (409), and below 2.65 what is only queued (400).
        """
        self._connected().actions.abort(instance, migration)

    def force_complete(self, instance: str, migration: int) -> None:
        """Ask Nova to bring a running live migration to its end, once; raises as ``live_migrate`` does.

        Nova goes on by post-copy where its configuration permits that, and pauses the guest otherwise; nobody can
        choose. It refuses what is queued or prepared (400), and what has ended (409).
        """
        self._connected().actions.force_complete(instance, migration)

    def cold_migrate(self, instance: str, dest: str) -> None:
        """Ask Nova to migrate a stopped instance, once, by the scheduler's leave; raises as ``live_migrate`` does.

        It ends as VERIFY_RESIZE, and waits there for ``confirm_resize`` or ``revert_resize``.
        """
        self._connected().actions.cold_migrate(instance, dest)

    def confirm_resize(self, instance: str) -> None:
        """Ask Nova to give up what a cold migration left at its source, once; raises as ``live_migrate`` does."""
        self._connected().actions.confirm_resize(instance)

    def revert_resize(self, instance: str) -> None:
        """Ask Nova to take a cold migration back, once; raises as ``live_migrate`` does."""
        self._connected().actions.revert_resize(instance)

    def reset_state(self, instance: str) -> None:
        """Ask Nova to call an instance ACTIVE, once; raises as ``live_migrate`` does. Only for a guest that is known
        to run on exactly one host."""
        self._connected().actions.reset_state(instance)

    def evacuate(self, instance: str) -> None:
        """Ask Nova to rebuild an instance of a dead host on another, which the scheduler chooses, once; raises as
        ``live_migrate`` does. Nova refuses while the host is up (400)."""
        self._connected().actions.evacuate(instance)

    def read_allocations(self, instances: Collection[str]) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """What each of these instances itself holds in Placement: host, resource class, amount. One request each.

        What a provider gives that is no host's (a disk that several share) stands under the provider's own name.
        """
        wanted = sorted(set(instances))
        if not wanted:
            return {}
        connection = self._connected()
        held = for_each(self._settings.workers, connection.placement.held_by, wanted)
        names = self._names_of(connection, {provider for each in held for provider in each})
        found: dict[str, dict[str, dict[str, int]]] = {uuid: {} for uuid in wanted}
        for uuid, parts in zip(wanted, held, strict=True):
            for provider, amounts in parts.items():
                there = found[uuid].setdefault(names[provider], {})
                for name, amount in amounts.items():
                    there[name] = there.get(name, 0) + amount
        return found

    def audit(self, pause_s: float) -> Audit:
        """To compare Placement's books with Nova's word; what seems wrong is looked at again ``pause_s`` later."""
        connection = self._connected()
        return Audit(connection.nova, connection.placement, self._settings.workers, pause_s=pause_s)

    def fencing(self, name: str) -> Fencing | None:
        """Whether a host is up, and whether Nova was told that it is fenced; None if there is no such host: one
        request."""
        try:
            service = self._connected().nova.compute_service(name)
        except NotFound:
            return None
        hosts.check_cells([service])
        return Fencing(hosts.state_of(service) == "up", service.forced_down)

    def disable_host(self, name: str, reason: str) -> None:
        """Disable the host's compute service: two requests. Raises NotFound."""
        self._connected().nova.set_service(name, enabled=False, reason=reason)

    def enable_host(self, name: str) -> None:
        """Enable the host's compute service: two requests. Raises NotFound."""
        self._connected().nova.set_service(name, enabled=True, reason=None)

    def disabled_reason(self, name: str) -> str | None:
        """None if the host is enabled, else the reason given, which may be empty: one request. Raises NotFound."""
        service = self._connected().nova.compute_service(name)
        return (service.disabled_reason or "") if service.status == "disabled" else None

    def _connected(self) -> _Connection:
        """Authenticate and agree on versions, the first time."""
        with self._lock:
            if self._connection is None:
                settings = self._settings
                versions = microversions.negotiate(
                    self._compute.newest_version(), self._placement.newest_version()
                )
                placement = Placement(self._placement, versions, settings)
                whole = Nova(self._compute, versions, settings)
                kept = KeptServers(whole, settings.workers, self._changes, settings.full_reading_s)
                neutron = Neutron(self._network, settings) if settings.read_ports else None
                region = self._session.identity().region
                inventory = Inventory(whole, placement, neutron, settings, region, kept)
                self._connection = _Connection(
                    Nova(self._looks_at_compute, versions, settings),
                    Placement(self._looks_at_placement, versions, settings),
                    inventory,
                    Actions(self._compute, versions),
                    versions,
                )
            return self._connection

    def _looks(self) -> Looks:
        looks: Looks | None = getattr(self._seen, "looks", None)
        if looks is None:
            looks = self._seen.looks = Looks(
                self._connected().nova, self._settings.workers, self._patience_s
            )
        return looks

    def _names_of(self, connection: _Connection, providers: Collection[str]) -> Mapping[str, str]:
        """The service hosts whose providers these are; providers that are no host's have their own names."""
        placement, known = connection.placement, self._providers.values()
        if any(placement.root_of(provider) not in known for provider in providers):
            self._learn_providers(connection)
        hosts_by_root = {root: name for name, root in self._providers.items()}
        return {
            provider: hosts_by_root.get(placement.root_of(provider) or "") or placement.name_of(provider)
            for provider in providers
        }

    def _learn_providers(self, connection: _Connection) -> None:
        """Two requests."""
        hypervisors = connection.nova.hypervisors()
        services = [wire.Service(hosts.COMPUTE, each.service.host, "enabled") for each in hypervisors]
        found = hosts.nodes(services, hypervisors, connection.placement.providers())
        self._providers = {name: node.provider for name, node in found.usable.items()}

    def _providers_of(self, connection: _Connection, names: Collection[str]) -> Mapping[str, str]:
        """The resource providers of these hosts; two requests when one is not known yet."""
        if any(name not in self._providers for name in names):
            self._learn_providers(connection)
        return {name: self._providers[name] for name in names if name in self._providers}
