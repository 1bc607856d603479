"""Worlds that keep their rearrangements in a database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.modelled.walking import World
from vmpath_service.store import Database, SqlStore


@pytest.fixture
def worlds_in_a_database(empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """As long as a test lasts."""
    database = Database(f"sqlite:///{empty_database}")
    monkeypatch.setattr(World, "make_store", lambda clock: SqlStore(database, clock))
    yield database
    database.close()
