"""Migrations in the simulated cloud: what the contract of a cloud cannot show, for genuine Nova has one shape only.

Exact times, other memory, other hypervisors, cells and traits; all else is in tests/contracts/cloud.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from vmpath_service.model.snapshot import InFlight, Memory, Snapshot
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.settings import Settings

# 1000 MB at 8000 Mbit/s: one second of copying.
COPY_S = 1.0
LONG_ENOUGH_S = 5.0
Make = Callable[..., Operator]


@pytest.fixture
def operator(simulated_cloud: Factory) -> Make:
    def make(given: Snapshot, **settings: Any) -> Operator:
        cloud = simulated_cloud(given, clock=SteppedClock(), settings=Settings(**settings))
        return Operator(cloud, connect(cloud))

    return make


def two_hosts(**more: Any) -> Snapshot:
    return snapshot(host("h1"), host("h2"), instance("a", "h1", **more))


def test_a_live_migration_from_asking_to_the_end(operator: Make) -> None:
    cloud = operator(two_hosts(), progress_every_s=0.5)
    answer = cloud.migrate("a", "h2")
    assert (answer.status_code, answer.content) == (202, b"")
    assert cloud.server("a")["OS-EXT-STS:task_state"] == "migrating"
    assert cloud.migrations("a") == []  # the conductor has not seen it yet
    cloud.step(0.1)
    [record] = cloud.migrations("a")
    assert (record["status"], record["dest_compute"], record["source_compute"]) == (
        "accepted",
        None,
        "h1",
    )
    assert cloud.under_way("a") == []
    assert cloud.held(identity("a")) == {"h2": 1000}
    assert cloud.held(record["uuid"]) == {"h1": 1000}
    cloud.step(0.7)
    [record] = cloud.under_way("a")
    assert (record["status"], record["dest_compute"]) == ("preparing", "h2")
    cloud.step(0.4)
    [record] = cloud.under_way("a")
    assert record["status"] == "running"
    assert record["memory_total_bytes"] is None
    cloud.step(0.5)
    [record] = cloud.under_way("a")
    assert record["memory_total_bytes"] == 1000 * 1024 * 1024
    assert 0 < record["memory_remaining_bytes"] < record["memory_total_bytes"]
    assert cloud.where("a") == ("MIGRATING", "h1")
    cloud.step(0.5 + 0.6)
    # The server is at its new home before the record says so.
    assert cloud.where("a") == ("ACTIVE", "h2")
    [record] = cloud.migrations("a")
    assert record["status"] == "running"
    assert cloud.held(record["uuid"]) == {"h1": 1000}
    cloud.step(0.3)
    assert cloud.migrations("a")[0]["status"] == "completed"
    assert cloud.under_way("a") == []
    cloud.step(0.2)
    assert cloud.held(record["uuid"]) == {}
    assert cloud.held(identity("a")) == {"h2": 1000}
    missing = cloud.compute.get(f"/servers/{identity('a')}/migrations/{record['id']}")
    assert missing.status_code == 404


def test_completed_may_come_before_the_host_changes(operator: Make) -> None:
    cloud = operator(two_hosts(), host_update_lag_s=3.0)
    cloud.migrate("a", "h2")
    cloud.step(0.7 + 0.4 + COPY_S + 1.0)
    assert cloud.migrations("a")[0]["status"] == "completed"
    assert cloud.where("a") == ("MIGRATING", "h1")
    cloud.step(3.0)
    assert cloud.where("a") == ("ACTIVE", "h2")


REFUSED_LATER = {
    "larger than max_unit": snapshot(
        host("h1"),
        host("h2", 500),
        instance("a", "h1"),
    ),
    "a trait": snapshot(host("h1"), host("h2"), instance("a", "h1", required_traits=("HW_X",))),
    "a forbidden trait": snapshot(
        host("h1"), host("h2", traits=("HW_X",)), instance("a", "h1", forbidden_traits=("HW_X",))
    ),
    "a pinned zone": snapshot(
        host("h1", availability_zone="az1"),
        host("h2", availability_zone="az2"),
        instance("a", "h1", pinned_availability_zone="az1"),
    ),
    "an older hypervisor": snapshot(
        host("h1", hypervisor_version=9000000),
        host("h2", hypervisor_version=8000000),
        instance("a", "h1"),
    ),
    "another cell": snapshot(host("h1", cell="cell1"), host("h2", cell="cell2"), instance("a", "h1")),
    "what cannot live-migrate": snapshot(
        host("h1"), host("h2"), instance("a", "h1", movable="no", why_not="a PCI device")
    ),
}


@pytest.mark.parametrize("given", REFUSED_LATER.values(), ids=REFUSED_LATER)
def test_what_the_scheduler_refuses_is_accepted_first(operator: Make, given: Snapshot) -> None:
    cloud = operator(given)
    assert cloud.migrate("a", "h2").status_code == 202
    cloud.step(LONG_ENOUGH_S)
    [record] = cloud.migrations("a")
    assert record["status"] == "error"
    assert (record["dest_compute"], record["source_node"]) == (None, None)
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.server("a")["OS-EXT-STS:task_state"] is None
    assert cloud.held(identity("a")) == {"h1": 1000}


def test_the_scheduler_chooses_when_no_host_is_named(operator: Make) -> None:
    cloud = operator(snapshot(host("h1"), host("h2", status="disabled"), host("h3", 1500), instance("a", "h1")))
    assert cloud.migrate("a", None).status_code == 202
    cloud.step(LONG_ENOUGH_S)
    assert cloud.where("a") == ("ACTIVE", "h3")


@pytest.mark.parametrize(
    ("all_do", "wish", "record", "status"),
    [
        (False, {"simulated_abort": "error"}, "error", "ERROR"),
        (False, {"simulated_abort": "clean"}, "cancelled", "ACTIVE"),
        (True, {"role": "db"}, "error", "ERROR"),
        (True, {"simulated_abort": "clean"}, "cancelled", "ACTIVE"),
    ],
)
def test_an_abort_may_cost_the_server_its_state(
    operator: Make, all_do: bool, wish: dict[str, str], record: str, status: str
) -> None:
    cloud = operator(two_hosts(), migration_mbps=8.0, aborts_end_in_error=all_do)
    cloud.note("a", **wish)
    cloud.migrate("a", "h2")
    cloud.step(60)
    cloud.abort("a", cloud.under_way("a")[0]["id"])
    cloud.step(0.5)
    assert (cloud.migrations("a")[0]["status"], cloud.where("a")) == ("cancelled", ("ACTIVE", "h1"))
    cloud.step(2)
    assert (cloud.migrations("a")[0]["status"], cloud.where("a")) == (record, (status, "h1"))


def test_dirtying_makes_it_longer(operator: Make) -> None:
    # 1000 MB at 100 MB/s, 50 MB/s dirtied meanwhile: 20 s instead of 10.
    cloud = operator(two_hosts(memory=Memory(dirty_mb_s=50.0)), migration_mbps=800.0)
    cloud.migrate("a", "h2")
    cloud.step(1.1 + 19)
    assert cloud.under_way("a")[0]["status"] == "running"
    cloud.step(1 + 0.9)
    assert cloud.migrations("a")[0]["status"] == "completed"


def test_metadata_slow_a_migration_down(operator: Make) -> None:
    cloud = operator(two_hosts(metadata={"lab_seconds": "100"}))
    cloud.migrate("a", "h2")
    cloud.step(90)
    assert cloud.under_way("a")[0]["status"] == "running"
    cloud.step(15)
    assert cloud.where("a") == ("ACTIVE", "h2")


def test_power_lock_and_deletion(operator: Make) -> None:
    cloud = operator(two_hosts())
    for action, status in (
        ("pause", "PAUSED"),
        ("unpause", "ACTIVE"),
        ("os-stop", "SHUTOFF"),
        ("os-start", "ACTIVE"),
    ):
        assert cloud.act("a", action).status_code == 202
        cloud.step(1)
        assert cloud.where("a")[0] == status
        assert cloud.act("a", action).status_code == 409
    assert cloud.act("a", "lock", {"locked_reason": "mine"}).status_code == 202
    locked = cloud.server("a")
    assert (locked["locked"], locked["locked_reason"]) == (True, "mine")
    user = connect(cloud.cloud, "simulated-demo").compute
    assert user.post(f"/servers/{identity('a')}/action", json={"os-stop": None}).status_code == 409
    assert cloud.migrate("a", "h2").status_code == 202  # an administrator may
    cloud.step(10)
    assert cloud.act("a", "unlock").status_code == 202
    assert cloud.compute.delete(f"/servers/{identity('a')}").status_code == 204
    cloud.step(1)
    assert cloud.compute.get(f"/servers/{identity('a')}").status_code == 404
    assert cloud.held(identity("a")) == {}


def test_booting_by_host_flavor_and_group(operator: Make) -> None:
    cloud = operator(two_hosts())
    compute = cloud.compute
    made = compute.post(
        "/os-server-groups",
        json={"server_group": {"name": "g", "policy": "anti-affinity"}},
        microversion="2.96",
    ).json()["server_group"]
    flavor = compute.post("/flavors", json={"flavor": {"name": "f", "vcpus": 2, "ram": 2048, "disk": 3}}).json()[
        "flavor"
    ]

    def boot(name: str, **more: Any) -> str:
        body = {
            "server": {"name": name, "flavorRef": flavor["id"], "imageRef": "i", "networks": "none"} | more,
            "os:scheduler_hints": {"group": made["id"]},
        }
        answer = compute.post("/servers", json=body, microversion="2.96")
        assert answer.status_code == 202
        found: str = answer.json()["server"]["id"]
        return found

    first, second = boot("x", host="h2"), boot("y", host="h2")
    assert compute.get(f"/servers/{first}").json()["server"]["status"] == "BUILD"
    cloud.step(5)
    assert compute.get(f"/servers/{first}").json()["server"]["status"] == "ACTIVE"
    broken = compute.get(f"/servers/{second}").json()["server"]
    assert broken["status"] == "ERROR"
    assert "No valid host" in broken["fault"]["message"]
    assert cloud.held(first) == {"h2": 2048}
    [shown] = compute.get("/os-server-groups").json()["server_groups"]
    assert set(shown["members"]) == {first, second}
    unknown = {"server": {"name": "z", "flavorRef": flavor["id"], "host": "nowhere"}}
    assert compute.post("/servers", json=unknown, microversion="2.96").status_code == 400


def test_a_target_that_died_unnoticed_hangs_the_migration(operator: Make) -> None:
    cloud = operator(two_hosts())
    cloud.cloud.kill_compute("h2")
    cloud.migrate("a", "h2")
    cloud.step(50)
    assert cloud.migrations("a")[0]["status"] == "accepted"
    assert cloud.server("a")["status"] == "MIGRATING"
    cloud.step(200)
    assert cloud.migrations("a")[0]["status"] == "error"
    assert cloud.where("a") == ("ACTIVE", "h1")
    states = {s.host: s.state for s in cloud.connection.compute.services(binary="nova-compute")}
    assert states == {"h1": "up", "h2": "down"}


def test_a_migration_that_was_under_way_goes_on(operator: Make) -> None:
    base = two_hosts()
    given = Snapshot(
        hosts=base.hosts,
        instances=base.instances,
        in_flight=(InFlight(instance=identity("a"), source="h1", dest="h2"),),
    )
    cloud = operator(given)
    [record] = cloud.under_way("a")
    assert (record["source_compute"], record["dest_compute"]) == ("h1", "h2")
    assert cloud.held(identity("a")) == {"h2": 1000}
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h2")
