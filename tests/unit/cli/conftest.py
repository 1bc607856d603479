"""The command line in this process, as its entry point runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from vmpath_service.cmd.vmpath import main


@dataclasses.dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


@pytest.fixture
def vmpath(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """``vmpath("path", "find", ...)`` and what came of it."""

    def run(*words: str) -> Outcome:
        try:
            status = main(list(words))
        except SystemExit as left:
            status = int(left.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run
