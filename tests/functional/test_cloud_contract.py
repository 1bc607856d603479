"""The simulated cloud behaves as the contract of a cloud says; genuine Nova is held to the same in tests/lab."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator

import pytest
from keystoneauth1.adapter import Adapter

from tests.contracts.cloud.hearing import Hearing
from tests.contracts.cloud.isolation import IsolationContract
from tests.contracts.cloud.life import ServerLifeContract
from tests.contracts.cloud.live_migration import ColdMigrationContract, LiveMigrationContract
from tests.contracts.cloud.mishaps import MishapContract
from tests.contracts.cloud.notifications import NotificationContract
from tests.contracts.cloud.port import PortContract
from tests.contracts.cloud.reading import ReadingContract
from tests.contracts.cloud.shares import ShareContract
from tests.contracts.cloud.statuses import StatusContract
from tests.contracts.cloud.under_test import CloudUnderTest, Server
from tests.contracts.cloud.zones import ZoneContract
from tests.functional.conftest import connect
from tests.functional.small_cloud import host, snapshot
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.notifier import Broker
from vmpath_service.simulator.settings import Settings
from vmpath_service.simulator.shares import MEMORY_IN_FILES, VIRTIO_FS

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

STEP_S = 0.2
PATIENCE_STEPS = 600


class Simulated(CloudUnderTest):
    """Time stands still but for waiting, which moves it on."""

    def __init__(self) -> None:
        super().__init__()
        self._start()

    def _start(self) -> None:
        hosts = [
            host(
                f"compute{number}",
                32768,
                availability_zone="second" if number == 6 else "nova",
                traits=(VIRTIO_FS, MEMORY_IN_FILES) if number == 5 else (),
            )
            for number in range(1, 7)
        ]
        settings = Settings(
            compute_microversion=104,
            concurrent_live_migrations=2,
            migration_mbps=4096.0,
            progress_every_s=0.5,
            service_down_time_s=10.0,
            dead_target_timeout_s=60.0,
            keep_shelved_on=frozenset({"compute2"}),
            images={"lab-windows": {"os_distro": "windows"}},
        )
        self._clock = SteppedClock()
        self._hearing: Hearing | None = None
        self._broker = Broker("fake://", topic=f"contract-{uuid.uuid4()}")
        self._cloud = SimulatedCloud(
            snapshot(*hosts), clock=self._clock, settings=settings, broker=self._broker
        ).start()
        admin, demo = connect(self._cloud), connect(self._cloud, "simulated-demo")
        self.compute, self.placement = admin.compute, admin.placement
        self.demo, self.demo_placement = demo.compute, demo.placement
        for adapter in (self.compute, self.demo):
            adapter.default_microversion = "2.96"
        self.image, self.windows = "lab", "lab-windows"
        self.hosts = tuple(each.name for each in hosts)

    def stop(self) -> None:
        if self._hearing is not None:
            self._hearing.close()
        self._cloud.stop()
        assert self._cloud.unknown_requests == {}

    def reset(self) -> None:
        super().reset()
        self.stop()
        self._start()

    def moments(self) -> Iterator[None]:
        for _ in range(PATIENCE_STEPS):
            yield
            self._clock.step(STEP_S)

    def kill_compute(self, host: str) -> None:
        self._cloud.kill_compute(host)

    def start_compute(self, host: str) -> None:
        self._cloud.restart_compute(host)

    @contextlib.contextmanager
    def deferring(self) -> Iterator[Adapter]:
        world = self._cloud.world
        before = world.settings
        world.settings = dataclasses.replace(before, reclaim_instance_interval_s=3600.0)
        yield self.compute
        world.settings = before

    @contextlib.contextmanager
    def sharing(self, server: Server) -> Iterator[str]:
        share, path = str(uuid.uuid4()), f"/servers/{server.id}/shares"
        server.stop()
        made = self.compute.post(path, json={"share": {"share_id": share}}, microversion="2.97")
        assert made.status_code == 201, made.text
        server.start()
        yield share
        running = self.compute.delete(f"{path}/{share}", microversion="2.97")
        assert running.status_code == 409
        server.stop()
        assert self.compute.delete(f"{path}/{share}", microversion="2.97").status_code == 200
        assert self.compute.delete(f"{path}/{share}", microversion="2.97").status_code == 404
        server.start()

    def hear(self) -> Hearing:
        if self._hearing is None:
            cloud = self._cloud
            self._hearing = Hearing(self._broker.url, self._broker.topic, lambda: cloud.notifications_sent)
        return self._hearing

    def vmpath(self, ordinary: bool = False) -> NovaCloud:
        entry = self._cloud.clouds()["simulated-demo" if ordinary else "simulated"]
        auth = entry["auth"]
        assert isinstance(auth, dict)
        return NovaCloud(CloudSettings(auth=auth, region=str(entry["region_name"])))


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudUnderTest]:
    made = Simulated()
    yield made
    made.stop()


class TestLiveMigration(LiveMigrationContract):
    pass


class TestColdMigration(ColdMigrationContract):
    pass


class TestServerLife(ServerLifeContract):
    pass


class TestIsolation(IsolationContract):
    pass


class TestMishaps(MishapContract):
    pass


class TestReading(ReadingContract):
    pass


class TestNotifications(NotificationContract):
    pass


class TestStatuses(StatusContract):
    pass


class TestPort(PortContract):
    pass


class TestShares(ShareContract):
    pass


class TestZones(ZoneContract):
    pass
