"""Bringing things back as a user does it: service and commands in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.conftest import Factory
from tests.functional.test_service import servers_by_host
from tests.programs import Service, service_on
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(6, 30), clock=ScaledClock(50))


@pytest.fixture
def service(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Service]:
    with service_on(tmp_path, cloud) as running:
        yield running


def test_a_drained_host_gets_its_instances_back(cloud: SimulatedCloud, service: Service) -> None:
    before = servers_by_host(cloud)
    host = max(before, key=lambda name: (len(before[name]), name))
    drained = service.answer("drain", host, "--wait")
    assert drained["state"] == "succeeded"
    assert servers_by_host(cloud)[host] == set()
    back = service.answer("rearrangement", "rollback", drained["id"], "--wait")
    assert (back["state"], back["explanation"]) == ("rolled back", None)
    assert servers_by_host(cloud) == before
    assert service.answer("host", "show", host)["status"] == "enabled"
    again = service.command("rearrangement", "rollback", drained["id"])
    assert again.returncode == 1
    assert "there is nothing to move back" in again.stderr
