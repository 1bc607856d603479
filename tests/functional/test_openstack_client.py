"""Our commands in the ``openstack`` client, and the way of ``vmpath`` to prove who asks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.functional.conftest import Factory
from tests.programs import BIN, Service, service_on
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(4, 12), clock=ScaledClock(50))


@pytest.fixture
def service(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Service]:
    """A service that wants tokens of Keystone."""
    auth = cloud.clouds()["simulated"]["auth"]
    section = {"auth_type": "password", "www_authenticate_uri": auth["auth_url"], **auth}
    with service_on(tmp_path, cloud, api={"auth_strategy": "keystone"}, keystone_authtoken=section) as running:
        yield running


def openstack(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "openstack"), "--os-cloud", "simulated", *words],
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_rearrangement_by_the_openstack_client(service: Service, cloud: SimulatedCloud) -> None:
    made = openstack(service, "rearrangement", "create", "consolidate", "--approve", "--wait", "-f", "json")
    assert made.returncode == 0, made.stderr
    record = json.loads(made.stdout)
    assert record["state"] == "succeeded"
    assert {each.status for each in cloud.world.migrations.values()} == {"completed"}
    listed = openstack(service, "rearrangement", "list", "-f", "json")
    assert [row["state"] for row in json.loads(listed.stdout)] == ["succeeded"]
    # what is said to be typed next is what can be typed there
    dry = openstack(service, "rearrangement", "create", "consolidate", "--dry-run", "--rehearse")
    assert "it is being planned: openstack rearrangement watch " in dry.stderr
    lost = openstack(service, "rearrangement", "show", "nothing")
    assert lost.returncode == 1
    assert "there is no rearrangement nothing" in lost.stderr
    assert "Traceback" not in lost.stderr


def test_vmpath_fetches_a_token_when_the_service_wants_one(service: Service) -> None:
    shown = service.command("--os-cloud", "simulated", "host", "list", "-f", "json")
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)) == 4
    nobody = service.command("host", "list")
    assert nobody.returncode == 2
    assert "no cloud is configured" in nobody.stderr


def test_vmpath_says_its_name_and_password(cloud: SimulatedCloud, tmp_path: Path) -> None:
    digest = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ann:{digest}\n")
    api = {"auth_strategy": "http_basic", "http_basic_auth_user_file": tmp_path / "htpasswd"}
    with service_on(tmp_path, cloud, api=api) as service:
        nobody = service.command("host", "list")
        assert (nobody.returncode, nobody.stdout) == (2, "")
        assert "set VMPATH_USERNAME and VMPATH_PASSWORD" in nobody.stderr
        service.environment |= {"VMPATH_USERNAME": "ann", "VMPATH_PASSWORD": "wrong"}
        wrong = service.command("host", "list")
        assert wrong.returncode == 1
        assert "this needs authentication" in wrong.stderr
        service.environment["VMPATH_PASSWORD"] = "secret"
        assert len(service.answer("host", "list")) == 4
