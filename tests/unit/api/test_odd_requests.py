"""Requests that no honest client sends: a clear answer, never a 500."""

from __future__ import annotations

import json

import falcon.testing
import pytest

from tests.unit.api.conftest import NotingEngine

Client = falcon.testing.TestClient


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/hosts?limit=1&limit=2"),
        ("GET", "/v1/hosts?marker="),
        ("GET", "/v1/hosts?marker=%00"),
        ("GET", "/v1/hosts/%ff"),
        ("GET", "/v1/hosts/%00"),
        ("GET", "/v1/hosts/..%2f..%2fetc"),
        ("GET", "/v1/instances?host=%F0%9F%92%A9"),
        ("GET", "/v1/rearrangements?state="),
        ("GET", "/v1/rearrangements?state=running&state=asleep"),
        ("GET", "/v1/rearrangements?limit=99999999999999999999999"),
        ("GET", "/v1/rearrangements?limit=%D9%A1"),
        ("GET", "/v1/rearrangements?marker=%00"),
        ("GET", "/v1/rearrangements/%00"),
        ("GET", "/v1/rearrangements/x/events?after=99999999999999999999"),
        ("GET", "/v1/rearrangements/x%27%20or%201=1--"),
        ("POST", "/v1/rearrangements/x/approve"),
        ("DELETE", "/v1/rearrangements/x"),
        ("HEAD", "/v1/hosts"),
        ("OPTIONS", "/v1/hosts"),
        ("TRACE", "/v1/hosts"),
        ("GET", "//v1//hosts"),
        ("GET", "/v1/hosts/"),
    ],
)
def test_odd_paths(client: Client, method: str, target: str) -> None:
    path, _, query = target.partition("?")
    answer = client.simulate_request(method, path, query_string=query)
    assert answer.status_code < 500


@pytest.mark.parametrize(
    "body",
    [
        b'{"policy": "\\ud800"}',
        b'{"policy": "\xff"}',
        b'{"policy": "p", "options": {"x": NaN}}',
        b'{"policy": "p", "options": {"x": 1e999}}',
        b'{"policy": "p", "options": {"x": 123456789012345678901234567890}}',
        b'{"policy": "p", "options": {"": null, "\\u0000": [{}]}}',
        b'{"policy": "", "zones": [""]}',
        b'{"policy": "p", "policy": "q"}',
        b"null",
        b"1",
        b"\xef\xbb\xbf{}",
    ],
)
def test_odd_bodies(client: Client, engine: NotingEngine, body: bytes) -> None:
    answer = client.simulate_post("/v1/rearrangements", body=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (202, 400), answer.text
    if answer.status_code == 202:
        assert json.loads(client.simulate_get(f"/v1/rearrangements/{answer.json['id']}").text) == answer.json


@pytest.mark.parametrize("tag", ["garbage", '"', 'W/"1"', "*", '""', '"1", "2"'])
def test_odd_versions(client: Client, tag: str) -> None:
    made = client.simulate_post("/v1/rearrangements", json={"policy": "p"}).json
    answer = client.simulate_post(f"/v1/rearrangements/{made['id']}/cancel", headers={"If-Match": tag})
    assert answer.status_code in (202, 400, 412)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "text/html", ""])
def test_kinds_of_content(client: Client, kind: str) -> None:
    answer = client.simulate_put("/v1/freeze", body=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == (200 if kind.lower().startswith("application/json") else 415)
