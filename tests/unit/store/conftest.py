"""Databases for the tests: an SQLite file of their own, and whatever servers VMPATH_TEST_DATABASES names.

Each server's URL must be of an empty database that may be wiped, such as mysql+pymysql://u:p@host/vmpath_test.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from vmpath_service.store import Database, SqlStore

SERVERS = os.environ.get("VMPATH_TEST_DATABASES", "").split()


def wipe(url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        there = sqlalchemy.MetaData()
        there.reflect(connection)
        there.drop_all(connection)
    engine.dispose()


@pytest.fixture(params=["sqlite", *SERVERS], ids=lambda param: param.partition(":")[0])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/vmpath.sqlite"
    wipe(request.param)
    return str(request.param)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database, time)
