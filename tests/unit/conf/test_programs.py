"""vmpath-manage and vmpath-status: what they print and how they exit."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from tests.contracts.store_contract import intention, planned, request
from vmpath_service.cmd import manage, status
from vmpath_service.model.records import RearrangementState
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.database import expected_revision

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "vmpath.conf"
    path.write_text(f"[DEFAULT]\nstate_path = {tmp_path}/state\n")
    return str(path)


@pytest.fixture
def store(tmp_path: Path, file: str) -> SqlStore:
    database = Database(f"sqlite:///{tmp_path}/state/vmpath.sqlite")
    database.upgrade()
    return SqlStore(database, time)


def run(program: str, *arguments: str) -> int:
    return {"manage": manage.main, "status": status.main}[program](arguments)


def test_upgrade_makes_the_database_and_then_has_nothing_to_do(file: str, tmp_path: Path, capsys: Printed) -> None:
    assert run("manage", "--config-file", file, "db", "upgrade") == 0
    assert f"upgraded from nothing to {expected_revision()}" in capsys.readouterr().out
    assert run("manage", "--config-file", file, "db", "upgrade") == 0
    assert "nothing to do" in capsys.readouterr().out
    assert run("status", "--config-file", file, "upgrade", "check") == 0
    assert capsys.readouterr().out.count("SUCCESS") == 4


def test_purge_deletes_what_ended(file: str, store: SqlStore, capsys: Printed) -> None:
    ended, epoch, _ = planned(store)
    store.add_event("noted", "x", subject=ended)
    store.change(ended, epoch, state=RearrangementState.SUCCEEDED)
    going = store.create(request()).id
    words = ("--config-file", file, "db", "purge", "--older-than")
    assert run("manage", *words, "1") == 0
    assert "deleted 0 rearrangements, 0 maintenances and 0 events" in capsys.readouterr().out
    assert run("manage", *words, "0", "--dry-run") == 0
    assert "would delete 1 rearrangements, 0 maintenances and 1 events" in capsys.readouterr().out
    assert len(store.list()) == 2
    assert run("manage", *words, "0") == 0
    assert "deleted 1 rearrangements, 0 maintenances and 1 events" in capsys.readouterr().out
    assert [each.id for each in store.list()] == [going]


@pytest.mark.parametrize("days", ["-1", "x", "nan", ""])
def test_a_wrong_number_of_days(file: str, days: str, capsys: Printed) -> None:
    with pytest.raises(SystemExit) as ended:
        run("manage", "--config-file", file, "db", "purge", f"--older-than={days}")
    assert ended.value.code == 2
    assert "expected a number of days" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("db",), (), ("db", "downgrade")])
def test_there_is_no_way_back(words: tuple[str, ...], capsys: Printed) -> None:
    with pytest.raises(SystemExit) as ended:
        run("manage", *words)
    assert ended.value.code == 2


def test_a_wrong_configuration(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "bad.conf").write_text("[api]\nbind_port = x\n")
    words = ("--config-file", str(tmp_path / "bad.conf"))
    assert run("manage", *words, "db", "upgrade") == 2
    assert capsys.readouterr().err == (
        f"vmpath-manage: {tmp_path}/bad.conf at [api] bind_port: found 'x', expected a whole number from 0 to 65535\n"
    )
    assert run("status", *words, "upgrade", "check") == 2
    assert f"FAILURE  configuration: {tmp_path}/bad.conf at [api] bind_port" in capsys.readouterr().out


def test_a_database_that_cannot_be(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "state").write_text("a file, not a directory")
    (tmp_path / "vmpath.conf").write_text(f"[DEFAULT]\nstate_path = {tmp_path}/state\n")
    words = ("--config-file", str(tmp_path / "vmpath.conf"))
    assert run("manage", *words, "db", "upgrade") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"vmpath-manage: database {tmp_path}/state/vmpath.sqlite: ")
    assert error.count("\n") == 1
    assert run("status", *words, "upgrade", "check") == 2


def test_purge_before_there_are_tables(file: str, tmp_path: Path, capsys: Printed) -> None:
    assert run("manage", "--config-file", file, "db", "purge", "--older-than", "1") == 1
    assert "run vmpath-manage db upgrade" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_status_warns_of_what_is_under_way(file: str, store: SqlStore, capsys: Printed) -> None:
    _, epoch, migrations = planned(store)
    store.intend(epoch, intention(migrations[0]))
    assert run("status", "--config-file", file, "upgrade", "check") == 1
    assert "1 rearrangements have not ended, 1 migrations may be under way" in capsys.readouterr().out


def test_status_fails_on_another_schema(file: str, store: SqlStore, tmp_path: Path, capsys: Printed) -> None:
    connection = sqlite3.connect(tmp_path / "state" / "vmpath.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert run("status", "--config-file", file, "upgrade", "check") == 2
    assert "schema 9999 is newer" in capsys.readouterr().out
