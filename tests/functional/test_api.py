"""The API of a running service: answers as documented, and callers who have to prove who they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import jsonschema
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.functional.conftest import Factory
from tests.programs import Service, service_on
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(4, 12), clock=ScaledClock(50))


@pytest.fixture
def service(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Service]:
    with service_on(tmp_path, cloud) as running:
        yield running


def conform(answer: requests.Response, path: str, document: dict[str, Any]) -> None:
    """The body is what the document says of this path."""
    content = document["paths"][path]["get"]["responses"][str(answer.status_code)]["content"]
    schema = {**content["application/json"]["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_a_real_service_answers_as_documented(service: Service) -> None:
    made = service.answer("rearrangement", "create", "consolidate", "--approve", "--wait")
    host, instance = service.answer("host", "list")[0]["name"], service.answer("instance", "list")[0]["uuid"]
    kept = service.answer("maintenance", "create", "--host", host, "--start", "2030-01-01T00:00:00Z")["id"]
    service.answer("schedule", "create", "consolidate", "--name", "nightly", "--cron", "0 1 * * *")
    document = requests.get(f"{service.url}/v1/openapi.json", timeout=60).json()
    seen = 0
    for path, methods in document["paths"].items():
        if "get" not in methods:
            continue
        names = {
            "/v1/hosts/{name}": host,
            "/v1/policies/{name}": "drain",
            "/v1/instances/{identity}": instance,
            "/v1/schedules/{name}": "nightly",
            "/v1/maintenances/{identity}": kept,
            "/v1/maintenances/{identity}/events": kept,
        }
        there = re.sub(r"{\w+}", names.get(path, made["id"]), path)
        answer = requests.get(f"{service.url}{there}", timeout=60)
        assert answer.status_code == 200, (path, answer.text)
        if answer.headers["Content-Type"].startswith("application/json"):
            conform(answer, path, document)
        seen += 1
    assert seen > 10


def test_events_are_waited_for(service: Service) -> None:
    made = service.answer("rearrangement", "create", "consolidate", "--wait")
    there = f"{service.url}/v1/rearrangements/{made['id']}/events"
    known = requests.get(there, timeout=60).json()["events"][-1]["sequence"]
    nothing = requests.get(there, params={"after": known, "wait": 1}, timeout=60)
    assert nothing.json()["events"] == []
    service.command("rearrangement", "approve", made["id"])
    news = requests.get(there, params={"after": known, "wait": 60}, timeout=90).json()["events"]
    assert [event["sequence"] for event in news] == list(range(known + 1, known + 1 + len(news))) != []


def test_users_with_passwords(cloud: SimulatedCloud, tmp_path: Path) -> None:
    digest = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ann:{digest}\nbob:{digest}\n")
    api = {
        "auth_strategy": "http_basic",
        "http_basic_auth_user_file": tmp_path / "htpasswd",
        "http_basic_readers": "bob",
    }
    with service_on(tmp_path, cloud, api=api) as service:
        assert requests.get(f"{service.url}/healthcheck", timeout=60).status_code == 200
        assert requests.get(f"{service.url}/v1/hosts", timeout=60).status_code == 401
        freeze = f"{service.url}/v1/freeze"
        assert requests.put(freeze, json={}, auth=("bob", "secret"), timeout=60).status_code == 403
        assert requests.put(freeze, json={}, auth=("ann", "secret"), timeout=60).json()["by"] == "ann"


def token(cloud: SimulatedCloud, name: str) -> tuple[str, dict[str, Any]]:
    """A token of a user of the simulated cloud, and what Keystone says of it."""
    auth = cloud.clouds()[name]["auth"]
    identity = {
        "methods": ["password"],
        "password": {
            "user": {
                "name": auth["username"],
                "domain": {"name": auth["user_domain_name"]},
                "password": auth["password"],
            }
        },
    }
    scope = {"project": {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}}
    answer = requests.post(
        f"{auth['auth_url']}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}, timeout=10
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["X-Subject-Token"], answer.json()["token"]


def test_tokens_of_keystone(cloud: SimulatedCloud, tmp_path: Path) -> None:
    auth = cloud.clouds()["simulated"]["auth"]
    section = {"auth_type": "password", "www_authenticate_uri": auth["auth_url"], **auth}
    with service_on(
        tmp_path, cloud, api={"auth_strategy": "keystone"}, keystone_authtoken=section
    ) as service:
        hosts = f"{service.url}/v1/hosts"
        refused = requests.get(hosts, timeout=60)
        assert refused.status_code == 401
        assert auth["auth_url"] in refused.headers["WWW-Authenticate"]
        assert requests.get(hosts, headers={"X-Auth-Token": "forged"}, timeout=60).status_code == 401
        forged = {"X-Identity-Status": "Confirmed", "X-Roles": "admin", "X-User-Name": "eve"}
        assert requests.get(hosts, headers=forged, timeout=60).status_code == 401
        secret, said = token(cloud, "simulated")
        assert "admin" in {role["name"] for role in said["roles"]}
        assert len(requests.get(hosts, headers={"X-Auth-Token": secret}, timeout=60).json()["hosts"]) == 4
        assert secret not in service.log.read_text()


def test_figures_for_prometheus(service: Service) -> None:
    made = service.answer("rearrangement", "create", "consolidate", "--approve", "--wait")
    answer = requests.get(f"{service.url}/metrics", timeout=60)
    assert answer.status_code == 200
    figures = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    moved = len(made["migrations"])
    assert figures["vmpath_migrations", "done"] == moved == figures["vmpath_migration_seconds_count", "done"] > 0
    assert figures["vmpath_migration_seconds_sum", "done"] > 0
    assert figures["vmpath_rearrangements", "succeeded"] == 1
    assert figures["vmpath_events_total", "rearrangement.succeeded"] == 1
    assert figures["vmpath_migration_seconds_bucket", "+Inf", "done"] == moved
    assert figures["vmpath_planning_seconds_count",] == figures["vmpath_path_finding_seconds_count",] == 1
    assert figures["vmpath_planning_seconds_sum",] > figures["vmpath_path_finding_seconds_sum",] > 0
    assert figures["vmpath_cloud_answers_total", "202", "POST", "compute"] == moved
    assert figures["vmpath_cloud_request_seconds_count", "GET", "placement"] > 0
    assert figures["vmpath_frozen",] == 0
