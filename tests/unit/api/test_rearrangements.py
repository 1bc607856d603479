"""Rearrangements over HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import falcon.testing
import msgspec
import pytest

from tests.unit.api.conftest import NotingEngine
from tests.unit.api.test_requests import refusal
from vmpath_service.model.plan import Migration as PlannedMigration
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import Migration, MigrationState, RearrangementState, Request

Client = falcon.testing.TestClient
HERE = "http://127.0.0.1:9817/v1/rearrangements"


@pytest.fixture
def made(client: Client) -> dict[str, Any]:
    answer = client.simulate_post("/v1/rearrangements", json={"policy": "consolidate"})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_a_new_one_is_accepted_and_says_where_it_is(client: Client) -> None:
    body = {"policy": "drain", "hosts": ["compute-007"], "dry_run": True, "options": {"max_migrations": 3}}
    answer = client.simulate_post("/v1/rearrangements", json=body)
    assert answer.status_code == 202
    shown = answer.json
    assert answer.headers["Location"] == f"{HERE}/{shown['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert (shown["state"], shown["policy"], shown["version"]) == ("planning", "drain", 1)
    assert shown["request"] == body | {"zones": [], "aggregates": [], "approve": False, "rehearse": False}
    assert datetime.fromisoformat(shown["created_at"]).tzinfo is not None
    assert "epoch" not in shown
    hrefs = {link["rel"]: link["href"] for link in shown["links"]}
    assert hrefs["self"] == f"{HERE}/{shown['id']}"
    for part in ("self", "migrations", "events"):
        assert client.simulate_get(hrefs[part].removeprefix("http://127.0.0.1:9817")).status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "request body: the key 'policy' is missing"),
        ({"policy": None}, "request body: at /policy: expected str, got null"),
        ({"policy": "p", "hosts": ["a", 1]}, "request body: at /hosts/1: expected str, got int"),
        ({"policy": "p", "dry_run": "yes"}, "request body: at /dry_run: expected bool, got str"),
        (
            {"policy": "p", "host": ["a"]},
            "request body: unknown key 'host'; "
            "known keys: policy, options, zones, aggregates, hosts, dry_run, approve, rehearse",
        ),
        ("drain", "request body: expected object, got str"),
    ],
)
def test_a_wrong_body_is_refused_and_changes_nothing(client: Client, body: object, sentence: str) -> None:
    assert refusal(client.simulate_post("/v1/rearrangements", json=body), 400) == sentence
    assert client.simulate_get("/v1/rearrangements").json["rearrangements"] == []


@pytest.mark.parametrize("body", ["", "{", '{"policy": "p"} x', '{"options": {"a": ' + "[" * 5000, "\xff"])
def test_a_body_that_is_no_json(client: Client, body: str) -> None:
    answer = client.simulate_post(
        "/v1/rearrangements", body=body.encode("latin-1"), headers={"Content-Type": "application/json"}
    )
    assert refusal(answer, 400).startswith("request body: is not valid JSON")


def test_a_body_of_another_kind_or_size(client: Client) -> None:
    form = client.simulate_post("/v1/rearrangements", body='{"policy": "p"}', headers={"Content-Type": "text/plain"})
    assert "has to be JSON" in refusal(form, 415)
    huge = client.simulate_post("/v1/rearrangements", json={"policy": "x" * (1 << 20)})
    assert "larger than" in refusal(huge, 413)


def test_a_list_is_newest_first_in_pages_and_by_state(client: Client, engine: NotingEngine) -> None:
    made = [
        client.simulate_post("/v1/rearrangements", json={"policy": f"p{number}"}).json["id"] for number in range(5)
    ]
    engine.cancel(made[1])
    first = client.simulate_get("/v1/rearrangements", query_string="limit=2").json
    assert [each["id"] for each in first["rearrangements"]] == [made[4], made[3]]
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    second = client.simulate_get(following.removeprefix("http://127.0.0.1:9817")).json
    assert [each["id"] for each in second["rearrangements"]] == [made[2], made[1]]
    query = "state=cancelled&state=running"
    assert [
        each["id"] for each in client.simulate_get("/v1/rearrangements", query_string=query).json["rearrangements"]
    ] == [made[1]]
    wrong = client.simulate_get("/v1/rearrangements", query_string="state=asleep")
    assert "found 'asleep', expected one of planning, planned, awaiting approval" in refusal(wrong, 400)
    lost = client.simulate_get("/v1/rearrangements", query_string="marker=none")
    assert refusal(lost, 404) == "there is no rearrangement none"


def test_a_command_for_an_old_version_does_nothing(client: Client, made: dict[str, Any]) -> None:
    path = f"/v1/rearrangements/{made['id']}"
    approved = client.simulate_post(f"{path}/approve", headers={"If-Match": '"1"'})
    assert (approved.status_code, approved.json["state"]) == (202, "running")
    late = client.simulate_post(f"{path}/cancel", headers={"If-Match": '"1"'})
    assert "it is at version 2 now" in refusal(late, 412)
    assert client.simulate_get(path).json["state"] == "running"
    assert client.simulate_delete(path, headers={"If-Match": '"1"'}).status_code == 412
    now = client.simulate_post(f"{path}/cancel", headers={"If-Match": client.simulate_get(path).headers["ETag"]})
    assert (now.status_code, now.json["state"]) == (202, "cancelled")
    assert client.simulate_delete(path, headers={"If-Match": "*"}).status_code == 204
    assert refusal(client.simulate_get(path), 404) == f"there is no rearrangement {made['id']}"


@pytest.mark.parametrize("word", ["cancel", "rollback"])
def test_what_is_in_flight_is_aborted_where_that_is_said(client: Client, made: dict[str, Any], word: str) -> None:
    path = f"/v1/rearrangements/{made['id']}/{word}"
    wrong = client.simulate_post(path, params={"abort": "perhaps"})
    assert wrong.status_code == 400
    assert "found 'perhaps', expected true or false" in wrong.json["error"]["message"]
    assert client.simulate_post(path).json["abort_requested"] is False
    again = client.simulate_get(f"/v1/rearrangements/{made['id']}").json
    assert again["rolling_back"] is (word == "rollback")


def test_a_host_is_freed_from_quarantine_once(client: Client, engine: NotingEngine) -> None:
    engine.store.blame("compute-1", "it burns")
    path = "/v1/hosts/compute-1/quarantine"
    assert client.simulate_delete(path).status_code == 204
    assert client.simulate_delete(path).status_code == 404


def test_it_is_paused_and_goes_on(client: Client, made: dict[str, Any]) -> None:
    path = f"/v1/rearrangements/{made['id']}"
    paused = client.simulate_post(f"{path}/pause")
    assert (paused.status_code, paused.json["state"]) == (202, "paused")
    late = client.simulate_post(f"{path}/resume", headers={"If-Match": '"1"'})
    assert "it is at version 2 now" in refusal(late, 412)
    going = client.simulate_post(f"{path}/resume", headers={"If-Match": paused.headers["ETag"]})
    assert (going.status_code, going.json["state"]) == (202, "running")


def test_what_has_not_ended_cannot_be_deleted(client: Client, made: dict[str, Any]) -> None:
    refusal(client.simulate_delete(f"/v1/rearrangements/{made['id']}"), 409)
    assert client.simulate_get(f"/v1/rearrangements/{made['id']}").status_code == 200


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/plan"),
        ("GET", "/migrations"),
        ("GET", "/events"),
        ("POST", "/approve"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/cancel"),
    ],
)
def test_one_that_does_not_exist(client: Client, method: str, part: str) -> None:
    answer = client.simulate_request(method, f"/v1/rearrangements/none{part}")
    assert refusal(answer, 404) == "there is no rearrangement none"


def test_commands_take_no_body(client: Client, made: dict[str, Any]) -> None:
    answer = client.simulate_post(f"/v1/rearrangements/{made['id']}/cancel", json={"force": True})
    assert refusal(answer, 400) == "this request takes no body"
    assert client.simulate_get(f"/v1/rearrangements/{made['id']}").json["state"] == "planning"


def test_plan_migrations_and_events(client: Client, engine: NotingEngine, made: dict[str, Any]) -> None:
    identity, store = made["id"], engine.store
    path = f"/v1/rearrangements/{identity}"
    assert refusal(client.simulate_get(f"{path}/plan"), 404) == f"rearrangement {identity} has no plan yet"
    assert client.simulate_get(f"{path}/migrations").json["migrations"] == []
    epoch = store.claim(identity, "here")
    steps = [PlannedMigration(id=n, instance=f"i{n}", source="a", dest="b") for n in (1, 2, 3)]
    plan = Plan(outcome="found", target={}, snapshot="sha256:0", migrations=tuple(steps))
    store.save_plan(
        identity,
        epoch,
        plan,
        [Migration(rearrangement=identity, step=n, instance=f"i{n}", source="a", dest="b") for n in (1, 2, 3)],
    )
    store.change(identity, epoch, state=RearrangementState.PLANNED)
    first = store.add_event("planned", "3 migrations", subject=identity)
    store.add_event("approved", "by a person", subject=identity)
    store.add_event("planned", "somebody else's", subject=None)

    document = client.simulate_get(f"{path}/plan")
    assert document.headers["Content-Type"].startswith("application/json")
    assert json.loads(document.text)["format"] == "vmpath-plan/1"
    page = client.simulate_get(f"{path}/migrations", query_string="limit=2").json
    assert [(each["step"], each["state"], each["ended_at"]) for each in page["migrations"]] == [
        (1, "pending", None),
        (2, "pending", None),
    ]
    rest = client.simulate_get(page["links"][1]["href"].removeprefix("http://127.0.0.1:9817")).json
    assert [each["step"] for each in rest["migrations"]] == [3]
    assert [link["rel"] for link in rest["links"]] == ["self"]
    events = client.simulate_get(f"{path}/events").json["events"]
    assert [event["message"] for event in events] == ["3 migrations", "by a person"]
    later = client.simulate_get(f"{path}/events", query_string=f"after={first.sequence}").json["events"]
    assert [event["message"] for event in later] == ["by a person"]


def test_what_was_asked_of_nova_for_an_instance(client: Client, engine: NotingEngine) -> None:
    """In whatever rearrangement, the latest first; what is only planned is not among it."""
    store = engine.store
    for number, moment in enumerate((100.0, 200.0, 300.0)):
        identity = store.create(Request("consolidate")).id
        epoch = store.claim(identity, "here")
        steps = (PlannedMigration(id=1, instance="i1", source="a", dest=f"b{number}"),)
        waits = Migration(rearrangement=identity, step=1, instance="i1", source="a", dest=f"b{number}")
        plan = Plan(outcome="found", target={}, snapshot="sha256:0", migrations=steps)
        store.save_plan(identity, epoch, plan, [waits])
        store.change(identity, epoch, state=RearrangementState.RUNNING)
        if number < 2:
            asked = {"state": MigrationState.REQUESTED, "attempt": 1, "baseline": 0, "was": "ACTIVE"}
            intended = msgspec.structs.replace(waits, intended_at=moment, **asked)
            store.intend(epoch, intended)
            store.record(epoch, msgspec.structs.replace(intended, state=MigrationState.DONE, ended_at=moment + 9))
    found = client.simulate_get("/v1/instances/i1/migrations").json["migrations"]
    assert [(each["dest"], each["state"]) for each in found] == [("b1", "done"), ("b0", "done")]
    latest = client.simulate_get("/v1/instances/i1/migrations", query_string="limit=1").json["migrations"]
    assert [each["dest"] for each in latest] == ["b1"]
    assert client.simulate_get("/v1/instances/nobody/migrations").json["migrations"] == []
