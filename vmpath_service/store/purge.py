"""Forgetting what ended long ago."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from vmpath_service.model.maintenances import MAINTENANCE_ENDED, Maintenance
from vmpath_service.model.records import ENDED, UNRESOLVED
from vmpath_service.store.database import Database
from vmpath_service.store.sql_store import forget
from vmpath_service.store.tables import DocumentRow, EventRow, MigrationRow, RearrangementRow

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Purged:
    """How much was deleted, or would be."""

    rearrangements: int
    events: int
    maintenances: int = 0


def purge(database: Database, before: float, *, dry_run: bool = False) -> Purged:
    """Delete rearrangements and maintenances that ended before ``before`` (seconds since the epoch) with all that
    belongs to them, and older events that belong to nothing there is. Deletes a few at a time, so that nobody waits
    long; ``dry_run`` only counts. Raises StoreError.

    A rearrangement with a migration that may still move its instance stays.
    """
    if dry_run:
        return database.read(lambda session: _count(session, before))
    rearrangements = events = 0
    while True:

        def some(session: Session) -> Purged:
            identities = list(session.scalars(_old(before).limit(_AT_ONCE)))
            return Purged(len(identities), forget(session, identities) if identities else 0)

        part = database.write(some)
        rearrangements += part.rearrangements
        events += part.events
        if part.rearrangements < _AT_ONCE:
            break

    maintenances = 0

    def ended(session: Session) -> int:
        doomed = _old_maintenances(session, before)[:_AT_ONCE]
        if doomed:
            session.execute(delete(DocumentRow).where(DocumentRow.number.in_(doomed)))
        return len(doomed)

    while gone := database.write(ended):
        maintenances += gone

    def loose(session: Session) -> int:
        doomed = list(session.scalars(_loose_events(before).limit(10 * _AT_ONCE)))
        if doomed:
            session.execute(delete(EventRow).where(EventRow.sequence.in_(doomed)))
        return len(doomed)

    while gone := database.write(loose):
        events += gone
    return Purged(rearrangements, events, maintenances)


def _old(before: float) -> Select[Any]:
    moving = select(MigrationRow.rearrangement).where(MigrationRow.state.in_([state.value for state in UNRESOLVED]))
    return (
        select(RearrangementRow.id)
        .where(RearrangementRow.state.in_([state.value for state in ENDED]), RearrangementRow.updated_at < before)
        .where(RearrangementRow.id.not_in(moving))
        .order_by(RearrangementRow.number)
    )


def _old_maintenances(session: Session, before: float) -> Sequence[int]:
    """Numbers of documents."""
    ended = [state.value for state in MAINTENANCE_ENDED]
    query = select(DocumentRow.number, DocumentRow.content)
    query = query.where(DocumentRow.kind == "maintenance", DocumentRow.state.in_(ended))
    rows = session.execute(query.order_by(DocumentRow.number))
    return [number for number, text in rows if msgspec.json.decode(text, type=Maintenance).updated_at < before]


def _loose_events(before: float, but: Collection[int] = ()) -> Select[Any]:
    """``but``: numbers of documents that are about to be forgotten."""
    walked = select(RearrangementRow.id).where(RearrangementRow.id == EventRow.subject)
    kept = select(DocumentRow.id).where(DocumentRow.id == EventRow.subject, DocumentRow.number.not_in(but))
    return select(EventRow.sequence).where(EventRow.at < before, ~walked.exists(), ~kept.exists())


def _count(session: Session, before: float) -> Purged:
    old = _old(before).order_by(None).subquery()
    maintenances = _old_maintenances(session, before)
    loose = _loose_events(before, maintenances).subquery()
    rearrangements = session.scalar(select(func.count()).select_from(old)) or 0
    theirs = session.scalar(
        select(func.count()).select_from(EventRow).where(EventRow.subject.in_(select(old.c.id)))
    )
    others = session.scalar(select(func.count()).select_from(loose))
    return Purged(rearrangements, (theirs or 0) + (others or 0), len(maintenances))
