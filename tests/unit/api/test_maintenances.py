"""Maintenances and schedules over HTTP: versions against lost updates, and bodies that are none."""

from __future__ import annotations

import falcon.testing
import pytest

from tests.unit.api.test_requests import refusal

Client = falcon.testing.TestClient
MAINTENANCE = {"hosts": ["compute-001"]}
SCHEDULE = {"name": "nightly", "policy": "consolidate", "cron": "0 22 * * *"}


@pytest.fixture(params=[("/v1/maintenances", MAINTENANCE, "pause"), ("/v1/schedules", SCHEDULE, "disable")])
def kept(client: Client, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The path of one that was just made, and a word for it."""
    path, body, word = request.param
    made = client.simulate_post(path, json=body)
    assert made.status_code in (201, 202), made.text
    assert made.headers["ETag"] == '"1"'
    return f"{path}/{made.json.get('id', made.json.get('name'))}", word


def test_an_order_about_an_older_version_changes_nothing(client: Client, kept: tuple[str, str]) -> None:
    path, word = kept
    changed = client.simulate_post(f"{path}/{word}", headers={"If-Match": '"1"'})
    assert changed.headers["ETag"] == '"2"', changed.text
    for method, target in (("POST", f"{path}/{word}"), ("DELETE", path)):
        said = refusal(client.simulate_request(method, target, headers={"If-Match": '"1"'}), 412)
        assert "has changed: it is at version 2 now" in said
    assert client.simulate_get(path).headers["ETag"] == '"2"'
    assert client.simulate_post(f"{path}/{word}", headers={"If-Match": "*"}).status_code in (200, 202)
    assert client.simulate_delete(path, headers={"If-Match": '"2", "3"'}).status_code == 204


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/v1/maintenances", {}, "the key 'hosts' is missing"),
        ("/v1/maintenances", {"hosts": "compute-001"}, "at /hosts: expected array, got str"),
        ("/v1/maintenances", {**MAINTENANCE, "action": "explode"}, "at /action: invalid enum value 'explode'"),
        ("/v1/maintenances", {**MAINTENANCE, "max_hosts": 1.5}, "at /max_hosts: expected int | null, got float"),
        ("/v1/maintenances", {**MAINTENANCE, "host": "x"}, "unknown key 'host'; known keys: hosts, start"),
        ("/v1/schedules", {**SCHEDULE, "hosts": [1]}, "at /hosts/0: expected str, got int"),
        ("/v1/schedules", [], "expected object, got array"),
    ],
)
def test_a_wrong_body_is_told_where_it_is_wrong(client: Client, path: str, body: object, sentence: str) -> None:
    assert sentence in refusal(client.simulate_post(path, json=body), 400)
    assert client.simulate_get(path).json[path.rpartition("/")[2]] == []


@pytest.mark.parametrize("path", ["/v1/maintenances", "/v1/schedules"])
def test_a_body_that_is_too_large_or_no_json(client: Client, path: str) -> None:
    large = client.simulate_post(path, body=b'{"reason": "' + b"x" * (1 << 20) + b'"}')
    assert "larger than" in refusal(large, 413)
    text = client.simulate_post(path, body=b"hosts=a", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert "has to be JSON" in refusal(text, 415)
    broken = client.simulate_post(path, body=b'{"hosts": [', headers={"Content-Type": "application/json"})
    assert "is not valid JSON" in refusal(broken, 400)


@pytest.mark.parametrize("path", ["/v1/maintenances/none", "/v1/schedules/none"])
def test_what_there_is_not(client: Client, path: str) -> None:
    noun, word = ("maintenance", "cancel") if "maintenances" in path else ("schedule", "enable")
    for answer in (
        client.simulate_get(path),
        client.simulate_delete(path),
        client.simulate_post(f"{path}/{word}"),
    ):
        assert f"there is no {noun} 'none'" in refusal(answer, 404)
    assert refusal(client.simulate_post(f"{path}/explode"), 404)
