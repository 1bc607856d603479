"""The main job on a genuine Nova, as a user does it; judged by Nova and Placement, not by vmpath's own records."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterator

import pytest
import requests

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call
from tests.programs import Service, wait_until


@pytest.fixture
def service(clean_lab: NovaLab, tmp_path: pathlib.Path) -> Iterator[Service]:
    """vmpath on the lab, with policies as an operator would configure them."""
    sections = {
        "DEFAULT": {"enabled_policies": "drain, consolidate, balance"},
        "policy:drain": {"driver": "drain"},
        "policy:consolidate": {"driver": "consolidate", "headroom": "MEMORY_MB:5%"},
        "policy:balance": {"driver": "balance"},
        # the driver of the lab ends a migration at once: it needs no second look after many seconds
        "executor": {"poll_seconds": 0.5, "settle_seconds": 1.5},
    }
    with Service(tmp_path, clean_lab.clouds_file, "novalab", sections) as running:
        yield running


def assert_sound(lab: NovaLab) -> None:
    """What must hold after every rearrangement."""
    observe.assert_groups_intact(lab)
    observe.assert_allocations_match_hosts(lab)
    observe.assert_guests_match_hosts(lab)
    assert observe.migrations_in_progress(lab) == []
    assert observe.scheduler_refusals(lab) == []
    assert {entry["status"] for entry in observe.migrations(lab)} <= {"completed"}


def assert_started_once(lab: NovaLab, plan: list[tuple[str, str, str]]) -> None:
    """Nova has exactly one migration record for each migration of the plan."""
    seen = [
        (entry["instance_uuid"], entry["source_compute"], entry["dest_compute"]) for entry in observe.migrations(lab)
    ]
    assert collections.Counter(seen) == collections.Counter(plan)


def steps(service: Service, identity: str) -> list[tuple[str, str, str]]:
    """Instance, source and destination of each migration of a rearrangement, in order."""
    shown = service.answer("rearrangement", "show", identity)
    return [(each["instance"], each["source"], each["dest"]) for each in shown["migrations"]]


def fills(lab: NovaLab) -> list[float]:
    return sorted(observe.memory_fraction_by_host(lab).values())


def test_drain_empties_a_host_and_reports_who_stays(clean_lab: NovaLab, service: Service) -> None:
    built = scenario.build_acceptance(clean_lab)
    host = built.homes[built.locked]
    done = service.answer("drain", host, "--wait", expected=4)
    assert done["state"] == "succeeded"
    assert observe.servers_by_host(clean_lab)[host] == {built.locked}
    left = {each["instance"]: each["reason"] for each in done["decision"]["leftovers"]}
    assert set(left) == {built.locked}
    assert "locked" in left[built.locked]
    services = call(clean_lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"]
    assert services[0]["status"] == "disabled"
    assert "vmpath" in services[0]["disabled_reason"]
    assert_started_once(clean_lab, steps(service, done["id"]))
    assert_sound(clean_lab)


def test_a_stopped_server_stays_and_is_reported(clean_lab: NovaLab, service: Service) -> None:
    built = scenario.build_acceptance(clean_lab)
    host = built.homes[built.stopped]
    done = service.answer("drain", host, "--wait", expected=4)
    assert observe.servers_by_host(clean_lab)[host] == {built.stopped}
    left = {each["instance"]: each["reason"] for each in done["decision"]["leftovers"]}
    assert set(left) == {built.stopped}
    assert "SHUTOFF" in left[built.stopped]
    assert_sound(clean_lab)


def test_consolidate_frees_hosts_and_balance_evens_them_out(clean_lab: NovaLab, service: Service) -> None:
    scenario.build_acceptance(clean_lab)
    before = observe.servers_by_host(clean_lab)
    assert all(before.values())

    planned = service.answer("rearrangement", "create", "consolidate", "--dry-run", "--wait")
    assert planned["state"] == "planned"
    assert observe.migrations(clean_lab) == []

    done = service.answer("rearrangement", "create", "consolidate", "--approve", "--wait")
    assert done["state"] == "succeeded"
    packed = observe.servers_by_host(clean_lab)
    assert sum(not servers for servers in packed.values()) >= 2
    assert_started_once(clean_lab, steps(service, done["id"]))
    assert_sound(clean_lab)

    done = service.answer("rearrangement", "create", "balance", "--approve", "--wait")
    assert done["state"] == "succeeded"
    after = fills(clean_lab)
    assert after[-1] - after[0] <= 0.10
    assert_sound(clean_lab)


def test_a_killed_service_finishes_what_it_began(clean_lab: NovaLab, service: Service) -> None:
    scenario.build_acceptance(clean_lab, {"lab_seconds": "3"})
    identity = service.answer("rearrangement", "create", "consolidate", "--approve")["id"]

    def in_the_middle() -> bool:
        ended = [entry for entry in observe.migrations(clean_lab) if entry["status"] == "completed"]
        return len(ended) >= 2 and bool(observe.migrations_in_progress(clean_lab))

    wait_until(in_the_middle, "two migrations have ended and others are under way", 120)
    service.kill()
    service.start()
    done = service.answer("rearrangement", "watch", identity)
    assert done["state"] == "succeeded"
    assert sum(not servers for servers in observe.servers_by_host(clean_lab).values()) >= 2
    assert_started_once(clean_lab, steps(service, identity))
    assert_sound(clean_lab)


def test_a_freeze_holds_back_what_was_approved(clean_lab: NovaLab, service: Service) -> None:
    scenario.build_acceptance(clean_lab, {"lab_seconds": "2"})
    service.answer("freeze", "--reason", "incident 42")
    identity = service.answer("rearrangement", "create", "balance", "--approve")["id"]

    def held() -> bool:
        events = requests.get(f"{service.url}/v1/rearrangements/{identity}/events", timeout=10).json()["events"]
        return any(event["kind"] == "rearrangement.frozen" for event in events)

    wait_until(held, "the rearrangement is planned and held back", 120)
    assert observe.migrations(clean_lab) == []
    service.answer("thaw")
    assert service.answer("rearrangement", "watch", identity)["state"] == "succeeded"
    assert_sound(clean_lab)
