"""The store in memory, for walks that are too many for a database. It fulfils the same contract."""

from __future__ import annotations

import builtins
import itertools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from tests.modelled.clock import StepClock
from vmpath_service.engine.ports import Clock
from vmpath_service.model.errors import Conflict, Fenced, NotFound, Outdated
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import (
    ENDED,
    UNRESOLVED,
    Event,
    Freeze,
    HostAction,
    HostTrouble,
    Migration,
    MigrationState,
    Rearrangement,
    RearrangementState,
    Request,
)

CHANGEABLE = frozenset(
    (
        *("state", "owner", "cancel_requested", "abort_requested", "rolling_back"),
        *("explanation", "decision", "summary", "disabled"),
    )
)


class MemoryStore:
    """As strict as the database: what that refuses, this refuses."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or StepClock()
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._rearrangements: dict[str, Rearrangement] = {}
        self._plans: dict[str, bytes] = {}
        self._migrations: dict[str, dict[int, Migration]] = {}
        self._intentions: dict[str, set[tuple[int, int]]] = {}
        self._events: builtins.list[Event] = []
        self._sequence = 0
        self._beats: dict[str, int] = {}
        self._freeze: Freeze | None = None
        self._actions: dict[str, dict[int, HostAction]] = {}
        self._troubles: dict[str, HostTrouble] = {}

    def create(self, request: Request) -> Rearrangement:
        with self._lock:
            identity, now = f"r-{next(self._numbers)}", self._clock.time()
            made = Rearrangement(identity, request, RearrangementState.PLANNING, now, now)
            self._rearrangements[identity] = made
            self._migrations[identity], self._intentions[identity], self._actions[identity] = {}, set(), {}
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
            found = list(reversed(self._rearrangements.values()))
            if marker is not None:
                found = found[found.index(self.get(marker)) + 1 :]
        return [each for each in found if not states or each.state in states][:limit]

    def claim(self, identity: str, owner: str, *, known: int | None = None) -> int:
        with self._lock:
            self._compare(identity, known)
            self._set(identity, owner=owner, epoch=self.get(identity).epoch + 1)
            return self.get(identity).epoch

    def change(
        self,
        identity: str,
        epoch: int,
        *,
        expected: Collection[RearrangementState] = (),
        known: int | None = None,
        **values: Any,
    ) -> Rearrangement:
        if unknown := set(values) - CHANGEABLE:
            raise TypeError(f"a rearrangement has no changeable field {', '.join(sorted(unknown))}")
        with self._lock:
            self._compare(identity, known)
            self._fence(identity, epoch)
            if expected and self.get(identity).state not in expected:
                raise Conflict(f"rearrangement {identity} is {self.get(identity).state}")
            return self._set(identity, **values)

    def request_cancel(self, identity: str, *, abort: bool = False, known: int | None = None) -> Rearrangement:
        with self._lock:
            self._compare(identity, known)
            if self.get(identity).state in ENDED:
                raise Conflict(f"rearrangement {identity} has ended")
            return self._set(identity, cancel_requested=True, **({"abort_requested": True} if abort else {}))

    def request_rollback(
        self,
        identity: str,
        *,
        expected: Collection[RearrangementState],
        abort: bool = False,
        known: int | None = None,
    ) -> Rearrangement:
        with self._lock:
            self._compare(identity, known)
            if self.get(identity).state not in expected:
                raise Conflict(f"rearrangement {identity} is {self.get(identity).state}")
            return self._set(identity, rolling_back=True, cancel_requested=False, abort_requested=abort)

    def delete(self, identity: str, *, known: int | None = None) -> None:
        with self._lock:
            self._compare(identity, known)
            if self.get(identity).state not in ENDED:
                raise Conflict(f"rearrangement {identity} has not ended")
            if any(each.state in UNRESOLVED for each in self._migrations[identity].values()):
                raise Conflict(f"rearrangement {identity} has migrations that may still move their instances")
            for kept in (self._rearrangements, self._migrations, self._intentions, self._actions):
                del kept[identity]
            self._plans.pop(identity, None)
            self._events = [each for each in self._events if each.subject != identity]

    def save_plan(self, identity: str, epoch: int, plan: Plan, migrations: Sequence[Migration]) -> None:
        with self._lock:
            self._fence(identity, epoch)
            if self._intentions[identity]:
                raise Conflict(f"the plan of rearrangement {identity} has begun and cannot be replaced")
            self._plans[identity] = msgspec.json.encode(plan)
            self._migrations[identity] = {each.step: each for each in migrations}
            self._actions[identity] = {
                step.id: HostAction(identity, step.id, step.host, step.action) for step in plan.host_steps
            }

    def extend_plan(
        self, identity: str, epoch: int, plan: Plan, added: Sequence[Migration], changed: Sequence[Migration]
    ) -> None:
        with self._lock:
            self._fence(identity, epoch)
            kept = self._migrations[identity]
            if any(each.step in kept for each in added):
                raise Conflict(f"rearrangement {identity} has such a step already")
            for each in changed:
                if each.step not in kept or kept[each.step].attempt != each.attempt:
                    raise Conflict(f"step {each.step} of rearrangement {identity} is not at attempt {each.attempt}")
            self._plans[identity] = msgspec.json.encode(plan)
            kept.update({each.step: each for each in (*added, *changed)})
            for step in plan.host_steps:
                self._actions[identity].setdefault(step.id, HostAction(identity, step.id, step.host, step.action))

    def host_actions(self, identity: str) -> Sequence[HostAction]:
        with self._lock:
            self.get(identity)
            return [self._actions[identity][step] for step in sorted(self._actions[identity])]

    def record_host_action(self, epoch: int, action: HostAction) -> None:
        with self._lock:
            self._fence(action.rearrangement, epoch)
            if action.step not in self._actions[action.rearrangement]:
                raise NotFound(f"rearrangement {action.rearrangement} has no host step {action.step}")
            self._actions[action.rearrangement][action.step] = action

    def troubles(self) -> Mapping[str, HostTrouble]:
        with self._lock:
            return dict(sorted(self._troubles.items()))

    def blame(self, host: str, reason: str) -> HostTrouble:
        with self._lock:
            now = self._clock.time()
            kept = self._troubles.get(host) or HostTrouble(host, 0, now, now, reason)
            self._troubles[host] = msgspec.structs.replace(
                kept, failures=kept.failures + 1, last_at=now, reason=reason
            )
            return self._troubles[host]

    def absolve(self, host: str) -> bool:
        with self._lock:
            return self._troubles.pop(host, None) is not None

    def moved_since(self, moment: float, *, but: str) -> Mapping[str, float]:
        with self._lock:
            found: dict[str, float] = {}
            for identity, migrations in self._migrations.items():
                for each in migrations.values() if identity != but else ():
                    if each.state is MigrationState.DONE and each.attempt and (each.ended_at or 0) >= moment:
                        found[each.instance] = max(found.get(each.instance, 0.0), each.ended_at or 0.0)
            return found

    def plan(self, identity: str) -> Plan:
        with self._lock:
            self.get(identity)
            if identity not in self._plans:
                raise NotFound(f"rearrangement {identity} has no plan yet")
            return msgspec.json.decode(self._plans[identity], type=Plan)

    def migrations(self, identity: str) -> Sequence[Migration]:
        with self._lock:
            self.get(identity)
            return self._in_order(identity)

    def intend(self, epoch: int, migration: Migration) -> None:
        with self._lock:
            self._fence(migration.rearrangement, epoch)
            attempt = migration.step, migration.attempt
            if attempt in self._intentions[migration.rearrangement]:
                raise Conflict(f"attempt {migration.attempt} of step {migration.step} was made before")
            self._step(migration)
            self._intentions[migration.rearrangement].add(attempt)
            self._migrations[migration.rearrangement][migration.step] = migration

    def record(self, epoch: int, migration: Migration) -> None:
        with self._lock:
            self._fence(migration.rearrangement, epoch)
            kept = self._step(migration)
            if kept.attempt != migration.attempt:
                raise Conflict(f"step {migration.step} is at attempt {kept.attempt}, not {migration.attempt}")
            self._migrations[migration.rearrangement][migration.step] = migration

    def unresolved(self, but: str | None = None) -> Sequence[Migration]:
        with self._lock:
            return [
                each
                for identity in sorted(self._migrations.keys() - {but})
                for each in self._in_order(identity)
                if each.state in UNRESOLVED
            ]

    def add_event(
        self,
        kind: str,
        message: str,
        *,
        subject: str | None = None,
        step: int | None = None,
        host: str | None = None,
    ) -> Event:
        with self._lock:
            self._sequence += 1
            event = Event(self._sequence, self._clock.time(), subject, kind, message, step, host)
            self._events.append(event)
            return event

    def events(self, subject: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        with self._lock:
            found = [each for each in self._events if each.sequence > after]
        return [each for each in found if subject in (None, each.subject)][:limit]

    def at_once(self) -> AbstractContextManager[None]:
        """One thread at a time reads here."""
        return nullcontext()

    def together(self) -> AbstractContextManager[None]:
        """Every change is durable at once: a crash finds less in step than in a database."""
        return nullcontext()

    def afterwards(self, call: Callable[[], None]) -> None:
        call()

    def beat(self, owner: str) -> Mapping[str, int]:
        with self._lock:
            self._beats[owner] = self._beats.get(owner, 0) + 1
            return dict(self._beats)

    def resign(self, owner: str) -> None:
        with self._lock:
            self._beats.pop(owner, None)

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

    def _in_order(self, identity: str) -> builtins.list[Migration]:
        kept = self._migrations[identity]
        return [kept[step] for step in sorted(kept)]

    def _step(self, migration: Migration) -> Migration:
        kept = self._migrations[migration.rearrangement].get(migration.step)
        if kept is None:
            raise NotFound(f"rearrangement {migration.rearrangement} has no step {migration.step}")
        return kept

    def _compare(self, identity: str, known: int | None) -> None:
        if known is not None and self.get(identity).version != known:
            raise Outdated(f"rearrangement {identity} has changed")

    def _fence(self, identity: str, epoch: int) -> None:
        if self.get(identity).epoch != epoch:
            raise Fenced(f"epoch {epoch} of rearrangement {identity} is over")

    def _set(self, identity: str, **values: Any) -> Rearrangement:
        before = self.get(identity)
        values = {"version": before.version + 1, "updated_at": self._clock.time(), **values}
        self._rearrangements[identity] = msgspec.structs.replace(before, **values)
        return self._rearrangements[identity]
