"""The state of the simulated cloud and its time.

Nothing here sleeps or starts threads: what is to happen is kept as events, and `advance` lets all
happen that is due. Callers hold `lock` around whatever they read or change.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vmpath_service.simulator.announcements import Announcer, compute
from vmpath_service.simulator.clock import Clock
from vmpath_service.simulator.disorder import Disorder
from vmpath_service.simulator.ledger import Ledger, Provider
from vmpath_service.simulator.records import (
    ENDED,
    Aggregate,
    Deed,
    Flavor,
    Host,
    Migration,
    Server,
    ServerGroup,
)
from vmpath_service.simulator.settings import Settings

NAMES = uuid.UUID("5b1c3f1e-5d0a-4d0e-9d3c-7d6c1a0f7a11")


def uuid_of(kind: str, name: str) -> str:
    """The same UUID for the same thing, always."""
    return str(uuid.uuid5(NAMES, f"{kind}:{name}"))


class World:
    """Hosts, servers, migrations, groups, aggregates and who holds what."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self.clock = clock
        self.settings = settings
        self.lock = threading.RLock()
        self.now = clock.now()
        self.ledger = Ledger()
        self.disorder = Disorder()
        self.hosts: dict[str, Host] = {}
        self.hosts_by_uuid: dict[str, Host] = {}
        self.hosts_by_service: dict[str, Host] = {}
        self.servers: dict[str, Server] = {}
        self.deleted: dict[str, Server] = {}
        self.oldest_first: list[tuple[float, int, str]] = []
        self.on_host: dict[str, dict[str, None]] = {}
        self.migrations: dict[int, Migration] = {}
        self.migrations_of: dict[str, list[int]] = {}
        self.copying: set[int] = set()
        self.links: dict[str, float] = {}
        self.touching: dict[str, set[int]] = {}
        self.groups: dict[str, ServerGroup] = {}
        self.group_of: dict[str, ServerGroup] = {}
        self.deeds: dict[str, list[Deed]] = {}
        self.last_aggregate = 0
        self.aggregates: dict[int, Aggregate] = {}
        self.silent_cells: set[str] = set()
        self.flavors: dict[str, Flavor] = {}
        self.announcer: Announcer | None = None
        self._server_numbers = itertools.count(1)
        self._migration_numbers = itertools.count(1)
        self._sequence = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []

    # Time ----------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let everything happen that is due by the clock's now."""
        until = self.clock.now()
        while self._events and self._events[0][0] <= until:
            moment, _, happen = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            happen()
        self.now = max(self.now, until)

    def after(self, seconds: float, happen: Callable[..., None], *arguments: Any) -> None:
        """Let `happen(*arguments)` happen in `seconds`."""
        event = (self.now + seconds, next(self._sequence), lambda: happen(*arguments))
        heapq.heappush(self._events, event)

    def after_unless_changed(
        self,
        migration: Migration,
        seconds: float,
        happen: Callable[[World, Migration], None],
    ) -> None:
        """The next step in the life of a migration, void once its epoch has moved on."""
        epoch = migration.epoch

        def step() -> None:
            if migration.epoch == epoch:
                happen(self, migration)

        self.after(seconds, step)

    @property
    def next_event_in(self) -> float | None:
        """Seconds until something happens by itself; None when nothing will."""
        return max(0.0, self._events[0][0] - self.now) if self._events else None

    # Hosts ---------------------------------------------------------------------------------

    def add_host(self, host: Host, nested: Iterable[Provider] = ()) -> None:
        """nested: providers of its own devices, each with a parent."""
        self.hosts[host.name] = host
        self.hosts_by_uuid[host.uuid] = host
        self.hosts_by_service[host.service_uuid] = host
        self.on_host[host.name] = {}
        self.touching[host.name] = set()
        self.ledger.add_provider(
            Provider(
                uuid=host.uuid,
                name=host.hypervisor_hostname,
                inventories=host.inventories,
                traits=host.traits,
                aggregates=[aggregate.uuid for aggregate in host.aggregates],
            )
        )
        for provider in nested:
            self.ledger.add_provider(provider)

    def is_up(self, host: Host) -> bool:
        """What the service group knows: forced down, or silent for too long, is down."""
        if host.forced_down:
            return False
        if host.silent_since is None:
            return True
        return self.now - host.silent_since < self.settings.service_down_time_s

    def answers(self, host: Host) -> bool:
        """Whether the database of the host's cell answers."""
        return host.cell not in self.silent_cells

    # Servers -------------------------------------------------------------------------------

    def new_server_number(self) -> int:
        return next(self._server_numbers)

    def add_server(self, server: Server) -> None:
        self.servers[server.uuid] = server
        self.flavors.setdefault(server.flavor.id, server.flavor)
        bisect.insort(self.oldest_first, self._order(server))
        if server.host is not None:
            self.on_host[server.host][server.uuid] = None

    @staticmethod
    def _order(server: Server) -> tuple[float, int, str]:
        return (server.created_at, server.number, server.uuid)

    def touch(self, server: Server) -> None:
        """Note that the server has just changed, as Nova does whenever it saves one."""
        server.updated_at = self.now
        if self.announcer is not None:
            self.announcer.update(server, self._node(server), self.now)

    def announce(
        self, server: Server, action: str, phase: str | None, publisher: str | None = None, **changed: Any
    ) -> None:
        """Tell of an action on the server. publisher: the nova-compute of its host unless said otherwise;
        changed: what the publisher believes of the server that is not so."""
        if self.announcer is not None:
            name = compute(server.host) if publisher is None else publisher
            self.announcer.action(server, self._node(server), (action, phase), name, changed)

    def _node(self, server: Server) -> str | None:
        return None if server.host is None else self.hosts[server.host].hypervisor_hostname

    def place(self, server: Server, host: str | None) -> None:
        """Let the server be on `host`."""
        if server.host is not None:
            self.on_host[server.host].pop(server.uuid, None)
        server.host = host
        if host is not None:
            self.on_host[host][server.uuid] = None
            server.zone = self.hosts[host].zone
        self.touch(server)

    def bury(self, server: Server) -> None:
        """The server is gone: only lists of deleted servers still show it."""
        self.ledger.release(server.uuid)
        if server.host is not None:
            self.on_host[server.host].pop(server.uuid, None)
        del self.servers[server.uuid]
        self.deeds.pop(server.uuid, None)
        position = bisect.bisect_left(self.oldest_first, self._order(server))
        del self.oldest_first[position]
        group = self.group_of.pop(server.uuid, None)
        if group is not None:
            group.members.remove(server.uuid)
        server.vm_state = "deleted"
        server.task_state = None
        server.power_state = 0
        server.deleted_at = self.now
        self.touch(server)
        self.deleted[server.uuid] = server

    def newest_after(self, marker: Server | None) -> Iterator[Server]:
        """Servers, newest first, from behind the marker on."""
        end = len(self.oldest_first)
        if marker is not None:
            end = bisect.bisect_left(self.oldest_first, self._order(marker))
        for position in range(end - 1, -1, -1):
            yield self.servers[self.oldest_first[position][2]]

    # Groups --------------------------------------------------------------------------------

    def add_group(self, group: ServerGroup) -> None:
        self.groups[group.uuid] = group
        for member in group.members:
            self.group_of[member] = group

    # Migrations ----------------------------------------------------------------------------

    def new_migration(self, server: Server, source: str, target: str | None, kind: str, status: str) -> Migration:
        """A migration record as the conductor makes it, counted at its source from now on."""
        number = next(self._migration_numbers)
        migration = Migration(
            number=number,
            uuid=uuid_of("migration", f"{number}:{server.uuid}"),
            server=server.uuid,
            source=source,
            target=target,
            kind=kind,
            status=status,
            project_id=server.project_id,
            user_id=server.user_id,
            flavor=server.flavor.id,
            created_at=self.now,
        )
        self.migrations[number] = migration
        self.migrations_of.setdefault(server.uuid, []).append(number)
        self.touching[source].add(number)
        server.migration = number
        deeds = self.deeds.get(server.uuid)
        if deeds and deeds[-1].migration is None:
            deeds[-1].migration = number
        return migration

    def claim(self, server: Server, migration: Migration, target: Host) -> None:
        """The migration takes over what the server holds, the server holds the same at the target.

        Where the server holds nothing on its host (what an earlier migration left behind), there is
        nothing to take over, and Nova adds the target to what the server holds elsewhere.
        """
        held = dict(self.ledger.held_by(server.uuid))
        if self.hosts[migration.source].uuid in held:
            self.ledger.hand_over(server.uuid, migration.uuid)
            held = {}
        wanted = migration.after.resources if migration.after else server.resources
        held.update(self.ledger.spread(target.uuid, wanted))
        self.ledger.allocate(server.uuid, held, server.project_id, server.user_id)
        self.set_target(migration, target.name)

    def give_back(self, server: Server, migration: Migration) -> None:
        """Undo `claim`: the server holds again what the migration took over, if it did."""
        if migration.uuid in self.ledger.consumers:
            self.ledger.hand_over(migration.uuid, server.uuid)

    def set_target(self, migration: Migration, target: str) -> None:
        """The scheduler has chosen: the migration is counted at its target from now on."""
        migration.target = target
        self.touching[target].add(migration.number)

    def set_status(self, migration: Migration, status: str) -> None:
        migration.status = status
        if status in ("queued", "preparing", "running", "completed"):
            migration.furthest = status
        migration.updated_at = self.now
        if status in ENDED:
            self.touching[migration.source].discard(migration.number)
            if migration.target is not None:
                self.touching[migration.target].discard(migration.number)
