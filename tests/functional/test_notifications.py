"""The picture kept current by what Nova's notifications tell, and corrected where they tell nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.reading import essence, reader
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from tests.programs import wait_until
from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.notifications import NotificationListener, NotificationSettings
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.rpc.transport import use_threads
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.notifier import Broker

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

SERVERS = [instance(f"x{number}", "ab"[number % 2], image="an-image") for number in range(30)]
CLOUD = snapshot(host("a", 65536), host("b", 65536), *SERVERS)


class Site:
    """A simulated cloud that tells, somebody who listens, and a vmpath that keeps what it has read."""

    def __init__(self, cloud: SimulatedCloud, topic: str, heard: str | None = None) -> None:
        self.cloud = cloud
        self.changes = Changes()
        self.listener = NotificationListener(NotificationSettings("fake://", topic=heard or topic), self.changes)
        self.listener.start()
        assert self.listener.wait_until_listening(30)
        entry = cloud.clouds()["simulated"]
        auth = entry["auth"]
        assert isinstance(auth, dict)
        settings = CloudSettings(auth=auth, region=str(entry["region_name"]), page=10)
        self.vmpath = NovaCloud(settings, self.changes)
        self.operator = Operator(cloud, connect(cloud))

    def told_of(self, *names: str) -> None:
        """Wait until somebody has told of these servers."""
        wanted = {identity(name) for name in names}
        wait_until(lambda: wanted <= (self.changes.since(0) or set()), f"something was told of {names}")

    def read(self) -> tuple[Snapshot, int]:
        """What is read, the same as is read anew; and how many requests it took."""
        before = self.vmpath.requests_sent()
        read = self.vmpath.read()
        sent = self.vmpath.requests_sent() - before
        assert essence(read) == essence(reader(self.cloud).read())
        return read, sent


@pytest.fixture
def topic(request: pytest.FixtureRequest) -> str:
    """One for each test: within a process, all share one broker."""
    use_threads()
    return f"topic-{request.node.name}"


@pytest.fixture
def site(simulated_cloud: Factory, topic: str) -> Iterator[Site]:
    site = Site(simulated_cloud(CLOUD, clock=SteppedClock(), broker=Broker("fake://", topic)), topic)
    yield site
    site.listener.stop()
    assert not site.listener.listening()


def test_a_second_reading_does_not_list_all_servers(site: Site) -> None:
    first, listed = site.read()
    again, sent = site.read()
    assert essence(again) == essence(first)
    # three pages of ten servers, the last of which has a link to an empty one or none
    assert sent <= listed - 3


def test_what_is_told_of_is_read_again(site: Site) -> None:
    _, listed = site.read()
    site.operator.migrate("x0", "b")
    site.operator.step(60)
    site.operator.note("x1", **{"vmpath:movable": "no"})
    answer = site.operator.compute.delete(f"/servers/{identity('x2')}")
    assert answer.status_code == 204
    site.operator.step(60)
    site.told_of("x0", "x1", "x2")
    read, sent = site.read()
    found = {each.name: each for each in read.instances}
    assert "x2" not in found
    assert found["x0"].host == "b"
    assert found["x1"].why_not == "its metadata forbids it (vmpath:movable = no)"
    assert sent <= listed


def test_where_nothing_is_told_everything_is_listed_again(simulated_cloud: Factory, topic: str) -> None:
    cloud = simulated_cloud(CLOUD, clock=SteppedClock(), broker=Broker("fake://", topic))
    site = Site(cloud, topic, heard="another-topic")
    try:
        _, listed = site.read()
        site.operator.migrate("x0", "b")
        site.operator.step(60)
        read, sent = site.read()
        assert {each.name: each.host for each in read.instances}["x0"] == "b"
        assert sent > listed
        assert site.changes.mark() == 0
    finally:
        site.listener.stop()


def test_a_server_that_vanished_without_a_trace_is_missed(site: Site) -> None:
    """Deleted, and archived before anybody looked: neither the changes nor the notifications show it."""
    site.read()
    world = site.cloud.world
    with world.lock:
        world.bury(world.servers[identity("x3")])
        del world.deleted[identity("x3")]
    read, _ = site.read()
    assert "x3" not in {each.name for each in read.instances}


def test_a_broker_that_is_not_there_holds_nothing_up() -> None:
    use_threads()
    # a port of the loopback interface that nobody listens on
    changes = Changes()
    listener = NotificationListener(NotificationSettings("rabbit://u:p@127.0.0.1:1/"), changes)
    listener.start()
    assert not listener.wait_until_listening(0.2)
    assert not changes.telling()
    listener.stop()
    assert not listener._thread.is_alive()
