"""Hosts come back into service, and what follows then: the next round, or what was asked for afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_log import log as logging

from vmpath_service.engine.maintenance.starting import Starting
from vmpath_service.model.errors import CloudError, Outdated, StoreError, VmpathError
from vmpath_service.model.maintenances import Maintenance, MaintenanceState, Round
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import RearrangementState, Request

LOG = logging.getLogger(__name__)

TAKEN_UP = 120.0
"""Seconds that Placement is given to learn that a host is enabled again."""
RESTORING = "target"
"""The policy that brings instances back to where they were."""


class Returning(Starting):
    """Takes the hosts of the round under way back into service."""

    def _take_back(self, record: Maintenance) -> None:
        hosts = record.hosts_now()
        if hosts:
            if not self._all_up(record, hosts):
                return
            self._enable(record, hosts)
            return
        if record.hosts_left() and not record.cancel_requested:
            if record.pause_requested:
                self._wait()
                return
            self._begin_round(record)
            return
        if record.cancel_requested:
            self._end(record, MaintenanceState.CANCELLED, "cancelled between two rounds")
            return
        self._afterwards(record)

    def _all_up(self, record: Maintenance, hosts: Sequence[str]) -> bool:
        """Whether all are up, and were when looked at before; fails it when they take too long."""
        clock, settings = self._around.clock, self._around.settings
        since: float | None = None
        while True:
            try:
                found = self._around.cloud.read_hosts(hosts)
                down = [name for name in hosts if name not in found or not found[name].up]
            except CloudError as error:
                LOG.warning("Maintenance %s: the hosts cannot be looked at: %s", self._identity, error)
                down = list(hosts)
            now = clock.time()
            since = None if down else since or now
            if since is not None and now - since >= settings.settle_seconds:
                return True
            if now - record.phase_since > settings.return_seconds:
                self._fail(record, f"{', '.join(down)}: not up after {settings.return_seconds:g} s", keep=hosts)
                return False
            if self._record().cancel_requested:
                self._put_back_and_end(self._record(), MaintenanceState.CANCELLED, "cancelled while coming back")
                return False
            self._wait()

    def _enable(self, record: Maintenance, hosts: Sequence[str]) -> None:
        ours = tuple(host for host in record.disabled if host in hosts)
        switch = self._switch(beside=tuple(host for host in record.disabled if host not in hosts))
        left = switch.enable(ours)
        if left:
            self._fail(self._record(), f"{', '.join(left)} could not be enabled again", keep=left)
            return
        theirs = [host for host in hosts if switch.reason_now(host) is not None]
        self._until_they_receive([host for host in ours if host not in theirs])
        rounds = (*record.rounds[:-1], Round(tuple(hosts), done=True))
        self._change(rounds=rounds, phase_since=self._around.clock.time())
        self._tell("returned", f"{', '.join(hosts)}: up and back in service")
        if theirs:
            self._tell("not_ours", f"{', '.join(theirs)}: somebody else disabled them, and they stay so")

    def _until_they_receive(self, hosts: Sequence[str]) -> None:
        """Placement learns later than Nova that a host is enabled: before that nothing is scheduled there, and what
        follows would be decided without it."""
        clock = self._around.clock
        deadline = clock.time() + TAKEN_UP
        while True:
            try:
                receiving = {host.name for host in self._read().hosts if host.receives()}
            except CloudError as error:
                LOG.warning("Maintenance %s: the hosts cannot be looked at: %s", self._identity, error)
                receiving = set()
            late = [host for host in hosts if host not in receiving]
            if not late or self._record().cancel_requested:
                return
            if clock.time() > deadline:
                LOG.warning("Maintenance %s: enabled, yet Placement does not say so: %s", self._identity, late)
                return
            self._wait()

    def _afterwards(self, record: Maintenance) -> None:
        request = record.request
        if request.afterwards == "nothing":
            self._end(record, MaintenanceState.DONE, record.explanation)
            return
        if record.rearrangement is None:
            try:
                record = self._begin(record, self._afterwards_request(record))
            except (Outdated, StoreError):
                raise
            except VmpathError as error:
                self._end(record, MaintenanceState.DONE, f"the hosts are back, but what was to follow failed: {error}")
                return
        followed = self._follow(str(record.rearrangement), cancellable=True)
        if followed.state is RearrangementState.SUCCEEDED:
            self._end(self._record(), MaintenanceState.DONE, record.explanation)
            return
        why = f"rearrangement {followed.id} {followed.state.value}: {followed.explanation}"
        self._end(self._record(), MaintenanceState.DONE, f"the hosts are back, but what was to follow did not: {why}")

    def _afterwards_request(self, record: Maintenance) -> Request:
        if record.request.afterwards == "policy":
            return Request(policy=str(record.request.afterwards_policy), approve=True)
        there = {each.uuid: each.host for each in self._read().instances}
        former = {uuid: host for uuid, host in record.former.items() if there.get(uuid) not in (None, host)}
        options = self._around.keep_placement(self._identity, Placement(placement=dict(former)))
        return Request(policy=RESTORING, options=options, approve=True)
