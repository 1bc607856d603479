"""Migrations in the simulated cloud, one after the other, against the table of what Nova does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, group, host, identity, instance, snapshot
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


def test_a_paused_server_stays_paused(operator: Make) -> None:
    cloud = operator(two_hosts(status="PAUSED"))
    assert cloud.migrate("a", "h2").status_code == 202
    cloud.step(LONG_ENOUGH_S)
    assert cloud.where("a") == ("PAUSED", "h2")


def test_requests_that_are_refused_at_once(operator: Make) -> None:
    cloud = operator(snapshot(host("h1"), host("h2"), instance("a", "h1"), instance("off", "h1", status="SHUTOFF")))
    assert cloud.migrate("a", "nowhere").status_code == 400
    assert cloud.migrate("off", "h2").status_code == 409
    assert cloud.migrate("missing", "h2").status_code == 404
    bare = cloud.act("a", "os-migrateLive", {"host": "h2"})
    assert bare.status_code == 400
    assert "'block_migration' is a required property" in bare.json()["badRequest"]["message"]
    forced = {"host": "h2", "block_migration": "auto", "force": True}
    assert cloud.act("a", "os-migrateLive", forced, "2.68").status_code == 400
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.migrate("a", "h2").status_code == 202
    again = cloud.migrate("a", "h2")
    assert again.status_code == 409
    assert "task_state migrating" in again.json()["conflictingRequest"]["message"]
    assert cloud.act("a", "os-stop").status_code == 409


REFUSED_LATER = {
    "no room": snapshot(host("h1"), host("h2", 1500), instance("a", "h1"), instance("b", "h2")),
    "larger than max_unit": snapshot(
        host("h1"),
        host("h2", 500),
        instance("a", "h1"),
    ),
    "disabled": snapshot(host("h1"), host("h2", status="disabled"), instance("a", "h1")),
    "down": snapshot(host("h1"), host("h2", state="down"), instance("a", "h1")),
    "a group's member there": snapshot(
        host("h1"),
        host("h2"),
        instance("a", "h1"),
        instance("b", "h2"),
        group("g", "anti-affinity", "a", "b"),
    ),
    "affinity, even alone": snapshot(host("h1"), host("h2"), instance("a", "h1"), group("g", "affinity", "a")),
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


def test_to_the_host_where_it_is(operator: Make) -> None:
    cloud = operator(two_hosts())
    assert cloud.migrate("a", "h1").status_code == 202
    cloud.step(LONG_ENOUGH_S)
    assert cloud.migrations("a")[0]["status"] == "error"
    assert cloud.where("a") == ("ACTIVE", "h1")


def test_a_leaving_member_blocks_its_siblings_until_its_record_ends(operator: Make) -> None:
    cloud = operator(
        snapshot(
            host("h1"),
            host("h2"),
            host("h3"),
            instance("a", "h1"),
            instance("b", "h2"),
            group("g", "anti-affinity", "a", "b"),
        ),
        migration_mbps=80.0,
    )
    cloud.migrate("a", "h3")
    cloud.step(10)
    cloud.migrate("b", "h1")
    cloud.step(2)
    assert cloud.migrations("b")[0]["status"] == "error"
    cloud.step(100)
    assert cloud.where("a") == ("ACTIVE", "h3")
    cloud.migrate("b", "h1")
    cloud.step(200)
    assert cloud.where("b") == ("ACTIVE", "h1")


def test_the_scheduler_chooses_when_no_host_is_named(operator: Make) -> None:
    cloud = operator(snapshot(host("h1"), host("h2", status="disabled"), host("h3", 1500), instance("a", "h1")))
    assert cloud.migrate("a", None).status_code == 202
    cloud.step(LONG_ENOUGH_S)
    assert cloud.where("a") == ("ACTIVE", "h3")


def test_a_source_carries_out_so_many_at_once_and_queues_the_rest(operator: Make) -> None:
    cloud = operator(
        snapshot(host("h1"), host("h2"), *(instance(n, "h1") for n in "abc")),
        concurrent_live_migrations=2,
        migration_mbps=800.0,
    )
    for name in "abc":
        assert cloud.migrate(name, "h2").status_code == 202
    cloud.step(2)
    assert [cloud.under_way(n)[0]["status"] for n in "abc"] == ["running", "running", "queued"]
    [queued] = cloud.under_way("c")
    assert cloud.force_complete("c", queued["id"]).status_code == 400
    cloud.step(12)
    assert cloud.where("a") == cloud.where("b") == ("ACTIVE", "h2")
    assert cloud.under_way("c")[0]["status"] == "running"
    cloud.step(12)
    assert cloud.where("c") == ("ACTIVE", "h2")


def test_a_running_migration_is_aborted(operator: Make) -> None:
    cloud = operator(two_hosts(), migration_mbps=8.0)
    cloud.migrate("a", "h2")
    cloud.step(60)
    [record] = cloud.under_way("a")
    assert cloud.abort("a", record["id"]).status_code == 202
    cloud.step(1)
    assert cloud.migrations("a")[0]["status"] == "cancelled"
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.held(identity("a")) == {"h1": 1000}
    assert cloud.held(record["uuid"]) == {}
    late = cloud.abort("a", record["id"])
    assert late.status_code == 409
    assert "invalid state for 'abort live migration'" in late.json()["conflictingRequest"]["message"]
    assert cloud.force_complete("a", record["id"]).status_code == 409


def test_an_abort_may_cost_the_server_its_state(operator: Make) -> None:
    cloud = operator(two_hosts(), migration_mbps=8.0)
    cloud.note("a", simulated_abort="error")
    cloud.migrate("a", "h2")
    cloud.step(60)
    cloud.abort("a", cloud.under_way("a")[0]["id"])
    cloud.step(0.5)
    assert (cloud.migrations("a")[0]["status"], cloud.where("a")) == ("cancelled", ("ACTIVE", "h1"))
    cloud.step(2)
    assert (cloud.migrations("a")[0]["status"], cloud.where("a")) == ("error", ("ERROR", "h1"))


def test_a_queued_migration_is_aborted_from_2_65_on(operator: Make) -> None:
    cloud = operator(
        snapshot(host("h1"), host("h2"), instance("a", "h1"), instance("b", "h1")),
        migration_mbps=8.0,
    )
    cloud.migrate("a", "h2")
    cloud.migrate("b", "h2")
    cloud.step(5)
    [record] = cloud.under_way("b")
    assert record["status"] == "queued"
    assert cloud.abort("b", record["id"], "2.64").status_code == 400
    assert cloud.abort("b", record["id"], "2.65").status_code == 202
    cloud.step(1)
    assert cloud.migrations("b")[0]["status"] == "cancelled"
    assert cloud.where("b") == ("ACTIVE", "h1")
    assert cloud.held(identity("b")) == {"h1": 1000}
    assert cloud.under_way("a")[0]["status"] == "running"


def test_one_that_never_converges_runs_until_it_is_forced(operator: Make) -> None:
    cloud = operator(two_hosts(memory=Memory(dirty_mb_s=2000.0)))
    cloud.migrate("a", "h2")
    cloud.step(3600)
    [record] = cloud.under_way("a")
    assert record["status"] == "running"
    assert record["memory_processed_bytes"] > record["memory_total_bytes"]
    assert record["memory_remaining_bytes"] > 0
    assert cloud.force_complete("a", record["id"]).status_code == 202
    cloud.step(LONG_ENOUGH_S)
    assert cloud.migrations("a")[0]["status"] == "completed"
    assert cloud.where("a") == ("ACTIVE", "h2")


def test_dirtying_makes_it_longer(operator: Make) -> None:
    # 1000 MB at 100 MB/s, 50 MB/s dirtied meanwhile: 20 s instead of 10.
    cloud = operator(two_hosts(memory=Memory(dirty_mb_s=50.0)), migration_mbps=800.0)
    cloud.migrate("a", "h2")
    cloud.step(1.1 + 19)
    assert cloud.under_way("a")[0]["status"] == "running"
    cloud.step(1 + 0.9)
    assert cloud.migrations("a")[0]["status"] == "completed"


@pytest.mark.parametrize(
    ("fails", "record", "server", "holder", "held_by_migration"),
    [
        ("check_dest", "error", ("ACTIVE", "h1"), "h1", {}),
        ("check_source", "error", ("ACTIVE", "h1"), "h1", {}),
        ("pre", "failed", ("ACTIVE", "h1"), "h1", {}),
        ("mid", "failed", ("ACTIVE", "h1"), "h1", {}),
        ("raise", "error", ("ERROR", "h1"), "h2", {"h1": 1000}),
        ("post_dest", "error", ("ERROR", "h2"), "h2", {"h1": 1000}),
    ],
)
def test_failures_end_as_novas_do(
    operator: Make,
    fails: str,
    record: str,
    server: tuple[str, str],
    holder: str,
    held_by_migration: dict[str, int],
) -> None:
    cloud = operator(two_hosts())
    cloud.note("a", lab_fail=fails, lab_seconds="2")
    assert cloud.migrate("a", "h2").status_code == 202
    cloud.step(10)
    [migration] = cloud.migrations("a")
    assert migration["status"] == record
    assert cloud.where("a") == server
    assert cloud.server("a")["OS-EXT-STS:task_state"] is None
    assert cloud.held(identity("a")) == {holder: 1000}
    assert cloud.held(migration["uuid"]) == held_by_migration


def test_a_slot_is_free_again_after_a_failure(operator: Make) -> None:
    cloud = operator(snapshot(host("h1"), host("h2"), instance("a", "h1"), instance("b", "h1")))
    cloud.note("a", lab_fail="raise")
    cloud.migrate("a", "h2")
    cloud.migrate("b", "h2")
    cloud.step(10)
    assert cloud.where("b") == ("ACTIVE", "h2")


def test_a_server_in_error_is_reset(operator: Make) -> None:
    cloud = operator(two_hosts())
    cloud.note("a", lab_fail="raise")
    cloud.migrate("a", "h2")
    cloud.step(10)
    assert cloud.server("a")["fault"]["code"] == 500
    assert cloud.act("a", "os-resetState", {"state": "active"}).status_code == 202
    assert cloud.where("a") == ("ACTIVE", "h1")


def test_metadata_slow_a_migration_down(operator: Make) -> None:
    cloud = operator(two_hosts(metadata={"lab_seconds": "100"}))
    cloud.migrate("a", "h2")
    cloud.step(90)
    assert cloud.under_way("a")[0]["status"] == "running"
    cloud.step(15)
    assert cloud.where("a") == ("ACTIVE", "h2")


def test_a_stopped_server_moves_cold(operator: Make) -> None:
    cloud = operator(two_hosts(status="SHUTOFF"))
    assert cloud.act("a", "migrate", {"host": "h1"}).status_code == 400
    assert cloud.act("a", "migrate", {"host": "nowhere"}).status_code == 400
    assert cloud.act("a", "migrate", {"host": "h2"}).status_code == 202
    assert cloud.server("a")["status"] == "RESIZE"
    cloud.step(10)
    assert cloud.where("a") == ("VERIFY_RESIZE", "h2")
    [record] = cloud.migrations("a")
    assert (record["status"], record["migration_type"]) == ("finished", "migration")
    assert cloud.held(record["uuid"]) == {"h1": 1000}
    assert cloud.act("a", "confirmResize").status_code == 204
    cloud.step(10)
    assert cloud.where("a") == ("SHUTOFF", "h2")
    assert cloud.migrations("a")[0]["status"] == "confirmed"
    assert cloud.held(record["uuid"]) == {}
    assert cloud.act("a", "confirmResize").status_code == 409


def test_a_cold_migration_is_reverted(operator: Make) -> None:
    cloud = operator(two_hosts(status="SHUTOFF"))
    cloud.act("a", "migrate", {"host": "h2"})
    cloud.step(10)
    assert cloud.act("a", "revertResize").status_code == 202
    cloud.step(10)
    assert cloud.where("a") == ("SHUTOFF", "h1")
    assert cloud.held(identity("a")) == {"h1": 1000}
    assert cloud.migrations("a")[0]["status"] == "reverted"


def test_a_cold_migration_without_room_ends_in_error(operator: Make) -> None:
    cloud = operator(snapshot(host("h1"), host("h2", 500), instance("a", "h1", status="SHUTOFF")))
    assert cloud.act("a", "migrate", {"host": "h2"}).status_code == 202
    cloud.step(10)
    assert cloud.migrations("a")[0]["status"] == "error"
    assert cloud.where("a") == ("SHUTOFF", "h1")


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


def test_deleting_a_server_under_migration_leaves_the_hold_on_its_source(operator: Make) -> None:
    cloud = operator(two_hosts(), migration_mbps=8.0)
    cloud.migrate("a", "h2")
    cloud.step(20)
    [record] = cloud.migrations("a")
    cloud.compute.delete(f"/servers/{identity('a')}")
    cloud.step(10)
    assert cloud.migrations("a") == []
    assert cloud.held(identity("a")) == {}
    assert cloud.held(record["uuid"]) == {"h1": 1000}


def test_deleting_a_server_that_waits_for_confirmation_frees_everything(operator: Make) -> None:
    cloud = operator(two_hosts(status="SHUTOFF"))
    cloud.act("a", "migrate", {"host": "h2"})
    cloud.step(10)
    [record] = cloud.migrations("a")
    cloud.compute.delete(f"/servers/{identity('a')}")
    cloud.step(10)
    assert cloud.held(identity("a")) == cloud.held(record["uuid"]) == {}


def test_resetting_a_server_under_migration_ends_in_error_at_the_target(operator: Make) -> None:
    cloud = operator(two_hosts(metadata={"lab_seconds": "10"}))
    cloud.migrate("a", "h2")
    cloud.step(5)
    cloud.act("a", "os-resetState", {"state": "active"})
    assert cloud.where("a") == ("ACTIVE", "h1")
    [record] = cloud.under_way("a")
    assert cloud.abort("a", record["id"]).status_code == 409
    cloud.step(20)
    assert cloud.where("a") == ("ERROR", "h2")
    assert cloud.migrations("a")[0]["status"] == "error"
    assert cloud.held(identity("a")) == {"h2": 1000}
    assert cloud.held(record["uuid"]) == {"h1": 1000}


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


def test_a_source_killed_midway_leaves_the_allocation_on_the_target(operator: Make) -> None:
    cloud = operator(two_hosts(), migration_mbps=8.0)
    cloud.migrate("a", "h2")
    cloud.step(20)
    cloud.cloud.kill_compute("h1")
    cloud.step(2000)
    assert cloud.migrations("a")[0]["status"] == "running"
    cloud.cloud.restart_compute("h1")
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.held(identity("a")) == {"h2": 1000}


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


def test_the_list_of_all_migrations(operator: Make) -> None:
    cloud = operator(
        snapshot(host("h1"), host("h2"), host("h3", status="disabled"), instance("a", "h1"), instance("b", "h2"))
    )
    for name, to in (("a", "h3"), ("a", "h2"), ("b", "h1")):
        cloud.migrate(name, to)
        cloud.step(20)
    compute = cloud.compute

    def numbers(query: str, version: str = "2.80") -> list[int]:
        answer = compute.get(f"/os-migrations?{query}", microversion=version)
        assert answer.status_code == 200
        return [m["id"] for m in answer.json()["migrations"]]

    assert numbers("") == [3, 2, 1]
    assert numbers("", "2.58") == [1, 2, 3]
    assert numbers(f"instance_uuid={identity('a')}") == [2, 1]
    assert numbers("status=error") == [1]
    assert numbers("status=error&migration_type=live-migration") == [1]
    assert numbers("migration_type=migration") == []
    assert numbers("source_compute=h2") == [3]
    assert numbers("host=h2") == [3, 2]
    assert numbers("changes-since=2100-01-01T00:00:00Z") == []
    page = compute.get("/os-migrations?limit=2").json()
    assert [m["id"] for m in page["migrations"]] == [3, 2]
    rest = compute.get(page["migrations_links"][0]["href"]).json()
    assert [m["id"] for m in rest["migrations"]] == [1]
    third = cloud.migrations("b")[0]
    since = third["updated_at"].partition(".")[0] + "Z"
    assert numbers(f"changes-since={since}") == [3]
    old = compute.get("/os-migrations", microversion="2.22").json()["migrations"][0]
    assert not {"uuid", "migration_type", "user_id"} & set(old)


def test_what_a_crash_left_behind_stays_when_the_server_moves_again(operator: Make) -> None:
    cloud = operator(snapshot(host("h1"), host("h2"), host("h3"), instance("a", "h1")))
    cloud.note("a", lab_fail="raise")
    cloud.migrate("a", "h2")
    cloud.step(10)
    cloud.act("a", "os-resetState", {"state": "active"})
    cloud.note("a", lab_fail="")
    cloud.migrate("a", "h3")
    cloud.step(10)
    second, first = cloud.migrations("a")
    assert cloud.where("a") == ("ACTIVE", "h3")
    assert cloud.held(identity("a")) == {"h2": 1000, "h3": 1000}
    assert cloud.held(first["uuid"]) == {"h1": 1000}
    assert cloud.held(second["uuid"]) == {}
