"""The state of vmpath in a database, as the engine and the API need it.

Every change is one transaction, and every change of a rearrangement is a conditional UPDATE whose count of
rows decides: nothing is read first and written back later.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from oslo_db import exception
from sqlalchemy import CursorResult, Select, Update, delete, func, insert, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.errors import Conflict, Fenced, NotFound, StoreError
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
from vmpath_service.store import records
from vmpath_service.store.database import Database
from vmpath_service.store.tables import (
    CounterRow,
    EngineRow,
    EventRow,
    FreezeRow,
    HostActionRow,
    HostTroubleRow,
    IntentionRow,
    MigrationRow,
    PlanRow,
    RearrangementRow,
)

_CHANGEABLE = frozenset(
    (
        *("state", "owner", "cancel_requested", "abort_requested", "rolling_back"),
        *("explanation", "decision", "summary", "disabled"),
    )
)
_IN_JSON = frozenset(("decision", "summary"))


@dataclass(frozen=True, slots=True)
class Tallies:
    """By state: rearrangements, and migrations with the seconds that those took which have ended."""

    rearrangements: Mapping[str, int]
    migrations: Mapping[str, tuple[int, float]]


class Time(Protocol):
    def time(self) -> float:
        """Seconds since the epoch, UTC."""


class SqlStore:
    """All that vmpath remembers. Safe for any number of threads, processes and machines at once.

    Raises StoreError for whatever the database does, Fenced for a write with an epoch that is not the
    rearrangement's any more.
    """

    def __init__(self, database: Database, clock: Time) -> None:
        """Raises StoreError if the schema of ``database`` is not the one this code was written for."""
        database.check()
        self._database = database
        self._clock = clock

    def create(self, request: Request) -> Rearrangement:
        """A new rearrangement in state planning, without an owner."""
        identity, now = str(uuid.uuid4()), self._clock.time()
        row = RearrangementRow(
            id=identity,
            state=RearrangementState.PLANNING.value,
            created_at=now,
            updated_at=now,
            version=1,
            epoch=0,
            journal=0,
            cancel_requested=False,
            request=records.text(request),
            disabled="[]",
            abort_requested=False,
            rolling_back=False,
        )
        values = {column: value for column, value in vars(row).items() if not column.startswith("_")}

        def work(session: Session) -> Rearrangement:
            session.execute(insert(RearrangementRow).values(**values))
            return records.to_rearrangement(_row(session, identity))

        return self._database.write(work)

    def get(self, identity: str) -> Rearrangement:
        """Raises NotFound."""
        return self._database.read(lambda session: records.to_rearrangement(_row(session, identity)))

    def list(
        self, *, states: Collection[RearrangementState] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Rearrangement]:
        """Newest first, after the one called ``marker``; raises NotFound for an unknown marker."""

        def work(session: Session) -> builtins.list[Rearrangement]:
            query = select(RearrangementRow).order_by(RearrangementRow.number.desc()).limit(limit)
            if states:
                query = query.where(RearrangementRow.state.in_([state.value for state in states]))
            if marker is not None:
                query = query.where(RearrangementRow.number < _row(session, marker).number)
            return [records.to_rearrangement(row) for row in session.scalars(query)]

        return self._database.read(work)

    def claim(self, identity: str, owner: str) -> int:
        """Make ``owner`` the owner and return the new epoch, which fences every earlier owner."""

        def work(session: Session) -> int:
            self._change_row(session, identity, epoch=RearrangementRow.epoch + 1, owner=owner)
            return _row(session, identity).epoch

        return self._database.write(work)

    def change(
        self, identity: str, epoch: int, *, expected: Collection[RearrangementState] = (), **values: Any
    ) -> Rearrangement:
        """Set fields of a rearrangement; raises Conflict if its state is not one of ``expected``.

        Fields that may be set: state, owner, cancel_requested, abort_requested, rolling_back, explanation, decision,
        summary, disabled.
        """
        if unknown := set(values) - _CHANGEABLE:
            raise TypeError(f"a rearrangement has no changeable field {', '.join(sorted(unknown))}")
        columns = {name: _column(name, value) for name, value in values.items()}

        def work(session: Session) -> Rearrangement:
            return self._change_row(session, identity, at_epoch=epoch, expected=expected, **columns)

        return self._database.write(work)

    def request_cancel(self, identity: str, *, abort: bool = False) -> Rearrangement:
        """Ask the owner to cancel, and to abort what is in flight; needs no epoch. Raises Conflict if it has ended."""
        going = [state for state in RearrangementState if state not in ENDED]
        wanted = {"cancel_requested": True} | ({"abort_requested": True} if abort else {})
        return self._database.write(lambda session: self._change_row(session, identity, expected=going, **wanted))

    def request_rollback(
        self, identity: str, *, expected: Collection[RearrangementState], abort: bool = False
    ) -> Rearrangement:
        """Ask the owner to move everything back, and to abort what is in flight; needs no epoch.

        Whatever cancel was asked for before is over. Raises Conflict if the state is not one of ``expected``.
        """
        wanted = {"rolling_back": True, "cancel_requested": False, "abort_requested": abort}
        return self._database.write(lambda session: self._change_row(session, identity, expected=expected, **wanted))

    def delete(self, identity: str) -> None:
        """Forget a rearrangement that has ended, with all that belongs to it.

        Raises Conflict if it has not, or if one of its migrations may still move its instance.
        """

        def work(session: Session) -> None:
            self._change_row(session, identity, expected=ENDED)
            moving = session.scalars(
                select(MigrationRow.step).where(MigrationRow.rearrangement == identity, _unresolved()).limit(1)
            ).first()
            if moving is not None:
                raise Conflict(f"rearrangement {identity} has migrations that may still move their instances")
            forget(session, [identity])

        self._database.write(work)

    def save_plan(self, identity: str, epoch: int, plan: Plan, migrations: Sequence[Migration]) -> None:
        """Keep the plan and its migrations (all pending), in one transaction with nothing half done.

        Replaces an earlier plan of which nothing was begun; raises Conflict if something was.
        """
        rows = [records.migration_values(migration) for migration in migrations]
        host_rows = _host_rows(identity, plan)
        content = records.pack_plan(plan)

        def work(session: Session) -> None:
            _fence(session, identity, epoch)
            if session.scalars(select(IntentionRow.step).where(IntentionRow.rearrangement == identity)).first():
                raise Conflict(f"the plan of rearrangement {identity} has begun and cannot be replaced")
            session.execute(delete(PlanRow).where(PlanRow.rearrangement == identity))
            session.execute(delete(MigrationRow).where(MigrationRow.rearrangement == identity))
            session.execute(delete(HostActionRow).where(HostActionRow.rearrangement == identity))
            session.execute(insert(PlanRow).values(rearrangement=identity, content=content))
            if rows:
                session.execute(insert(MigrationRow), rows)
            if host_rows:
                session.execute(insert(HostActionRow), host_rows)

        self._database.write(work)

    def extend_plan(
        self, identity: str, epoch: int, plan: Plan, added: Sequence[Migration], changed: Sequence[Migration]
    ) -> None:
        """Replace the plan by one that has more steps, in one transaction: ``added`` are new ones, all pending,
        ``changed`` are those that the new ones replace.

        Raises Conflict, with nothing changed, if one of ``added`` is there already, or one of ``changed`` is at
        another attempt than the database knows of.
        """
        rows = [records.migration_values(migration) for migration in added]
        content = records.pack_plan(plan)

        def work(session: Session) -> None:
            _fence(session, identity, epoch)
            session.execute(delete(PlanRow).where(PlanRow.rearrangement == identity))
            session.execute(insert(PlanRow).values(rearrangement=identity, content=content))
            known = set(session.scalars(select(HostActionRow.step).where(HostActionRow.rearrangement == identity)))
            fresh = [row for row in _host_rows(identity, plan) if row["step"] not in known]
            if fresh:
                session.execute(insert(HostActionRow), fresh)
            try:
                if rows:
                    session.execute(insert(MigrationRow), rows)
            except exception.DBDuplicateEntry as error:
                raise Conflict(f"rearrangement {identity} has such a step already") from error
            for each in changed:
                if not _count(session, _update_of(each).where(MigrationRow.attempt == each.attempt)):
                    raise Conflict(f"step {each.step} of rearrangement {identity} is not at attempt {each.attempt}")

        self._database.write(work)

    def host_actions(self, identity: str) -> Sequence[HostAction]:
        """The host steps of its plan, in their order; raises NotFound."""

        def work(session: Session) -> builtins.list[HostAction]:
            _row(session, identity)
            query = select(HostActionRow).where(HostActionRow.rearrangement == identity).order_by(HostActionRow.step)
            return [records.to_host_action(row) for row in session.scalars(query)]

        return self._database.read(work)

    def record_host_action(self, epoch: int, action: HostAction) -> None:
        """Write down how a host step stands now."""
        values = msgspec.structs.asdict(action)
        key = {name: values.pop(name) for name in ("rearrangement", "step")}

        def work(session: Session) -> None:
            _fence(session, action.rearrangement, epoch)
            if not _count(session, update(HostActionRow).filter_by(**key).values(**values)):
                raise NotFound(f"rearrangement {action.rearrangement} has no host step {action.step}")

        self._database.write(work)

    def troubles(self) -> Mapping[str, HostTrouble]:
        """The hosts whose last migration failed."""
        query = select(HostTroubleRow).order_by(HostTroubleRow.host)
        found = self._database.read(lambda session: [records.to_host_trouble(row) for row in session.scalars(query)])
        return {each.host: each for each in found}

    def blame(self, host: str, reason: str) -> HostTrouble:
        """Count one more failure of a host; returns how it stands now."""
        now = self._clock.time()

        def work(session: Session) -> HostTrouble:
            more = {"failures": HostTroubleRow.failures + 1, "last_at": now, "reason": reason}
            if not _count(session, update(HostTroubleRow).where(HostTroubleRow.host == host).values(**more)):
                first = {"host": host, "failures": 1, "since": now, "last_at": now, "reason": reason}
                session.execute(insert(HostTroubleRow).values(**first))
            row = session.scalars(
                select(HostTroubleRow).where(HostTroubleRow.host == host).execution_options(populate_existing=True)
            ).one()
            return records.to_host_trouble(row)

        return self._database.write(work)

    def absolve(self, host: str) -> bool:
        """Forget the failures of a host; whether there were any."""
        return self._database.write(
            lambda session: bool(_count(session, delete(HostTroubleRow).where(HostTroubleRow.host == host)))
        )

    def moved_since(self, moment: float, *, but: str) -> Mapping[str, float]:
        """Instances that other rearrangements than ``but`` have moved since, and when the last time."""
        query = (
            select(MigrationRow.instance, func.max(MigrationRow.ended_at))
            .where(
                MigrationRow.ended_at >= moment,
                MigrationRow.state == MigrationState.DONE.value,
                MigrationRow.attempt > 0,
                MigrationRow.rearrangement != but,
            )
            .group_by(MigrationRow.instance)
        )
        return self._database.read(lambda session: {name: at or 0.0 for name, at in session.execute(query)})

    def plan(self, identity: str) -> Plan:
        """Raises NotFound while there is none."""

        def work(session: Session) -> bytes:
            _row(session, identity)
            content = session.scalars(select(PlanRow.content).where(PlanRow.rearrangement == identity)).first()
            if content is None:
                raise NotFound(f"rearrangement {identity} has no plan yet")
            return content

        return records.unpack_plan(self._database.read(work))

    def migrations(self, identity: str) -> Sequence[Migration]:
        """In the order of their steps; none while there is no plan. Raises NotFound."""

        def work(session: Session) -> builtins.list[Migration]:
            _row(session, identity)
            query = _migrations().where(MigrationRow.rearrangement == identity).order_by(MigrationRow.step)
            return [records.to_migration(row) for row in session.execute(query)]

        return self._database.read(work)

    def migration(self, identity: str, step: int) -> Migration:
        """One of them. Raises NotFound."""

        def work(session: Session) -> Migration:
            wanted = (MigrationRow.rearrangement == identity, MigrationRow.step == step)
            row = session.execute(_migrations().where(*wanted)).first()
            if row is None:
                raise NotFound(f"rearrangement {identity} has no migration {step}")
            return records.to_migration(row)

        return self._database.read(work)

    def intend(self, epoch: int, migration: Migration) -> None:
        """Journal the intention to send a request: it is on the disk when this returns.

        Raises Conflict if there was an intention of this step with the same attempt before.
        """
        identity, step = migration.rearrangement, migration.step
        at = self._clock.time() if migration.intended_at is None else migration.intended_at

        def work(session: Session) -> None:
            _fence(session, identity, epoch)
            try:
                session.execute(
                    insert(IntentionRow).values(
                        rearrangement=identity,
                        step=step,
                        attempt=migration.attempt,
                        epoch=epoch,
                        instance=migration.instance,
                        source=migration.source,
                        dest=migration.dest,
                        baseline=migration.baseline,
                        at=at,
                    )
                )
            except exception.DBDuplicateEntry as error:
                raise Conflict(
                    f"attempt {migration.attempt} of step {step} of rearrangement {identity} was made before"
                ) from error
            if not _count(session, _update_of(migration)):
                raise NotFound(f"rearrangement {identity} has no step {step}")

        self._database.write(work)

    def record(self, epoch: int, migration: Migration) -> None:
        """Write down how a migration stands now. Raises Conflict if its attempt is not the one intended last."""
        identity, step = migration.rearrangement, migration.step

        def work(session: Session) -> None:
            _fence(session, identity, epoch)
            if not _count(session, _update_of(migration).where(MigrationRow.attempt == migration.attempt)):
                kept = session.get(MigrationRow, (identity, step))
                if kept is None:
                    raise NotFound(f"rearrangement {identity} has no step {step}")
                raise Conflict(
                    f"step {step} of rearrangement {identity} is at attempt {kept.attempt}, not {migration.attempt}"
                )

        self._database.write(work)

    def unresolved(self) -> Sequence[Migration]:
        """Migrations of any rearrangement that may still move their instance."""
        query = _migrations().where(_unresolved()).order_by(MigrationRow.rearrangement, MigrationRow.step)
        return self._database.read(lambda session: [records.to_migration(row) for row in session.execute(query)])

    def add_event(
        self, kind: str, message: str, *, rearrangement: str | None = None, step: int | None = None
    ) -> Event:
        """Append an event. Its sequence follows the last one's without a gap, in the order of commits."""
        at = self._clock.time()

        def work(session: Session) -> Event:
            # the row stays locked until the commit: nobody reads a higher number before this one is there
            _count(session, update(CounterRow).where(CounterRow.name == "events").values(value=CounterRow.value + 1))
            sequence = session.scalars(select(CounterRow.value).where(CounterRow.name == "events")).first()
            if sequence is None:
                raise StoreError(f"database {self._database.label}: the counter of events is missing")
            event = Event(sequence=sequence, at=at, rearrangement=rearrangement, kind=kind, message=message, step=step)
            values = {field: getattr(event, field) for field in Event.__struct_fields__}
            session.execute(insert(EventRow).values(**values))
            return event

        return self._database.write(work)

    def events(self, rearrangement: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events (of one rearrangement, or all) with a sequence above ``after``, in order."""
        query = select(EventRow).where(EventRow.sequence > after).order_by(EventRow.sequence).limit(limit)
        if rearrangement is not None:
            query = query.where(EventRow.rearrangement == rearrangement)
        return self._database.read(lambda session: [records.to_event(row) for row in session.scalars(query)])

    def together(self) -> AbstractContextManager[None]:
        """One transaction of all that the calling thread does in the block; see ``Database.together``."""
        return self._database.together()

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this when what the calling thread has written is on the disk."""
        self._database.afterwards(call)

    def beat(self, owner: str) -> Mapping[str, int]:
        """Give a sign of life of an engine; how many every engine has given so far, this one included."""
        now = self._clock.time()

        def work(session: Session) -> Mapping[str, int]:
            again = update(EngineRow).where(EngineRow.owner == owner).values(beats=EngineRow.beats + 1, seen_at=now)
            if not _count(session, again):
                session.execute(insert(EngineRow).values(owner=owner, beats=1, seen_at=now))
            return {row.owner: row.beats for row in session.scalars(select(EngineRow))}

        return self._database.write(work)

    def resign(self, owner: str) -> None:
        """Let an engine be known for dead from now on."""
        self._database.write(lambda session: _count(session, delete(EngineRow).where(EngineRow.owner == owner)))

    def freeze(self, reason: str, by: str) -> Freeze:
        """From now on nothing new starts; a second freeze keeps the first, which is returned."""
        wanted = Freeze(since=self._clock.time(), reason=reason, by=by)

        def work(session: Session) -> Freeze:
            row = session.get(FreezeRow, 1)
            if row is not None:
                return records.to_freeze(row)
            session.execute(insert(FreezeRow).values(id=1, since=wanted.since, reason=reason, by=by))
            return wanted

        try:
            return self._database.write(work)
        except StoreError:
            # two at once: the other one stands
            standing = self.frozen()
            if standing is None:
                raise
            return standing

    def thaw(self) -> None:
        """Lift the freeze, if there is one."""
        self._database.write(lambda session: _count(session, delete(FreezeRow)))

    def frozen(self) -> Freeze | None:
        """The freeze in force, if any."""

        def work(session: Session) -> Freeze | None:
            row = session.get(FreezeRow, 1)
            return None if row is None else records.to_freeze(row)

        return self._database.read(work)

    def tallies(self) -> Tallies:
        """How much there is of what, for metrics."""

        def work(session: Session) -> Tallies:
            going = session.execute(
                select(RearrangementRow.state, func.count()).group_by(RearrangementRow.state)
            )
            took = func.coalesce(func.sum(MigrationRow.ended_at - MigrationRow.intended_at), 0.0)
            moved = session.execute(select(MigrationRow.state, func.count(), took).group_by(MigrationRow.state))
            return Tallies(
                rearrangements={state: int(count) for state, count in going},
                migrations={state: (count, float(seconds or 0)) for state, count, seconds in moved},
            )

        return self._database.read(work)

    def _change_row(
        self,
        session: Session,
        identity: str,
        *,
        at_epoch: int | None = None,
        expected: Collection[RearrangementState] = (),
        **columns: Any,
    ) -> Rearrangement:
        """The only way in which a rearrangement changes: under conditions, all in one statement."""
        change = update(RearrangementRow).where(RearrangementRow.id == identity)
        if at_epoch is not None:
            change = change.where(RearrangementRow.epoch == at_epoch)
        if expected:
            change = change.where(RearrangementRow.state.in_([state.value for state in expected]))
        change = change.values(version=RearrangementRow.version + 1, updated_at=self._clock.time(), **columns)
        if _count(session, change):
            return records.to_rearrangement(_row(session, identity))
        row = _row(session, identity)
        if at_epoch is not None and row.epoch != at_epoch:
            raise _fenced(row, at_epoch)
        wanted = ", ".join(sorted(state.value for state in expected))
        raise Conflict(f"rearrangement {identity} is {row.state}; this needs one that is {wanted}")


def forget(session: Session, identities: Sequence[str]) -> int:
    """Delete rearrangements and all that belongs to them; returns how many events went."""
    events = _count(session, delete(EventRow).where(EventRow.rearrangement.in_(identities)))
    _count(session, delete(RearrangementRow).where(RearrangementRow.id.in_(identities)))
    return events


def _row(session: Session, identity: str) -> RearrangementRow:
    query = select(RearrangementRow).where(RearrangementRow.id == identity)
    row = session.scalars(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise NotFound(f"there is no rearrangement {identity}")
    return row


def _fence(session: Session, identity: str, epoch: int) -> None:
    """Let a journal write through only for the owner, and hold the rearrangement until the commit."""
    mine = update(RearrangementRow).where(RearrangementRow.id == identity, RearrangementRow.epoch == epoch)
    if not _count(session, mine.values(journal=RearrangementRow.journal + 1)):
        raise _fenced(_row(session, identity), epoch)


def _fenced(row: RearrangementRow, epoch: int) -> Fenced:
    return Fenced(f"rearrangement {row.id} belongs to {row.owner} at epoch {row.epoch}; epoch {epoch} is over")


def _host_rows(identity: str, plan: Plan) -> builtins.list[dict[str, Any]]:
    actions = [HostAction(identity, step.id, step.host, step.action) for step in plan.host_steps]
    return [msgspec.structs.asdict(action) for action in actions]


def _migrations() -> Select[Any]:
    return select(*records.MIGRATION_COLUMNS)


def _unresolved() -> Any:
    return MigrationRow.state.in_([state.value for state in UNRESOLVED])


def _update_of(migration: Migration) -> Update:
    values = records.migration_values(migration)
    key = {name: values.pop(name) for name in ("rearrangement", "step")}
    return update(MigrationRow).filter_by(**key).values(**values)


def _count(session: Session, statement: Any) -> int:
    """How many rows a change found (and not only those whose values it altered)."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    if not isinstance(result, CursorResult):
        raise TypeError("not a statement that changes rows")
    return int(result.rowcount)


def _column(name: str, value: Any) -> Any:
    if name == "state":
        return RearrangementState(value).value
    if name == "disabled":
        return records.text(list(value))
    return records.optional_text(value) if name in _IN_JSON else value
