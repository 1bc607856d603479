"""The life of one maintenance, carried on from whatever state it is in. Run in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable

from oslo_log import log as logging

from vmpath_service.engine.maintenance.attending import Stopped
from vmpath_service.engine.maintenance.draining import Draining
from vmpath_service.engine.maintenance.returning import Returning
from vmpath_service.engine.maintenance.working import Working
from vmpath_service.model.errors import NotFound, Outdated
from vmpath_service.model.maintenances import Maintenance, MaintenanceState

LOG = logging.getLogger(__name__)


class Maintaining(Draining, Working, Returning):
    """Carries one maintenance as far as it goes without a person."""

    def carry_on(self) -> None:
        """Until it has ended or the engine stops. Raises StoreError, and Fenced when another engine has taken over."""
        try:
            self._epoch = self._stored(lambda: self._around.records.claim(self._identity))
            phases: dict[MaintenanceState, Callable[[Maintenance], None]] = {
                MaintenanceState.SCHEDULED: self._wait_for_start,
                MaintenanceState.DRAINING: self._drain,
                MaintenanceState.READY: self._work,
                MaintenanceState.RETURNING: self._take_back,
            }
            self._look_for_lost_hook(self._record())
            while not (record := self._record()).ended():
                try:
                    phases[record.state](record)
                except Outdated as error:
                    LOG.info("Maintenance %s: decided anew: %s", self._identity, error)
        except NotFound:
            LOG.info("Maintenance %s: deleted", self._identity)
        except Stopped:
            LOG.info("Maintenance %s: left as it is until the engine starts again", self._identity)
