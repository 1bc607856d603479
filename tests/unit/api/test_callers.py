"""How callers prove who they are."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import bcrypt
import falcon.testing
import pytest
from oslo_config import cfg

from tests.unit.api.conftest import NotingEngine, parts
from vmpath_service.api import application
from vmpath_service.api.access import PolicyAccess
from vmpath_service.api.callers import BasicAuthentication
from vmpath_service.model.errors import InvalidFile, InvalidInput


def digest(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_text(f"# operators\nann:{digest('secret')}\n\nbob:{digest('ünicode: and more')}\n")
    return path


@pytest.fixture
def client(engine: NotingEngine, users: Path, oslo: cfg.ConfigOpts) -> falcon.testing.TestClient:
    made = parts(engine, authentication=BasicAuthentication(users, ("bob",)), access=PolicyAccess(oslo))
    return falcon.testing.TestClient(application.make(made), headers={"Host": "vmpath.example.org"})


def said(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_users_of_the_file_do_what_they_may(client: falcon.testing.TestClient) -> None:
    for _ in range(2):  # the second time from memory
        assert client.simulate_get("/v1/hosts", headers=said("ann", "secret")).status_code == 200
        assert client.simulate_put("/v1/freeze", json={}, headers=said("ann", "secret")).json["by"] == "ann"
        assert client.simulate_get("/v1/hosts", headers=said("bob", "ünicode: and more")).status_code == 200
        assert client.simulate_delete("/v1/freeze", headers=said("bob", "ünicode: and more")).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        said("ann", "wrong"),
        said("ann", ""),
        said("ann", "secret" + "x" * 100),
        said("eve", "secret"),
        said("# operators", "secret"),
        said("", ""),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
        {"Authorization": "Bearer abc"},
        {"X-Auth-Token": "abc"},
        {"X-Identity-Status": "Confirmed", "X-Roles": "admin"},
    ],
)
def test_nobody_else_gets_in(client: falcon.testing.TestClient, headers: dict[str, str]) -> None:
    answer = client.simulate_get("/v1/hosts", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_a_password_that_was_changed_counts_no_longer(client: falcon.testing.TestClient, users: Path) -> None:
    assert client.simulate_get("/v1/hosts", headers=said("ann", "secret")).status_code == 200
    users.write_text(f"ann:{digest('other')}\n")
    os.utime(users, ns=(1, 1))
    assert client.simulate_get("/v1/hosts", headers=said("ann", "secret")).status_code == 401
    assert client.simulate_get("/v1/hosts", headers=said("ann", "other")).status_code == 200


def test_a_file_that_went_wrong_meanwhile_keeps_the_users(client: falcon.testing.TestClient, users: Path) -> None:
    users.write_text("no users\n")
    assert client.simulate_get("/v1/hosts", headers=said("ann", "secret")).status_code == 200
    users.unlink()
    assert client.simulate_get("/v1/hosts", headers=said("ann", "secret")).status_code == 200


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ann\n", "line 1: expected NAME:DIGEST with a bcrypt digest"),
        ("\nann:{SHA}abc\n", "line 2: expected NAME:DIGEST with a bcrypt digest"),
        ("ann:secret\n", "line 1: expected NAME:DIGEST with a bcrypt digest"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(text)
    with pytest.raises(InvalidFile, match=sentence) as caught:
        BasicAuthentication(path)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_not_there_and_a_reader_that_is_not_in_it(users: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot be read"):
        BasicAuthentication(tmp_path / "none")
    with pytest.raises(InvalidInput, match="there is no user 'carl'"):
        BasicAuthentication(users, ("bob", "carl"))
