"""The main job as a user does it: service and commands in processes of their own, judged by the cloud's records."""

from __future__ import annotations

import collections
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.functional.conftest import Factory, connect
from tests.programs import Service, service_on, wait_until
from vmpath_service.simulator.clock import ScaledClock, SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(6, 30), clock=ScaledClock(50))


@pytest.fixture
def service(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Service]:
    with service_on(tmp_path, cloud) as running:
        yield running


def servers_by_host(cloud: SimulatedCloud) -> dict[str, set[str]]:
    """Where Nova says that the servers are."""
    found: dict[str, set[str]] = {name: set() for name in cloud.world.hosts}
    for uuid, server in list(cloud.world.servers.items()):
        if server.host is not None:
            found[server.host].add(uuid)
    return found


def started(cloud: SimulatedCloud) -> collections.Counter[tuple[str, str, str | None]]:
    """How often each server was migrated from where to where, by Nova's own records."""
    return collections.Counter(
        (each.server, each.source, each.dest_compute) for each in list(cloud.world.migrations.values())
    )


def statuses(cloud: SimulatedCloud) -> collections.Counter[str]:
    """Nova's migration records by status."""
    return collections.Counter(each.status for each in list(cloud.world.migrations.values()))


def planned(record: Mapping[str, list[Mapping[str, str]]]) -> collections.Counter[tuple[str, str, str]]:
    """The migrations of a rearrangement, counted in the same way."""
    return collections.Counter((each["instance"], each["source"], each["dest"]) for each in record["migrations"])


def test_consolidate_then_drain(cloud: SimulatedCloud, service: Service) -> None:
    listed = service.answer("host", "list")
    assert {host["name"]: host["instances"] for host in listed} == {
        name: len(servers) for name, servers in servers_by_host(cloud).items()
    }
    assert len(service.answer("instance", "list")) == 30
    assert {policy["name"] for policy in service.answer("policy", "list")} >= {
        "balance",
        "consolidate",
        "drain",
        "target",
    }

    dry = service.answer("rearrangement", "create", "consolidate", "--dry-run", "--wait")
    assert dry["state"] == "planned"
    assert not cloud.world.migrations

    done = service.answer("rearrangement", "create", "consolidate", "--approve", "--wait")
    assert done["state"] == "succeeded"
    emptied = {name for name, servers in servers_by_host(cloud).items() if not servers}
    assert emptied == set(done["decision"]["emptied"]) != set()
    assert started(cloud) == planned(done)
    assert set(statuses(cloud)) == {"completed"}

    host = next(name for name, servers in servers_by_host(cloud).items() if servers)
    before = len(cloud.world.migrations)
    drained = service.command("drain", host, "--wait")
    assert drained.returncode == 0, drained.stderr
    assert "is approved, since its hosts were named" in drained.stderr
    assert f" of {len(cloud.world.migrations) - before} done" in drained.stdout
    assert servers_by_host(cloud)[host] == set()
    assert cloud.world.hosts[host].disabled
    assert str(cloud.world.hosts[host].disabled_reason).startswith("vmpath")
    assert set(statuses(cloud)) == {"completed"}
    assert [row["state"] for row in service.answer("rearrangement", "list")] == ["succeeded", "succeeded", "planned"]
    assert service.stop() == 0


def test_a_drain_that_leaves_somebody_does_not_pass_for_an_empty_host(cloud: SimulatedCloud, service: Service) -> None:
    host, servers = max(servers_by_host(cloud).items(), key=lambda item: len(item[1]))
    locked = min(servers)
    connect(cloud, "simulated").compute.lock_server(locked, locked_reason="hands off")
    drained = service.command("drain", host, "--wait")
    assert drained.returncode == 4, drained.stderr
    assert "not empty: 1 instances stay" in drained.stderr
    assert servers_by_host(cloud)[host] == {locked}


def test_nothing_moves_before_a_person_has_said_so(cloud: SimulatedCloud, service: Service) -> None:
    made = service.answer("rearrangement", "create", "consolidate", "--wait")
    assert made["state"] == "awaiting approval"
    assert not cloud.world.migrations
    version = requests.get(f"{service.url}/v1/rearrangements/{made['id']}", timeout=60).headers["ETag"]
    approve = f"{service.url}/v1/rearrangements/{made['id']}/approve"
    assert requests.post(approve, headers={"If-Match": '"0"'}, timeout=60).status_code == 412
    assert not cloud.world.migrations
    assert requests.post(approve, headers={"If-Match": version}, timeout=60).status_code == 202
    assert service.answer("rearrangement", "watch", made["id"])["state"] == "succeeded"
    again = service.command("rearrangement", "approve", made["id"])
    assert again.returncode == 1
    assert "is succeeded, not awaiting approval" in again.stderr


def test_of_two_clients_at_once_that_have_seen_the_same_one_is_heard(service: Service) -> None:
    for _ in range(5):
        made = service.answer("rearrangement", "create", "consolidate", "--wait")
        address = f"{service.url}/v1/rearrangements/{made['id']}"
        seen = {"If-Match": requests.get(address, timeout=60).headers["ETag"]}
        words = ("cancel", "cancel?abort=true", "cancel", "cancel?abort=true")
        together = threading.Barrier(len(words))

        def say(
            word: str, address: str = address, seen: dict[str, str] = seen, together: threading.Barrier = together
        ) -> int:
            together.wait(60)
            return requests.post(f"{address}/{word}", headers=seen, timeout=30).status_code

        with ThreadPoolExecutor(len(words)) as threads:
            assert sorted(threads.map(say, words)) == [202, 412, 412, 412]


def test_freeze_and_pause_hold_everything_back_until_they_are_lifted(cloud: SimulatedCloud, service: Service) -> None:
    service.answer("freeze", "--reason", "incident 42")
    made = service.answer("rearrangement", "create", "consolidate", "--approve")

    def running() -> bool:
        return bool(service.answer("rearrangement", "show", made["id"])["state"] == "running")

    wait_until(running, "the rearrangement runs")
    polls = service.answer("rearrangement", "list")
    assert [row["state"] for row in polls] == ["running"]
    assert service.answer("rearrangement", "pause", made["id"])["state"] == "paused"
    service.answer("thaw")
    assert "is paused" in service.command("rearrangement", "pause", made["id"]).stderr
    assert not cloud.world.migrations
    assert service.answer("rearrangement", "resume", made["id"])["state"] == "running"
    assert service.answer("rearrangement", "watch", made["id"])["state"] == "succeeded"


def test_a_cancel_starts_nothing_more_and_follows_what_flies(simulated_cloud: Factory, tmp_path: Path) -> None:
    clock = SteppedClock()
    cloud = simulated_cloud(make_sample(6, 30), clock=clock)
    with service_on(tmp_path, cloud, executor={"in_total": 2}) as service:
        made = service.answer("rearrangement", "create", "consolidate", "--approve")

        def begun() -> bool:
            clock.step(0.05)
            return bool(cloud.world.migrations)

        wait_until(begun, "something is in flight")
        # however long this takes, no time passes in the cloud
        service.answer("rearrangement", "cancel", made["id"])

        def over() -> bool:
            clock.step(1)
            shown = requests.get(f"{service.url}/v1/rearrangements/{made['id']}", timeout=60).json()
            return bool(shown["state"] != "running")

        wait_until(over, "what flew has ended")
        done = service.answer("rearrangement", "watch", made["id"], expected=1)
        assert done["state"] == "cancelled"
        states = [each["state"] for each in done["migrations"]]
        assert 0 < states.count("done") <= 2 < len(states)
        assert set(statuses(cloud)) == {"completed"}
        assert sum(started(cloud).values()) == states.count("done")


def test_watch_in_a_pipe_ends_with_what_it_cost(cloud: SimulatedCloud, service: Service) -> None:
    made = service.answer("rearrangement", "create", "balance", "--approve")
    watched = service.command("rearrangement", "watch", made["id"])
    assert watched.returncode == 0
    lines = watched.stdout.splitlines()
    total = len(cloud.world.migrations)
    assert any(line.endswith(f"succeeded: {total} of {total} done") for line in lines)
    assert sum(line.endswith(" done") and " migration of " in line for line in lines) == total
    assert "\x1b" not in watched.stdout


def test_a_killed_service_finishes_what_it_began(simulated_cloud: Factory, tmp_path: Path) -> None:
    cloud = simulated_cloud(make_sample(6, 40), clock=ScaledClock(10))
    with service_on(tmp_path, cloud) as service:
        identity = service.answer("rearrangement", "create", "consolidate", "--approve")["id"]

        def in_the_middle() -> bool:
            seen = statuses(cloud)
            return seen["completed"] >= 2 and seen.total() > seen["completed"]

        wait_until(in_the_middle, "two migrations have ended and others are under way")
        service.kill()
        service.start()
        done = service.answer("rearrangement", "watch", identity)
        assert done["state"] == "succeeded"
        assert started(cloud) == planned(done)
        assert max(started(cloud).values()) == 1
        assert set(statuses(cloud)) == {"completed"}


def test_a_stopped_service_leaves_everything_journaled(simulated_cloud: Factory, tmp_path: Path) -> None:
    cloud = simulated_cloud(make_sample(6, 40), clock=ScaledClock(10))
    with service_on(tmp_path, cloud) as service:
        identity = service.answer("rearrangement", "create", "consolidate", "--approve")["id"]
        wait_until(lambda: statuses(cloud)["completed"] >= 1, "a migration has ended")
        assert service.stop() == 0
        service.start()
        assert service.answer("rearrangement", "watch", identity)["state"] == "succeeded"
        assert max(started(cloud).values()) == 1


def test_sighup_reads_the_policies_again(service: Service) -> None:
    good = service.configuration.read_text()
    assert service.process is not None

    def names() -> set[str]:
        return {policy["name"] for policy in service.answer("policy", "list")}

    service.configuration.write_text(f"{good}[policy:nightly]\ndriver = consolidate\nmax_migrations = 5\n")
    os.kill(service.process.pid, signal.SIGHUP)
    wait_until(lambda: "nightly" in names(), "the new policy is there")
    shown = service.answer("policy", "show", "nightly")
    assert (shown["driver"], shown["settings"]["max_migrations"]) == ("consolidate", 5)

    service.configuration.write_text(f"{good}[policy:weekly]\ndriver = consolidte\n")
    os.kill(service.process.pid, signal.SIGHUP)
    wait_until(lambda: "policies and schedules stay as they were" in service.log.read_text(), "the log says so")
    assert "[policy:weekly] driver" in service.log.read_text()
    assert {"nightly", "drain"} <= names()
    assert service.stop() == 0


def test_many_readers_at_a_time(service: Service) -> None:
    answers: list[int] = []

    def read() -> None:
        for path in ("policies", "rearrangements", "freeze"):
            answers.append(requests.get(f"{service.url}/v1/{path}", timeout=30).status_code)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 24


def test_a_cloud_that_is_away_at_the_start_is_waited_for(tmp_path: Path) -> None:
    cloud = SimulatedCloud(make_sample(4, 12, seed=3)).start()
    port = int(cloud.site.base_url.rpartition(":")[2])
    service = service_on(tmp_path, cloud, **{"policy:drain": {"approval": "automatic"}})
    cloud.stop()
    with service:
        assert "the cloud cannot be reached" in service.log.read_text()
        failed = service.command("host", "list")
        assert failed.returncode == 1
        assert "does not answer" in failed.stderr
        again = SimulatedCloud(make_sample(4, 12, seed=3), clock=ScaledClock(50), port=port).start()
        try:
            wait_until(lambda: "the cloud answers now" in service.log.read_text(), "the cloud is found", 60)
            host = again.world.servers[next(iter(again.world.servers))].host
            assert host is not None
            assert service.answer("drain", host, "--wait")["state"] == "succeeded"
        finally:
            again.stop()
