"""What goes wrong in a database is one sentence that names it, without its password."""

from __future__ import annotations

import socket
import sqlite3
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy

from vmpath_service.model.errors import StoreError
from vmpath_service.model.records import Request
from vmpath_service.store import Database, SqlStore


def sentence(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    assert "sekret" not in text
    return text


@pytest.mark.parametrize("url", ["", "nonsense", "://", "sqlite"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(StoreError, match="is not a URL"):
        Database(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory(url: str) -> None:
    with pytest.raises(StoreError, match="would forget"):
        Database(url)


def test_an_unknown_kind_of_database() -> None:
    with pytest.raises(StoreError, match=r"database oracul://me:\*\*\*@here/x") as error:
        Database("oracul://me:sekret@here/x?password=sekret").check()
    sentence(error)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "state" / "vmpath.sqlite"
    with pytest.raises(StoreError, match=str(path)) as error:
        Database(f"sqlite:///{path}").upgrade()
    assert "directory" in sentence(error).lower()


def test_a_directory_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "vmpath.sqlite").mkdir()
    with pytest.raises(StoreError, match=r"vmpath\.sqlite: unable to open database file") as error:
        Database(f"sqlite:///{tmp_path}/vmpath.sqlite").check()
    sentence(error)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "vmpath.sqlite").write_text("I am a letter to my aunt, and long enough for a header. " * 40)
    with pytest.raises(StoreError, match=r"vmpath\.sqlite: file is not a database") as error:
        Database(f"sqlite:///{tmp_path}/vmpath.sqlite").upgrade()
    sentence(error)


def test_a_table_that_is_gone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/vmpath.sqlite")
    database.upgrade()
    store = SqlStore(database, time)
    connection = sqlite3.connect(tmp_path / "vmpath.sqlite")
    connection.execute("DROP TABLE intentions")
    connection.execute("DROP TABLE events")
    connection.close()
    with pytest.raises(StoreError, match="has no table events: run vmpath-manage db upgrade") as error:
        store.events()
    sentence(error)


def test_a_writer_that_never_lets_go(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/vmpath.sqlite", busy_seconds=0.05)
    database.upgrade()
    store = SqlStore(database, time)
    made = store.create(Request("drain"))
    other = sqlite3.connect(tmp_path / "vmpath.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="database is locked") as error:
        store.claim(made.id, "engine")
    sentence(error)
    # who only reads is not held up
    assert store.get(made.id) == made
    other.execute("ROLLBACK")
    other.close()
    assert store.claim(made.id, "engine") == 1


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        url = f"mysql+pymysql://vmpath:sekret@127.0.0.1:{port}/vmpath"
        database = Database(url, connection_tries=2, connection_pause_seconds=0.01)
        with pytest.raises(StoreError, match=f"127.0.0.1:{port}/vmpath: ") as error:
            database.check()
    assert "refused" in sentence(error)


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(StoreError, match="'psycopg2' that talks to it is not installed") as error:
        Database("postgresql+psycopg2://vmpath:sekret@127.0.0.1/vmpath").check()
    sentence(error)


def test_what_fails_on_the_way_undoes_all_that_was_to_be_done_together(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/vmpath.sqlite")
    database.upgrade()
    store = SqlStore(database, time)
    called: list[str] = []

    def fail() -> None:
        with store.together():
            store.add_event("a", "one")
            store.afterwards(lambda: called.append("never"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(store.events()) == []
    assert called == []
    with store.together():
        store.add_event("b", "two")
        # what is there already undoes itself alone
        twice = sqlalchemy.text("INSERT INTO counters VALUES ('events', 1)")
        with pytest.raises(StoreError):
            database.write(lambda session: session.execute(twice))
    assert [event.kind for event in store.events()] == ["b"]

    def go_on() -> None:
        with store.together():
            store.add_event("c", "three")
            store.afterwards(lambda: called.append("never"))
            # who knows what the database has made of the rest
            with pytest.raises(StoreError):
                database.write(lambda session: session.execute(sqlalchemy.text("INSERT INTO nothing VALUES (1)")))

    with pytest.raises(StoreError, match="nothing"):
        go_on()
    assert [event.kind for event in store.events()] == ["b"]
    assert called == []
    database.close()
