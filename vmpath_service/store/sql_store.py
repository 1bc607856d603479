"""The state of vmpath in a database, as the engine and the API need it.

Every change is one transaction, and every change of a rearrangement is a conditional UPDATE whose count of
rows decides: nothing is read first and written back later.
"""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from oslo_db import exception
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.errors import Conflict, NotFound, Outdated, StoreError
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import (
    ENDED,
    Freeze,
    HostAction,
    Migration,
    Rearrangement,
    RearrangementState,
    Request,
)
from vmpath_service.store import records
from vmpath_service.store.journal import IS_UNRESOLVED, Journal, write_migration
from vmpath_service.store.rows import count, fence, fenced, rearrangement_row
from vmpath_service.store.tables import (
    EngineRow,
    EventRow,
    FreezeRow,
    HostActionRow,
    IntentionRow,
    MigrationRow,
    PlanRow,
    RearrangementRow,
)
from vmpath_service.store.telling import Events
from vmpath_service.store.troubles import Troubles

_CHANGEABLE = frozenset(
    (
        *("state", "owner", "cancel_requested", "abort_requested", "rolling_back"),
        *("explanation", "decision", "summary", "disabled"),
    )
)
_IN_JSON = frozenset(("decision", "summary"))


@dataclass(frozen=True, slots=True)
class Tallies:
    """Rearrangements and migrations by state."""

    rearrangements: Mapping[str, int]
    migrations: Mapping[str, int]


class SqlStore(Journal, Troubles, Events):
    """All that vmpath remembers. Safe for any number of threads, processes and machines at once.

    Where a change of a rearrangement takes ``known``, it is made only if that is its version then, else Outdated is
    raised; None: whatever its version is.

    Raises StoreError for whatever the database does, Fenced for a write with an epoch that is not the
    rearrangement's any more.
    """

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
            return records.to_rearrangement(rearrangement_row(session, identity))

        return self._database.write(work)

    def get(self, identity: str) -> Rearrangement:
        """Raises NotFound."""
        return self._database.read(lambda session: records.to_rearrangement(rearrangement_row(session, identity)))

    def list(
        self, *, states: Collection[RearrangementState] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Rearrangement]:
        """Newest first, after the one called ``marker``; raises NotFound for an unknown marker."""

        def work(session: Session) -> builtins.list[Rearrangement]:
            query = select(RearrangementRow).order_by(RearrangementRow.number.desc()).limit(limit)
            if states:
                query = query.where(RearrangementRow.state.in_([state.value for state in states]))
            if marker is not None:
                query = query.where(RearrangementRow.number < rearrangement_row(session, marker).number)
            return [records.to_rearrangement(row) for row in session.scalars(query)]

        return self._database.read(work)

    def claim(self, identity: str, owner: str, *, known: int | None = None) -> int:
        """Make ``owner`` the owner and return the new epoch, which fences every earlier owner."""

        def work(session: Session) -> int:
            self._change_row(session, identity, known=known, epoch=RearrangementRow.epoch + 1, owner=owner)
            return rearrangement_row(session, identity).epoch

        return self._database.write(work)

    def change(
        self,
        identity: str,
        epoch: int,
        *,
        expected: Collection[RearrangementState] = (),
        known: int | None = None,
        **values: Any,
    ) -> Rearrangement:
        """Set fields of a rearrangement; raises Conflict if its state is not one of ``expected``.

        Fields that may be set: state, owner, cancel_requested, abort_requested, rolling_back, explanation, decision,
        summary, disabled.
        """
        if unknown := set(values) - _CHANGEABLE:
            raise TypeError(f"a rearrangement has no changeable field {', '.join(sorted(unknown))}")
        columns = {name: _column(name, value) for name, value in values.items()}

        def work(session: Session) -> Rearrangement:
            return self._change_row(session, identity, at_epoch=epoch, expected=expected, known=known, **columns)

        return self._database.write(work)

    def request_cancel(self, identity: str, *, abort: bool = False, known: int | None = None) -> Rearrangement:
        """Ask the owner to cancel, and to abort what is in flight; needs no epoch. Raises Conflict if it has ended."""
        going = [state for state in RearrangementState if state not in ENDED]
        wanted = {"cancel_requested": True} | ({"abort_requested": True} if abort else {})
        return self._database.write(
            lambda session: self._change_row(session, identity, expected=going, known=known, **wanted)
        )

    def request_rollback(
        self,
        identity: str,
        *,
        expected: Collection[RearrangementState],
        abort: bool = False,
        known: int | None = None,
    ) -> Rearrangement:
        """Ask the owner to move everything back, and to abort what is in flight; needs no epoch.

        Whatever cancel was asked for before is over. Raises Conflict if the state is not one of ``expected``.
        """
        wanted = {"rolling_back": True, "cancel_requested": False, "abort_requested": abort}
        return self._database.write(
            lambda session: self._change_row(session, identity, expected=expected, known=known, **wanted)
        )

    def delete(self, identity: str, *, known: int | None = None) -> None:
        """Forget a rearrangement that has ended, with all that belongs to it.

        Raises Conflict if it has not, or if one of its migrations may still move its instance.
        """

        def work(session: Session) -> None:
            self._change_row(session, identity, expected=ENDED, known=known)
            moving = session.scalars(
                select(MigrationRow.step).where(MigrationRow.rearrangement == identity, IS_UNRESOLVED).limit(1)
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
            fence(session, identity, epoch)
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
            fence(session, identity, epoch)
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
                if not write_migration(session, each):
                    raise Conflict(f"step {each.step} of rearrangement {identity} is not at attempt {each.attempt}")

        self._database.write(work)

    def plan(self, identity: str) -> Plan:
        """Raises NotFound while there is none."""

        def work(session: Session) -> bytes:
            rearrangement_row(session, identity)
            content = session.scalars(select(PlanRow.content).where(PlanRow.rearrangement == identity)).first()
            if content is None:
                raise NotFound(f"rearrangement {identity} has no plan yet")
            return content

        return records.unpack_plan(self._database.read(work))

    def beat(self, owner: str) -> Mapping[str, int]:
        """Give a sign of life of an engine; how many every engine has given so far, this one included."""
        now = self._clock.time()

        def work(session: Session) -> Mapping[str, int]:
            again = update(EngineRow).where(EngineRow.owner == owner).values(beats=EngineRow.beats + 1, seen_at=now)
            if not count(session, again):
                session.execute(insert(EngineRow).values(owner=owner, beats=1, seen_at=now))
            return {row.owner: row.beats for row in session.scalars(select(EngineRow))}

        return self._database.write(work)

    def resign(self, owner: str) -> None:
        """Let an engine be known for dead from now on."""
        self._database.write(lambda session: count(session, delete(EngineRow).where(EngineRow.owner == owner)))

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
        self._database.write(lambda session: count(session, delete(FreezeRow)))

    def frozen(self) -> Freeze | None:
        """The freeze in force, if any."""

        def work(session: Session) -> Freeze | None:
            row = session.get(FreezeRow, 1)
            return None if row is None else records.to_freeze(row)

        return self._database.read(work)

    def tallies(self) -> Tallies:
        """How much there is of what, for metrics."""

        def work(session: Session) -> Tallies:
            going = session.execute(select(RearrangementRow.state, func.count()).group_by(RearrangementRow.state))
            moved = session.execute(select(MigrationRow.state, func.count()).group_by(MigrationRow.state))
            return Tallies(
                rearrangements={state: int(count) for state, count in going},
                migrations={state: int(count) for state, count in moved},
            )

        return self._database.read(work)

    def _change_row(
        self,
        session: Session,
        identity: str,
        *,
        at_epoch: int | None = None,
        expected: Collection[RearrangementState] = (),
        known: int | None = None,
        **columns: Any,
    ) -> Rearrangement:
        """The only way in which a rearrangement changes: under conditions, all in one statement."""
        change = update(RearrangementRow).where(RearrangementRow.id == identity)
        if at_epoch is not None:
            change = change.where(RearrangementRow.epoch == at_epoch)
        if known is not None:
            change = change.where(RearrangementRow.version == known)
        if expected:
            change = change.where(RearrangementRow.state.in_([state.value for state in expected]))
        change = change.values(version=RearrangementRow.version + 1, updated_at=self._clock.time(), **columns)
        if count(session, change):
            return records.to_rearrangement(rearrangement_row(session, identity))
        row = rearrangement_row(session, identity)
        if known is not None and row.version != known:
            raise Outdated(f"rearrangement {identity} has changed: it is at version {row.version} now, not {known}")
        if at_epoch is not None and row.epoch != at_epoch:
            raise fenced(row, at_epoch)
        wanted = ", ".join(sorted(state.value for state in expected))
        raise Conflict(f"rearrangement {identity} is {row.state}; this needs one that is {wanted}")


def forget(session: Session, identities: Sequence[str]) -> int:
    """Delete rearrangements and all that belongs to them; returns how many events went."""
    events = count(session, delete(EventRow).where(EventRow.subject.in_(identities)))
    count(session, delete(RearrangementRow).where(RearrangementRow.id.in_(identities)))
    return events


def _host_rows(identity: str, plan: Plan) -> builtins.list[dict[str, Any]]:
    actions = [HostAction(identity, step.id, step.host, step.action) for step in plan.host_steps]
    return [msgspec.structs.asdict(action) for action in actions]


def _column(name: str, value: Any) -> Any:
    if name == "state":
        return RearrangementState(value).value
    if name == "disabled":
        return records.text(list(value))
    return records.optional_text(value) if name in _IN_JSON else value
