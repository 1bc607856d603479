"""``vmpath rebuild-from``: what is guarded, what is rebuilt, what is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from tests.programs import wait_until
from vmpath_service.cmd.vmpath import main
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

Run = Callable[..., tuple[int, dict[str, dict[str, Any]], str]]


@pytest.fixture
def cloud(simulated_cloud: Factory) -> Iterator[SimulatedCloud]:
    made = simulated_cloud(
        snapshot(
            host("a"),
            host("b"),
            host("c"),
            *(instance(name, "a") for name in "wxy"),
            instance("z", "a", image=identity("image")),
            instance("other", "b"),
        ),
        clock=ScaledClock(20),
        settings=Settings(service_down_time_s=10),
    )
    yield made
    assert made.unknown_requests == {}


@pytest.fixture
def operator(cloud: SimulatedCloud) -> Operator:
    return Operator(cloud, connect(cloud))


@pytest.fixture
def run(cloud: SimulatedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Run:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(cloud.clouds_yaml_text())
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))

    def words(*given: str) -> tuple[int, dict[str, dict[str, Any]], str]:
        status = main(
            ["--vmpath-url", "http://127.0.0.1:9", "--os-cloud", "simulated", "rebuild-from", *given, "-f", "json"]
        )
        said = capsys.readouterr()
        rows = json.loads(said.out) if said.out.strip() else []
        return status, {each["instance"]: each for each in rows}, said.err

    return words


def fence(operator: Operator, name: str) -> None:
    """Let the host die, and tell Nova that it is fenced."""
    operator.cloud.kill_compute(name)
    services = operator.compute.get("/os-services?binary=nova-compute").json()["services"]
    [number] = [each["id"] for each in services if each["host"] == name]
    assert operator.compute.put(f"/os-services/{number}", json={"forced_down": True}).status_code == 200


def test_the_guards(run: Run, operator: Operator, cloud: SimulatedCloud) -> None:
    for words, expected in (
        (("nowhere", "--fenced", "--yes"), "Nova has no compute service on host nowhere"),
        (("a", "--fenced", "--yes"), "host a is up: what runs there can be migrated"),
    ):
        status, rows, said = run(*words)
        assert (status, rows) == (2 if "nowhere" in words else 1, {})
        assert expected in said
    fence(operator, "a")
    status, _, said = run("a", "--yes")
    assert status == 1
    assert "say so with --fenced" in said
    status, _, said = run("a", "--fenced")
    assert status == 2
    assert "say --yes" in said
    status, rows, _ = run("a", "--fenced", "--dry-run")
    assert status == 1
    assert {each["reason"] for each in rows.values() if "rebuilt" in str(each["reason"])} == {"would be rebuilt"}
    assert {server.host for server in cloud.world.servers.values()} == {"a", "b"}


def test_a_dead_host_that_nova_was_not_told_of(run: Run, operator: Operator, cloud: SimulatedCloud) -> None:
    cloud.kill_compute("a")

    def noticed() -> bool:
        services = operator.compute.get("/os-services?binary=nova-compute").json()["services"]
        return next(each["state"] for each in services if each["host"] == "a") == "down"

    wait_until(noticed, "the cloud notices that a is down")
    status, _, said = run("a", "--fenced", "--yes")
    assert status == 1
    assert "openstack compute service set --down a" in said


def test_what_has_no_disk_there_is_rebuilt_and_the_rest_by_consent(
    run: Run, operator: Operator, cloud: SimulatedCloud
) -> None:
    assert operator.act("y", "lock", {"locked_reason": "mine"}).status_code == 202
    fence(operator, "a")
    status, rows, said = run("a", "--fenced", "--yes")
    assert status == 1
    assert "nobody knows whether everything is frozen" in said
    outcomes = {name: rows[identity(name)]["outcome"] for name in "wxyz"}
    assert outcomes == {"w": "rebuilt", "x": "rebuilt", "y": "left", "z": "left"}
    assert "locked" in rows[identity("y")]["reason"]
    assert "--lose-local-disks" in rows[identity("z")]["reason"]
    assert operator.act("y", "unlock").status_code == 202
    status, rows, _ = run("a", "--fenced", "--yes", "--lose-local-disks")
    assert (status, {each["outcome"] for each in rows.values()}) == (0, {"rebuilt"})
    assert rows.keys() == {identity("y"), identity("z")}
    for name in "wxyz":
        status_now, at = operator.where(name)
        assert (status_now, at in ("b", "c")) == ("ACTIVE", True)
        assert rows.get(identity(name), {"host": at})["host"] == at


def test_one_that_fits_nowhere_is_said_to_have_failed(run: Run, operator: Operator, cloud: SimulatedCloud) -> None:
    for name in "bc":
        services = operator.compute.get("/os-services?binary=nova-compute").json()["services"]
        [number] = [each["id"] for each in services if each["host"] == name]
        assert operator.compute.put(f"/os-services/{number}", json={"status": "disabled"}).status_code == 200
    fence(operator, "a")
    status, rows, _ = run("a", "--fenced", "--yes")
    assert status == 1
    assert {rows[identity(name)]["outcome"] for name in "wxy"} == {"failed"}
    assert "ended as error" in rows[identity("w")]["reason"]
