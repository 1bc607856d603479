"""A stage for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.modelled.maintaining import Stage
from vmpath_service.store import Database


@pytest.fixture
def stage(empty_database: Path) -> Iterator[Stage]:
    database = Database(f"sqlite:///{empty_database}")
    yield Stage(database)
    database.close()
