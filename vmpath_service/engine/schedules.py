"""Runs policies by the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from oslo_log import log as logging

from vmpath_service.engine.maintenance.ports import Rearrangements
from vmpath_service.engine.ports import Clock
from vmpath_service.model.errors import Conflict, InvalidInput, NotFound, Outdated, StoreError, VmpathError
from vmpath_service.model.records import ENDED, Rearrangement, RearrangementState, Request
from vmpath_service.model.schedules import Schedule, ScheduleRequest, Times

LOG = logging.getLogger(__name__)

LATE = 300.0
"""Seconds after its time at which a run was missed."""
_WAITING = (RearrangementState.AWAITING_APPROVAL, RearrangementState.PLANNED)
_STOP_S = 10.0


class Records(Protocol):
    """The database. Raises StoreError."""

    def alone(self) -> AbstractContextManager[None]: ...
    def create(self, identity: str, document: Schedule) -> Schedule: ...
    def get(self, identity: str) -> Schedule: ...
    def list(
        self, *, states: Collection[str] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Schedule]: ...
    def change(
        self, identity: str, make: Callable[[Schedule, int], Schedule], *, epoch: int | None = None
    ) -> Schedule: ...
    def delete(self, identity: str, check: Callable[[Schedule], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What schedules need. ``tell`` gets kind, message and the schedule's name; ``check`` raises InvalidInput for a
    policy that there is not, or wrong options."""

    records: Records
    rearrangements: Rearrangements
    clock: Clock
    stopping: Callable[[], bool]
    tell: Callable[[str, str, str], None]
    check: Callable[[Request], None]
    poll_seconds: float = 5.0


class ScheduleKeeper:
    """Everything that people and programs ask of schedules is asked of it, from any thread."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._thread: threading.Thread | None = None

    def use(self, requests: Mapping[str, ScheduleRequest]) -> None:
        """From now on these are the schedules of the files. Raises InvalidInput where one is wrong or has the name
        of one that was made by the API; then nothing has changed."""
        for request in requests.values():
            self._check(request)
        # an engine that is started at the same moment finds what this one has kept
        with self._around.records.alone():
            self._use(requests)

    def _use(self, requests: Mapping[str, ScheduleRequest]) -> None:
        kept = {each.name: each for each in self._around.records.list()}
        for name in requests:
            if name in kept and kept[name].origin == "api":
                raise InvalidInput(f"[schedule:{name}]: there is a schedule of this name that was made by the API")
        for name, schedule in kept.items():
            if schedule.origin == "file" and name not in requests:
                self._around.records.delete(name, lambda _: None)
        for name, request in requests.items():
            if name not in kept:
                self._keep(request, "file")
            elif kept[name].request != request:
                self._change(name, request=request, enabled=request.enabled, considered=self._around.clock.time())

    def start(self) -> None:
        """Run what is due from now on."""
        self._thread = threading.Thread(target=self._serve, name="schedules", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Wait for the thread, which the stopping engine has told to end."""
        if self._thread is not None:
            self._thread.join(_STOP_S)

    # what can be asked and ordered; known: the version that whoever orders it has seen, None for any

    def create(self, request: ScheduleRequest) -> Schedule:
        """Keep a new one. Raises InvalidInput, Conflict for a name that is taken."""
        self._check(request)
        made = self._keep(request, "api")
        self._around.tell("schedule.created", f"schedule {made.name} of policy {request.policy} made", made.name)
        return made

    def enable(self, name: str, known: int | None = None) -> Schedule:
        """Let it run; what it missed meanwhile is not made up for."""
        changed = self._change(name, known, enabled=True, considered=self._around.clock.time())
        self._around.tell("schedule.enabled", f"schedule {name} enabled", name)
        return changed

    def disable(self, name: str, known: int | None = None) -> Schedule:
        """Let it run no more for now."""
        changed = self._change(name, known, enabled=False)
        self._around.tell("schedule.disabled", f"schedule {name} disabled", name)
        return changed

    def delete(self, name: str, known: int | None = None) -> None:
        """Forget one that was made by the API; raises Conflict for one of a file."""

        def check(schedule: Schedule) -> None:
            _expect(schedule, known)
            if schedule.origin == "file":
                raise Conflict(f"schedule {name} is in a file: delete it there (or disable it here)")

        self._around.records.delete(name, check)

    # how it is done

    def run_due(self) -> None:
        """Begin what is due now, and note what came of earlier runs."""
        now = self._around.clock.time()
        for found in reversed(self._around.records.list()):
            if self._around.stopping():
                return
            try:
                schedule = self._with_outcome(found)
                if schedule.enabled:
                    self._run_if_due(schedule, now)
            except (Outdated, NotFound) as error:
                # ordered otherwise, or another engine was first: what is due still is seen at the next look
                LOG.info("Schedule %s: left as it is for now: %s", found.name, error)
            except VmpathError as error:
                LOG.warning("Schedule %s: %s", found.name, error)

    def _serve(self) -> None:
        while not self._around.stopping():
            try:
                self.run_due()
            except Exception:  # the database may be away for a while; what is due then runs after it
                LOG.exception("Schedules could not be looked at")
            self._around.clock.wait(self._around.poll_seconds)

    def _run_if_due(self, schedule: Schedule, now: float) -> None:
        request = schedule.request
        due = Times(request.cron, request.time_zone).latest(schedule.considered, now)
        if due is None:
            return
        if now - due > LATE and request.missed == "skip":
            self._change(schedule.name, schedule.version, considered=now, outcome="missed: vmpath was not running")
            message = f"schedule {schedule.name}: a run was missed, and is left out"
            self._around.tell("schedule.missed", message, schedule.name)
            return
        if self._waits_for_others(request):
            return

        def within(make: Callable[[], Rearrangement]) -> Rearrangement:
            with self._around.records.alone():
                if self._waits_for_others(request):
                    raise Outdated("another schedule has begun meanwhile")
                made = make()
                self._change(
                    schedule.name, schedule.version, considered=now, last=made.id, last_at=now, outcome="begun"
                )
            return made

        try:
            made = self._around.rearrangements.create(_wanted(request), within)
        except (Outdated, NotFound, StoreError):
            raise
        except VmpathError as error:
            said = f"could not begin: {error}"
            self._change(schedule.name, schedule.version, considered=now, last=None, last_at=now, outcome=said)
            self._around.tell("schedule.failed", f"schedule {schedule.name} could not begin: {error}", schedule.name)
            return
        self._around.tell("schedule.run", f"schedule {schedule.name}: rearrangement {made.id} begun", schedule.name)
        self._replace_waiting(schedule)

    def _waits_for_others(self, request: ScheduleRequest) -> bool:
        """They take turns: this one is due still when the others have ended."""
        return any(_overlap(each.request, request) for each in self._under_way())

    def _under_way(self) -> Sequence[Rearrangement]:
        """What schedules have begun and goes on, and does not merely wait for approval."""
        found = (self._last(each) for each in self._around.records.list())
        return [each for each in found if each is not None and each.state not in ENDED | frozenset(_WAITING)]

    def _replace_waiting(self, schedule: Schedule) -> None:
        """What the last run planned and nobody approved is out of date by now."""
        record = self._last(schedule)
        if record is not None and record.state in _WAITING:
            self._around.rearrangements.cancel(record.id)

    def _with_outcome(self, schedule: Schedule) -> Schedule:
        """As it is when what has come of its last run is noted."""
        record = self._last(schedule)
        if record is None:
            return schedule
        said = record.state.value + (f": {record.explanation}" if record.explanation else "")
        if said == schedule.outcome:
            return schedule
        return self._change(schedule.name, schedule.version, outcome=said)

    def _last(self, schedule: Schedule) -> Rearrangement | None:
        if schedule.last is None:
            return None
        try:
            return self._around.rearrangements.show(schedule.last)
        except NotFound:
            return None

    def _check(self, request: ScheduleRequest) -> None:
        if not request.name or len(request.name) > 100 or not request.name.isprintable():
            raise InvalidInput(f"name: found {request.name!r}, expected up to 100 printable characters")
        Times(request.cron, request.time_zone)
        self._around.check(_wanted(request))

    def _keep(self, request: ScheduleRequest, origin: Any) -> Schedule:
        now = self._around.clock.time()
        schedule = Schedule(
            request, origin, created_at=now, updated_at=now, enabled=request.enabled, considered=now
        )
        return self._around.records.create(request.name, schedule)

    def _change(self, name: str, known: int | None = None, **values: Any) -> Schedule:
        def made(schedule: Schedule, version: int) -> Schedule:
            _expect(schedule, known)
            return msgspec.structs.replace(schedule, version=version, updated_at=self._around.clock.time(), **values)

        return self._around.records.change(name, made)


def _expect(schedule: Schedule, known: int | None) -> None:
    """Raises Outdated if it has changed since."""
    if known is not None and schedule.version != known:
        raise Outdated(f"schedule {schedule.name} has changed: it is at version {schedule.version} now, not {known}")


def _wanted(request: ScheduleRequest) -> Request:
    return Request(
        policy=request.policy,
        options=request.options,
        zones=request.zones,
        aggregates=request.aggregates,
        hosts=request.hosts,
        approve=request.approve,
    )


def _overlap(one: Request, other: ScheduleRequest) -> bool:
    """Whether two may touch the same hosts, by what they name."""
    # a host is in one zone, but may be in several aggregates
    return not any(
        mine and theirs and not set(mine) & set(theirs)
        for mine, theirs in ((one.hosts, other.hosts), (one.zones, other.zones))
    )
