"""Genuine Nova behaves as the contract of a cloud says, to which the simulated cloud is held too."""

from __future__ import annotations

import contextlib
import time
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
from tests.lab.nova_lab import NovaLab, call
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings

# of Nova's own periods the longest that is waited for is the minute between two reports of a compute to Placement
PATIENCE_S = 180.0
PAUSE_S = 0.25
# Servers that nearly every test takes one of, booted at once: one by one they take longer.
STOCK_ON_FIRST = 24


class Genuine(CloudUnderTest):
    """The lab; time is real."""

    def __init__(self, lab: NovaLab) -> None:
        super().__init__()
        self._lab = lab
        self._hearing: Hearing | None = None
        self.compute, self.placement, self.demo = lab.compute, lab.placement, lab.demo_compute
        self.demo_placement = lab.adapter("placement", "1.39", "novalab-demo")
        images = call(lab.adapter("image", "2"), "GET", "/v2/images")["images"]
        by_name = {each["name"]: each["id"] for each in images}
        self.image, self.windows = by_name["lab"], by_name["lab-windows"]
        self.hosts = lab.hosts

    def moments(self) -> Iterator[None]:
        deadline = time.monotonic() + PATIENCE_S
        while (began := time.monotonic()) < deadline:
            yield
            # at most half of the time is spent on looking: what is waited for wants the processors, too
            time.sleep(max(PAUSE_S, time.monotonic() - began))

    def kill_compute(self, host: str) -> None:
        self._lab.kill_compute(host)

    def start_compute(self, host: str) -> None:
        self._lab.start_compute(host)

    @contextlib.contextmanager
    def deferring(self) -> Iterator[Adapter]:
        yield self._lab.deferring_compute

    @contextlib.contextmanager
    def sharing(self, server: Server) -> Iterator[str]:
        with self._lab.share_of(server.id) as share:
            yield share

    def hear(self) -> Hearing:
        if self._hearing is None:
            self._hearing = Hearing(self._lab.broker_url, self._lab.notification_topic)
        return self._hearing

    def close(self) -> None:
        if self._hearing is not None:
            self._hearing.close()

    def vmpath(self, ordinary: bool = False) -> NovaCloud:
        name = "novalab-demo" if ordinary else "novalab"
        return NovaCloud(CloudSettings(cloud=name, config_files=(str(self._lab.clouds_file),)))

    def reset(self) -> None:
        super().reset()
        self._lab.reset()


@pytest.fixture(scope="module")
def cloud(clean_lab_for_module: NovaLab, request: pytest.FixtureRequest) -> Iterator[CloudUnderTest]:
    made = Genuine(clean_lab_for_module)
    mine = sum(1 for item in request.session.items if item.path == request.path)
    made.stock({"compute1": min(STOCK_ON_FIRST, mine)})
    yield made
    made.close()


@pytest.fixture(autouse=True)
def hosts_take_in(cloud: Genuine) -> None:
    """Before each test: Placement has no host as disabled.

    A host that is enabled while its compute reports to Placement is now and then reported as disabled once more, and
    the scheduler passes it over until the next report, a minute later.
    """
    disabled = "/resource_providers?required=COMPUTE_STATUS_DISABLED"
    cloud.until(lambda: not cloud.placement.get(disabled).json()["resource_providers"], "every host takes in")


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
