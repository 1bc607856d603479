"""Several upgrades of one database at the same time: one makes the tables, and all end well."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from tests.database_servers import wipe
from tests.programs import wait_until
from vmpath_service.model.errors import StoreError
from vmpath_service.store import Database, servers
from vmpath_service.store.database import expected_revision
from vmpath_service.store.servers import take_turn

PATIENCE = 120.0
WAITING = {
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'",
    "postgresql": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
}


def upgrades(url: str, directory: Path, count: int) -> list[subprocess.Popen[str]]:
    """So many ``vmpath-manage db upgrade``, as operators of several services type them."""
    file = directory / "vmpath.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {directory}\n[database]\nconnection = {url}\n")
    words = [sys.executable, "-m", "vmpath_service.cmd.manage", "--config-file", str(file), "db", "upgrade"]
    return [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(count)
    ]


def said(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each has said when it has ended well."""
    found = []
    for process in processes:
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        found.append(output)
    return sorted(found)


def check(outputs: list[str]) -> None:
    head = expected_revision()
    assert [output for output in outputs if f"upgraded from nothing to {head}" in output] == outputs[-1:]
    assert all(f"nothing to do, its schema is {head}" in output for output in outputs[:-1])


@pytest.mark.parametrize("server", ["mariadb", "postgresql"])
def test_on_a_server_all_wait_for_the_one_whose_turn_it_is(
    server: str, database_server: Callable[[str], str], tmp_path: Path
) -> None:
    url = database_server(server)
    wipe(url)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as holding, engine.connect() as looking:
        take_turn(holding)
        processes = upgrades(url, tmp_path, 3)
        try:

            def waiting() -> bool:
                assert not [process for process in processes if process.poll() is not None], said(processes)
                found = looking.exec_driver_sql(WAITING[engine.dialect.name]).scalar()
                looking.rollback()
                return found == len(processes)

            wait_until(waiting, "all wait for their turn", PATIENCE)
            assert Database(url).revision() is None
            holding.close()
            check(said(processes))
        finally:
            for process in processes:
                process.kill()
    Database(url).check()


def test_who_has_waited_too_long_changes_nothing(
    database_server: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database_server("mariadb")
    monkeypatch.setattr(servers, "_LONGEST_TURN_S", 0)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as holding:
        take_turn(holding)
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:\d+/vmpath: another upgrade has been at it for 0 s"):
            Database(url).upgrade()


def test_on_a_file_they_take_turns(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state/vmpath.sqlite"
    check(said(upgrades(url, tmp_path, 4)))
    Database(url).check()
