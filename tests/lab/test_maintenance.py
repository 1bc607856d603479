"""Maintenances as an operator orders them: with tokens of a genuine Keystone, by the ``openstack`` client, on a
genuine Nova; judged by Nova and Placement.

``VMPATH_LAB_SLOW=1`` adds what takes longer: maintenances that begin later, go on over all hosts, or are cancelled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import secrets
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.lab import observe, scenario
from tests.lab.nova_lab import SCRIPT, NovaLab, call, until
from tests.programs import BIN, Service, wait_until

slow = pytest.mark.skipif(not os.environ.get("VMPATH_LAB_SLOW"), reason="VMPATH_LAB_SLOW is not set")
PASSWORD = secrets.token_hex(8)
ROLES = {"ann": "manager", "rex": "reader"}
"""Users of the operators' project, and the role of each."""
VALIDATOR = "vmpath-validator"
MINT = """
import sys
from keystone import conf
from keystone.token import token_formatters
conf.configure()
conf.CONF(["--config-file", sys.argv[1]], project="keystone")
print(token_formatters.TokenFormatter().create_token(
    sys.argv[2], sys.argv[4], ["abcdefghijklmnopqrstuw"], token_formatters.ProjectScopedPayload,
    methods=["password"], project_id=sys.argv[3],
))
"""
"""Makes a token as Keystone does, with its own keys, that ends when it is told."""


@dataclasses.dataclass(frozen=True)
class Operators:
    """A project of operators in the lab's Keystone: ids, and a clouds.yaml that names its users as clouds."""

    lab: NovaLab
    auth_url: str
    project: str
    users: dict[str, str]
    clouds_file: pathlib.Path

    def token(self, user: str) -> str:
        """A token of the user's for the project."""
        scope = {"project": {"id": self.project}}
        identity = {"methods": ["password"], "password": {"user": {"id": self.users[user], "password": PASSWORD}}}
        answer = requests.post(
            f"{self.auth_url}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}, timeout=30
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def token_until(self, user: str, end: datetime) -> str:
        """A token that Keystone itself might have issued, for any end."""
        python, conf = (self.lab.directory / path for path in ("venv/bin/python", "run/etc/keystone/keystone.conf"))
        words = [str(conf), self.users[user], self.project, end.strftime("%Y-%m-%dT%H:%M:%S.%fZ")]
        made = subprocess.run(
            [str(python), "-c", MINT, *words], capture_output=True, text=True, timeout=120, check=False
        )
        assert made.returncode == 0, made.stderr
        return made.stdout.strip().splitlines()[-1]


@pytest.fixture
def operators(clean_lab: NovaLab, tmp_path: pathlib.Path) -> Iterator[Operators]:
    """Made for one test and gone after it."""
    identity = clean_lab.adapter("identity", "3")
    roles = {role["name"]: role["id"] for role in call(identity, "GET", "/roles")["roles"]}
    projects = {each["name"]: each["id"] for each in call(identity, "GET", "/projects")["projects"]}
    auth_url = str(identity.get_endpoint()).rstrip("/")
    created: list[str] = []

    def make(plural: str, singular: str, **fields: object) -> str:
        found: str = call(identity, "POST", f"/{plural}", {singular: fields})[singular]["id"]
        created.append(f"/{plural}/{found}")
        return found

    def grant(user: str, project: str, role: str) -> None:
        call(identity, "PUT", f"/projects/{project}/users/{user}/roles/{roles[role]}")

    try:
        project = make("projects", "project", name=f"operators-{PASSWORD}", domain_id="default")
        users = {
            name: make("users", "user", name=f"{name}-{PASSWORD}", domain_id="default", password=PASSWORD)
            for name in (*ROLES, VALIDATOR)
        }
        for name, role in ROLES.items():
            grant(users[name], project, role)
        grant(users[VALIDATOR], projects["service"], "service")
        everybody = clean_lab.clouds_file.read_text()
        clouds = json.dumps(
            {
                name: {
                    "auth": {
                        "auth_url": auth_url,
                        "user_id": users[name],
                        "password": PASSWORD,
                        "project_id": project,
                    },
                    "region_name": "RegionOne",
                }
                for name in ROLES
            }
        )
        path = tmp_path / "clouds.yaml"
        path.write_text(everybody)
        (tmp_path / "operators.yaml").write_text(f'{{"clouds": {clouds}}}')
        yield Operators(clean_lab, auth_url, project, users, tmp_path / "operators.yaml")
    finally:
        for address in reversed(created):
            call(identity, "DELETE", address)


@pytest.fixture
def service(clean_lab: NovaLab, operators: Operators, tmp_path: pathlib.Path) -> Iterator[Service]:
    """vmpath behind Keystone, in its catalogue, with a hook that restarts nova-computes once it is let."""
    hook = tmp_path / "restart"
    hook.write_text(
        f"#!/bin/sh -e\nexport VMPATH_LAB_DIR={clean_lab.directory}\n"
        f'echo "$VMPATH_HOSTS" >> {tmp_path}/begun\n'
        f"for i in $(seq 1200); do [ -e {tmp_path}/go ] && break; sleep 0.1; done\n"
        f"[ -e {tmp_path}/go ]\n"
        "for host in $VMPATH_HOSTS; do\n"
        f'    {SCRIPT} stop-compute "${{host#compute}}"\n    {SCRIPT} start-compute "${{host#compute}}"\n'
        "done\n"
    )
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": {"enabled_policies": "drain, target"},
        "api": {"auth_strategy": "keystone", "operator_projects": operators.project},
        "keystone_authtoken": {
            "www_authenticate_uri": operators.auth_url,
            "auth_url": operators.auth_url,
            "auth_type": "password",
            "username": f"{VALIDATOR}-{PASSWORD}",
            "password": PASSWORD,
            "user_domain_id": "default",
            "project_name": "service",
            "project_domain_id": "default",
        },
        "executor": {"poll_seconds": 0.5, "settle_seconds": 1.5, "per_source": 2, "per_destination": 2},
        "maintenance": {"settle_seconds": 1, "return_seconds": 120},
        "hook:restart": {"driver": "command", "command": hook, "timeout": 300},
    }
    identity = clean_lab.adapter("identity", "3")
    with Service(tmp_path, clean_lab.clouds_file, "novalab", sections) as running:
        # from here on commands are those of the operators: they find the service in the catalogue
        running.environment["OS_CLIENT_CONFIG_FILE"] = str(operators.clouds_file)
        del running.environment["VMPATH_URL"]
        kind = {"type": "rearrangement", "name": f"vmpath-{PASSWORD}"}
        made = call(identity, "POST", "/services", {"service": kind})["service"]["id"]
        endpoint = {"service_id": made, "interface": "public", "url": running.url, "region_id": "RegionOne"}
        try:
            call(identity, "POST", "/endpoints", {"endpoint": endpoint})
            yield running
        finally:
            call(identity, "DELETE", f"/services/{made}")


def let_go(service: Service) -> None:
    """Let the hook do its work, now and from now on."""
    (service.directory / "go").touch()


def openstack(service: Service, user: str, *words: str) -> subprocess.CompletedProcess[str]:
    """``openstack WORDS``, typed by one of the operators."""
    return subprocess.run(
        [str(BIN / "openstack"), "--os-cloud", user, *words],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def maintenance(service: Service, *words: str) -> dict[str, Any]:
    """What ``openstack maintenance WORDS`` says when the one who may asks for it."""
    done = openstack(service, "ann", "maintenance", *words, "-f", "json")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{service.log.read_text()[-5000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Looking:
    """The API, looked at often with one token."""

    def __init__(self, service: Service, operators: Operators, user: str = "ann") -> None:
        self._address = f"{service.url}/v1/maintenances"
        self._headers = {"X-Auth-Token": operators.token(user)}

    def at(self, identity: str) -> dict[str, Any]:
        answer = requests.get(f"{self._address}/{identity}", headers=self._headers, timeout=30)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def until(self, identity: str, *states: str, seconds: float = 600) -> dict[str, Any]:
        """The maintenance when it is in one of the states."""

        def there() -> dict[str, Any] | None:
            found = self.at(identity)
            assert found["state"] in states or found["state"] not in ("failed", "cancelled"), found["explanation"]
            return found if found["state"] in states else None

        found: dict[str, Any] = wait_until(there, f"maintenance {identity} is {' or '.join(states)}", seconds)
        return found

    def kinds(self, identity: str) -> list[str]:
        """What has happened, in order."""
        answer = requests.get(f"{self._address}/{identity}/events", headers=self._headers, timeout=30)
        return [event["kind"] for event in answer.json()["events"]]


def compute_service(lab: NovaLab, host: str) -> dict[str, Any]:
    found: dict[str, Any] = call(lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"][0]
    return found


def process_of(lab: NovaLab, host: str) -> int:
    return int((lab.directory / "run" / "pids" / host).read_text().split()[0])


def assert_empty_and_out_of_service(lab: NovaLab, host: str, identity: str) -> None:
    """Nova has nothing there, Placement counts nothing there, and the reason names the maintenance."""
    assert observe.servers_by_host(lab)[host] == set()
    # freed a moment after the last migration is called completed
    until(lambda: observe.allocations_by_provider(lab)[host] == {}, f"Placement counts nothing on {host}")
    assert observe.guests_by_host(lab)[host] == set()
    shown = compute_service(lab, host)
    assert shown["status"] == "disabled"
    assert identity in shown["disabled_reason"]


def assert_sound(lab: NovaLab) -> None:
    """What must hold after every maintenance."""
    assert {compute_service(lab, host)["status"] for host in lab.hosts} == {"enabled"}
    observe.assert_groups_intact(lab)
    observe.assert_allocations_match_hosts(lab)
    observe.assert_guests_match_hosts(lab)
    assert observe.migrations_in_progress(lab) == []
    assert {entry["status"] for entry in observe.migrations(lab)} <= {"completed"}


def test_who_may_order_a_maintenance_by_tokens_of_keystone(
    clean_lab: NovaLab, operators: Operators, service: Service
) -> None:
    address, body = f"{service.url}/v1/maintenances", {"hosts": ["compute1"]}

    def answer(**headers: str) -> requests.Response:
        return requests.post(address, json=body, headers=headers, timeout=60)

    reader = operators.token("rex")
    assert requests.get(address, headers={"X-Auth-Token": reader}, timeout=60).status_code == 200
    refused = answer(**{"X-Auth-Token": reader})
    assert refused.status_code == 403
    assert "maintenances:create; roles: reader" in refused.json()["error"]["message"]
    over = operators.token_until("ann", datetime.now(UTC) - timedelta(minutes=1))
    for headers in ({}, {"X-Auth-Token": "nonsense"}, {"X-Auth-Token": over}, {"X-Roles": "admin"}):
        asked = answer(**headers)
        assert asked.status_code == 401, headers
        assert asked.headers["WWW-Authenticate"] == f'Keystone uri="{operators.auth_url}"'
    # the same kind of token while it lasts: that it was over is what was wrong with the other
    lasting = operators.token_until("ann", datetime.now(UTC) + timedelta(hours=1))
    assert requests.get(address, headers={"X-Auth-Token": lasting}, timeout=60).json()["maintenances"] == []
    typed = openstack(service, "rex", "maintenance", "create", "--host", "compute1")
    assert typed.returncode == 1
    assert "may not do this" in typed.stderr
    assert "Traceback" not in typed.stderr
    assert compute_service(clean_lab, "compute1")["status"] == "enabled"


def test_a_host_is_emptied_restarted_by_the_hook_and_back(
    clean_lab: NovaLab, operators: Operators, service: Service
) -> None:
    scenario.boot(clean_lab, [scenario.Wish(f"vm{number}", "vmpath.small", "compute2") for number in range(2)])
    process = process_of(clean_lab, "compute2")
    made = maintenance(service, "create", "--host", "compute2", "--hook", "restart", "--reason", "new kernel")
    looking = Looking(service, operators)
    looking.until(made["id"], "ready")
    assert_empty_and_out_of_service(clean_lab, "compute2", made["id"])
    let_go(service)
    done = looking.until(made["id"], "done")
    assert done["explanation"] is None
    assert process_of(clean_lab, "compute2") != process
    until(lambda: compute_service(clean_lab, "compute2")["state"] == "up", "compute2 shows itself")
    assert_sound(clean_lab)


@slow
def test_a_maintenance_begins_at_its_time(clean_lab: NovaLab, operators: Operators, service: Service) -> None:
    scenario.build_acceptance(clean_lab)
    host, let = "compute6", float(os.environ.get("VMPATH_LAB_AHEAD", "20"))
    before = observe.servers_by_host(clean_lab)[host]
    process = process_of(clean_lab, host)
    start = datetime.now(UTC) + timedelta(seconds=let)
    words = ("--host", host, "--start", start.isoformat(), "--duration", "10m", "--hook", "restart", "--restore")
    made = maintenance(service, "create", *words)
    assert made["state"] == "scheduled"
    looking = Looking(service, operators)
    assert observe.migrations(clean_lab) == []
    looking.until(made["id"], "ready", seconds=let + 600)
    assert_empty_and_out_of_service(clean_lab, host, made["id"])
    first = min(datetime.fromisoformat(entry["created_at"]) for entry in observe.migrations(clean_lab))
    assert first.replace(tzinfo=UTC) >= start.replace(microsecond=0)
    let_go(service)
    done = looking.until(made["id"], "done")
    assert done["explanation"] is None
    assert process_of(clean_lab, host) != process
    assert observe.servers_by_host(clean_lab)[host] == before
    assert_sound(clean_lab)


def fewest_rounds(lab: NovaLab) -> int:
    """The fewest rounds in which all hosts can be empty once: what is used has to fit on those that are not."""
    used, capacity = 0, []
    for uuid in observe.providers(lab).values():
        used += call(lab.placement, "GET", f"/resource_providers/{uuid}/usages")["usages"]["MEMORY_MB"]
        memory = call(lab.placement, "GET", f"/resource_providers/{uuid}/inventories")["inventories"]["MEMORY_MB"]
        capacity.append(int((memory["total"] - memory["reserved"]) * memory["allocation_ratio"]))
    free = sum(capacity) - used
    return math.ceil(len(capacity) / max(1, free // min(capacity)))


@slow
def test_all_hosts_in_the_fewest_rounds(clean_lab: NovaLab, operators: Operators, service: Service) -> None:
    scenario.build_movable(clean_lab)
    hosts, fewest = clean_lab.hosts, fewest_rounds(clean_lab)
    before = {host: process_of(clean_lab, host) for host in hosts}
    let_go(service)
    words = [word for host in hosts for word in ("--host", host)]
    made = maintenance(service, "create", *words, "--rolling", "--hook", "restart")
    looking = Looking(service, operators)
    done = looking.until(made["id"], "done", seconds=900)
    assert sorted(host for each in done["rounds"] for host in each["hosts"]) == sorted(hosts)
    assert len(done["rounds"]) == fewest, done["rounds"]
    assert len(done["outlook"]["rounds"]) == fewest
    assert all(process_of(clean_lab, host) != before[host] for host in hosts)
    assert_sound(clean_lab)


@slow
def test_a_cancel_in_the_middle_puts_service_states_back(
    clean_lab: NovaLab, operators: Operators, service: Service
) -> None:
    scenario.build_movable(clean_lab, {"lab_seconds": "4"})
    hosts = clean_lab.hosts
    words = [word for host in hosts for word in ("--host", host)]
    made = maintenance(service, "create", *words, "--rolling", "--max-hosts", "2", "--hook", "restart")
    wait_until(lambda: observe.migrations_in_progress(clean_lab), "migrations are under way", 300)
    cancelled = openstack(service, "ann", "maintenance", "cancel", made["id"])
    assert cancelled.returncode == 0, cancelled.stderr
    done = Looking(service, operators).until(made["id"], "cancelled")
    assert (done["disabled"], done["kept"]) == ([], [])
    assert not (service.directory / "begun").exists()
    assert_sound(clean_lab)
