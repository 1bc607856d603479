"""Things that go wrong by chance, seen through ordinary HTTP clients; and resizing."""

from __future__ import annotations

from typing import Any

import keystoneauth1.exceptions
import pytest
import requests

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from vmpath_service.cmd import simulator as program
from vmpath_service.simulator.chaos import Chaos
from vmpath_service.simulator.clock import SteppedClock

THREE = snapshot(host("h1"), host("h2"), host("h3"), instance("a", "h1"), instance("b", "h2"))


def start(simulated_cloud: Factory, **options: Any) -> Operator:
    cloud = simulated_cloud(THREE, clock=SteppedClock(), **options)
    return Operator(cloud, connect(cloud))


def outcome(cloud: Operator, path: str) -> int:
    try:
        return int(cloud.compute.get(path).status_code)
    except keystoneauth1.exceptions.ConnectFailure:
        return 0


def test_chaos_is_switched_while_it_runs(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud)
    base = f"{cloud.cloud.site.base_url}/simulator"
    assert outcome(cloud, "/servers") == 200
    chosen = {"seed": 1, "too_many": 0.3, "unavailable": 0.3, "drop_after": 0.2, "slow": 0.2, "slow_s": 0.01}
    assert requests.post(f"{base}/chaos", json=chosen, timeout=60).status_code == 204
    first = [outcome(cloud, "/servers") for _ in range(30)]
    assert set(first) == {429, 503, 0, 200}
    counted = requests.get(base, timeout=60).json()["chaos"]
    assert counted["settings"]["too_many"] == 0.3
    assert counted["counted"]["too_many"] == first.count(429)
    assert counted["counted"]["slow"] == first.count(200)
    # The same seed gives the same once more.
    requests.post(f"{base}/chaos", json=chosen, timeout=60)
    assert [outcome(cloud, "/servers") for _ in range(30)] == first
    wrong = requests.post(f"{base}/chaos", json={"explode": 1}, timeout=60)
    assert wrong.status_code == 400
    assert "'explode'" in wrong.text
    assert requests.post(f"{base}/chaos", json={}, timeout=60).status_code == 204
    assert [outcome(cloud, "/servers") for _ in range(5)] == [200] * 5


def test_an_error_by_chance_says_when_to_come_back(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud)
    cloud.where("a")
    cloud.cloud.unsettle(Chaos(unavailable=1, retry_after_s=7))
    answer = cloud.compute.get("/servers")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json()["serviceUnavailable"]["code"] == 503


def test_a_late_duplicate_moves_a_server_again(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, chaos=Chaos(duplicate=1, duplicate_after_s=100))
    assert cloud.migrate("a", "h2").status_code == 202
    cloud.step(20)
    assert cloud.where("a") == ("ACTIVE", "h2")
    cloud.cloud.unsettle(Chaos())
    assert cloud.migrate("a", "h3").status_code == 202
    cloud.step(20)
    assert cloud.where("a") == ("ACTIVE", "h3")
    cloud.step(100)
    assert cloud.where("a") == ("ACTIVE", "h2")
    assert [m["status"] for m in cloud.migrations("a")] == ["completed"] * 3


def test_others_change_the_world(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud, chaos=Chaos(create=5, move=5))
    cloud.step(3600)
    listed = cloud.compute.get("/servers/detail?all_tenants=1").json()["servers"]
    assert len(listed) > 2
    for server in listed:
        held = cloud.held(server["id"])
        assert server["status"] != "ACTIVE" or list(held) == [server["OS-EXT-SRV-ATTR:host"]]


def test_a_resize_takes_another_flavor_and_both_hosts_until_confirmed(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud)
    flavors = {f["name"]: f["id"] for f in cloud.compute.get("/flavors").json()["flavors"]}
    assert cloud.act("a", "resize", {"flavorRef": "none"}).status_code == 404
    assert cloud.act("a", "resize", {"flavorRef": flavors["sim.big"]}).status_code == 202
    assert cloud.act("a", "resize", {"flavorRef": flavors["sim.big"]}).status_code == 409
    assert cloud.server("a")["status"] == "RESIZE"
    cloud.step(10)
    server = cloud.server("a")
    assert (server["status"], server["flavor"]["original_name"]) == ("VERIFY_RESIZE", "sim.big")
    [record] = cloud.migrations("a")
    assert (record["migration_type"], record["status"]) == ("resize", "finished")
    assert record["old_instance_type_id"] != record["new_instance_type_id"]
    assert cloud.held(identity("a")) == {server["OS-EXT-SRV-ATTR:host"]: 16384}
    assert cloud.held(record["uuid"]) == {"h1": 1000}
    assert cloud.act("a", "revertResize").status_code == 202
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.held(identity("a")) == {"h1": 1000}
    assert cloud.server("a")["flavor"]["ram"] == 1000


def test_wrong_options_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["serve", "--snapshot", "none", "--chaos", "2"]) == 2
    assert "the rate must be from 0 to 1" in capsys.readouterr().err
