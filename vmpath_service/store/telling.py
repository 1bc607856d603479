"""What happened, in the order in which it was written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from vmpath_service.model.errors import StoreError
from vmpath_service.model.records import Event
from vmpath_service.store import records
from vmpath_service.store.rows import Part, count
from vmpath_service.store.tables import CounterRow, EventRow, table_of

_COUNTER = CounterRow.name == "events"
_EVENTS, _COUNTERS = table_of(EventRow), table_of(CounterRow)
_APPEND = insert(_EVENTS)
_COUNT = update(_COUNTERS).where(_COUNTERS.c.name == "events").values(value=bindparam("to"))
_TOLD = "told"


@dataclass(slots=True)
class _Told:
    """What a thread has told within ``together``: written in one piece, as there is much of it. ``last`` is the last
    number that was given out, whose row in the database the thread holds."""

    last: int
    waiting: list[Event] = field(default_factory=list)

    def append(self, session: Session) -> None:
        """Write down what is not yet."""
        if self.waiting:
            session.connection().execute(_COUNT, {"to": self.last})
            session.connection().execute(_APPEND, [_values(event) for event in self.waiting])
            self.waiting.clear()


class Events(Part):
    """Events, and when a thread's writes are on the disk."""

    def add_event(
        self,
        kind: str,
        message: str,
        *,
        subject: str | None = None,
        step: int | None = None,
        host: str | None = None,
    ) -> Event:
        """Append an event. Its sequence follows the last one's without a gap, in the order of commits."""
        at = self._clock.time()
        known = self._database.known()
        if known is None:

            def work(session: Session) -> Event:
                event = Event(self._next(session), at, subject, kind, message, step, host)
                session.connection().execute(_APPEND, [_values(event)])
                return event

            return self._database.write(work)
        told: _Told | None = known.get(_TOLD)
        if told is None:
            told = known[_TOLD] = _Told(self._database.write(self._next) - 1)
            self._database.at_last(told.append)
        event = Event(told.last + 1, at, subject, kind, message, step, host)
        told.last += 1
        told.waiting.append(event)
        return event

    def events(self, subject: str | None = None, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events (about one subject, or all) with a sequence above ``after``, in order."""
        query = select(EventRow).where(EventRow.sequence > after).order_by(EventRow.sequence).limit(limit)
        if subject is not None:
            query = query.where(EventRow.subject == subject)

        def work(session: Session) -> Sequence[Event]:
            told: _Told | None = (self._database.known() or {}).get(_TOLD)
            if told is not None:
                told.append(session)
            return [records.to_event(row) for row in session.scalars(query)]

        return self._database.read(work)

    def at_once(self) -> AbstractContextManager[None]:
        """One transaction of all that the calling thread reads in the block."""
        return self._database.at_once()

    def together(self) -> AbstractContextManager[None]:
        """One transaction of all that the calling thread does in the block; see ``Database.together``."""
        return self._database.together()

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this when what the calling thread has written is on the disk."""
        self._database.afterwards(call)

    def _next(self, session: Session) -> int:
        """The next number. Its row stays locked until the commit: nobody reads a higher one before this is there."""
        count(session, update(CounterRow).where(_COUNTER).values(value=CounterRow.value + 1))
        sequence = session.scalars(select(CounterRow.value).where(_COUNTER)).first()
        if sequence is None:
            raise StoreError(f"database {self._database.label}: the counter of events is missing")
        return sequence


def _values(event: Event) -> dict[str, object]:
    return {field: getattr(event, field) for field in Event.__struct_fields__}
