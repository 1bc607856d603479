"""What tests of several packages use."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
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


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A program run in this process logs to the streams of its test, which are closed when the test has ended."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
    root.setLevel(level)
