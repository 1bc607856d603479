"""Simulated clouds for functional tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openstack
import pytest

from tests.functional.small_cloud import host, instance, snapshot
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

Factory = Callable[..., SimulatedCloud]


@pytest.fixture
def simulated_cloud() -> Iterator[Factory]:
    """Starts simulated clouds and stops them after the test.

    ``simulated_cloud(snapshot, clock=…, settings=…, faults=…)``; without a snapshot a sample of 4
    hosts and 12 instances.
    """
    started: list[SimulatedCloud] = []

    def start(snapshot: Snapshot | None = None, **options: Any) -> SimulatedCloud:
        cloud = SimulatedCloud(snapshot or make_sample(4, 12), **options)
        started.append(cloud)
        return cloud.start()

    yield start
    for cloud in started:
        cloud.stop()


@pytest.fixture
def two_hosts(simulated_cloud: Factory) -> SimulatedCloud:
    """Host a with instance x, host b with instance y, and a clock that stands still."""
    return simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )


def connect(cloud: SimulatedCloud, name: str = "simulated") -> openstack.connection.Connection:
    """An ordinary openstacksdk connection to a simulated cloud."""
    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        compute_default_microversion=f"2.{cloud.settings.compute_microversion}",
        placement_default_microversion="1.39",
        **cloud.clouds()[name],
    )
