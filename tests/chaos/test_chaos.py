"""A few rearrangements in chaos; ``tools/test --chaos`` runs many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.campaign import run

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


def test_nothing_is_lost_doubled_stuck_or_told_falsely(tmp_path: Path) -> None:
    tally = run(3, 20261121, tmp_path, lambda line: None)
    assert tally.wrong() == []
    assert tally.runs == 3
    assert tally.mishaps["SIGKILL"] > 0
    assert tally.migrations["done"] > 0
