"""What holds for every request: identities, errors of one shape, nothing unknown let through."""

from __future__ import annotations

import falcon.testing
import pytest

from tests.unit.api.conftest import NotingEngine
from vmpath_service.model.errors import (
    CloudDenied,
    CloudUnreachable,
    Conflict,
    EngineUnreachable,
    InvalidInput,
    NoDecision,
    NotFound,
    PlanningFailed,
    StoreError,
)

Client = falcon.testing.TestClient


def refusal(answer: falcon.testing.Result, code: int) -> str:
    """The sentence of an error, after its shape has been checked."""
    assert answer.status_code == code, answer.text
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "title", "message", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert "Traceback" not in answer.text
    return str(error["message"])


def test_every_answer_has_an_id_of_its_own(client: Client) -> None:
    identities = {client.simulate_get("/v1/freeze").headers["X-Openstack-Request-Id"] for _ in range(3)}
    assert len(identities) == 3
    assert all(identity.startswith("req-") for identity in identities)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/hosts", "/v1/rearrangements/x/y", "/v1/hosts/a/b"])
def test_an_unknown_path(client: Client, path: str) -> None:
    assert refusal(client.simulate_get(path), 404) == f"there is nothing at {path}"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/hosts", {"GET", "OPTIONS"}),
        ("PUT", "/v1/rearrangements", {"GET", "POST", "OPTIONS"}),
        ("PATCH", "/v1/freeze", {"GET", "PUT", "DELETE", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_there(client: Client, method: str, path: str, allowed: set[str]) -> None:
    answer = client.simulate_request(method, path)
    assert refusal(answer, 405) == f"{method} is not possible at {path}"
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == allowed


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (InvalidInput("no"), 400),
        (NotFound("no"), 404),
        (Conflict("no"), 409),
        (CloudUnreachable("no"), 502),
        (CloudDenied("no"), 502),
        (NoDecision("no"), 503),
        (EngineUnreachable("no"), 503),
        (StoreError("no"), 503),
        (PlanningFailed("no"), 500),
    ],
)
def test_our_errors_have_a_code_each(client: Client, engine: NotingEngine, failure: Exception, code: int) -> None:
    engine.failure = failure
    assert refusal(client.simulate_get("/v1/hosts"), code) == "no"


def test_an_accident_leaks_nothing(client: Client, engine: NotingEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine.failure = KeyError("sekret")
    answer = client.simulate_get("/v1/hosts")
    assert "request_id" in refusal(answer, 500)
    assert "sekret" not in answer.text
    assert answer.json["error"]["request_id"] in caplog.text
    assert "KeyError: 'sekret'" in caplog.text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=0", "query parameter limit: found '0', expected a number from 1 to 1000"),
        ("limit=ten", "query parameter limit: found 'ten', expected a number from 1 to 1000"),
        ("limit=-1", "query parameter limit: found '-1', expected a number from 1 to 1000"),
        ("colour=red", "unknown query parameter 'colour'; known ones: limit, marker"),
    ],
)
def test_a_wrong_query(client: Client, query: str, sentence: str) -> None:
    assert refusal(client.simulate_get("/v1/hosts", query_string=query), 400) == sentence


def test_a_marker_that_is_not_there(client: Client) -> None:
    answer = client.simulate_get("/v1/hosts", query_string="marker=nowhere")
    assert refusal(answer, 404) == "query parameter marker: there is no 'nowhere' in this list"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://example.org"}, {"Host": "example.org:9817"}, {"Origin": "null"}, {"Host": "10.0.0.1"}],
)
def test_a_web_page_gets_nothing(client: Client, headers: dict[str, str]) -> None:
    answer = client.simulate_put("/v1/freeze", headers=headers, json={})
    assert "on its own machine only" in refusal(answer, 403)
    assert client.simulate_get("/v1/freeze").json["frozen"] is False


@pytest.mark.parametrize("host", ["localhost:9817", "[::1]:9817", "127.0.0.1"])
def test_names_of_this_machine_are_fine(client: Client, host: str) -> None:
    assert client.simulate_get("/v1/freeze", headers={"Host": host}).status_code == 200


def test_healthcheck_names_the_part_that_fails(client: Client, engine: NotingEngine) -> None:
    well = client.simulate_get("/healthcheck")
    assert (well.status_code, well.json) == (200, {"status": "ok", "parts": {"database": "ok"}})
    engine.failure = StoreError("the disk is full")
    ill = client.simulate_get("/healthcheck")
    assert (ill.status_code, ill.json) == (503, {"status": "failing", "parts": {"database": "the disk is full"}})


def test_the_root_names_the_version(client: Client) -> None:
    assert [version["id"] for version in client.simulate_get("/").json["versions"]] == ["v1"]
