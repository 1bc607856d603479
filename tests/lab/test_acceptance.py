"""The main job on a genuine Nova, as a user does it; judged by Nova and Placement, not by vmpath's own records.

One cloud for all: each test goes on from where the servers are, and asserts what holds from any such beginning.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.scenario import Scenario
from tests.programs import Service, wait_until
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.semantics import snapshot_problems


@pytest.fixture(scope="module")
def built(clean_lab_for_module: NovaLab) -> Scenario:
    return scenario.build_acceptance(clean_lab_for_module)


@pytest.fixture
def lab(clean_lab_for_module: NovaLab, built: Scenario) -> Iterator[NovaLab]:
    """The lab with the servers of the scenario, its hosts enabled and as quick as usual; so left behind."""
    lab = clean_lab_for_module
    yield lab
    (lab.directory / "run" / "control.json").write_text("{}\n")
    for service in call(lab.compute, "GET", "/os-services?binary=nova-compute")["services"]:
        if service["status"] == "disabled":
            call(lab.compute, "PUT", f"/os-services/{service['id']}", {"status": "enabled"})
    # one that is enabled while its compute reports to Placement is at times reported as disabled for a minute more
    disabled = "/resource_providers?required=COMPUTE_STATUS_DISABLED"
    until(lambda: not call(lab.placement, "GET", disabled)["resource_providers"], "every host takes in", 180)


@pytest.fixture(scope="module")
def running(
    clean_lab_for_module: NovaLab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    sections = {
        "DEFAULT": {"enabled_policies": "drain, consolidate, balance"},
        "policy:drain": {"driver": "drain"},
        "policy:consolidate": {"driver": "consolidate", "headroom": "MEMORY_MB:5%"},
        "policy:balance": {"driver": "balance"},
        # the driver of the lab ends a migration at once: it needs no second look after many seconds
        "executor": {"poll_seconds": 1, "settle_seconds": 1.5},
    }
    folder = tmp_path_factory.mktemp("service")
    with Service(folder, clean_lab_for_module.clouds_file, "novalab", sections) as running:
        yield running


@pytest.fixture
def service(running: Service, lab: NovaLab) -> Service:
    """vmpath on the lab, with policies as an operator would configure them."""
    return running


def reader(lab: NovaLab, **settings: Any) -> NovaCloud:
    """vmpath's view of the lab."""
    return NovaCloud(CloudSettings(cloud="novalab", config_files=(str(lab.clouds_file),), **settings))


def homes(lab: NovaLab) -> dict[str, str]:
    return {uuid: observe.host_of(server) for uuid, server in observe.servers(lab).items()}


def moves(lab: NovaLab, before: int = 0) -> list[dict[str, Any]]:
    """Nova's migration records since the one of that number."""
    return [entry for entry in observe.migrations(lab) if entry["id"] > before]


def newest(lab: NovaLab) -> int:
    return max((entry["id"] for entry in observe.migrations(lab)), default=0)


def assert_sound(lab: NovaLab) -> None:
    """What must hold after every rearrangement."""
    observe.assert_groups_intact(lab)
    observe.assert_allocations_match_hosts(lab)
    observe.assert_guests_match_hosts(lab)
    assert {entry["status"] for entry in observe.migrations(lab)} <= {"completed"}


def assert_started_once(lab: NovaLab, before: int, plan: list[tuple[str, str, str]]) -> None:
    """Since then Nova has exactly one migration record for each migration of the plan."""
    seen = [(entry["instance_uuid"], entry["source_compute"], entry["dest_compute"]) for entry in moves(lab, before)]
    assert collections.Counter(seen) == collections.Counter(plan)


def steps(service: Service, identity: str) -> list[tuple[str, str, str]]:
    """Instance, source and destination of each migration of a rearrangement, in order."""
    shown = service.answer("rearrangement", "show", identity)
    return [(each["instance"], each["source"], each["dest"]) for each in shown["migrations"]]


def fills(lab: NovaLab) -> list[float]:
    return sorted(observe.memory_fraction_by_host(lab).values())


def test_the_scenario_is_what_it_says(lab: NovaLab, built: Scenario) -> None:
    present = observe.servers(lab)
    assert set(present) == set(built.servers.values())
    assert len(present) == 40
    statuses = {uuid: server["status"] for uuid, server in present.items()}
    assert [uuid for uuid in statuses if statuses[uuid] == "SHUTOFF"] == [built.stopped]
    assert list(statuses.values()).count("ACTIVE") == 39
    assert [uuid for uuid in present if present[uuid]["locked"]] == [built.locked]
    assert all(len(members) == 3 for members in built.members.values())
    fractions = fills(lab)
    assert 0.55 <= sum(fractions) / len(fractions) <= 0.65
    assert_sound(lab)


def test_reading_equals_the_truth_and_again_asks_little(lab: NovaLab, built: Scenario) -> None:
    vmpath = reader(lab, page=15)
    reading = vmpath.read_with_notes()
    snapshot = reading.snapshot
    assert reading.notes == ()
    assert not list(snapshot_problems(snapshot))
    assert (snapshot.region, snapshot.in_flight) == ("RegionOne", ())
    assert {each.uuid: each.host for each in snapshot.instances} == homes(lab)
    providers = observe.providers(lab)
    for host in snapshot.hosts:
        assert host.uuid == providers[host.name]
        assert (host.state, host.status, host.used_by_others) == ("up", "enabled", {})
        genuine = call(lab.placement, "GET", f"/resource_providers/{host.uuid}/inventories")["inventories"]
        for name, inventory in genuine.items():
            mine = host.inventories[name]
            assert (mine.total, mine.reserved, mine.allocation_ratio, mine.max_unit) == (
                inventory["total"], inventory["reserved"], inventory["allocation_ratio"], inventory["max_unit"],
            )  # fmt: skip
        assert host.inventories.keys() == genuine.keys()
    allocations = observe.allocations_by_provider(lab)
    for instance in snapshot.instances:
        assert instance.host is not None
        assert instance.resources == allocations[instance.host][instance.uuid]
    groups = {group.name: group for group in snapshot.server_groups}
    assert {name: frozenset(group.members) for name, group in groups.items()} == built.members
    assert {group.policy for group in groups.values()} == {"anti-affinity"}
    stuck = {each.uuid: each.why_not for each in snapshot.instances if each.movable != "live"}
    assert stuck == {
        built.locked: "it is locked (not to be touched)",
        built.stopped: "it is stopped (SHUTOFF); vmpath:movable = cold would let vmpath move it",
    }
    roomy = reader(lab)
    first = roomy.read()
    before = roomy.requests_sent()
    assert roomy.read().instances == first.instances
    assert roomy.requests_sent() - before <= 10


def test_drain_empties_a_host_and_reports_who_stays(lab: NovaLab, built: Scenario, service: Service) -> None:
    assert built.locked is not None
    host, before = homes(lab)[built.locked], newest(lab)
    done = service.answer("drain", host, "--wait", expected=4)
    assert done["state"] == "succeeded"
    assert observe.servers_by_host(lab)[host] == {built.locked}
    left = {each["instance"]: each["reason"] for each in done["decision"]["leftovers"]}
    assert set(left) == {built.locked}
    assert "locked" in left[built.locked]
    services = call(lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"]
    assert services[0]["status"] == "disabled"
    assert "vmpath" in services[0]["disabled_reason"]
    assert_started_once(lab, before, steps(service, done["id"]))
    assert_sound(lab)


def test_a_stopped_server_stays_and_is_reported(lab: NovaLab, built: Scenario, service: Service) -> None:
    assert built.stopped is not None
    host = homes(lab)[built.stopped]
    done = service.answer("drain", host, "--wait", expected=4)
    assert observe.servers_by_host(lab)[host] == {built.stopped}
    left = {each["instance"]: each["reason"] for each in done["decision"]["leftovers"]}
    assert set(left) == {built.stopped}
    assert "SHUTOFF" in left[built.stopped]
    assert_sound(lab)


def test_consolidate_frees_hosts(lab: NovaLab, service: Service) -> None:
    before = newest(lab)
    planned = service.answer("rearrangement", "create", "consolidate", "--dry-run", "--wait")
    assert planned["state"] == "planned"
    assert moves(lab, before) == []

    done = service.answer("rearrangement", "create", "consolidate", "--approve", "--wait")
    assert done["state"] == "succeeded"
    packed = observe.servers_by_host(lab)
    assert sum(not servers for servers in packed.values()) >= 2
    assert_started_once(lab, before, steps(service, done["id"]))
    assert_sound(lab)


def test_balance_waits_for_the_end_of_a_freeze_and_evens_hosts_out(lab: NovaLab, service: Service) -> None:
    before = newest(lab)
    service.answer("freeze", "--reason", "incident 42")
    identity = service.answer("rearrangement", "create", "balance", "--approve")["id"]

    def held() -> bool:
        events = requests.get(f"{service.url}/v1/rearrangements/{identity}/events", timeout=60).json()["events"]
        return any(event["kind"] == "rearrangement.frozen" for event in events)

    wait_until(held, "the rearrangement is planned and held back", 300)
    assert moves(lab, before) == []
    service.answer("thaw")
    assert service.answer("rearrangement", "watch", identity)["state"] == "succeeded"
    after = fills(lab)
    assert after[-1] - after[0] <= 0.10
    assert_started_once(lab, before, steps(service, identity))
    assert_sound(lab)


def test_a_killed_service_finishes_what_it_began(lab: NovaLab, service: Service) -> None:
    before = newest(lab)
    (lab.directory / "run" / "control.json").write_text('{"default": {"seconds": 3}}\n')
    identity = service.answer("rearrangement", "create", "consolidate", "--approve")["id"]

    def in_the_middle() -> bool:
        entries = moves(lab, before)
        ended = [entry for entry in entries if entry["status"] == "completed"]
        return len(ended) >= 2 and any(entry["status"] in observe.IN_PROGRESS for entry in entries)

    until(in_the_middle, "two migrations have ended and others are under way", 300)
    service.kill()
    service.start()
    done = service.answer("rearrangement", "watch", identity)
    assert done["state"] == "succeeded"
    assert sum(not servers for servers in observe.servers_by_host(lab).values()) >= 2
    assert_started_once(lab, before, steps(service, identity))
    assert_sound(lab)
