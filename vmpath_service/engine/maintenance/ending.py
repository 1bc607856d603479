"""How a maintenance ends: well, cancelled or gone wrong, and what follows in its series."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.engine.maintenance.attending import Attending, Stopped
from vmpath_service.model.errors import Conflict
from vmpath_service.model.maintenances import (
    Maintenance,
    MaintenanceState,
    next_identity,
    scheduled,
    scheduled_in_words,
)
from vmpath_service.model.schedules import Times


class Ending(Attending):
    """Ends one from whatever state it is in."""

    def _fail(self, record: Maintenance, why: str, *, keep: Sequence[str] = ()) -> None:
        """``keep``: hosts on which something went wrong that was begun, so that they stay out of service; the others
        are enabled."""
        kept = tuple(host for host in record.disabled if host in keep)
        if not kept:
            self._put_back_and_end(record, MaintenanceState.FAILED, why)
            return
        others = tuple(host for host in record.disabled if host not in keep)
        left = self._switch(beside=kept).enable(others) if others else ()
        self._change(kept=kept)
        message = f"{why}; {', '.join(kept)} stay disabled until somebody has looked at them"
        message += f"; {', '.join(left)} could not be enabled again" if left else ""
        self._end(record, MaintenanceState.FAILED, message)

    def _put_back_and_end(self, record: Maintenance, state: MaintenanceState, why: str) -> None:
        left = self._switch().enable(record.disabled) if record.disabled else ()
        if left and self._around.stopping():
            raise Stopped
        self._end(record, state, f"{why}; {', '.join(left)} could not be enabled again" if left else why)

    def _end(self, record: Maintenance, state: MaintenanceState, why: str | None) -> None:
        successor = None if state is MaintenanceState.CANCELLED else self._repeated()
        self._change(state=state, explanation=why, rearrangement=None, successor=successor)
        self._tell(state.value, f"maintenance {state.value}" + (f": {why}" if why else ""))

    def _repeated(self) -> str | None:
        """The next one of a series, scheduled; None where this is the last one: nobody has looked yet at hosts that
        were kept."""
        record = self._record()
        request = record.request
        if request.recurrence is None or request.dry_run or record.kept:
            return None
        now = self._around.clock.time()
        start = Times(request.recurrence, request.time_zone).following(max(now, record.start))
        # the same name after a crash in between, so that there is one
        made = scheduled(next_identity(self._identity), request, start, now)
        try:
            self._stored(lambda: self._around.records.create(made.id, made))
        except Conflict:
            return made.id
        self._around.tell("maintenance.scheduled", scheduled_in_words(made), made.id)
        return made.id
