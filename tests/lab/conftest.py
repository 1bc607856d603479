"""Fixtures for tests against genuine Nova; see tools/nova_lab/README.rst."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.nova_lab import NovaLab, run_script

HERE = Path(__file__).parent
UP_SECONDS = 1800.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)
            # openstacksdk says so of every cloud, whether or not it has InfluxDB
            item.add_marker(pytest.mark.filterwarnings("ignore:Support for InfluxDB"))


@pytest.fixture(scope="session")
def nova_lab() -> Iterator[NovaLab]:
    """The lab, up and for this session alone; clean again and still up at the end."""
    run_script("up", timeout=UP_SECONDS)
    lab = NovaLab()
    with open(lab.directory / "session.lock", "w") as session:
        fcntl.flock(session, fcntl.LOCK_EX)
        yield lab
        lab.reset()


@pytest.fixture
def clean_lab(nova_lab: NovaLab) -> NovaLab:
    """The lab without servers, groups and aggregates, every host up and enabled."""
    nova_lab.reset()
    return nova_lab


@pytest.fixture(scope="module")
def clean_lab_for_module(nova_lab: NovaLab) -> NovaLab:
    """As clean_lab, once for all tests of a module that build upon each other."""
    nova_lab.reset()
    return nova_lab
