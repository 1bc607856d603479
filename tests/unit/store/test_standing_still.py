"""An engine that stands still in the midst of a transaction does not hold up the others for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from vmpath_service.model.errors import StoreError
from vmpath_service.store import Database, SqlStore


@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
def test_others_write_on_when_one_stands_still_while_it_writes(
    server: str, database_server: Callable[[str], str]
) -> None:
    url = database_server(server)
    mine, its = Database(url, idle_seconds=1), Database(url)
    writes, go_on = threading.Event(), threading.Event()

    def stand_still() -> None:
        store = SqlStore(mine, time)
        with store.together():
            store.add_event("a", "from who stands still")
            writes.set()
            assert go_on.wait(60)

    try:
        with ThreadPoolExecutor() as threads:
            standing = threads.submit(stand_still)
            assert writes.wait(60)
            # waits until the server has ended the other one's transaction
            SqlStore(its, time).add_event("b", "from who goes on")
            go_on.set()
            with pytest.raises(StoreError):
                standing.result(60)
        assert [event.kind for event in SqlStore(its, time).events()] == ["b"]
        # and it goes on itself, with a new connection
        SqlStore(mine, time).add_event("c", "awake again")
        assert [event.kind for event in SqlStore(its, time).events()] == ["b", "c"]
    finally:
        go_on.set()
        mine.close()
        its.close()
