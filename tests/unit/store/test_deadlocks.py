"""A transaction that the database has ended by itself: nothing is left of it, and nobody takes it for done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from tests.contracts.store_contract import intention, planned
from vmpath_service.model.errors import StoreError
from vmpath_service.model.records import MigrationState
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.tables import EventRow, RearrangementRow

MANY = 200


@pytest.fixture
def store(database_server: Callable[[str], str]) -> Iterator[SqlStore]:
    """MariaDB: a deadlock rolls back all of the transaction there, and the next statement begins another."""
    database = Database(database_server("mariadb"))
    yield SqlStore(database, time)
    database.close()


class Rival:
    """A transaction that has written much, so that of two the other one is chosen to be ended."""

    def __init__(self, store: SqlStore) -> None:
        self._database = store._database
        self.holds, self.go_on = threading.Event(), threading.Event()

    def lock(self, first: str, second: str) -> None:
        def work(session: Session) -> None:
            events = [{"sequence": 10**6 + n, "at": 0.0, "kind": "rival", "message": ""} for n in range(MANY)]
            session.execute(sqlalchemy.insert(EventRow), events)
            for each in (first, second):
                change = sqlalchemy.update(RearrangementRow).where(RearrangementRow.id == each)
                session.execute(change.values(explanation="rival"), execution_options={"synchronize_session": False})
                self.holds.set()
                assert self.go_on.wait(60)

        self._database.write(work)


@pytest.mark.parametrize("savepoint", [True, False])
def test_after_a_deadlock_nothing_of_what_was_done_together_is_kept(store: SqlStore, savepoint: bool) -> None:
    mine, epoch, migrations = planned(store)
    other, its_epoch, its_migrations = planned(store)
    rival = Rival(store)
    thread = threading.Thread(target=rival.lock, args=(other, mine))
    thread.start()
    assert rival.holds.wait(60)
    sent: list[str] = []

    def collide() -> None:
        if savepoint:
            store.request_cancel(other)
        else:
            store.record(its_epoch, its_migrations[0])

    def tick() -> None:
        with store.together():
            store.afterwards(lambda: sent.append("a request"))
            store.intend(epoch, intention(migrations[0]))
            rival.go_on.set()
            # the rival waits for ours now, or will when we wait for its: this one is ended, as it has written less
            with pytest.raises(StoreError):
                collide()
            # whoever tries again does not carry on with half of it
            with pytest.raises(StoreError):
                collide()
            with pytest.raises(StoreError):
                store.frozen()

    with pytest.raises(StoreError):
        tick()
    thread.join(60)
    assert sent == []
    assert [each.state for each in store.migrations(mine)] == [MigrationState.PENDING] * len(migrations)
    assert not store.get(other).cancel_requested
    with store.together():
        store.intend(epoch, intention(migrations[0]))
    assert store.migrations(mine)[0] == intention(migrations[0])
