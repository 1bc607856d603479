"""Two services on one database: the other one carries on when one dies, or only stands still."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.functional.conftest import Factory
from tests.functional.test_service import planned, started, statuses
from tests.programs import QUICK, Service, wait_until, write_clouds
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")
LEASE = 2


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(6, 40), clock=ScaledClock(10))


@pytest.fixture
def services(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """With a state directory each, and one database."""
    clouds = write_clouds(tmp_path, cloud)
    with ExitStack() as stack:
        made = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            sections = {section: dict(options) for section, options in QUICK.items()}
            sections["database"] = {"connection": f"sqlite:///{tmp_path}/shared.sqlite"}
            sections["executor"]["lease_seconds"] = LEASE
            made.append(stack.enter_context(Service(tmp_path / name, clouds, "simulated", sections)))
        yield made[0], made[1]


def stopped(service: Service, database: Path) -> bool:
    """Stop a service, unless it is writing: SQLite lets nobody else write then, for as long as it stands still."""
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        with closing(sqlite3.connect(database, timeout=1, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        os.kill(service.process.pid, signal.SIGCONT)
        return False
    return True


@pytest.mark.parametrize("stands_still", [False, True], ids=["dead", "standing still"])
def test_another_engine_takes_over_and_nothing_is_asked_for_twice(
    cloud: SimulatedCloud, services: tuple[Service, Service], stands_still: bool, tmp_path: Path
) -> None:
    first, second = services
    identity = first.answer("rearrangement", "create", "consolidate", "--approve")["id"]
    wait_until(lambda: statuses(cloud)["completed"] >= 1, "a migration has ended")
    if stands_still:
        wait_until(lambda: stopped(first, tmp_path / "shared.sqlite"), "it stands still without holding the database")
    else:
        first.kill()
    try:
        wait_until(lambda: "does not show itself any more" in second.log.read_text(), "the other one has taken over")
    finally:
        if stands_still:
            os.kill(first.process.pid, signal.SIGCONT)
    done = second.answer("rearrangement", "watch", identity)
    assert done["state"] == "succeeded"
    assert started(cloud) == planned(done)
    assert max(started(cloud).values()) == 1
    assert set(statuses(cloud)) == {"completed"}
    if stands_still:
        wait_until(lambda: "left to another engine" in first.log.read_text(), "the first one has noticed")
