"""``vmpath allocation check`` and ``heal`` on a cloud whose books went wrong in the ways that Nova lets them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from vmpath_service.cmd.vmpath import main
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

Run = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(
        snapshot(host("a"), host("b"), host("c"), *(instance(name, "a") for name in "vwxyz")), clock=SteppedClock()
    )


@pytest.fixture
def operator(cloud: SimulatedCloud) -> Operator:
    return Operator(cloud, connect(cloud))


@pytest.fixture
def run(cloud: SimulatedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Run:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(cloud.clouds_yaml_text())
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))

    def words(*given: str) -> tuple[int, list[dict[str, Any]], str]:
        status = main(["--os-cloud", "simulated", *given, "-f", "json"])
        said = capsys.readouterr()
        return status, json.loads(said.out) if said.out.strip() else [], said.err

    return words


def check(run: Run) -> tuple[int, list[dict[str, Any]]]:
    status, found, _ = run("allocation", "check", "--pause", "0")
    return status, found


def write(operator: Operator, consumer: str, held: Mapping[str, Mapping[str, int]]) -> None:
    """Let a consumer hold this, by names of hosts."""
    before = operator.placement.get(f"/allocations/{consumer}").json()
    body = {
        "allocations": {identity(name): {"resources": dict(amounts)} for name, amounts in held.items()},
        "project_id": before.get("project_id", "p"),
        "user_id": before.get("user_id", "u"),
        "consumer_generation": before.get("consumer_generation"),
        "consumer_type": "INSTANCE",
    }
    answer = operator.placement.put(f"/allocations/{consumer}", json=body)
    assert answer.status_code == 204, answer.text


SHARE = {"VCPU": 1, "MEMORY_MB": 1000, "DISK_GB": 1}


def broken(operator: Operator, name: str, where: str) -> str:
    """Let a migration of it to b break there; the uuid of the migration."""
    operator.note(name, lab_fail=where)
    assert operator.migrate(name, "b").status_code == 202
    operator.step(60)
    assert operator.where(name)[0] == "ERROR"
    return str(operator.migrations(name)[0]["uuid"])


def test_sound_books_are_sound(run: Run, operator: Operator) -> None:
    assert check(run) == (0, [])
    assert operator.migrate("x", "b").status_code == 202
    for _ in range(8):
        # while it moves, its share of the source is the migration's
        assert check(run) == (0, [])
        operator.step(0.7)
    operator.step(60)
    assert operator.where("x") == ("ACTIVE", "b")
    assert check(run) == (0, [])
    assert run("allocation", "heal", "--yes", "--pause", "0")[:2] == (0, [])


def test_what_a_broken_migration_leaves_is_healed_once_its_operator_has_looked(run: Run, operator: Operator) -> None:
    crashed, switched = broken(operator, "x", "raise"), broken(operator, "y", "post_dest")
    status, found = check(run)
    assert status == 1
    assert {(each["consumer"], each["host"], each["remedy"]) for each in found} == {
        (crashed, "a", "look at it"),
        (switched, "a", "look at it"),
    }
    assert all("reset its state" in each["why"] for each in found)
    assert run("allocation", "heal", "--yes", "--pause", "0")[0] == 1
    assert operator.held(crashed) == {"a": 1000}
    for name in "xy":
        assert operator.act(name, "os-resetState", {"state": "active"}).status_code == 202
    status, found = check(run)
    assert status == 1
    assert {(each["kind"], each["consumer"], each["host"], each["remedy"]) for each in found} == {
        ("leaked by a migration", crashed, "a", "take over"),
        ("missing", identity("x"), "a", "take over"),
        ("on the wrong host", identity("x"), "b", "take over"),
        ("leaked by a migration", switched, "a", "release"),
    }
    status, healed, _ = run("allocation", "heal", "--yes", "--pause", "0")
    assert (status, {each["outcome"] for each in healed}) == (0, {"healed"})
    assert (operator.held(identity("x")), operator.held(identity("y"))) == ({"a": 1000}, {"b": 1000})
    assert (operator.held(crashed), operator.held(switched)) == ({}, {})
    assert check(run) == (0, [])


def test_what_deleted_servers_leave_is_released(run: Run, operator: Operator, cloud: SimulatedCloud) -> None:
    operator.note("x", lab_seconds="600")
    assert operator.migrate("x", "b").status_code == 202
    operator.step(10)
    moving = operator.migrations("x")[0]["uuid"]
    for name in "xy":
        assert operator.compute.delete(f"/servers/{identity(name)}").status_code == 204
    operator.step(10)
    write(operator, identity("y"), {"c": SHARE})
    write(operator, "11111111-2222-3333-4444-555555555555", {"b": {"VCPU": 2}})
    status, found = check(run)
    assert status == 1
    assert [(each["kind"], each["consumer"], each["host"], each["remedy"]) for each in found] == [
        # Nova does not show the migrations of a deleted server any more
        ("unexplained", moving, "a", "look at it"),
        ("unexplained", "11111111-2222-3333-4444-555555555555", "b", "look at it"),
        ("leaked by a deleted server", identity("y"), "c", "release"),
    ]
    status, healed, _ = run("allocation", "heal", "--yes", "--pause", "0")
    assert status == 1
    looked_at = "left alone: somebody has to look at it"
    assert [each["outcome"] for each in healed] == ["healed", looked_at, looked_at]
    assert [each["kind"] for each in check(run)[1]] == ["unexplained"] * 2


def test_servers_that_hold_too_little_or_too_much(run: Run, operator: Operator) -> None:
    write(operator, identity("x"), {})
    write(operator, identity("y"), {"a": SHARE, "c": SHARE})
    write(operator, identity("z"), {"c": SHARE})
    status, found = check(run)
    assert status == 1
    assert [(each["kind"], each["consumer"], each["host"], each["remedy"]) for each in found] == [
        ("missing", *sorted_pair("x", "z")[0]),
        ("missing", *sorted_pair("x", "z")[1]),
        *sorted(
            [
                ("on the wrong host", identity("y"), "c", "release"),
                ("on the wrong host", identity("z"), "c", "look at it"),
            ]
        ),
    ]
    healed = run("allocation", "heal", "--yes", "--pause", "0")[1]
    assert {each["consumer"]: each["outcome"] for each in healed if each["outcome"] == "healed"} == {
        identity("x"): "healed",
        identity("y"): "healed",
    }
    assert [operator.held(identity(name)) for name in "xyz"] == [{"a": 1000}, {"a": 1000}, {"c": 1000}]


def sorted_pair(bare: str, elsewhere: str) -> list[tuple[str, str, str]]:
    """One that holds nothing at all can be written; of one that holds something elsewhere nobody knows what is due."""
    return sorted([(identity(bare), "a", "write"), (identity(elsewhere), "a", "look at it")])


def test_nobody_is_asked_where_nobody_can_be(run: Run, operator: Operator) -> None:
    write(operator, identity("x"), {})
    status, _, said = run("allocation", "heal", "--pause", "0")
    assert status == 2
    assert "say --yes" in said
    assert operator.held(identity("x")) == {}


def test_what_was_mended_or_moved_meanwhile_is_left_alone(
    cloud: SimulatedCloud, operator: Operator, run: Run
) -> None:
    from tests.functional.reading import reader

    write(operator, identity("x"), {"a": SHARE, "c": SHARE})
    write(operator, identity("y"), {"a": SHARE, "c": SHARE})
    audit = reader(cloud).audit(0)
    found = audit.check()
    assert len(found) == 2
    write(operator, identity("x"), {"a": SHARE})
    assert operator.migrate("y", "b").status_code == 202
    assert {each.finding.consumer: each.error for each in audit.heal(found)} == {
        identity("x"): "it is not any more as it was",
        identity("y"): "it is not any more as it was",
    }


def test_what_only_seemed_wrong_is_not_told(cloud: SimulatedCloud, operator: Operator) -> None:
    from tests.functional.reading import reader

    write(operator, identity("x"), {"a": SHARE, "c": SHARE})
    audit = reader(cloud).audit(3)
    slept: list[float] = []

    def mend(seconds: float) -> None:
        slept.append(seconds)
        write(operator, identity("x"), {"a": SHARE})

    audit._sleep = mend
    assert audit.check() == []
    assert slept == [3]
