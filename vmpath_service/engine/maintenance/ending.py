"""How a maintenance ends: well, cancelled or gone wrong, and what follows in its series."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

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
        following = self._stored(lambda: self._end_once(state, why))
        if following is not None:
            self._around.tell("maintenance.scheduled", scheduled_in_words(following), following.id)
        self._tell(state.value, f"maintenance {state.value}" + (f": {why}" if why else ""))

    def _end_once(self, state: MaintenanceState, why: str | None) -> Maintenance | None:
        """Both in one transaction: it has ended, and the next one of its series, which is returned, is there."""
        with self._around.records.together():
            following = None if state is MaintenanceState.CANCELLED else self._following()
            successor = None if following is None else following.id
            self._change_once(state=state, explanation=why, rearrangement=None, successor=successor)
            if following is not None:
                # it is there where this is done again because nobody knew whether it had been done
                with suppress(Conflict):
                    self._around.records.create(following.id, following)
        return following

    def _following(self) -> Maintenance | None:
        """The next one of a series; None where this is the last one: nobody has looked yet at hosts that were kept."""
        record = self._around.records.get(self._identity, epoch=self._epoch)
        request = record.request
        if request.recurrence is None or request.dry_run or record.kept:
            return None
        now = self._around.clock.time()
        start = Times(request.recurrence, request.time_zone).following(max(now, record.start))
        return scheduled(next_identity(self._identity), request, start, now)
