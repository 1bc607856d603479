"""What tests of several packages use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vmpath_service.store import Database


@pytest.fixture(scope="session")
def _database_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "vmpath.sqlite"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture
def empty_database(_database_template: Path, tmp_path: Path) -> Path:
    """An SQLite file of the test's own with all tables (copied: making them takes longer than most tests)."""
    path = tmp_path / "vmpath.sqlite"
    for file in _database_template.parent.glob("vmpath.sqlite*"):
        shutil.copy(file, tmp_path)
    return path
