"""What operators do besides migrating: evacuating, aggregates, zones, actions, diagnostics."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, group, host, identity, instance, snapshot
from vmpath_service.model.snapshot import Memory
from vmpath_service.simulator.clock import SteppedClock

THREE = (host("h1"), host("h2"), host("h3"))


def start(simulated_cloud: Factory, *parts: Any) -> Operator:
    cloud = simulated_cloud(snapshot(*THREE, *parts), clock=SteppedClock())
    return Operator(cloud, connect(cloud))


def dead(cloud: Operator, name: str) -> None:
    """Kill a compute and wait until that is noticed."""
    cloud.cloud.kill_compute(name)
    cloud.step(61)


def aggregate_action(cloud: Operator, number: int, action: str, **details: Any) -> Any:
    return cloud.compute.post(f"/os-aggregates/{number}/action", json={action: details})


def test_only_what_is_on_a_dead_host_is_evacuated(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1"))
    assert cloud.act("a", "evacuate", {"host": "h2"}).status_code == 400
    cloud.cloud.kill_compute("h1")
    refused = cloud.act("a", "evacuate", {"host": "h2"})
    assert refused.status_code == 400
    assert refused.json()["badRequest"]["message"] == "Compute service of h1 is still in use."
    cloud.step(61)
    assert cloud.act("a", "evacuate", {"host": "h9"}).status_code == 404
    assert cloud.act("a", "evacuate", {"host": "h1"}).status_code == 400
    assert cloud.act("a", "evacuate", {"host": "h2", "force": True}).status_code == 400
    assert cloud.act("a", "evacuate", {"host": "h2"}, version="2.94").status_code == 200
    assert cloud.server("a")["OS-EXT-STS:task_state"] == "rebuilding"
    assert cloud.act("a", "evacuate", {"host": "h2"}).status_code == 409
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h2")
    [record] = cloud.migrations("a")
    assert (record["migration_type"], record["status"]) == ("evacuation", "done")
    assert (record["source_compute"], record["dest_compute"]) == ("h1", "h2")


def test_the_dead_host_gives_back_its_share_when_it_returns(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1"))
    dead(cloud, "h1")
    cloud.act("a", "evacuate", {"host": "h2"})
    cloud.step(10)
    # From 2.95 on what was evacuated is left stopped.
    assert cloud.where("a") == ("SHUTOFF", "h2")
    assert cloud.held(identity("a")) == {"h1": 1000, "h2": 1000}
    cloud.cloud.restart_compute("h1")
    assert cloud.held(identity("a")) == {"h2": 1000}
    assert [m["status"] for m in cloud.migrations("a")] == ["completed"]
    assert cloud.act("a", "os-start").status_code == 202
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h2")


def test_an_evacuation_to_nowhere_ends_in_error(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1"), instance("b", "h2"), group("g", "anti-affinity", "a", "b"))
    dead(cloud, "h1")
    assert cloud.act("a", "evacuate", {"host": "h2"}).status_code == 200
    cloud.step(10)
    assert cloud.where("a") == ("ERROR", "h1")
    assert [m["status"] for m in cloud.migrations("a")] == ["error"]
    # What is in error may be evacuated again, now where the scheduler likes.
    assert cloud.act("a", "evacuate", {}, version="2.94").status_code == 200
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h3")


def test_aggregates_are_made_and_changed(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1"))
    made = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "two", "availability_zone": "z2"}})
    aggregate = made.json()["aggregate"]
    assert made.status_code == 200
    assert not {"hosts", "metadata"} & set(aggregate)
    number = aggregate["id"]
    again = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "two"}})
    assert again.status_code == 409
    assert cloud.compute.post("/os-aggregates", json={"aggregate": {}}).status_code == 400
    shown = aggregate_action(cloud, number, "add_host", host="h3").json()["aggregate"]
    assert (shown["hosts"], shown["metadata"]) == (["h3"], {"availability_zone": "z2"})
    assert aggregate_action(cloud, number, "add_host", host="h3").status_code == 409
    assert aggregate_action(cloud, number, "add_host", host="h9").status_code == 404
    # Servers do not change their zone under their feet.
    assert aggregate_action(cloud, number, "add_host", host="h1").status_code == 409
    joined = cloud.placement.get(f"/resource_providers/{identity('h3')}/aggregates").json()["aggregates"]
    assert joined == [aggregate["uuid"]]
    zones = cloud.compute.get("/os-availability-zone/detail").json()["availabilityZoneInfo"]
    assert {z["zoneName"]: sorted(z["hosts"]) for z in zones} == {
        "internal": ["controller"], "nova": ["h1", "h2"], "z2": ["h3"]
    }  # fmt: skip
    services = cloud.compute.get("/os-services?host=h3").json()["services"]
    assert [service["zone"] for service in services] == ["z2"]
    assert cloud.compute.delete(f"/os-aggregates/{number}").status_code == 400
    changed = aggregate_action(cloud, number, "set_metadata", metadata={"ssd": "true", "availability_zone": None})
    assert changed.json()["aggregate"]["metadata"] == {"ssd": "true"}
    assert aggregate_action(cloud, number, "remove_host", host="h3").status_code == 200
    assert aggregate_action(cloud, number, "remove_host", host="h3").status_code == 404
    assert aggregate_action(cloud, number, "explode", host="h3").status_code == 400
    assert cloud.compute.delete(f"/os-aggregates/{number}").status_code == 200
    assert cloud.compute.get(f"/os-aggregates/{number}").status_code == 404


def test_a_host_set_apart_for_a_project_takes_no_other(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1", project_id="p1"), instance("b", "h1", project_id="p2"))
    number = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "p1 only"}}).json()["aggregate"]["id"]
    aggregate_action(cloud, number, "add_host", host="h2")
    aggregate_action(cloud, number, "set_metadata", metadata={"filter_tenant_id": "p1"})
    for name in ("a", "b"):
        assert cloud.migrate(name, "h2").status_code == 202
        cloud.step(20)
    assert (cloud.where("a"), cloud.where("b")) == (("ACTIVE", "h2"), ("ACTIVE", "h1"))
    aggregate_action(cloud, number, "set_metadata", metadata={"filter_tenant_id": None})
    cloud.migrate("b", "h2")
    cloud.step(20)
    assert cloud.where("b") == ("ACTIVE", "h2")


def test_a_zone_without_an_enabled_service_is_not_available(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("h1"), host("h2", availability_zone="z2", status="disabled")), clock=SteppedClock()
    )
    zones = connect(cloud).compute.get("/os-availability-zone").json()["availabilityZoneInfo"]
    assert [(z["zoneName"], z["zoneState"]["available"], z["hosts"]) for z in zones] == [
        ("nova", True, None),
        ("z2", False, None),
    ]
    assert connect(cloud, "simulated-demo").compute.get("/os-availability-zone/detail").status_code == 403


def test_actions_tell_why_the_scheduler_refused_and_not_what_failed_midway(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1"), instance("b", "h2"), group("g", "anti-affinity", "a", "b"))
    base = f"/servers/{identity('a')}/os-instance-actions"

    def newest() -> dict[str, Any]:
        listed = cloud.compute.get(base).json()["instanceActions"]
        found: dict[str, Any] = cloud.compute.get(f"{base}/{listed[0]['request_id']}").json()["instanceAction"]
        assert {k: v for k, v in found.items() if k != "events"} == listed[0]
        return found

    assert newest()["action"] == "create"
    answer = cloud.migrate("a", "h2")
    cloud.step(10)
    refused = newest()
    assert refused["request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert (refused["action"], refused["message"]) == ("live-migration", "Error")
    [event] = refused["events"]
    assert (event["event"], event["result"]) == ("conductor_live_migrate_instance", "Error")
    assert event["details"].startswith("No valid host was found.")
    cloud.note("a", lab_fail="mid", lab_seconds="2")
    cloud.migrate("a", "h3")
    cloud.step(10)
    assert cloud.migrations("a")[0]["status"] == "failed"
    failed = newest()
    assert failed["message"] is None
    assert [event["event"] for event in failed["events"]] == [
        "compute_pre_live_migration",
        "compute_live_migration",
        "compute_check_can_live_migrate_source",
        "compute_check_can_live_migrate_destination",
        "conductor_live_migrate_instance",
    ]
    assert {event["result"] for event in failed["events"]} == {"Success"}
    assert [event["host"] for event in failed["events"]] == ["h3", "h1", "h1", "h3", "controller"]
    assert cloud.compute.get(f"{base}/req-none").status_code == 404
    older = cloud.compute.get(base, microversion="2.50").json()["instanceActions"][0]
    assert "updated_at" not in older


def test_diagnostics_are_asked_of_the_host(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, instance("a", "h1", memory=Memory(used_mb=300)), instance("b", "h1"))
    path = f"/servers/{identity('a')}/diagnostics"
    shown = cloud.compute.get(path).json()
    assert shown["memory_details"] == {"maximum": 1000, "used": 300}
    assert (shown["state"], shown["num_cpus"], len(shown["cpu_details"])) == ("running", 1, 1)
    cloud.act("b", "os-stop")
    cloud.step(10)
    assert cloud.compute.get(f"/servers/{identity('b')}/diagnostics").status_code == 409
    cloud.cloud.kill_compute("h1")
    assert cloud.compute.get(path).status_code == 500


@pytest.mark.parametrize("name", ["evacuate", "resize"])
def test_stopped_and_moving_servers_are_told_apart(simulated_cloud: Factory, name: str) -> None:
    cloud = start(simulated_cloud, instance("a", "h1"))
    cloud.migrate("a", "h2")
    details = {"host": "h2"} if name == "evacuate" else {"flavorRef": next(iter(cloud.cloud.world.flavors))}
    assert cloud.act("a", name, details).status_code == 409
