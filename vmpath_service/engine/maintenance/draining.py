"""Hosts of a maintenance are disabled and emptied, until Nova and Placement call them empty."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.engine.maintenance.emptiness import remainders
from vmpath_service.engine.maintenance.ending import Ending
from vmpath_service.model.errors import CloudError
from vmpath_service.model.maintenances import Maintenance, MaintenanceState
from vmpath_service.model.records import Rearrangement, RearrangementState, Request

DRAINS = 3
"""How often the hosts of a round are drained at most: instances may have landed while the first one went on."""


class Draining(Ending):
    """Empties the hosts of the round under way."""

    def _drain(self, record: Maintenance) -> None:
        hosts = record.hosts_now()
        if record.cancel_requested and record.rearrangement is None:
            self._put_back_and_end(record, MaintenanceState.CANCELLED, "cancelled")
            return
        try:
            self._switch().disable(hosts, record.disabled)
        except CloudError as error:
            self._fail(self._record(), f"a host could not be disabled: {error}")
            return
        if record.rearrangement is None:
            record = self._record()
            if record.cancel_requested:
                return
            record = self._begin(record, self._request(record, hosts), drains=record.drains + 1)
        drained = self._follow(str(record.rearrangement), cancellable=True)
        if self._record().cancel_requested:
            self._put_back_and_end(self._record(), MaintenanceState.CANCELLED, "cancelled while draining")
            return
        self._judge(self._record(), drained)

    def _judge(self, record: Maintenance, drained: Rearrangement) -> None:
        """Empty, by Nova and by Placement; or not, and then what."""
        snapshot = self._read()
        left = remainders(snapshot, record.hosts_now())
        said = "; ".join(each.in_words() for each in left)
        not_empty = {each.host for each in left}
        died = [host.name for host in snapshot.hosts if host.name in not_empty and host.state != "up"]
        if died:
            # what comes back by itself after that must not be given instances at once
            why = f"{', '.join(died)} went down while it was emptied: {said} (vmpath rebuild-from)"
            self._fail(record, why, keep=died)
            return
        fine = drained.state is RearrangementState.SUCCEEDED
        if left and fine and record.drains < DRAINS and record.request.leftovers == "refuse":
            self._tell("again", f"not empty yet: {said}; draining again")
            self._change(rearrangement=None)
            return
        if left and record.request.leftovers == "refuse":
            why = f" (rearrangement {drained.id}: {drained.explanation})" if drained.explanation else ""
            self._fail(record, f"the hosts could not be emptied: {said}{why}")
            return
        self._change(
            state=MaintenanceState.READY,
            phase_since=self._around.clock.time(),
            rearrangement=None,
            explanation=f"left in place: {said}" if left else None,
        )
        hosts = ", ".join(record.hosts_now())
        what = f"ready for work, with what was accepted: {said}" if left else f"{hosts}: empty and ready for work"
        if record.request.action == "none":
            what += f" (vmpath maintenance complete {self._identity} when it is done)"
        self._tell("ready", what)

    def _request(self, record: Maintenance, hosts: Sequence[str]) -> Request:
        wanted = record.request
        options = {**wanted.options, **self._around.rounds.drain_options(wanted, record.hosts_left())}
        return Request(policy=wanted.policy, options=options, hosts=tuple(hosts), approve=True)
