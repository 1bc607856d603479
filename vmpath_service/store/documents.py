"""Versioned JSON documents in the database: what maintenances and schedules are kept as.

Every change is made from what is there and written only if that still is what it was made from; else it is made
anew. So nothing is lost however many write at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec
from oslo_db import exception
from sqlalchemy import CursorResult, Select, Update, delete, insert, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.errors import Conflict, Fenced, NotFound, StoreError
from vmpath_service.model.hints import nearest
from vmpath_service.store.database import Database
from vmpath_service.store.rows import count
from vmpath_service.store.tables import CounterRow, DocumentRow

Document = TypeVar("Document", bound=msgspec.Struct)

TURNS = "documents"
"""The counter of what was decided by looking at several of them."""
_TRIES = 50
# So many are looked at for one that may have been meant.
_KNOWN = 1000


class Documents(Generic[Document]):
    """All documents of one kind. ``noun`` is how sentences call one; ``state`` tells the state of one."""

    def __init__(
        self, database: Database, kind: type[Document], noun: str, state: Callable[[Document], str]
    ) -> None:
        """Raises StoreError if the schema of ``database`` is not the one this code was written for."""
        database.check()
        self._database = database
        self._kind = kind
        self._noun = noun
        self._state = state

    def create(
        self,
        identity: str,
        document: Document,
        *,
        beside: Collection[str] = (),
        check: Callable[[Sequence[Document]], None] | None = None,
    ) -> Document:
        """Keep a new one, unless ``check`` raises, which is asked with those in the states ``beside``: what it sees
        holds when the new one is there, whoever else keeps one at the same time. Raises Conflict if there is one of
        this name."""
        values = {
            "kind": self._noun,
            "id": identity,
            "state": self._state(document),
            "version": 1,
            "epoch": 0,
            "content": _text(document),
        }

        def work(session: Session) -> None:
            if check is not None:
                self._take_turn(session)
                check([self._decode(row.content) for row in session.scalars(self._query(beside))])
            try:
                session.execute(insert(DocumentRow).values(**values))
            except exception.DBDuplicateEntry as error:
                raise Conflict(f"there is a {self._noun} {identity!r} already") from error

        self._database.write(work)
        return document

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make one transaction of all that the calling thread reads and writes in the block, in which nobody else is
        who asks for the same: what it finds holds when what it writes is there. Not repeated: keep it short, and if
        there is more around it in one transaction, let it be the first in that."""
        with self._database.together():
            self._database.write(self._take_turn)
            yield

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make one transaction of all that the calling thread writes in the block, or nothing of it."""
        with self._database.together():
            yield

    def get(self, identity: str, *, epoch: int | None = None) -> Document:
        """Raises NotFound; Fenced if ``epoch`` is over."""

        def work(session: Session) -> Document:
            row = self._row(session, identity)
            self._check_epoch(row, epoch)
            return self._decode(row.content)

        return self._database.read(work)

    def list(
        self, *, states: Collection[str] = (), limit: int | None = None, marker: str | None = None
    ) -> Sequence[Document]:
        """Newest first, after the one called ``marker``; raises NotFound for an unknown marker."""

        def work(session: Session) -> Sequence[Document]:
            query = self._query(states)
            if marker is not None:
                query = query.where(DocumentRow.number < self._row(session, marker).number)
            return [self._decode(row.content) for row in session.scalars(query.limit(limit))]

        return self._database.read(work)

    def claim(self, identity: str) -> int:
        """A new epoch, which fences everybody who has an earlier one."""

        def work(session: Session) -> int:
            changed = self._of(identity).values(epoch=DocumentRow.epoch + 1)
            if not _count(session.execute(changed)):
                raise self._lost(identity, session)
            return self._row(session, identity).epoch

        return self._database.write(work)

    def change(
        self, identity: str, make: Callable[[Document, int], Document], *, epoch: int | None = None
    ) -> Document:
        """Put in its place what ``make`` makes of it and of the number of its next version.

        ``make`` may be called several times, and may raise. Raises NotFound; Fenced if ``epoch`` is over.
        """

        def work(session: Session) -> Document | None:
            row = self._row(session, identity, locked=True)
            self._check_epoch(row, epoch)
            made = make(self._decode(row.content), row.version + 1)
            change = self._of(identity).where(DocumentRow.version == row.version, DocumentRow.epoch == row.epoch)
            values = {"state": self._state(made), "version": row.version + 1, "content": _text(made)}
            return made if _count(session.execute(change.values(**values))) else None

        for _ in range(_TRIES):
            made = self._database.write(work)
            if made is not None:
                return made
        raise StoreError(f"{self._noun} {identity} is being changed all the time")

    def delete(self, identity: str, check: Callable[[Document], None]) -> None:
        """Forget one, unless ``check`` raises. Raises NotFound."""

        def work(session: Session) -> bool:
            row = self._row(session, identity, locked=True)
            check(self._decode(row.content))
            gone = delete(DocumentRow).where(DocumentRow.number == row.number, DocumentRow.version == row.version)
            return bool(_count(session.execute(gone)))

        for _ in range(_TRIES):
            if self._database.write(work):
                return
        raise StoreError(f"{self._noun} {identity} is being changed all the time")

    def _query(self, states: Collection[str]) -> Select[DocumentRow]:
        """Newest first; of all states where none are named."""
        query = select(DocumentRow).where(DocumentRow.kind == self._noun).order_by(DocumentRow.number.desc())
        return query.where(DocumentRow.state.in_(sorted(states))) if states else query

    def _of(self, identity: str) -> Update:
        return (
            update(DocumentRow)
            .where(DocumentRow.kind == self._noun, DocumentRow.id == identity)
            .execution_options(synchronize_session=False)
        )

    def _take_turn(self, session: Session) -> None:
        """The row stays locked until the commit: whoever comes second sees what the first one has written."""
        turn = update(CounterRow).where(CounterRow.name == TURNS).values(value=CounterRow.value + 1)
        if not count(session, turn):
            raise StoreError(f"database {self._database.label}: the counter of documents is missing")

    def _check_epoch(self, row: DocumentRow, epoch: int | None) -> None:
        if epoch is not None and row.epoch != epoch:
            raise Fenced(f"{self._noun} {row.id} is at epoch {row.epoch}; epoch {epoch} is over")

    def _row(self, session: Session, identity: str, *, locked: bool = False) -> DocumentRow:
        """``locked``: as it is now, also where the transaction sees all else as it was when it began, and so until
        it ends."""
        query = select(DocumentRow).where(DocumentRow.kind == self._noun, DocumentRow.id == identity)
        if locked:
            query = query.with_for_update()
        row = session.scalars(query.execution_options(populate_existing=True)).first()
        if row is None:
            raise self._lost(identity, session)
        return row

    def _lost(self, identity: str, session: Session) -> NotFound:
        known = session.scalars(select(DocumentRow.id).where(DocumentRow.kind == self._noun).limit(_KNOWN))
        return NotFound(f"there is no {self._noun} {identity!r}{nearest(identity, known)}")

    def _decode(self, content: str) -> Document:
        return msgspec.json.decode(content, type=self._kind)


def _text(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()


def _count(result: object) -> int:
    if not isinstance(result, CursorResult):
        raise TypeError("not a statement that changes rows")
    return int(result.rowcount)
