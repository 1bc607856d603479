from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmpath_service.cmd.configuration import Configuration, load


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is in /etc/vmpath of the machine that runs the tests has no say."""
    monkeypatch.setattr("vmpath_service.cmd.configuration.files.DEFAULT_FILE", str(tmp_path / "etc/vmpath.conf"))
    monkeypatch.setattr("vmpath_service.cmd.configuration.files.DEFAULT_DIRECTORY", str(tmp_path / "etc/policies.d"))


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], Configuration]:
    """Load a configuration that consists of one file with this text."""

    def read(text: str) -> Configuration:
        path = tmp_path / "vmpath.conf"
        path.write_text(text)
        return load([str(path)])

    return read
