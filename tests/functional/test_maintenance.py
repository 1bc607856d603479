"""Maintenances and schedules as an operator uses them: service and commands in processes of their own."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.functional.conftest import Factory, connect
from tests.functional.test_service import servers_by_host
from tests.programs import Service, service_on, wait_until
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(6, 24), clock=ScaledClock(50))


QUICK = {"settle_seconds": 0.3, "return_seconds": 20}


@pytest.fixture
def service(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Service]:
    with service_on(tmp_path, cloud, maintenance=QUICK) as running:
        yield running


def fullest(cloud: SimulatedCloud) -> str:
    return max(servers_by_host(cloud), key=lambda name: len(servers_by_host(cloud)[name]))


def messages(service: Service, identity: str) -> list[str]:
    answer = requests.get(f"{service.url}/v1/maintenances/{identity}/events", timeout=60)
    return [f"{event['kind']}: {event['message']}" for event in answer.json()["events"]]


def state(service: Service, identity: str) -> str:
    return str(service.answer("maintenance", "show", identity)["state"])


def test_a_host_is_emptied_waited_for_and_taken_back(cloud: SimulatedCloud, service: Service) -> None:
    host = fullest(cloud)
    before = servers_by_host(cloud)[host]
    made = service.answer("maintenance", "create", "--host", host, "--reason", "new disks", "--restore", "--wait")
    assert made["state"] == "ready"
    assert servers_by_host(cloud)[host] == set()
    assert cloud.world.hosts[host].disabled_reason == f"vmpath: maintenance {made['id']}"
    twice = service.command("maintenance", "create", "--host", host)
    assert twice.returncode == 1
    assert f"{host} is in maintenance {made['id']} already, which is ready" in twice.stderr

    service.answer("maintenance", "complete", made["id"])
    done = service.answer("maintenance", "watch", made["id"])
    assert done["state"] == "done", messages(service, made["id"])
    assert not cloud.world.hosts[host].disabled
    assert servers_by_host(cloud)[host] == before, messages(service, made["id"])
    assert [row["state"] for row in service.answer("maintenance", "list")] == ["done"]
    assert service.command("maintenance", "complete", made["id"]).returncode == 1


def test_a_hook_does_the_work(cloud: SimulatedCloud, tmp_path: Path) -> None:
    host, told = fullest(cloud), tmp_path / "told.json"
    program = tmp_path / "work"
    program.write_text(f"#!/bin/sh\ncat > {told}\n[ \"$VMPATH_HOSTS\" = {host} ]\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    hook = {"driver": "command", "command": program}
    with service_on(tmp_path, cloud, maintenance=QUICK, **{"hook:work": hook}) as service:
        done = service.answer("maintenance", "create", "--host", host, "--hook", "work", "--reason", "x", "--wait")
        assert done["state"] == "done", messages(service, done["id"])
        occasion = json.loads(told.read_text())
        assert (occasion["event"], occasion["hosts"], occasion["reason"]) == ("maintenance.ready", [host], "x")
        subject = occasion["subject"]
        assert (subject["type"], subject["id"], subject["hosts"]) == ("maintenance", done["id"], [host])
        assert occasion["version"] == "1.1"
        assert occasion["why"].startswith("x")
        assert not cloud.world.hosts[host].disabled


def test_after_a_hook_that_failed_the_host_stays_out_of_service(cloud: SimulatedCloud, tmp_path: Path) -> None:
    host = fullest(cloud)
    hook = {"driver": "command", "command": "sh -c 'echo firmware refused; exit 3'"}
    with service_on(tmp_path, cloud, maintenance=QUICK, **{"hook:work": hook}) as service:
        done = service.answer("maintenance", "create", "--host", host, "--hook", "work", "--wait", expected=1)
        assert done["state"] == "failed"
        assert "ended with status 3: firmware refused" in done["explanation"]
        assert f"{host} stay disabled until somebody has looked at them" in done["explanation"]
        assert (done["kept"], cloud.world.hosts[host].disabled) == ([host], True)


def test_a_cancel_puts_the_service_back(cloud: SimulatedCloud, service: Service) -> None:
    host = fullest(cloud)
    made = service.answer("maintenance", "create", "--host", host, "--wait")
    assert cloud.world.hosts[host].disabled
    service.answer("maintenance", "cancel", made["id"])
    assert service.answer("maintenance", "watch", made["id"], expected=1)["state"] == "cancelled"
    assert not cloud.world.hosts[host].disabled
    service.answer("maintenance", "delete", made["id"])
    assert service.answer("maintenance", "list") == []


def test_what_cannot_be_emptied_fails_and_is_put_back(cloud: SimulatedCloud, service: Service) -> None:
    host, servers = max(servers_by_host(cloud).items(), key=lambda item: len(item[1]))
    locked = min(servers)
    connect(cloud, "simulated").compute.lock_server(locked, locked_reason="hands off")
    dry = service.answer("maintenance", "create", "--host", host, "--dry-run", "--wait")
    assert "1 instances" in (dry["explanation"] or ""), dry
    made = service.answer("maintenance", "create", "--host", host, "--wait", expected=1)
    assert made["state"] == "failed"
    assert "1 instances" in made["explanation"], made
    assert not cloud.world.hosts[host].disabled
    accepted = service.answer("maintenance", "create", "--host", host, "--accept-leftovers", "--wait")
    assert accepted["state"] == "ready"
    assert servers_by_host(cloud)[host] == {locked}
    assert "hands off" in accepted["explanation"] or "locked" in accepted["explanation"]


def test_what_somebody_else_disabled_stays_disabled(cloud: SimulatedCloud, service: Service) -> None:
    host = fullest(cloud)
    compute = connect(cloud, "simulated").compute
    theirs = next(each for each in compute.services(binary="nova-compute") if each.host == host)
    compute.disable_service(theirs, disabled_reason="ticket 7")
    made = service.answer("maintenance", "create", "--host", host, "--wait")
    assert servers_by_host(cloud)[host] == set()
    service.answer("maintenance", "complete", made["id"])
    assert service.answer("maintenance", "watch", made["id"])["state"] == "done"
    assert cloud.world.hosts[host].disabled_reason == "ticket 7"
    assert any("somebody else disabled" in message for message in messages(service, made["id"]))


def test_the_first_of_a_series_begins_at_its_time_and_survives_a_crash_while_it_waits(
    cloud: SimulatedCloud, service: Service
) -> None:
    host = fullest(cloud)
    start = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    again = ("--recurrence", "0 2 * * 6", "--time-zone", "Europe/Berlin")
    made = service.answer("maintenance", "create", "--host", host, "--start", start, *again)
    # what it is going to take is told before it begins
    assert (made["state"], made["warning"]) == ("scheduled", None)
    assert made["outlook"]["migrations"] == len(servers_by_host(cloud)[host])
    assert not cloud.world.migrations
    service.kill()
    service.start()
    ready = service.answer("maintenance", "watch", made["id"])
    assert (ready["state"], servers_by_host(cloud)[host]) == ("ready", set())
    assert datetime.fromisoformat(ready["phase_since"]) >= datetime.fromisoformat(start)
    service.answer("maintenance", "complete", made["id"])
    done = service.answer("maintenance", "watch", made["id"])
    following = service.answer("maintenance", "show", done["successor"])
    assert following["state"] == "scheduled"
    berlin = datetime.fromisoformat(following["start"]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (berlin.isoweekday(), berlin.hour, berlin.minute) == (6, 2, 0)


def test_a_rolling_maintenance_goes_through_all_hosts(cloud: SimulatedCloud, tmp_path: Path) -> None:
    hosts = sorted(cloud.world.hosts)
    hook = {"driver": "command", "command": "true"}
    with service_on(tmp_path, cloud, maintenance=QUICK, **{"hook:work": hook}) as service:
        words = [word for name in hosts for word in ("--host", name)]
        options = ("--rolling", "--max-hosts", "2", "--duration", "10m", "--dry-run")
        dry = service.answer("maintenance", "create", *words, *options, "--wait")
        expected = dry["outlook"]
        foretold = len(expected["rounds"])
        # one of the hosts is too full to be emptied together with another one
        assert (foretold, expected["fewest_rounds"]) == (4, 3)
        assert expected["migrations"] >= expected["fewest_migrations"] >= 24
        assert expected["seconds"] >= expected["least_seconds"] >= 1800
        told = service.command("maintenance", "create", *words, *options).stdout
        for figure in ("4 (at least 3)", f"{expected['migrations']} (at least {expected['fewest_migrations']})"):
            assert figure in told
        assert not cloud.world.migrations
        done = service.answer(
            "maintenance", "create", *words, "--rolling", "--max-hosts", "2", "--hook", "work", "--wait"
        )
        assert done["state"] == "done", messages(service, done["id"])
        assert sorted(name for each in done["rounds"] for name in each["hosts"]) == hosts
        assert len(done["rounds"]) == len(done["outlook"]["rounds"]) == foretold
        assert len(cloud.world.migrations) == done["outlook"]["migrations"]
        assert not any(host.disabled for host in cloud.world.hosts.values())


IMPOSSIBLE: tuple[tuple[Mapping[str, Any], int, str], ...] = (
    ({"hosts": []}, 400, "hosts: expected the name of at least one host"),
    ({"hosts": ["compute-9999"]}, 404, "there is no host 'compute-9999'"),
    ({"hosts": ["HOST", "HOST"]}, 400, "is named twice"),
    ({"hosts": ["HOST"], "start": "yesterday"}, 400, "start: found 'yesterday', expected a time such as"),
    ({"hosts": ["HOST"], "start": "2020-01-01T00:00:00Z"}, 400, "is in the past"),
    ({"hosts": ["HOST"], "start": "9999-12-31T23:59:59-12:00"}, 400, "start"),
    ({"hosts": ["HOST"], "action": "hook", "hook": "nothing"}, 400, "there is no hook 'nothing'"),
    ({"hosts": ["HOST"], "action": "hook"}, 400, "hook: expected the name of a hook"),
    ({"hosts": ["HOST"], "reason": 1001 * "x"}, 400, "reason: found 1001 characters, expected up to 1000"),
    ({"hosts": ["HOST"], "policy": "drian"}, 400, "there is no policy 'drian'; did you mean 'drain'"),
    ({"hosts": ["HOST"], "max_hosts": 2}, 400, "max_hosts"),
    ({"hosts": ["HOST"], "duration_s": -1}, 400, "duration_s"),
    ({"hosts": ["HOST"], "action": "power-off"}, 400, "hook: there is no hook 'power-off'; there are: none"),
    ({"hosts": ["HOST"], "action": "reboot"}, 400, "there is no hook 'reboot'"),
    ({"hosts": ["HOST"], "recurrence": "whenever"}, 400, "recurrence: cron: found 'whenever'"),
    ({"hosts": ["HOST"], "afterwards": "policy"}, 400, "expected the name of a policy"),
    ({"hosts": ["HOST"], "options": {"colour": "red"}}, 400, "colour"),
    ({"hosts": ["<script>alert(1)</script>"]}, 404, "there is no host '<script>alert(1)</script>'"),
)


def test_what_cannot_be_is_refused(cloud: SimulatedCloud, service: Service) -> None:
    name = min(cloud.world.hosts)
    for body, code, sentence in IMPOSSIBLE:
        wanted = {**body, "hosts": [name if each == "HOST" else each for each in body["hosts"]]}
        answer = requests.post(f"{service.url}/v1/maintenances", json=wanted, timeout=60)
        assert answer.status_code == code, answer.text
        assert sentence in answer.json()["error"]["message"]
    assert service.answer("maintenance", "list") == []


def test_a_schedule_runs_a_policy(cloud: SimulatedCloud, tmp_path: Path) -> None:
    section = {"policy": "balance", "cron": "0 3 * * *", "time_zone": "Europe/Berlin"}
    with service_on(tmp_path, cloud, **{"schedule:nightly": section}) as service:
        made = service.answer(
            "schedule", "create", "consolidate", "--name", "now", "--cron", "@every 10s", "--approve"
        )
        assert made["enabled"]
        listed = {row["name"]: row for row in service.answer("schedule", "list")}
        assert (listed["nightly"]["origin"], listed["now"]["origin"]) == ("file", "api")
        assert service.command("schedule", "delete", "nightly").returncode == 1
        wrong = service.command("schedule", "create", "consolidate", "--cron", "whenever")
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "cron: found 'whenever', expected five fields" in wrong.stderr
        ran = wait_until(
            lambda: (service.answer("schedule", "show", "now")["outcome"] or "").startswith("succeeded"),
            "the schedule has run",
            300,
        )
        assert ran
        assert {each.status for each in cloud.world.migrations.values()} == {"completed"}
        service.answer("schedule", "delete", "now")
