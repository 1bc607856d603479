"""Finding out what a maintenance takes, from the cloud as it is now and in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from vmpath_service.engine.maintenance.ports import Records
from vmpath_service.engine.maintenance.room import Terms
from vmpath_service.engine.maintenance.rounds import Look, drain_options, look_ahead
from vmpath_service.engine.planning import Job, Work
from vmpath_service.model.maintenances import GOING, Maintenance, MaintenanceRequest, MaintenanceState, Outlook
from vmpath_service.model.options import OptionValue
from vmpath_service.model.records import Request
from vmpath_service.model.snapshot import Snapshot


class Planning(Protocol):
    """The engine, as far as its planning goes. Raises VmpathError."""

    def values(self, request: Request) -> Mapping[str, OptionValue]:
        """The value of each option that the policy of a request has."""

    def job(self, request: Request, snapshot: Snapshot) -> Job:
        """What planning needs for a request."""

    def beside(self, work: Work, make: Callable[[Work], bytes], cancelled: Callable[[], bool]) -> bytes:
        """Work something out in a process of its own."""


class RoundPlanner:
    """Asks for rounds. ``read``: the cloud as it is now; raises CloudError."""

    def __init__(self, engine: Planning, records: Records, read: Callable[[], Snapshot]) -> None:
        self._engine = engine
        self._records = records
        self._read = read

    def look(self, record: Maintenance, cancelled: Callable[[], bool]) -> Outlook:
        """All rounds to come. Raises VmpathError, PlanningFailed when it was cancelled."""
        request = record.request
        snapshot = self._closed(self._read(), record.id)
        wanted = Request(policy=request.policy, options=request.options, dry_run=True)
        terms = Terms(request.rolling, request.max_hosts, request.leftovers, request.duration_s)
        left = record.hosts_left()
        before = record.outlook.rounds if record.outlook is not None and request.rolling else ()
        foretold = tuple(each.hosts for each in before if not set(each.hosts).isdisjoint(left))
        look = Look(self._engine.job(wanted, snapshot), left, terms, foretold)
        return msgspec.json.decode(self._engine.beside(look, look_ahead, cancelled), type=Outlook)

    def drain_options(self, request: MaintenanceRequest, left: Sequence[str]) -> dict[str, Any]:
        """What the policy that drains is told besides."""
        values = self._engine.values(Request(policy=request.policy, options=request.options))
        return dict(drain_options(values, left))

    def _closed(self, snapshot: Snapshot, identity: str) -> Snapshot:
        """What other maintenances are about to empty takes nothing in, though Nova may not know of it yet."""
        working = [state.value for state in GOING if state is not MaintenanceState.SCHEDULED]
        others = (other for other in self._records.list(states=working) if other.id != identity)
        closed = {name for other in others for name in other.hosts_now()}
        if not closed:
            return snapshot
        hosts = tuple(
            msgspec.structs.replace(host, status="disabled") if host.name in closed else host
            for host in snapshot.hosts
        )
        return msgspec.structs.replace(snapshot, hosts=hosts)


