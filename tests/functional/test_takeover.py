"""Two services on one database: the other one carries on when one dies, or only stands still."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy

from tests.database_servers import ASKED_FOR
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


@pytest.fixture(params=["sqlite", *ASKED_FOR])
def database(request: pytest.FixtureRequest, tmp_path: Path, database_server: Callable[[str], str]) -> str:
    name: str = request.param
    return f"sqlite:///{tmp_path}/shared.sqlite" if name == "sqlite" else database_server(name)


@pytest.fixture
def services(cloud: SimulatedCloud, database: str, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """With a state directory each, and one database."""
    clouds = write_clouds(tmp_path, cloud)
    with ExitStack() as stack:
        made = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            sections = {section: dict(options) for section, options in QUICK.items()}
            sections["database"] = {"connection": database}
            sections["executor"]["lease_seconds"] = LEASE
            made.append(stack.enter_context(Service(tmp_path / name, clouds, "simulated", sections)))
        yield made[0], made[1]


LOCK = {
    "sqlite": ("PRAGMA busy_timeout = 1000", "BEGIN IMMEDIATE"),
    "mysql": (
        "SET innodb_lock_wait_timeout = 1",
        "SELECT * FROM counters FOR UPDATE",
        "SELECT * FROM rearrangements FOR UPDATE",
    ),
    "postgresql": ("SET lock_timeout = '1s'", "LOCK TABLE counters, rearrangements"),
}
"""What waits for a second at most until nobody writes."""


def stopped(service: Service, database: str) -> bool:
    """Stop a service, unless it is writing: others wait for it then, for as long as it stands still."""
    os.kill(service.process.pid, signal.SIGSTOP)
    engine = sqlalchemy.create_engine(database, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect() as connection:
            for statement in LOCK[engine.dialect.name]:
                connection.exec_driver_sql(statement)
            connection.rollback()
    except sqlalchemy.exc.OperationalError:
        os.kill(service.process.pid, signal.SIGCONT)
        return False
    return True


@pytest.mark.parametrize("stands_still", [False, True], ids=["dead", "standing still"])
def test_another_engine_takes_over_and_nothing_is_asked_for_twice(
    cloud: SimulatedCloud, services: tuple[Service, Service], stands_still: bool, database: str
) -> None:
    first, second = services
    identity = first.answer("rearrangement", "create", "consolidate", "--approve")["id"]
    wait_until(lambda: statuses(cloud)["completed"] >= 1, "a migration has ended")
    if stands_still:
        wait_until(lambda: stopped(first, database), "it stands still without holding the database")
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
