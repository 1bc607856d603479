"""vmpath's own reading of a cloud and its requests, over HTTP against the simulated cloud."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import group, host, identity, instance, snapshot
from vmpath_service.cloud.inventory import Inventory
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import (
    AnswerLost,
    CloudDenied,
    CloudUnreachable,
    InvalidInput,
    NoDecision,
    RequestRefused,
)
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.model.snapshot import Aggregate, InFlight, Rules, Snapshot
from vmpath_service.simulator import server_life
from vmpath_service.simulator.clock import ScaledClock, SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.faults import HttpFault
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


def reader(cloud: SimulatedCloud, name: str = "simulated", **settings: Any) -> NovaCloud:
    """vmpath's view of a simulated cloud."""
    entry = cloud.clouds()[name]
    auth = entry["auth"]
    assert isinstance(auth, dict)
    return NovaCloud(CloudSettings(auth=auth, region=str(entry["region_name"]), **settings))


@pytest.fixture
def two_hosts(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )


def essence(value: Snapshot) -> Snapshot:
    """A snapshot without what a reading adds: when and where, notes, storage, what only a file can know."""
    change = msgspec.structs.replace
    hosts = [
        change(
            each,
            traits=tuple(sorted(each.traits)),
            aggregates=tuple(sorted(each.aggregates, key=lambda aggregate: aggregate.name)),
        )
        for each in value.hosts
    ]
    instances = [change(each, storage=None, memory=None) for each in value.instances]
    return Snapshot(
        hosts=tuple(sorted(hosts, key=lambda each: each.name)),
        instances=tuple(sorted(instances, key=lambda each: each.uuid)),
        server_groups=tuple(sorted(value.server_groups, key=lambda each: each.uuid)),
        in_flight=value.in_flight,
    )


def detailed(seed: int) -> Snapshot:
    """A made-up cloud in which everything is said, so that reading it back can be compared."""
    chance = random.Random(seed)
    made = make_sample(8, 60, seed=seed, zones=2)
    hosts = []
    for number, each in enumerate(made.hosts):
        zone = each.availability_zone or "nova"
        aggregates: tuple[Aggregate, ...] = (Aggregate(f"zone-{zone}", {"availability_zone": zone}),)
        if number % 3 == 0:
            aggregates += (Aggregate("ssd", {"ssd": "true"}),)
        hosts.append(
            msgspec.structs.replace(
                each,
                availability_zone=zone,
                aggregates=aggregates,
                traits=("CUSTOM_GOLD", *each.traits) if number % 2 else each.traits,
                status="disabled" if number == 1 else "enabled",
                disabled_reason="being mended" if number == 1 else None,
                used_by_others={"MEMORY_MB": 512} if number in (2, 5) else {},
            )
        )
    instances = []
    for number, server in enumerate(made.instances):
        more: dict[str, Any] = {
            "project_id": f"project-{number % 3}",
            "tags": ("web",) if number % 5 == 0 else (),
            "metadata": {"role": "db"} if number % 4 == 0 else {},
            "pinned_availability_zone": chance.choice([None, "az1", "az2"]),
        }
        if number == 7:
            more |= {"status": "SHUTOFF", "movable": "no"}
            more["why_not"] = "it is stopped (SHUTOFF); vmpath moves running and paused instances"
        if number == 8:
            more |= {"locked": True, "movable": "no", "why_not": "it is locked; unlock it first"}
        if number == 9:
            more |= {"status": "PAUSED"}
        if number == 10:
            more |= {"metadata": {"vmpath:movable": "no", "vmpath:mode": "pre-copy"}, "movable": "no"}
            more |= {"why_not": "its metadata forbids it (vmpath:movable = no)", "post_copy": "forbidden"}
        if number == 11:
            more |= {"required_traits": ("CUSTOM_GOLD",), "forbidden_traits": ("CUSTOM_RUST",)}
        if number == 12:
            more |= {"image": None}
        instances.append(msgspec.structs.replace(server, **more))
    groups = [
        msgspec.structs.replace(group, rules=Rules(2)) if number == 0 and group.policy == "anti-affinity" else group
        for number, group in enumerate(made.server_groups)
    ]
    return msgspec.structs.replace(
        made, hosts=tuple(hosts), instances=tuple(instances), server_groups=tuple(groups), network=None
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_simulated_cloud_holds_is_read_back(simulated_cloud: Factory, seed: int) -> None:
    given = detailed(seed)
    cloud = simulated_cloud(given, settings=Settings(hypervisor_domain=".example.org"))
    read = reader(cloud, page=5).read()
    assert essence(read) == essence(given)
    assert not list(snapshot_problems(read))
    assert read.region == "RegionOne"
    assert cloud.unknown_requests == {}


def test_a_second_reading_takes_few_requests(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(make_sample(40, 200))
    vmpath = reader(cloud)
    first = vmpath.read()
    before = vmpath.requests_sent()
    assert essence(vmpath.read()) == essence(first)
    assert vmpath.requests_sent() - before <= 10


def test_a_full_host_is_read_too(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(
            host("a", memory_mb=1000, used_by_others={"VCPU": 63}), host("b"), instance("x", "a"), instance("y", "b")
        )
    )
    vmpath = reader(cloud)
    found = {each.name: each for each in vmpath.read().hosts}
    assert found["a"].inventories["MEMORY_MB"].limit() == 1000
    assert found["a"].used_by_others == {"VCPU": 63}
    assert vmpath.read_hosts(["a"])["a"].free["MEMORY_MB"] == 0


def test_migrations_that_a_snapshot_has_under_way_are_read_back(simulated_cloud: Factory) -> None:
    x = msgspec.structs.replace(instance("x", "a"), status="MIGRATING", task_state="migrating")
    given = msgspec.structs.replace(
        snapshot(host("a"), host("b"), x), in_flight=(InFlight(identity("x"), "a", "b"),)
    )
    cloud = simulated_cloud(given, clock=SteppedClock(), settings=Settings(overhead_s=100))
    read = reader(cloud).read()
    assert [(each.instance, each.source, each.dest) for each in read.in_flight] == [(identity("x"), "a", "b")]
    assert all(not each.used_by_others for each in read.hosts)


def test_progress_is_told_while_memory_is_copied(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a", memory_mb=8000)),
        clock=SteppedClock(),
        settings=Settings(migration_mbps=800, progress_every_s=1),
    )
    vmpath = reader(cloud)
    vmpath.live_migrate(identity("x"), "b")
    seen = []
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)
    for _ in range(30):
        clock.step(2)
        seen.append(vmpath.read_migrations([identity("x")])[identity("x")][0].remaining)
    known = [each for each in seen if each is not None]
    assert known == sorted(known, reverse=True)
    assert 0 < known[-1] < known[0] <= 1


@pytest.mark.parametrize("kind", ["drop-after", "502", "504"])
def test_a_lost_answer_is_told_apart_from_a_refusal(two_hosts: SimulatedCloud, kind: Any) -> None:
    vmpath = reader(two_hosts)
    vmpath.read()
    two_hosts.add_fault(HttpFault(kind, "POST", "/action"))
    with pytest.raises(AnswerLost):
        vmpath.live_migrate(identity("x"), "b")
    # it was sent once only: no other record than that of the one request, if that
    clock = two_hosts.clock
    assert isinstance(clock, SteppedClock)
    clock.step(1)
    records = vmpath.read_migrations([identity("x")])[identity("x")]
    assert len(records) == (1 if kind == "drop-after" else 0)


def test_an_action_is_not_repeated_and_a_reading_is(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts)
    two_hosts.add_fault(HttpFault("503", "GET", "/servers/detail", count=2, retry_after_s=0))
    two_hosts.add_fault(HttpFault("drop-before", "GET", "/os-services"))
    two_hosts.add_fault(HttpFault("429", "GET", "/allocation_candidates", retry_after_s=0))
    assert len(vmpath.read().instances) == 2
    two_hosts.add_fault(HttpFault("503", "POST", "/action", count=1))
    with pytest.raises(AnswerLost):
        vmpath.live_migrate(identity("x"), "b")
    two_hosts.add_fault(HttpFault("429", "POST", "/action", count=1))
    with pytest.raises(RequestRefused) as refusal:
        vmpath.live_migrate(identity("x"), "b")
    assert refusal.value.status == 429
    assert vmpath.read_migrations([identity("x")]) == {identity("x"): ()}


def test_a_cloud_that_keeps_failing_is_unreachable_after_a_few_attempts(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts, attempts=3, longest_wait_s=0.01)
    two_hosts.add_fault(HttpFault("503", "GET", "/servers/detail", count=3))
    with pytest.raises(CloudUnreachable, match=r"Nova at http://.* answered 503 to GET /servers/detail"):
        vmpath.read()
    assert len(vmpath.read().instances) == 2


def test_a_dead_host_is_down_and_keeps_its_guests(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a")), clock=SteppedClock())
    cloud.kill_compute("a")
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)
    clock.step(120)
    vmpath = reader(cloud)
    read = vmpath.read()
    assert [each.state for each in read.hosts] == ["down", "up"]
    assert (read.instances[0].movable, read.instances[0].why_not) == ("no", "its host a is down: nothing can leave it")
    assert not vmpath.read_hosts(["a"])["a"].up


def test_what_vanished_is_missing(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts)
    assert vmpath.read_instances([identity("x"), identity("nobody")]).keys() == {identity("x")}
    assert vmpath.read_instances([]) == {}
    assert vmpath.read_hosts([]) == {}
    assert vmpath.read_migrations([]) == {}


def test_many_instances_are_read_by_pages(simulated_cloud: Factory) -> None:
    given = make_sample(6, 80)
    vmpath = reader(simulated_cloud(given), page=30)
    vmpath.read()
    before = vmpath.requests_sent()
    found = vmpath.read_instances([each.uuid for each in given.instances])
    assert {uuid: each.host for uuid, each in found.items()} == {each.uuid: each.host for each in given.instances}
    assert vmpath.requests_sent() - before == 5


def test_a_strict_affinity_group_holds_its_members(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "a"), group("pair", "affinity", "x"))
    )
    found = {each.name: each for each in reader(cloud).read().instances}
    assert found["x"].movable == "no"
    assert "strict affinity group pair" in (found["x"].why_not or "")
    assert found["y"].movable == "live"


# What changes while it is read ---------------------------------------------------------------


class Meddler:
    """Does something to the cloud just before its nth look for changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deed: Callable[[int], None]) -> None:
        self.looks = 0
        original = Inventory._changes

        def meddled(inventory: Inventory, *arguments: Any) -> Any:
            self.looks += 1
            deed(self.looks)
            return original(inventory, *arguments)

        monkeypatch.setattr(Inventory, "_changes", meddled)


def test_a_server_that_moves_during_the_reading_is_noticed(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )
    vmpath, other = reader(cloud), reader(cloud)
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)

    def move(look: int) -> None:
        if look == 1:
            other.live_migrate(identity("x"), "b")
            clock.step(600)

    meddler = Meddler(monkeypatch, move)
    reading = vmpath.read_with_notes()
    assert meddler.looks == 2
    assert {each.name: each.host for each in reading.snapshot.instances} == {"x": "b", "y": "b"}
    assert all(not each.used_by_others for each in reading.snapshot.hosts)
    assert reading.notes == ()


def test_a_server_that_is_deleted_during_the_reading_is_noticed(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )
    vmpath = reader(cloud)
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)

    def delete(look: int) -> None:
        if look == 1:
            world = cloud.world
            with world.lock:
                server_life.delete(world, world.servers[identity("x")])
            clock.step(60)

    Meddler(monkeypatch, delete)
    assert [each.name for each in vmpath.read().instances] == ["y"]


def test_a_server_that_never_rests_is_shown_as_last_seen(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )
    vmpath = reader(cloud)

    def note(look: int) -> None:
        world = cloud.world
        with world.lock:
            server = world.servers[identity("x")]
            server.metadata = {"look": str(look)}
            world.touch(server)

    meddler = Meddler(monkeypatch, note)
    reading = vmpath.read_with_notes()
    found = {each.name: each for each in reading.snapshot.instances}
    assert found["x"].metadata == {"look": str(meddler.looks)}
    assert all(not each.used_by_others for each in reading.snapshot.hosts)
    assert any("kept changing" in note for note in reading.notes)


def test_a_cloud_that_never_rests_is_not_decided_upon(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(make_sample(4, 30), clock=SteppedClock())
    vmpath = reader(cloud)

    def note(look: int) -> None:
        world = cloud.world
        with world.lock:
            for server in world.servers.values():
                server.metadata = {"look": str(look)}
                world.touch(server)

    Meddler(monkeypatch, note)
    with pytest.raises(NoDecision, match="changes faster than it can be read: 30 servers"):
        vmpath.read()


def test_a_cell_that_does_not_answer_stops_everything(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a", cell="east"), host("b", cell="west"), instance("x", "a"), instance("y", "b"))
    )
    vmpath = reader(cloud)
    assert {each.name: each.cell for each in vmpath.read().hosts} == {"a": "east", "b": "west"}
    cloud.silence_cell("west")
    many = [identity("y"), *(str(number) for number in range(60))]
    for call in (vmpath.read, lambda: vmpath.read_hosts(["b"]), lambda: vmpath.read_instances(many)):
        with pytest.raises(NoDecision, match="a cell of the cloud does not answer"):
            call()
    cloud.silence_cell("west", False)

    def silence(look: int) -> None:
        if look == 1:
            cloud.silence_cell("west")

    Meddler(monkeypatch, silence)
    with pytest.raises(NoDecision, match="a cell of the cloud does not answer"):
        vmpath.read()


def test_the_picture_is_sound_while_everything_moves(simulated_cloud: Factory) -> None:
    made = make_sample(6, 60, seed=4)
    cloud = simulated_cloud(
        made, clock=ScaledClock(20), settings=Settings(concurrent_live_migrations=2, overhead_s=2)
    )
    vmpath, other = reader(cloud), reader(cloud)
    ended = threading.Event()

    def migrate() -> None:
        chance = random.Random(1)
        names = [each.name for each in made.hosts]
        while not ended.wait(0.01):
            with contextlib.suppress(RequestRefused):
                other.live_migrate(chance.choice(made.instances).uuid, chance.choice(names))

    mover = threading.Thread(target=migrate)
    mover.start()
    try:
        seen: set[str] = set()
        for _ in range(15):
            try:
                read = vmpath.read()
            except NoDecision as decision:
                assert "changes faster" in str(decision)  # noqa: PT017
                continue
            assert not list(snapshot_problems(read))
            assert {each.uuid for each in read.instances} == {each.uuid for each in made.instances}
            assert {each.uuid: each.resources for each in read.instances} == {
                each.uuid: each.resources for each in made.instances
            }
            seen.update(each.instance for each in read.in_flight)
    finally:
        ended.set()
        mover.join(10)
    assert seen


def test_what_no_server_explains_is_used_by_others(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a", image="an-image")))
    vmpath = reader(cloud)
    assert all(not each.used_by_others for each in vmpath.read().hosts)
    world = cloud.world
    with world.lock:
        world.ledger.allocate("leak", {identity("a"): {"MEMORY_MB": 300, "VCPU": 2}}, "p", "u", "INSTANCE")
    found = {each.name: each for each in vmpath.read().hosts}
    assert found["a"].used_by_others == {"MEMORY_MB": 300, "VCPU": 2}
    assert found["b"].used_by_others == {}
    with world.lock:
        world.ledger.release(identity("x"))
    reading = vmpath.read_with_notes()
    assert reading.snapshot.instances[0].resources == {"VCPU": 1, "MEMORY_MB": 1000, "DISK_GB": 1}
    assert any("Placement holds nothing for 1 servers" in note for note in reading.notes)


def test_a_place_that_a_broken_migration_left_elsewhere_is_said(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "a")))
    share = {"MEMORY_MB": 1000, "VCPU": 1, "DISK_GB": 1}
    world = cloud.world
    with world.lock:
        world.ledger.release(identity("x"))
        world.ledger.allocate(identity("x"), {identity("b"): share}, "p", "u", "INSTANCE")
        world.ledger.allocate("migration", {identity("a"): share}, "p", "u", "MIGRATION")
    read = reader(cloud).read()
    found = {each.name: each for each in read.instances}
    assert found["x"].why_not is not None
    assert "held on b since a migration broke; heal its allocations first" in found["x"].why_not
    assert found["y"].movable == "live"
    assert {each.name: each.used_by_others for each in read.hosts}["b"] == share


def test_an_allocation_counts_more_than_the_flavor(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("a"), host("b"), instance("x", "a")))
    world = cloud.world
    with world.lock:
        world.ledger.allocate(identity("x"), {identity("a"): {"MEMORY_MB": 1500, "VCPU": 1}}, "p", "u", "INSTANCE")
    read = reader(cloud).read()
    assert read.instances[0].resources == {"MEMORY_MB": 1500, "VCPU": 1}
    assert all(not each.used_by_others for each in read.hosts)


def test_a_server_long_on_its_way_is_found_behind_newer_records(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), *(instance(name, "a") for name in "vwx")),
        clock=SteppedClock(),
        settings=Settings(overhead_s=100),
    )
    vmpath = reader(cloud, page=2)
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)
    for name in "vwx":
        vmpath.live_migrate(identity(name), "b")
        clock.step(1)
    clock.step(60)
    read = vmpath.read()
    assert {each.instance for each in read.in_flight} == {identity(name) for name in "vwx"}
    assert all(not each.used_by_others for each in read.hosts)


# Old clouds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("minor", [30, 46, 53, 60, 72, 96, 98])
def test_an_old_cloud_is_read_as_far_as_it_tells(simulated_cloud: Factory, minor: int) -> None:
    given = make_sample(4, 20)
    cloud = simulated_cloud(given, settings=Settings(compute_microversion=minor))
    reading = reader(cloud).read_with_notes()
    assert {each.uuid: each.resources for each in reading.snapshot.instances} == {
        each.uuid: each.resources for each in given.instances
    }
    assert len(reading.snapshot.server_groups) == len(given.server_groups)
    assert any("server groups" in note for note in reading.notes)
    assert reading.snapshot.extra["notes"] == list(reading.notes)


def test_a_cloud_that_would_go_past_the_scheduler_is_refused(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(settings=Settings(compute_microversion=29))
    with pytest.raises(Exception, match=r"Nova speaks 2\.29 only, 2\.30 is needed"):
        reader(cloud).read()


# Who may, and what can be reached -------------------------------------------------------------


def test_an_ordinary_user_is_told_what_is_missing(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts, "simulated-demo")
    with pytest.raises(CloudDenied, match=r"Nova at http.* does not allow user 'demo' .* GET /os-services"):
        vmpath.read()
    with pytest.raises((CloudDenied, RequestRefused)):
        vmpath.live_migrate(identity("x"), "b")


def test_a_partial_list_of_server_groups_is_not_believed(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b"), group("g", "anti-affinity", "x", "y"))
    )
    vmpath = reader(cloud)
    assert len(vmpath.read().server_groups) == 1
    # a group that was deleted since is no sign of a partial list
    world = cloud.world
    with world.lock:
        for server in world.servers.values():
            server.hints = {"group": [identity("g")]}
        removed = world.groups.pop(identity("g"))
    assert vmpath.read().server_groups == ()
    with world.lock:
        world.groups[identity("g")] = removed
    monkeypatch.setattr(Nova, "groups", lambda self: ())
    with pytest.raises(CloudDenied, match="may not see the server groups of all projects"):
        reader(cloud).read()


def test_credentials_and_addresses_that_do_not_work_are_named(two_hosts: SimulatedCloud) -> None:
    entry = two_hosts.clouds()["simulated"]
    auth = entry["auth"]
    assert isinstance(auth, dict)

    def read(**changes: str) -> None:
        NovaCloud(CloudSettings(auth={**auth, **changes}, attempts=2, longest_wait_s=0.01)).read()

    with pytest.raises(CloudDenied, match=r"refused user 'admin' \(project 'admin'\)") as denied:
        read(password="hunter2-wrong")
    assert "hunter2" not in str(denied.value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CloudUnreachable, match=rf"Keystone at http://127.0.0.1:{port}.* the connection was refused"):
        read(auth_url=f"http://127.0.0.1:{port}/v3")
    with pytest.raises(InvalidInput, match="no password"):
        NovaCloud(CloudSettings(auth={k: v for k, v in auth.items() if k != "password"})).read()
    with pytest.raises(CloudUnreachable, match="Mars"):
        NovaCloud(CloudSettings(auth=auth, region="Mars", attempts=2, longest_wait_s=0.01)).read()


def test_clouds_yaml_and_environment(
    two_hosts: SimulatedCloud, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(two_hosts.clouds_yaml_text())
    vmpath = NovaCloud(CloudSettings(cloud="simulated", config_files=(str(file),)))
    assert len(vmpath.read().hosts) == 2
    with pytest.raises(InvalidInput, match="no usable cloud 'elsewhere'"):
        NovaCloud(CloudSettings(cloud="elsewhere", config_files=(str(file),))).read()
    broken = tmp_path / "broken.yaml"
    broken.write_text("clouds:\n  a: {auth: {password: hunter2\n  b: [")
    with pytest.raises(InvalidInput, match=r"broken\.yaml, line \d+: this is not valid YAML") as wrong:
        NovaCloud(CloudSettings(cloud="a", config_files=(str(broken),))).read()
    assert "hunter2" not in str(wrong.value)
    empty = (str(tmp_path / "none.yaml"),)
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.delenv("OS_AUTH_URL", raising=False)
    with pytest.raises(InvalidInput, match="no cloud is configured"):
        NovaCloud(CloudSettings(config_files=empty)).read()
    auth = two_hosts.clouds()["simulated"]["auth"]
    assert isinstance(auth, dict)
    for key, value in auth.items():
        monkeypatch.setenv(f"OS_{key.upper()}", value)
    assert len(NovaCloud(CloudSettings(config_files=empty)).read().hosts) == 2


def test_tokens_that_no_longer_hold_are_renewed_and_the_request_is_sent_once(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts)
    vmpath.read()
    two_hosts.site.identity._tokens.clear()
    assert len(vmpath.read().instances) == 2
    two_hosts.site.identity._tokens.clear()
    vmpath.live_migrate(identity("x"), "b")
    clock = two_hosts.clock
    assert isinstance(clock, SteppedClock)
    clock.step(1)
    assert len(vmpath.read_migrations([identity("x")])[identity("x")]) == 1


def test_threads_may_share_it(simulated_cloud: Factory) -> None:
    given = make_sample(5, 30)
    vmpath = reader(simulated_cloud(given))
    with ThreadPoolExecutor(4) as pool:
        readings = list(pool.map(lambda _: vmpath.read(), range(8)))
    assert {essence(each) == essence(readings[0]) for each in readings} == {True}


def test_a_cloud_that_stopped_is_unreachable_and_nothing_was_sent(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts, attempts=2, longest_wait_s=0.01)
    vmpath.read()
    two_hosts.stop()
    with pytest.raises(CloudUnreachable, match="does not answer"):
        vmpath.read()
    with pytest.raises(CloudUnreachable, match="the connection was refused"):
        vmpath.live_migrate(identity("x"), "b")
