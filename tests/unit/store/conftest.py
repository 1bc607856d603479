"""Databases for the tests: an SQLite file of their own, MariaDB and PostgreSQL (``tests.database_servers``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmpath_service.store import Database, SqlStore


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, database_server: Callable[[str], str]) -> str:
    name: str = request.param
    return f"sqlite:///{tmp_path}/state/vmpath.sqlite" if name == "sqlite" else database_server(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database, time)
