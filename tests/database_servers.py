"""Database servers for the tests: started on a free port of the loopback interface, with nothing in them, for as long
as the tests take. What is not installed is said, with where to get it."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy

from tests.programs import free_port, wait_until
from vmpath_service.store.tables import Base, CounterRow, table_of

ASKED_FOR = tuple(os.environ.get("VMPATH_TEST_DATABASES", "").split())
"""The servers, "mariadb" and "postgresql", with which long tests are run, too (``tools/test --databases``)."""
PASSWORD = "secret"
COUNTERS = table_of(CounterRow)
STARTING_SECONDS = 120.0
STOPPING_SECONDS = 30.0
_PATH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1])]
)


class NotInstalled(AssertionError):
    """A server is not installed."""


def _program(name: str, package: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise NotInstalled(
            f"{name} is not installed: apt-get install {package} (Debian, Ubuntu), or run tools/test as root"
        )
    return found


def _user(of_server: str) -> str:
    """Whom the server runs as: not root, which PostgreSQL refuses."""
    return of_server if os.getuid() == 0 else getpass.getuser()


@contextmanager
def _directory(user: str) -> Iterator[Path]:
    """One that the server may write to."""
    # not below the directories of pytest: those are closed to every other user
    with tempfile.TemporaryDirectory(prefix="vmpath-database-", ignore_cleanup_errors=True) as name:
        if os.getuid() == 0:
            account = pwd.getpwnam(user)
            os.chown(name, account.pw_uid, account.pw_gid)
        yield Path(name)


def _run(words: Sequence[str], user: str, directory: Path) -> None:
    done = subprocess.run(
        words,
        **_surroundings(user, directory),
        capture_output=True,
        text=True,
        timeout=STARTING_SECONDS,
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}"


@contextmanager
def _running(words: Sequence[str], user: str, directory: Path, url: str) -> Iterator[str]:
    """A server, as soon as it lets us in, until the block is left."""
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            **_surroundings(user, directory),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)

    def answers() -> bool:
        assert process.poll() is None, f"{words[0]} has ended: {log.read_text()}"
        with suppress(sqlalchemy.exc.OperationalError), engine.connect():
            return True
        return False

    try:
        wait_until(answers, f"{words[0]} lets us in", STARTING_SECONDS)
        yield url
    finally:
        # at once: nothing of it is wanted any more
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def _surroundings(user: str, directory: Path) -> dict[str, Any]:
    """Where, as whom and with which environment a program of the server runs."""
    return {
        "cwd": directory,
        "env": {"PATH": _PATH, "HOME": str(directory), "LANG": "C.UTF-8"},
        "user": user if os.getuid() == 0 else None,
    }


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB server; yields the URL of its database."""
    install = _program("mariadb-install-db", "mariadb-server-core")
    server = _program("mariadbd", "mariadb-server-core")
    _program("my_print_defaults", "mariadb-client-core")  # the former asks it
    user, port = _user("nobody"), free_port()
    with _directory(user) as directory:
        data = f"--datadir={directory}/data"
        _run(
            [install, "--no-defaults", data, "--skip-test-db", "--auth-root-authentication-method=normal"],
            user,
            directory,
        )
        # its own way to run statements before anybody is let in
        (directory / "first.sql").write_text(
            "CREATE DATABASE vmpath CHARACTER SET utf8mb4;"
            f" CREATE USER vmpath@127.0.0.1 IDENTIFIED BY '{PASSWORD}';"
            " GRANT ALL ON vmpath.* TO vmpath@127.0.0.1;\n".replace("; ", ";\n")
        )
        words = [
            *(server, "--no-defaults", data, f"--socket={directory}/socket", f"--pid-file={directory}/pid"),
            *("--bind-address=127.0.0.1", f"--port={port}", f"--init-file={directory}/first.sql"),
            *("--skip-log-bin", "--skip-name-resolve", "--innodb-buffer-pool-size=64M", "--performance-schema=0"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"),
        ]
        with _running(words, user, directory, f"mysql+pymysql://vmpath:{PASSWORD}@127.0.0.1:{port}/vmpath") as url:
            yield url


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server; yields the URL of its database."""
    install, server = _program("initdb", "postgresql"), _program("postgres", "postgresql")
    user, port = _user("nobody"), free_port()
    with _directory(user) as directory:
        (directory / "password").write_text(PASSWORD)
        _run(
            [
                *(install, "-D", f"{directory}/data", "-U", "vmpath", f"--pwfile={directory}/password"),
                *("-A", "scram-sha-256", "-E", "UTF8", "--no-sync"),
            ],
            user,
            directory,
        )
        words = [
            *(server, "-D", f"{directory}/data", "-h", "127.0.0.1", "-p", f"{port}", "-k", f"{directory}"),
            *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"),
        ]
        url = f"postgresql+psycopg2://vmpath:{PASSWORD}@127.0.0.1:{port}/postgres"
        with _running(words, user, directory, url) as url:
            yield url


SERVERS: Mapping[str, Callable[[], AbstractContextManager[str]]] = {"mariadb": mariadb, "postgresql": postgresql}


def wipe(url: str) -> None:
    """Drop all tables that there are."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        there = sqlalchemy.MetaData()
        there.reflect(connection)
        there.drop_all(connection)


def empty(url: str) -> None:
    """Leave the tables of vmpath as its migrations have made them, and quicker than those do."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(sqlalchemy.update(table).values(value=0) if table is COUNTERS else table.delete())
