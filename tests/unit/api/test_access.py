"""Who may do what: verb by verb, role by role, by the rules' defaults and by an operator's own."""

from __future__ import annotations

from pathlib import Path

import falcon
import falcon.inspect
import falcon.testing
import pytest
from oslo_config import cfg

from tests.unit.api.conftest import NotingEngine, parts
from vmpath_service.api import access, application, routes
from vmpath_service.api.access import PolicyAccess
from vmpath_service.api.callers import Application, Caller
from vmpath_service.model.errors import InvalidFile

LOOK, ASK, DECIDE = 0, 1, 2
NEEDED = {
    ("GET", "/v1/policies"): LOOK,
    ("GET", "/v1/policies/{name}"): LOOK,
    ("GET", "/v1/hosts"): LOOK,
    ("GET", "/v1/hosts/{name}"): LOOK,
    ("GET", "/v1/instances"): LOOK,
    ("GET", "/v1/instances/{identity}"): LOOK,
    ("GET", "/v1/instances/{identity}/migrations"): LOOK,
    ("GET", "/v1/rearrangements"): LOOK,
    ("POST", "/v1/rearrangements"): ASK,
    ("GET", "/v1/rearrangements/{identity}"): LOOK,
    ("DELETE", "/v1/rearrangements/{identity}"): DECIDE,
    ("GET", "/v1/rearrangements/{identity}/events"): LOOK,
    ("GET", "/v1/rearrangements/{identity}/migrations"): LOOK,
    ("GET", "/v1/rearrangements/{identity}/plan"): LOOK,
    ("POST", "/v1/rearrangements/{identity}/approve"): DECIDE,
    ("POST", "/v1/rearrangements/{identity}/pause"): ASK,
    ("POST", "/v1/rearrangements/{identity}/resume"): DECIDE,
    ("POST", "/v1/rearrangements/{identity}/cancel"): ASK,
    ("POST", "/v1/rearrangements/{identity}/rollback"): DECIDE,
    ("DELETE", "/v1/hosts/{name}/quarantine"): DECIDE,
    ("GET", "/v1/freeze"): LOOK,
    ("PUT", "/v1/freeze"): ASK,
    ("DELETE", "/v1/freeze"): DECIDE,
    ("GET", "/v1/maintenances"): LOOK,
    ("POST", "/v1/maintenances"): DECIDE,
    ("GET", "/v1/maintenances/{identity}"): LOOK,
    ("DELETE", "/v1/maintenances/{identity}"): DECIDE,
    ("GET", "/v1/maintenances/{identity}/events"): LOOK,
    ("POST", "/v1/maintenances/{identity}/pause"): ASK,
    ("POST", "/v1/maintenances/{identity}/resume"): DECIDE,
    ("POST", "/v1/maintenances/{identity}/complete"): DECIDE,
    ("POST", "/v1/maintenances/{identity}/cancel"): ASK,
    ("GET", "/v1/schedules"): LOOK,
    ("POST", "/v1/schedules"): DECIDE,
    ("GET", "/v1/schedules/{name}"): LOOK,
    ("DELETE", "/v1/schedules/{name}"): DECIDE,
    ("POST", "/v1/schedules/{name}/enable"): DECIDE,
    ("POST", "/v1/schedules/{name}/disable"): ASK,
    ("GET", "/metrics"): LOOK,
    ("GET", "/"): None,
    ("GET", "/healthcheck"): None,
    ("GET", "/v1/openapi.json"): None,
}
"""The level that each request needs; None: anybody."""
LEVELS = {"nobody": -1, "reader": 0, "member": 1, "service": 1, "manager": 2, "admin": 2}


class Named:
    """Believes what the header says."""

    challenge: str | None = "Name"
    names_callers = True

    def identify(self, request: falcon.Request) -> Caller | None:
        role = request.get_header("Role")
        if role is None:
            return None
        return Caller("ann", frozenset((role,)), operator=request.get_header("Elsewhere") is None)

    def around(self, application: Application) -> Application:
        return application


@pytest.fixture
def client(engine: NotingEngine, oslo: cfg.ConfigOpts) -> falcon.testing.TestClient:
    made = application.make(parts(engine, authentication=Named(), access=PolicyAccess(oslo)))
    return falcon.testing.TestClient(made)


def ask(
    client: falcon.testing.TestClient, method: str, path: str, **headers: str
) -> falcon.testing.Result:
    """A request that is right but for who asks; what it names is not there."""
    bodies = {
        "/v1/freeze": {"reason": "x"},
        "/v1/rearrangements": {"policy": "drain"},
        "/v1/maintenances": {"hosts": ["compute-001"]},
        "/v1/schedules": {"name": "s", "policy": "drain", "cron": "0 1 * * *"},
    }
    body = bodies.get(path) if method in ("PUT", "POST") else None
    return client.simulate_request(
        method, path.replace("{identity}", "none").replace("{name}", "none"), json=body, headers=headers
    )


def test_the_table_below_knows_every_request() -> None:
    assert set(NEEDED) == {(method, path) for path, each in routes.OPERATIONS.items() for method in each}


def test_nothing_can_be_asked_for_that_the_table_does_not_know(engine: NotingEngine, oslo: cfg.ConfigOpts) -> None:
    made = application.make(parts(engine, authentication=Named(), access=PolicyAccess(oslo)))
    assert isinstance(made, falcon.App)
    found = {
        (method.method, route.path)
        for route in falcon.inspect.inspect_routes(made)
        for method in route.methods
        if not method.internal
    }
    assert found == set(NEEDED)


def test_what_a_resource_could_do_and_the_table_does_not_know_is_for_nobody(
    client: falcon.testing.TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client.simulate_get("/v1/policies", headers={"Role": "admin"})
    assert answer.status_code == 200
    monkeypatch.delitem(routes.OPERATIONS["/v1/policies"], "GET")
    assert client.simulate_get("/v1/policies", headers={"Role": "admin"}).status_code == 405


@pytest.mark.parametrize("role", sorted(LEVELS))
@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_who_may(client: falcon.testing.TestClient, method: str, path: str, role: str) -> None:
    needed = NEEDED[method, path]
    answer = ask(client, method, path, Role=role)
    if needed is None or LEVELS[role] >= needed:
        assert answer.status_code not in (401, 403)
    else:
        assert answer.status_code == 403
        assert "ann may not do this" in answer.json["error"]["message"]


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_roles_in_a_project_of_ones_own_count_for_nothing(
    client: falcon.testing.TestClient, method: str, path: str
) -> None:
    for role in ("reader", "member", "manager"):
        refused = ask(client, method, path, Role=role, Elsewhere="yes").status_code == 403
        assert refused == (NEEDED[method, path] is not None)
    assert ask(client, method, path, Role="admin", Elsewhere="yes").status_code != 403


@pytest.mark.parametrize(("method", "path"), sorted(NEEDED))
def test_somebody_unknown_is_asked_who_it_is(client: falcon.testing.TestClient, method: str, path: str) -> None:
    answer = ask(client, method, path)
    if NEEDED[method, path] is None:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Name"
        assert answer.json["error"]["code"] == 401


def test_a_refused_request_changes_nothing(client: falcon.testing.TestClient, engine: NotingEngine) -> None:
    assert ask(client, "PUT", "/v1/freeze", Role="reader").status_code == 403
    assert ask(client, "POST", "/v1/rearrangements", Role="reader").status_code == 403
    assert engine.store.frozen() is None
    assert engine.store.list() == []


def test_who_may_ask_may_not_approve_with_the_same_breath(
    client: falcon.testing.TestClient, engine: NotingEngine
) -> None:
    body = {"policy": "drain", "approve": True}
    refused = client.simulate_post("/v1/rearrangements", json=body, headers={"Role": "member"})
    assert refused.status_code == 403
    assert "rearrangements:approve" in refused.json["error"]["message"]
    assert engine.store.list() == []
    assert client.simulate_post("/v1/rearrangements", json=body, headers={"Role": "manager"}).status_code == 202


def test_a_freeze_is_by_who_asked_for_it(client: falcon.testing.TestClient) -> None:
    made = client.simulate_put("/v1/freeze", json={"by": "somebody else"}, headers={"Role": "member"})
    assert made.json["by"] == "ann"


def test_an_operator_may_change_a_rule(engine: NotingEngine, oslo: cfg.ConfigOpts, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text('"hosts:get": "role:auditor"\n')
    client = falcon.testing.TestClient(
        application.make(parts(engine, authentication=Named(), access=PolicyAccess(oslo)))
    )
    assert ask(client, "GET", "/v1/hosts", Role="auditor").status_code == 200
    assert ask(client, "GET", "/v1/hosts", Role="reader").status_code == 403
    assert ask(client, "GET", "/v1/policies", Role="auditor").status_code == 403


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"host:get": "role:x"', "there is no such rule"),
        ('"hosts:get": [', "is not a file of rules"),
        ('"hosts:get": "rule:nothing"', "circle, or one that does not exist"),
        ('"reader": "rule:member"\n"member": "rule:reader"', "circle, or one that does not exist"),
    ],
)
def test_a_wrong_file_of_rules_stops_the_start(oslo: cfg.ConfigOpts, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(InvalidFile, match=said):
        PolicyAccess(oslo)


def test_every_rule_is_asked_somewhere() -> None:
    asked = {operation.rule for each in routes.OPERATIONS.values() for operation in each.values()}
    assert asked - {None} == {rule.name for rule in access.RULES}
