"""What comes before hosts are emptied: the wait for the start, looks ahead, the choice of a round."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from vmpath_service.engine.maintenance.ending import Ending
from vmpath_service.model.errors import CloudError, InvalidInput, Outdated, PlanningFailed, VmpathError
from vmpath_service.model.maintenances import GOING, Maintenance, MaintenanceState, Outlook, Round

LOOKS_AHEAD = (3600.0, 600.0)
"""Seconds before the start at which it is found out again whether it fits."""
AGAIN = 15.0
"""Seconds until it is tried again to find out which hosts a round may have, where the cloud does not tell."""
_LATE = 60.0

_WORKING = tuple(state.value for state in GOING if state is not MaintenanceState.SCHEDULED)
_Begun = tuple[str, int]
"""A maintenance, and how many rounds of it have begun."""


class Starting(Ending):
    """Waits for the start of one, and begins its rounds."""

    def _wait_for_start(self, record: Maintenance) -> None:
        now = self._around.clock.time()
        if record.cancel_requested:
            self._end(record, MaintenanceState.CANCELLED, "cancelled before it began")
            return
        moments = [record.created_at, *(record.start - before for before in LOOKS_AHEAD)]
        due = any(moment <= now and (record.checked is None or record.checked < moment) for moment in moments)
        if due and (record.request.dry_run or now < record.start):
            self._look_ahead(record, now)
            return
        if now < record.start or record.pause_requested:
            self._wait()
            return
        # whoever lets a paused one go on wants it now
        late = now - max(record.start, record.phase_since)
        if late > self._around.settings.late_seconds:
            why = f": {record.warning}" if record.warning else ""
            self._end(record, MaintenanceState.FAILED, f"it could not begin within {late:.0f} s of its time{why}")
            return
        if (other := self._holder(record)) is not None:
            self._wait_for(record, other)
            return
        if late > _LATE and not record.late:
            record = self._change(late=True)
            self._tell("late", f"it begins {late:.0f} s late")
        self._begin_round(record)

    def _holder(self, record: Maintenance) -> Maintenance | None:
        """A maintenance that is at work on one of its hosts, and takes longer than was expected."""
        return _holder_among(record, self._stored(self._at_work))

    def _at_work(self) -> Sequence[Maintenance]:
        """Other maintenances that have begun, and have not ended."""
        others = self._around.records.list(states=_WORKING)
        return [each for each in others if each.id != self._identity]

    def _wait_for(self, record: Maintenance, other: Maintenance) -> None:
        both = ", ".join(host for host in record.request.hosts if host in other.request.hosts)
        why = f"{both}: maintenance {other.id}, which is {other.state.value}, is not over yet"
        if record.warning != why:
            self._change(warning=why)
            self._tell("waiting", f"it begins when the one before it is over: {why}")
        self._wait()

    def _look_ahead(self, record: Maintenance, now: float) -> None:
        """Find out what it is going to take and whether it still fits, and say at once if not."""
        outlook: Outlook | None = None
        short: str | None
        try:
            outlook = self._look(record)
            short = outlook.short
            self._tell("outlook", outlook.in_words())
        except VmpathError as error:
            short = str(error)
        self._change(checked=now, warning=short, outlook=outlook)
        if short is not None:
            known = "it does not fit as things are" if outlook else "whether it fits cannot be found out"
            self._tell("short", f"{known}: {short}")
        if record.request.dry_run:
            said = f"dry run: {outlook.in_words()}; nothing was moved" if outlook and not short else None
            self._end(self._record(), MaintenanceState.DONE, said or short)

    def _begin_round(self, record: Maintenance) -> None:
        try:
            self._choose_round(record)
        except (CloudError, PlanningFailed) as error:
            # what is not known is no reason to give up: nothing is held meanwhile
            if not self._record().cancel_requested:
                self._put_off(record, str(error))
        except InvalidInput as error:
            self._fail(record, f"it cannot go on: {error}")

    def _choose_round(self, record: Maintenance) -> None:
        with self._around.turn:
            others = self._stored(self._at_work)
            if not record.rounds and _holder_among(record, others) is not None:
                return  # it has begun at this very moment
            outlook = self._look(record)
            if not outlook.rounds or (outlook.short is not None and not record.request.rolling):
                self._fail(record, f"it does not fit: {outlook.short}")
                return
            hosts = outlook.rounds[0].hosts
            rounds = (*record.rounds, Round(hosts))
            former = record.former
            if record.request.afterwards == "restore":
                here = {each.uuid: each.host for each in self._read().instances if each.host in hosts}
                # who was moved here by an earlier round was somewhere else before
                former = {uuid: host for uuid, host in here.items() if host is not None} | former
            first = record.outlook is None or not record.rounds
            self._begin_alone(
                record,
                _rounds_of(others),
                former=former,
                rounds=rounds,
                state=MaintenanceState.DRAINING,
                phase_since=self._around.clock.time(),
                drains=0,
                rearrangement=None,
                hook_begun=False,
                hook_done=False,
                hook_lost=False,
                overdue=False,
                warning=outlook.short,
                outlook=outlook if first else record.outlook,
            )
        if first:
            self._tell("outlook", outlook.in_words())
        which = f"round {len(rounds)} of {len(record.rounds) + len(outlook.rounds)}"
        self._tell("draining", f"draining {', '.join(hosts)}" + (f" ({which})" if record.request.rolling else ""))

    def _begin_alone(self, record: Maintenance, seen: Collection[_Begun], **values: Any) -> None:
        """Begin a round that was chosen when the others were at the rounds ``seen``; raises Outdated if another one
        has begun since, perhaps by another engine, or something was ordered: it was not reckoned with."""

        def begin() -> None:
            with self._around.records.alone():
                begun = sorted(_rounds_of(self._at_work()) - set(seen))
                if begun:
                    raise Outdated(f"maintenance {begun[0][0]} has begun a round meanwhile")
                self._change_once(record, **values)

        self._stored(begin)

    def _put_off(self, record: Maintenance, why: str) -> None:
        if record.warning != why:
            self._change(warning=why)
            self._tell("put_off", f"which hosts can be emptied now cannot be found out yet: {why}")
        self._around.clock.wait(AGAIN)

    def _look(self, record: Maintenance) -> Outlook:
        return self._around.rounds.look(
            record, lambda: self._around.stopping() or self._record().cancel_requested
        )


def _holder_among(record: Maintenance, others: Sequence[Maintenance]) -> Maintenance | None:
    hosts = set(record.request.hosts)
    return next((each for each in others if hosts & set(each.request.hosts)), None)


def _rounds_of(records: Iterable[Maintenance]) -> set[_Begun]:
    """Which rounds of them have begun."""
    return {(each.id, len(each.rounds)) for each in records}
