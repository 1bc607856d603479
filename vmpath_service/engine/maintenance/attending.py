"""What every step in the life of a maintenance stands on: its record, the cloud, rearrangements, time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from vmpath_service.engine.hosts import HostSwitch
from vmpath_service.engine.maintenance.ports import Hooks, Rearrangements, Records, Rounds
from vmpath_service.engine.perseverance import read_patiently
from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.engine.walk import stored
from vmpath_service.model.errors import Outdated
from vmpath_service.model.maintenances import Maintenance
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import ENDED, Rearrangement, RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot

_READ_ATTEMPTS = 5

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class MaintenanceSettings:
    """Times in seconds. ``return_seconds``: how long hosts may take to be up again; ``settle_seconds``: for how long
    they have to be up before they are taken into service; ``late_seconds``: how late one may begin."""

    poll_seconds: float = 2.0
    return_seconds: float = 1800.0
    settle_seconds: float = 10.0
    late_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all maintenances share.

    ``tell`` gets kind, message and the maintenance. ``keep_placement`` writes a placement down and returns the
    options of a rearrangement with policy ``target`` that lead to it.
    """

    cloud: Cloud
    records: Records
    rearrangements: Rearrangements
    rounds: Rounds
    hooks: Hooks
    clock: Clock
    settings: MaintenanceSettings
    stopping: Callable[[], bool]
    tell: Callable[[str, str, str], None]
    keep_placement: Callable[[str, Placement], dict[str, Any]]
    turn: threading.Lock
    """Held while hosts are chosen: of two maintenances of this engine that begin at once the second one need not
    choose again. Those of other engines are seen when the choice is written down."""


class Stopped(Exception):
    """The engine stops; what was being done is taken up again when it starts."""


class Attending:
    """Attends to one maintenance, from a thread of its own."""

    def __init__(self, identity: str, around: Surroundings) -> None:
        self._identity = identity
        self._around = around
        self._epoch = 0

    def _follow(self, identity: str, *, cancellable: bool = False) -> Rearrangement:
        """The rearrangement when it has ended, or is planned where that is all it does."""
        cancelled = False
        while True:
            found = self._around.rearrangements.show(identity)
            if found.state in ENDED or found.state is RearrangementState.PLANNED:
                return found
            if cancellable and not cancelled and self._record().cancel_requested:
                self._around.rearrangements.cancel(identity)
                cancelled = True
            self._wait()

    def _switch(self, beside: tuple[str, ...] = ()) -> HostSwitch:
        """``beside``: hosts that are disabled for it and are not spoken of. Raises Fenced."""
        # to enable them is written down when it is done: it must not be another engine's by now
        self._record()
        return HostSwitch(
            f"vmpath: maintenance {self._identity}",
            self._around.cloud,
            self._around.clock,
            self._around.stopping,
            lambda hosts: self._keep_disabled((*beside, *hosts)),
        )

    def _keep_disabled(self, hosts: tuple[str, ...]) -> None:
        self._change(disabled=hosts)

    def _read(self) -> Snapshot:
        around = self._around
        return read_patiently(around.cloud, around.clock, around.stopping, _READ_ATTEMPTS)

    def _record(self) -> Maintenance:
        if self._around.stopping():
            raise Stopped
        return self._stored(lambda: self._around.records.get(self._identity, epoch=self._epoch))

    def _change(self, seen: Maintenance | None = None, **values: Any) -> Maintenance:
        """``seen``: what it was decided from; raises Outdated if it has changed since."""
        return self._stored(lambda: self._change_once(seen, **values))

    def _change_once(self, seen: Maintenance | None = None, **values: Any) -> Maintenance:
        """The same, within a transaction that may have to be repeated as a whole."""

        def made(record: Maintenance, version: int) -> Maintenance:
            if seen is not None and record.version != seen.version:
                raise Outdated(f"maintenance {record.id} is at version {record.version} by now, not {seen.version}")
            return msgspec.structs.replace(record, version=version, updated_at=self._around.clock.time(), **values)

        return self._around.records.change(self._identity, made, epoch=self._epoch)

    def _begin(self, seen: Maintenance, request: Request, **values: Any) -> Maintenance:
        """Begin a rearrangement for it, written down with ``values`` as it is made: whoever takes this maintenance
        over finds it, and an engine from which it has been taken over begins none."""

        def within(make: Callable[[], Rearrangement]) -> Rearrangement:
            made = make()
            self._change_once(seen, rearrangement=made.id, **values)
            return made

        if self._around.stopping():
            raise Stopped
        self._around.rearrangements.create(request, within)
        return self._record()

    def _stored(self, call: Callable[[], Answer]) -> Answer:
        return stored(call, self._around.clock, self._around.stopping)

    def _wait(self) -> None:
        self._around.clock.wait(self._around.settings.poll_seconds)
        if self._around.stopping():
            raise Stopped

    def _tell(self, kind: str, message: str) -> None:
        self._around.tell(f"maintenance.{kind}", message, self._identity)
