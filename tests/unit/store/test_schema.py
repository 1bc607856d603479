"""The schema: migrations build what the models say, and a wrong one is refused with a sentence."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.database_servers import wipe
from vmpath_service import store as package
from vmpath_service.model.errors import StoreError
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.database import expected_revision
from vmpath_service.store.tables import Base

SCRIPTS = Path(package.__file__).parent / "migrations"


def test_the_migrations_build_what_the_models_say(database: Database, database_url: str) -> None:
    engine = sqlalchemy.create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
        found = sqlalchemy.inspect(connection)
        for table in Base.metadata.sorted_tables:
            assert found.get_pk_constraint(table.name)["constrained_columns"] == list(table.primary_key.columns.keys())
            assert {key["referred_table"] for key in found.get_foreign_keys(table.name)} == {
                key.column.table.name for key in table.foreign_keys
            }
    engine.dispose()


def test_there_is_one_line_of_revisions_and_no_way_back() -> None:
    scripts = ScriptDirectory(str(SCRIPTS))
    assert len(scripts.get_heads()) == 1
    assert not [script.revision for script in scripts.walk_revisions() if hasattr(script.module, "downgrade")]


def test_an_upgrade_tells_what_it_did(database_url: str) -> None:
    if not database_url.startswith("sqlite"):
        wipe(database_url)
    database = Database(database_url)
    assert database.revision() is None
    assert database.upgrade() == (None, expected_revision())
    assert database.upgrade() == (expected_revision(), expected_revision())
    assert database.revision() == expected_revision()
    database.check()
    database.close()


def test_an_upgrade_keeps_what_there_is(database: Database, store: SqlStore) -> None:
    event = store.add_event("told", "before")
    database.upgrade()
    assert list(store.events()) == [event]


def test_sqlite_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/vmpath.sqlite")
    database.upgrade()
    ask = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    for name, value in ask.items():
        found = database.read(lambda session, name=name: session.execute(sqlalchemy.text(f"PRAGMA {name}")).scalar())
        assert found == value
    database.close()


def test_a_database_without_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.sqlite"
    with pytest.raises(StoreError, match=r"none\.sqlite: has no tables yet: run vmpath-manage db upgrade$"):
        SqlStore(Database(f"sqlite:///{path}"), time)
    assert not path.exists()


def restamp(path: Path, revision: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.commit()
    connection.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/vmpath.sqlite")
    database.upgrade()
    restamp(tmp_path / "vmpath.sqlite", "9999")
    for attempt in (database.check, database.upgrade, lambda: SqlStore(database, time)):
        with pytest.raises(StoreError, match=r"schema 9999 is newer .* install the newer vmpath$"):
            attempt()


def test_an_older_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(f"sqlite:///{tmp_path}/vmpath.sqlite")
    database.upgrade()
    monkeypatch.setattr("vmpath_service.store.database.expected_revision", lambda: "0777")
    with pytest.raises(StoreError, match=r"schema \d{4} is older .* needs 0777: run vmpath-manage db upgrade$"):
        database.check()
