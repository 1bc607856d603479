"""Takes orders for maintenances, and carries each through its life in a thread of its own."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from oslo_log import log as logging

from vmpath_service.engine.maintenance.attending import Surroundings
from vmpath_service.engine.maintenance.maintaining import Maintaining
from vmpath_service.engine.perseverance import persevere
from vmpath_service.model.declarations import declaration_of
from vmpath_service.model.errors import Conflict, InvalidInput, NotFound, Outdated
from vmpath_service.model.maintenances import (
    GOING,
    POWER_OFF,
    Maintenance,
    MaintenanceRequest,
    MaintenanceState,
    scheduled,
    scheduled_in_words,
)
from vmpath_service.model.schedules import Times
from vmpath_service.model.times import iso

LOG = logging.getLogger(__name__)

PAST = 300.0
"""Seconds that a start may lie back: clocks differ, and typing takes time."""
LONGEST_REASON = 1000
"""Characters: it is shown in lists and told to everybody."""
FARTHEST = 5 * 366 * 86400.0
_STOP_S = 30.0
_GOING = tuple(state.value for state in GOING)


class MaintenanceKeeper:
    """Everything that people and programs ask of maintenances is asked of it, from any thread."""

    def __init__(self, around: Surroundings, check: Callable[[MaintenanceRequest], None]) -> None:
        """``check`` raises InvalidInput where policies or their options are wrong."""
        self._around = around
        self._check = check
        self._threads: set[threading.Thread] = set()

    def resume(self) -> int:
        """Take up all that have not ended; returns how many."""
        going = self._around.records.list(states=_GOING)
        for record in reversed(going):
            self._start(record.id)
        return len(going)

    def stop(self) -> bool:
        """Wait for the threads, which the stopping engine has told to end; returns whether all have."""
        deadline = time.monotonic() + _STOP_S
        for thread in tuple(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # what can be asked and ordered; known: the version that whoever orders it has seen, None for any

    def create(self, request: MaintenanceRequest) -> Maintenance:
        """Schedule one. Raises InvalidInput, NotFound for a host that there is not, Conflict for a host that is in
        another maintenance at that time."""
        now = self._around.clock.time()
        start = self._checked(request, now)
        identity = str(uuid.uuid4())
        record = scheduled(identity, request, start, now)
        # another engine on the same database may be about to keep one of the same hosts
        self._around.records.create(
            identity, record, beside=_GOING, check=lambda others: _check_overlap(record, others)
        )
        self._around.tell("maintenance.scheduled", scheduled_in_words(record), identity)
        self._start(identity)
        return record

    def cancel(self, identity: str, known: int | None = None) -> Maintenance:
        """End it: what is in flight is followed to its end, and hosts that vmpath disabled are enabled."""
        return self._order(identity, known, "cancelling", "cancel requested", cancel_requested=True)

    def pause(self, identity: str, known: int | None = None) -> Maintenance:
        """Begin no further round, or not at all, for now."""
        return self._order(identity, known, "paused", "paused: no round begins", pause_requested=True)

    def proceed(self, identity: str, known: int | None = None) -> Maintenance:
        """Undo ``pause``."""
        return self._order(identity, known, "resumed", "goes on", pause_requested=False)

    def complete(self, identity: str, known: int | None = None) -> Maintenance:
        """Say that the work on the hosts of the round under way is done. Raises Conflict if none is ready for it."""

        def made(record: Maintenance, version: int) -> Maintenance:
            _expect(record, known)
            if record.state is not MaintenanceState.READY:
                raise Conflict(f"maintenance {identity} is {record.state.value}, its hosts are not ready for work")
            done = tuple(dict.fromkeys((*record.completed, *record.hosts_now())))
            return self._replaced(record, version, completed=done)

        record = self._around.records.change(identity, made)
        self._around.tell("maintenance.completed", f"the work on {', '.join(record.hosts_now())} is done", identity)
        return record

    def delete(self, identity: str, known: int | None = None) -> None:
        """Forget one that has ended; raises Conflict if it has not."""

        def check(record: Maintenance) -> None:
            _expect(record, known)
            if not record.ended():
                raise Conflict(f"maintenance {identity} is {record.state.value}; cancel it first")

        self._around.records.delete(identity, check)

    # how it is done

    def _checked(self, request: MaintenanceRequest, now: float) -> float:
        """When it is to start; raises InvalidInput and NotFound."""
        if not request.hosts:
            raise InvalidInput("hosts: expected the name of at least one host")
        if len(set(request.hosts)) < len(request.hosts):
            twice = next(host for host in request.hosts if request.hosts.count(host) > 1)
            raise InvalidInput(f"hosts: {twice!r} is named twice")
        if request.duration_s is not None and not 0 < request.duration_s <= FARTHEST:
            raise InvalidInput(f"duration_s: found {request.duration_s:g}, expected seconds above 0")
        if len(request.reason) > LONGEST_REASON:
            raise InvalidInput(f"reason: found {len(request.reason)} characters, expected up to {LONGEST_REASON}")
        if request.max_hosts is not None and (request.max_hosts < 1 or not request.rolling):
            raise InvalidInput("max_hosts: expected at least 1, and only with rolling")
        self._check_choices(request)
        self._check(request)
        start = _start_of(request, now)
        if start < now - PAST:
            raise InvalidInput(f"start: {request.start} is in the past")
        if start > now + FARTHEST:
            raise InvalidInput(f"start: {request.start} is more than five years ahead")
        known = self._around.cloud.read_hosts(request.hosts)
        for host in request.hosts:
            if host not in known:
                raise NotFound(f"there is no host {host!r}")
        if request.action == POWER_OFF:
            self._check_power(request)
        return start

    def _check_power(self, request: MaintenanceRequest) -> None:
        """Raises InvalidInput for a host that the operator has not said may be powered off."""
        hosts = {host.name: host for host in self._around.cloud.read().hosts}
        for name in request.hosts:
            if name not in hosts or declaration_of(hosts[name]).power_off_allowed != "yes":
                raise InvalidInput(
                    f"action: {name} may not be powered off: no [aggregate:NAME] that it is in says "
                    "power_off_allowed = yes"
                )

    def _check_choices(self, request: MaintenanceRequest) -> None:
        if request.action == POWER_OFF and request.leftovers == "accept":
            raise InvalidInput("leftovers: only what is empty is powered off, expected refuse with action = power-off")
        if request.action == "hook" and request.hook is None:
            raise InvalidInput("hook: expected the name of a hook with action = hook")
        if request.action == "none" and request.hook is not None:
            raise InvalidInput("hook: expected none with action = none")
        hook = request.hook_name()
        if hook is not None and hook not in self._around.hooks.names():
            there_are = ", ".join(sorted(self._around.hooks.names())) or "none"
            raise InvalidInput(f"hook: there is no hook {hook!r}; there are: {there_are}")
        if (request.afterwards == "policy") != (request.afterwards_policy is not None):
            raise InvalidInput("afterwards_policy: expected the name of a policy with afterwards = policy, only then")

    def _order(self, identity: str, known: int | None, kind: str, message: str, **values: Any) -> Maintenance:
        def made(record: Maintenance, version: int) -> Maintenance:
            _expect(record, known)
            if record.ended():
                raise Conflict(f"maintenance {identity} is {record.state.value}")
            waited = kind == "resumed" and record.pause_requested and record.state is MaintenanceState.SCHEDULED
            since = {"phase_since": self._around.clock.time()} if waited else {}
            return self._replaced(record, version, **values, **since)

        record = self._around.records.change(identity, made)
        self._around.tell(f"maintenance.{kind}", message, identity)
        return record

    def _replaced(self, record: Maintenance, version: int, **values: Any) -> Maintenance:
        return msgspec.structs.replace(record, version=version, updated_at=self._around.clock.time(), **values)

    def _start(self, identity: str) -> None:
        self._threads = {thread for thread in self._threads if thread.is_alive()}
        # a daemon: what hangs in a call must not keep the process, as everything is journaled
        thread = threading.Thread(
            target=self._attend, args=(identity,), name=f"maintenance-{identity[:8]}", daemon=True
        )
        self._threads.add(thread)
        thread.start()

    def _attend(self, identity: str) -> None:
        """Carry it on; after an error, again from what the database has, until it works or we stop."""

        def in_trouble(error: BaseException | None) -> None:
            self._around.tell("maintenance.trouble", f"it is taken up again after an error: {error}", identity)

        maintaining = Maintaining(identity, self._around)

        def work() -> None:
            maintaining.carry_on()
            self._follow_series(identity)

        persevere(f"Maintenance {identity}", work, self._around.clock, self._around.stopping, in_trouble)

    def _follow_series(self, identity: str) -> None:
        try:
            record = self._around.records.get(identity)
        except NotFound:
            return
        if record.ended() and record.successor is not None:
            self._start(record.successor)


def _check_overlap(record: Maintenance, others: Sequence[Maintenance]) -> None:
    """Raises Conflict where a host would be in two at the same time."""
    for other in others if not record.request.dry_run else ():
        both = [host for host in record.request.hosts if host in other.request.hosts]
        if both and not other.request.dry_run and record.overlaps(other):
            raise Conflict(
                f"{both[0]} is in maintenance {other.id} already, which is {other.state.value} and takes "
                f"{_time_of(other)}; this one would take {_time_of(record)}"
            )


def _expect(record: Maintenance, known: int | None) -> None:
    """Raises Outdated if it has changed since."""
    if known is not None and record.version != known:
        raise Outdated(f"maintenance {record.id} has changed: it is at version {record.version} now, not {known}")


def _time_of(record: Maintenance) -> str:
    start, end = record.start, record.over_at()
    if math.isinf(end):
        return f"from {iso(start)} until nobody knows when (no duration)"
    return f"from {iso(start)} to {iso(end)}"


def _start_of(request: MaintenanceRequest, now: float) -> float:
    """When it is to begin, or the first of a series; raises InvalidInput."""
    if request.recurrence is None:
        if request.time_zone != "UTC":
            raise InvalidInput("time_zone: it counts with recurrence only; say the offset in start")
        return now if request.start is None else _moment(request.start)
    if request.dry_run:
        raise InvalidInput("recurrence: a dry run is not repeated")
    try:
        times = Times(request.recurrence, request.time_zone)
    except InvalidInput as error:
        raise InvalidInput(f"recurrence: {error}") from error
    return times.following(now) if request.start is None else _moment(request.start)


def _moment(text: str) -> float:
    """A time in ISO 8601, UTC where it does not say; raises InvalidInput."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"start: found {text!r}, expected a time such as 2026-11-21T02:00:00+01:00") from error
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, OSError) as error:
        raise InvalidInput(f"start: {text!r} is no time that vmpath can wait for") from error
