"""What was intended and what came of it: the steps of plans, as fenced writes.

Statements that every step needs several times are made once and sent without the mapper: it would cost more than the
database itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from oslo_db import exception
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.errors import Conflict, NotFound
from vmpath_service.model.records import UNRESOLVED, HostAction, Migration, MigrationState
from vmpath_service.store import records
from vmpath_service.store.rows import Part, count, fence, rearrangement_row
from vmpath_service.store.tables import HostActionRow, IntentionRow, MigrationRow, table_of

_MIGRATIONS, _INTENTIONS = table_of(MigrationRow), table_of(IntentionRow)
_KEYS = ("rearrangement", "step")
_WRITE = (
    update(_MIGRATIONS)
    .where(*(_MIGRATIONS.c[key] == bindparam(f"of_{key}") for key in _KEYS))
    .values({name: bindparam(name) for name in Migration.__struct_fields__ if name not in _KEYS})
)
_WRITE_ATTEMPT = _WRITE.where(_MIGRATIONS.c.attempt == bindparam("of_attempt"))
_INTEND = insert(_INTENTIONS)
SELECT_MIGRATIONS = select(*records.MIGRATION_COLUMNS)
IS_UNRESOLVED = MigrationRow.state.in_([state.value for state in UNRESOLVED])


class Journal(Part):
    """Migrations and host steps of plans."""

    def migrations(self, identity: str) -> Sequence[Migration]:
        """In the order of their steps; none while there is no plan. Raises NotFound."""

        def work(session: Session) -> list[Migration]:
            rearrangement_row(session, identity)
            query = SELECT_MIGRATIONS.where(MigrationRow.rearrangement == identity).order_by(MigrationRow.step)
            return [records.to_migration(each) for each in session.execute(query)]

        return self._database.read(work)

    def migration(self, identity: str, step: int) -> Migration:
        """One of them. Raises NotFound."""

        def work(session: Session) -> Migration:
            wanted = (MigrationRow.rearrangement == identity, MigrationRow.step == step)
            found = session.execute(SELECT_MIGRATIONS.where(*wanted)).first()
            if found is None:
                raise NotFound(f"rearrangement {identity} has no migration {step}")
            return records.to_migration(found)

        return self._database.read(work)

    def migrations_of(self, instance: str, limit: int) -> Sequence[Migration]:
        """What was asked of Nova for an instance, in whatever rearrangement, the latest first."""
        query = SELECT_MIGRATIONS.where(MigrationRow.instance == instance, MigrationRow.attempt > 0)
        query = query.order_by(MigrationRow.intended_at.desc(), MigrationRow.step.desc()).limit(limit)
        return self._database.read(lambda session: [records.to_migration(each) for each in session.execute(query)])

    def unresolved(self, but: str | None = None) -> Sequence[Migration]:
        """Migrations of any rearrangement, but this one, that may still move their instance."""
        query = SELECT_MIGRATIONS.where(IS_UNRESOLVED).order_by(MigrationRow.rearrangement, MigrationRow.step)
        if but is not None:
            query = query.where(MigrationRow.rearrangement != but)
        return self._database.read(lambda session: [records.to_migration(each) for each in session.execute(query)])

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

    def intend(self, epoch: int, migration: Migration) -> None:
        """Journal the intention to send a request: it is on the disk when this returns, or ``together`` is left.

        Raises Conflict if there was an intention of this step with the same attempt before.
        """
        identity, step = migration.rearrangement, migration.step
        at = self._clock.time() if migration.intended_at is None else migration.intended_at
        values = {
            name: getattr(migration, name)
            for name in ("rearrangement", "step", "attempt", "instance", "source", "dest", "baseline")
        }

        def work(session: Session) -> None:
            try:
                session.connection().execute(_INTEND, values | {"epoch": epoch, "at": at})
            except exception.DBDuplicateEntry as error:
                raise Conflict(
                    f"attempt {migration.attempt} of step {step} of rearrangement {identity} was made before"
                ) from error
            if not session.connection().execute(_WRITE, _parameters(migration)).rowcount:
                raise NotFound(f"rearrangement {identity} has no step {step}")

        self._journal(identity, epoch, work)

    def record(self, epoch: int, migration: Migration) -> None:
        """Write down how a migration stands now. Raises Conflict if its attempt is not the one intended last."""
        identity, step = migration.rearrangement, migration.step

        def work(session: Session) -> None:
            if not write_migration(session, migration):
                kept = session.get(MigrationRow, (identity, step))
                if kept is None:
                    raise NotFound(f"rearrangement {identity} has no step {step}")
                raise Conflict(
                    f"step {step} of rearrangement {identity} is at attempt {kept.attempt}, not {migration.attempt}"
                )

        # one statement, which has done nothing where it fails: there is nothing to be taken back
        self._journal(identity, epoch, work, savepoint=False)

    def host_actions(self, identity: str) -> Sequence[HostAction]:
        """The host steps of its plan, in their order; raises NotFound."""

        def work(session: Session) -> list[HostAction]:
            rearrangement_row(session, identity)
            query = select(HostActionRow).where(HostActionRow.rearrangement == identity).order_by(HostActionRow.step)
            return [records.to_host_action(each) for each in session.scalars(query)]

        return self._database.read(work)

    def record_host_action(self, epoch: int, action: HostAction) -> None:
        """Write down how a host step stands now."""
        values = msgspec.structs.asdict(action)
        key = {name: values.pop(name) for name in _KEYS}

        def work(session: Session) -> None:
            if not count(session, update(HostActionRow).filter_by(**key).values(**values)):
                raise NotFound(f"rearrangement {action.rearrangement} has no host step {action.step}")

        self._journal(action.rearrangement, epoch, work)

    def _journal(self, identity: str, epoch: int, work: Callable[[Session], None], *, savepoint: bool = True) -> None:
        """A fenced write. Within ``together`` the first one holds the rearrangement for all that follow."""
        fenced = self._database.known()

        def fence_and_work(session: Session) -> None:
            fence(session, identity, epoch)
            work(session)

        if fenced is None:
            self._database.write(fence_and_work)
            return
        if fenced.get(("fence", identity)) != epoch:
            # not within the savepoint of the work: taken back with it, it would hold nothing any more
            self._database.write(lambda session: fence(session, identity, epoch), savepoint=False)
            fenced["fence", identity] = epoch
        self._database.write(work, savepoint=savepoint)


def write_migration(session: Session, migration: Migration) -> bool:
    """Write down how a migration stands now; False if its attempt is not the one intended last, or it is not there."""
    parameters = _parameters(migration) | {"of_attempt": migration.attempt}
    return bool(session.connection().execute(_WRITE_ATTEMPT, parameters).rowcount)


def _parameters(migration: Migration) -> dict[str, Any]:
    values = records.migration_values(migration)
    return values | {f"of_{key}": values.pop(key) for key in _KEYS}
