"""Whether the database can be written, found out without changing it."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from vmpath_service.store.database import Database
from vmpath_service.store.tables import FreezeRow


def try_writing(database: Database) -> None:
    """Raise StoreError unless this user may write: an update that meets no row needs the same right."""

    def work(session: Session) -> None:
        session.execute(update(FreezeRow).where(FreezeRow.id == 0).values(by=FreezeRow.by))

    database.write(work)
