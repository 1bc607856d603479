"""The file system of the database fills in the midst of it: nothing starts that is not written down, it is said, and
it goes on when there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.test_service import planned, started, statuses
from tests.programs import service_on, wait_until
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")
SIZE = 8 << 20


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(8, 80), clock=ScaledClock(5))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Where the service keeps its state: a file system of its own."""
    path = tmp_path / "state"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "vmpath-test", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return ballast


def test_on_a_full_disk_nothing_starts_and_it_goes_on_with_room(
    cloud: SimulatedCloud, small_disk: Path, tmp_path: Path
) -> None:
    with service_on(tmp_path, cloud) as service:
        identity = service.answer("rearrangement", "create", "consolidate", "--approve")["id"]
        wait_until(lambda: statuses(cloud)["completed"] >= 2, "some migrations have ended")
        ballast = fill(small_disk)
        wait_until(lambda: "taken up again after an error" in service.log.read_text(), "the full disk is noticed")
        assert "database or disk is full" in service.log.read_text()
        fill(small_disk)
        at_first = sum(started(cloud).values())
        nova = connect(cloud, "simulated").compute

        def all_ended() -> bool:
            # the simulated cloud goes on when it is asked something
            list(nova.hypervisors())
            return not statuses(cloud).keys() - {"completed"}

        wait_until(all_ended, "what was in flight has ended")
        assert sum(started(cloud).values()) == at_first
        refused = service.command("rearrangement", "pause", identity)
        assert refused.returncode != 0
        assert "disk is full" in refused.stderr
        shown = service.answer("rearrangement", "show", identity)
        asked = {each["instance"] for each in shown["migrations"] if each["attempt"]}
        assert {instance for instance, _, _ in started(cloud)} <= asked
        ballast.unlink()
        done = service.answer("rearrangement", "watch", identity)
        assert done["state"] == "succeeded"
        assert len(done["migrations"]) > at_first
        assert started(cloud) == planned(done)
        assert max(started(cloud).values()) == 1
