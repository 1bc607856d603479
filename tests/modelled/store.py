"""The store in memory, as strict as the contract of ``ports.Store`` allows."""

from __future__ import annotations

import builtins
import itertools
import threading
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from modelled.clock import StepClock

from vmpath_service.engine.executor.state import IN_FLIGHT
from vmpath_service.engine.ports import Clock
from vmpath_service.model.errors import Conflict, Fenced, NotFound
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import ENDED, Event, Freeze, Migration, Rearrangement, RearrangementState, Request


class MemoryStore:
    """``intentions``: every (rearrangement, step, attempt) that was ever intended."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or StepClock()
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._rearrangements: dict[str, Rearrangement] = {}
        self._plans: dict[str, bytes] = {}
        self._migrations: dict[str, dict[int, Migration]] = {}
        self._events: builtins.list[Event] = []
        self._freeze: Freeze | None = None
        self.intentions: builtins.list[tuple[str, int, int]] = []

    def create(self, request: Request) -> Rearrangement:
        with self._lock:
            identity, now = f"r-{next(self._numbers)}", self._clock.time()
            made = Rearrangement(identity, request, RearrangementState.PLANNING, now, now)
            self._rearrangements[identity] = made
            return made

    def get(self, identity: str) -> Rearrangement:
        with self._lock:
            if identity not in self._rearrangements:
                raise NotFound(f"there is no rearrangement {identity}")
            return self._rearrangements[identity]

    def list(
        self, *, states: Collection[RearrangementState] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Rearrangement]:
        with self._lock:
            found = [each for each in reversed(self._rearrangements.values()) if not states or each.state in states]
        if marker is not None:
            names = [each.id for each in found]
            if marker not in names:
                raise NotFound(f"there is no rearrangement {marker}")
            found = found[names.index(marker) + 1 :]
        return found[:limit]

    def claim(self, identity: str, owner: str) -> int:
        with self._lock:
            self._set(identity, owner=owner, epoch=self.get(identity).epoch + 1)
            return self.get(identity).epoch

    def change(
        self, identity: str, epoch: int, *, expected: Collection[RearrangementState] = (), **values: Any
    ) -> Rearrangement:
        with self._lock:
            self._fence(identity, epoch)
            if expected and self.get(identity).state not in expected:
                raise Conflict(f"rearrangement {identity} is {self.get(identity).state}")
            return self._set(identity, **values)

    def request_cancel(self, identity: str) -> Rearrangement:
        with self._lock:
            if self.get(identity).state in ENDED:
                raise Conflict(f"rearrangement {identity} has ended")
            return self._set(identity, cancel_requested=True)

    def delete(self, identity: str) -> None:
        with self._lock:
            if self.get(identity).state not in ENDED:
                raise Conflict(f"rearrangement {identity} has not ended")
            del self._rearrangements[identity]
            self._plans.pop(identity, None)
            self._migrations.pop(identity, None)

    def save_plan(self, identity: str, epoch: int, plan: Plan, migrations: Sequence[Migration]) -> None:
        with self._lock:
            self._fence(identity, epoch)
            self._plans[identity] = msgspec.json.encode(plan)
            self._migrations[identity] = {each.step: each for each in migrations}

    def plan(self, identity: str) -> Plan:
        with self._lock:
            if identity not in self._plans:
                raise NotFound(f"rearrangement {identity} has no plan yet")
            return msgspec.json.decode(self._plans[identity], type=Plan)

    def migrations(self, identity: str) -> Sequence[Migration]:
        with self._lock:
            kept = self._migrations.get(identity, {})
            return [kept[step] for step in sorted(kept)]

    def intend(self, epoch: int, migration: Migration) -> None:
        with self._lock:
            self._fence(migration.rearrangement, epoch)
            key = (migration.rearrangement, migration.step, migration.attempt)
            if key in self.intentions:
                raise Conflict(f"attempt {migration.attempt} of step {migration.step} was made before")
            self.intentions.append(key)
            self._migrations[migration.rearrangement][migration.step] = migration

    def record(self, epoch: int, migration: Migration) -> None:
        with self._lock:
            self._fence(migration.rearrangement, epoch)
            kept = self._migrations[migration.rearrangement][migration.step]
            if kept.attempt != migration.attempt:
                raise Conflict(f"step {migration.step} is at attempt {kept.attempt}, not {migration.attempt}")
            self._migrations[migration.rearrangement][migration.step] = migration

    def unresolved(self) -> Sequence[Migration]:
        with self._lock:
            return [each for steps in self._migrations.values() for each in steps.values() if each.state in IN_FLIGHT]

    def add_event(
        self, kind: str, message: str, *, rearrangement: str | None = None, step: int | None = None
    ) -> Event:
        with self._lock:
            event = Event(len(self._events) + 1, self._clock.time(), rearrangement, kind, message, step)
            self._events.append(event)
            return event

    def events(self, rearrangement: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        with self._lock:
            found = [each for each in self._events if each.sequence > after]
        return [each for each in found if rearrangement in (None, each.rearrangement)][:limit]

    def freeze(self, reason: str, by: str) -> Freeze:
        with self._lock:
            self._freeze = self._freeze or Freeze(self._clock.time(), reason, by)
            return self._freeze

    def thaw(self) -> None:
        with self._lock:
            self._freeze = None

    def frozen(self) -> Freeze | None:
        with self._lock:
            return self._freeze

    def _fence(self, identity: str, epoch: int) -> None:
        if self.get(identity).epoch != epoch:
            raise Fenced(f"epoch {epoch} of rearrangement {identity} is over")

    def _set(self, identity: str, **values: Any) -> Rearrangement:
        before = self.get(identity)
        values = {"version": before.version + 1, "updated_at": self._clock.time(), **values}
        self._rearrangements[identity] = msgspec.structs.replace(before, **values)
        return self._rearrangements[identity]
