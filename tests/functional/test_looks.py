"""What a walk sees by lists is what it would see by asking for each server, at every moment."""

from __future__ import annotations

import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import host, identity, instance, snapshot
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.readings import MigrationOutcome
from vmpath_service.simulator import server_life
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

NAMES = [f"x{number}" for number in range(8)]
UUIDS = [identity(name) for name in NAMES]


def reader(cloud: SimulatedCloud) -> NovaCloud:
    entry = cloud.clouds()["simulated"]
    auth = entry["auth"]
    assert isinstance(auth, dict)
    return NovaCloud(CloudSettings(auth=auth, region=str(entry["region_name"]), looks_per_second=0))


def eight(simulated_cloud: Factory) -> tuple[SimulatedCloud, SteppedClock]:
    clock = SteppedClock()
    cloud = simulated_cloud(
        snapshot(
            host("a", cell="east"),
            host("b", cell="east"),
            host("c", cell="west"),
            *(instance(name, "a", memory_mb=1000 * (number + 1)) for number, name in enumerate(NAMES)),
        ),
        clock=clock,
        settings=Settings(migration_mbps=8000, overhead_s=4),
    )
    return cloud, clock


def look(vmpath: NovaCloud) -> tuple[object, object]:
    records = vmpath.read_migrations(UUIDS)
    servers = vmpath.read_instances(UUIDS)
    # one that was never changed may be seen a look later: nothing follows from it
    return {
        uuid: [(each.id, each.status, each.dest) for each in records[uuid] if each.status != "accepted"]
        for uuid in servers
    }, servers


def test_lists_show_what_single_readings_show(simulated_cloud: Factory) -> None:
    cloud, clock = eight(simulated_cloud)
    walking = reader(cloud)
    look(walking)
    sent: list[int] = []
    for tick in range(60):
        if tick % 5 == 0 and tick // 5 < len(UUIDS):
            walking.live_migrate(UUIDS[tick // 5], "b")
        if tick == 50:
            with cloud.world.lock:
                server_life.delete(cloud.world, cloud.world.servers[UUIDS[0]])
        clock.step(1)
        before = walking.requests_sent()
        seen = look(walking)
        sent.append(walking.requests_sent() - before)
        # one that has seen nothing before asks for everything
        assert look(reader(cloud)) == seen, f"tick {tick}"
    servers = walking.read_instances(UUIDS)
    assert servers.keys() == set(UUIDS[1:])
    assert {each.host for each in servers.values()} == {"a", "b"}
    # eight servers one by one would take sixteen, and the services
    assert sorted(sent)[len(sent) // 2] <= 8


def test_what_changed_while_a_cell_was_silent_is_seen_afterwards(simulated_cloud: Factory) -> None:
    cloud, clock = eight(simulated_cloud)
    walking = reader(cloud)
    for uuid in UUIDS[:4]:
        walking.live_migrate(uuid, "b")
    for _ in range(3):
        clock.step(1)
        look(walking)
    cloud.silence_cell("east")
    for _ in range(100):
        clock.step(1)
        with pytest.raises(NoDecision, match="a cell of the cloud does not answer"):
            look(walking)
    cloud.silence_cell("east", False)
    assert look(walking) == look(reader(cloud))
    for uuid in UUIDS[:4]:
        assert walking.read_migrations([uuid])[uuid][-1].outcome is MigrationOutcome.COMPLETED


def test_the_room_of_many_hosts_is_that_of_each(simulated_cloud: Factory) -> None:
    names = [f"h{number}" for number in range(6)]
    full = instance("full", "h0", memory_mb=16384)
    cloud = simulated_cloud(
        snapshot(*(host(name) for name in names), full, *(instance(f"on-{name}", name) for name in names[1:])),
        clock=SteppedClock(),
    )
    vmpath = reader(cloud)
    vmpath.read()
    before = vmpath.requests_sent()
    together = vmpath.read_hosts(names)
    # the services, the providers once, and a list for those with memory and one for those without
    assert vmpath.requests_sent() - before <= 4
    assert together == {name: reader(cloud).read_hosts([name])[name] for name in names}
    assert together["h0"].free["MEMORY_MB"] == 0


def test_servers_may_be_as_old_as_is_said_while_records_are_new(simulated_cloud: Factory) -> None:
    cloud, clock = eight(simulated_cloud)
    vmpath = reader(cloud)
    look(vmpath)
    look(vmpath)
    vmpath.live_migrate(UUIDS[0], "b")
    clock.step(60)
    sent = vmpath.requests_sent()
    records = vmpath.read_migrations(UUIDS)
    assert [each.outcome for each in records[UUIDS[0]]] == [MigrationOutcome.COMPLETED]
    between = vmpath.requests_sent()
    assert vmpath.read_instances(UUIDS, within=60)[UUIDS[0]].host == "a"
    assert vmpath.requests_sent() == between > sent
    # what was read beside old servers is not taken for whole, and is there again
    assert vmpath.read_migrations(UUIDS) == records
    assert vmpath.read_instances(UUIDS)[UUIDS[0]].host == "b"
