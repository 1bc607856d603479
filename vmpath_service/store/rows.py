"""What the parts of the store share: whom they work for, and rows under conditions."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.errors import Fenced, NotFound
from vmpath_service.store.database import Database
from vmpath_service.store.tables import RearrangementRow


class Time(Protocol):
    def time(self) -> float:
        """Seconds since the epoch, UTC."""


class Part:
    """A part of the store: safe for any number of threads, processes and machines at once."""

    def __init__(self, database: Database, clock: Time) -> None:
        """Raises StoreError if the schema of ``database`` is not the one this code was written for."""
        database.check()
        self._database = database
        self._clock = clock


def rearrangement_row(session: Session, identity: str) -> RearrangementRow:
    query = select(RearrangementRow).where(RearrangementRow.id == identity)
    found = session.scalars(query.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFound(f"there is no rearrangement {identity}")
    return found


def fence(session: Session, identity: str, epoch: int) -> None:
    """Let a journal write through only for the owner, and hold the rearrangement until the commit."""
    mine = update(RearrangementRow).where(RearrangementRow.id == identity, RearrangementRow.epoch == epoch)
    if not count(session, mine.values(journal=RearrangementRow.journal + 1)):
        raise fenced(rearrangement_row(session, identity), epoch)


def fenced(found: RearrangementRow, epoch: int) -> Fenced:
    return Fenced(f"rearrangement {found.id} belongs to {found.owner} at epoch {found.epoch}; epoch {epoch} is over")


def count(session: Session, statement: Any) -> int:
    """How many rows a change found (and not only those whose values it altered)."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    if not isinstance(result, CursorResult):
        raise TypeError("not a statement that changes rows")
    return int(result.rowcount)
