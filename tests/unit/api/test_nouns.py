"""Policies, hosts, instances and the freeze over HTTP."""

from __future__ import annotations

from datetime import datetime

import falcon.testing
import pytest

from tests.unit.api.conftest import NotingEngine
from tests.unit.api.test_requests import refusal

Client = falcon.testing.TestClient


def test_policies(client: Client) -> None:
    assert [policy["name"] for policy in client.simulate_get("/v1/policies").json["policies"]] == [
        "consolidate",
        "drain",
    ]
    assert client.simulate_get("/v1/policies/consolidate").json["driver"] == "consolidate"
    assert refusal(client.simulate_get("/v1/policies/nightly"), 404) == "there is no policy 'nightly'"


def test_hosts_come_in_pages_that_lead_to_each_other(client: Client) -> None:
    names = []
    path = "/v1/hosts?limit=3"
    sizes = []
    while path:
        answer = client.simulate_get(path).json
        names += [host["name"] for host in answer["hosts"]]
        sizes.append(len(answer["hosts"]))
        following = [link["href"] for link in answer["links"] if link["rel"] == "next"]
        path = following[0].removeprefix("http://127.0.0.1:9817") if following else ""
    assert sizes == [3, 3, 1]
    assert names == [f"compute-{number:03}" for number in range(1, 8)]


def test_the_pages_of_one_list_are_of_one_reading(client: Client, engine: NotingEngine) -> None:
    first = client.simulate_get("/v1/hosts", query_string="limit=2").json
    engine.known_hosts = [host | {"state": "down"} for host in engine.known_hosts]
    following = first["links"][1]["href"].removeprefix("http://127.0.0.1:9817")
    assert {host["state"] for host in client.simulate_get(following).json["hosts"]} == {"up"}
    assert {host["state"] for host in client.simulate_get("/v1/hosts").json["hosts"]} == {"down"}
    assert {host["state"] for host in client.simulate_get(following).json["hosts"]} == {"down"}


def test_one_host(client: Client) -> None:
    assert client.simulate_get("/v1/hosts/compute-002").json["name"] == "compute-002"
    assert refusal(client.simulate_get("/v1/hosts/compute-9"), 404) == (
        "there is no host 'compute-9'; did you mean 'compute-007'?"
    )


def test_instances_by_host_uuid_and_name(client: Client) -> None:
    found = client.simulate_get("/v1/instances", query_string="host=compute-001&limit=2").json
    assert [each["uuid"] for each in found["instances"]] == ["i-1", "i-2"]
    assert [link["rel"] for link in found["links"]] == ["self", "next"]
    assert "host=compute-001" in found["links"][1]["href"]
    assert client.simulate_get("/v1/instances", query_string="host=elsewhere").json["instances"] == []
    assert client.simulate_get("/v1/instances/i-2").json["name"] == "web-2"
    assert client.simulate_get("/v1/instances/web-2").json["uuid"] == "i-2"
    assert refusal(client.simulate_get("/v1/instances/twin"), 404) == (
        "2 instances are called 'twin': name one by its uuid"
    )
    lost = refusal(client.simulate_get("/v1/instances/none"), 404)
    assert lost.startswith("there is no instance 'none'; there are: ")


def test_a_freeze_stands_until_it_is_lifted(client: Client) -> None:
    assert client.simulate_get("/v1/freeze").json == {"frozen": False, "since": None, "reason": None, "by": None}
    made = client.simulate_put("/v1/freeze", json={"reason": "incident 42", "by": "ann"})
    assert made.status_code == 200
    assert (made.json["frozen"], made.json["reason"], made.json["by"]) == (True, "incident 42", "ann")
    assert datetime.fromisoformat(made.json["since"]).tzinfo is not None
    assert client.simulate_get("/v1/freeze").json == made.json
    assert client.simulate_delete("/v1/freeze").status_code == 204
    assert client.simulate_get("/v1/freeze").json["frozen"] is False


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"why": "x"}, "request body: unknown key 'why'; known keys: reason, by"),
        ({"reason": 3}, "request body: at /reason: expected str, got int"),
        ([], "request body: expected object, got array"),
    ],
)
def test_a_freeze_with_a_wrong_body(client: Client, body: object, sentence: str) -> None:
    assert refusal(client.simulate_put("/v1/freeze", json=body), 400) == sentence
    assert client.simulate_get("/v1/freeze").json["frozen"] is False
