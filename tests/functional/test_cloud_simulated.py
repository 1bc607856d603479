"""vmpath's own reading of a cloud and its requests, over HTTP against the simulated cloud."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from tests.functional.conftest import Factory
from tests.functional.reading import essence, reader
from tests.functional.small_cloud import group, host, identity, instance, snapshot
from vmpath_service.model.errors import (
    AnswerLost,
    CloudBusy,
    CloudUnreachable,
)
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.model.snapshot import Aggregate, InFlight, Rules, Snapshot
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.faults import HttpFault
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


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
            more["why_not"] = "it is stopped (SHUTOFF); vmpath:movable = cold would let vmpath move it"
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
    vmpath = reader(cloud, looks_per_second=0)
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
    with pytest.raises(CloudBusy, match="wants fewer requests") as busy:
        vmpath.live_migrate(identity("x"), "b")
    assert busy.value.retry_after is None
    two_hosts.add_fault(HttpFault("503", "POST", "/action", count=1, retry_after_s=2))
    with pytest.raises(CloudBusy) as busy:
        vmpath.live_migrate(identity("x"), "b")
    assert busy.value.retry_after == 2
    assert vmpath.read_migrations([identity("x")]) == {identity("x"): ()}


def test_a_cloud_that_keeps_failing_is_unreachable_after_a_few_attempts(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts, attempts=3, longest_wait_s=0.01)
    two_hosts.add_fault(HttpFault("503", "GET", "/servers/detail", count=3))
    with pytest.raises(CloudUnreachable, match=r"Nova at http://.* answered 503 to GET /servers/detail"):
        vmpath.read()
    assert len(vmpath.read().instances) == 2


@pytest.mark.parametrize("path", ["^/compute/v2.1/?$", "^/placement$"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_an_api_that_comes_back_while_it_is_asked_for_its_versions_is_believed(
    two_hosts: SimulatedCloud, path: str, count: int
) -> None:
    two_hosts.add_fault(HttpFault("503", "GET", path, count=count, retry_after_s=0))
    assert {each.name for each in reader(two_hosts).read().hosts} == {"a", "b"}


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
    assert vmpath.requests_sent() - before <= 5


def test_a_strict_affinity_group_holds_its_members(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "a"), group("pair", "affinity", "x"))
    )
    found = {each.name: each for each in reader(cloud).read().instances}
    assert found["x"].movable == "no"
    assert "strict affinity group pair" in (found["x"].why_not or "")
    assert found["y"].movable == "live"


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


def test_a_cloud_where_all_servers_are_shelved_is_read(simulated_cloud: Factory) -> None:
    away = msgspec.structs.replace(instance("x", "a"), host=None, status="SHELVED_OFFLOADED")
    [read] = reader(simulated_cloud(snapshot(host("a"), host("b"), away))).read().instances
    assert (read.host, read.status, read.movable) == (None, "SHELVED_OFFLOADED", "no")
