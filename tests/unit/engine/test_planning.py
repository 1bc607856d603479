"""Planning in a process of its own: what it answers, and how it ends when it should."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.clouds import cloud
from tests.modelled import planners
from tests.programs import wait_until
from vmpath_service.engine.executor.extending import FACTS
from vmpath_service.engine.executor.facts import Facts
from vmpath_service.engine.planning import Job, Planned, plan_apart, rehearsal, waking
from vmpath_service.engine.rearranging import after_planning
from vmpath_service.model import files
from vmpath_service.model.constraints import registry
from vmpath_service.model.errors import InvalidFile, NotFound, PlanningFailed
from vmpath_service.model.plan import Limits, Migration, Plan
from vmpath_service.model.records import RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder import check_plan
from vmpath_service.policies.base import Scope

SMALL = cloud(
    {"a": 10, "b": 10, "c": 10},
    {"x": ("a", 4), "y": ("a", 2), "z": ("b", 1)},
    immovable=["y"],
    of_instance={"x": {"name": "web-1"}, "y": {"name": "mail-1"}},
)


def job(snapshot: Snapshot = SMALL, hosts: tuple[str, ...] = ("a",), seconds: float = 60.0) -> Job:
    return Job(
        snapshot=files.encode(snapshot),
        policy="empty it",
        driver="drain",
        settings={},
        scope=Scope(hosts=hosts),
        limits=Limits(per_host=2, in_total=40),
        constraints=registry.make(),
        seconds=seconds,
    )


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert not [each for each in multiprocessing.active_children() if each.name == "vmpath-planning"]


def test_a_drain_is_planned_with_its_host_closed() -> None:
    planned = plan_apart(job(), never)
    assert planned.plan.outcome == "found"
    assert planned.plan.policy == "empty it"
    assert planned.plan.snapshot == files.identity(job().snapshot)
    assert [(each.instance, each.source) for each in planned.plan.migrations] == [("x", "a")]
    facts = Facts.of(planned.plan.extra[FACTS])
    assert {uuid: dict(each.resources) for uuid, each in facts.instances.items()} == {"x": {"MEMORY_MB": 4}}
    assert planned.decision["disable"] == ["a"]
    assert [each["instance"] for each in planned.decision["leftovers"]] == ["y"]
    assert [each["instance_name"] for each in planned.decision["leftovers"]] == ["mail-1"]
    assert facts.name_of("x") == "web-1"
    assert "placement" not in planned.decision
    assert check_plan(SMALL, planned.plan) is not None


def test_a_plan_is_replayed_where_that_is_asked_for() -> None:
    assert "rehearsal" not in plan_apart(job(), never).decision
    rehearsed = plan_apart(replace(job(), rehearse=True), never).decision["rehearsal"]
    assert rehearsed == {"problems": [], "migrations": 1, "suspects": 0, "unproved": 0, "runs": rehearsed["runs"]}


def test_a_plan_that_breaks_in_rehearsal_is_not_walked() -> None:
    full = cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("b", 6)})
    move = Migration(1, "x", "a", "b", memory_mb=6)
    plan = Plan("found", {"x": "b"}, "sha256:0", migrations=(move,))
    found = rehearsal(full, plan, registry.make())
    assert any("b" in problem for problem in found["problems"])
    for wish in (Request("drain", rehearse=True, approve=True), Request("drain", rehearse=True, dry_run=True)):
        planned = Planned({"shortage": None, "disable": [], "rehearsal": found}, plan)
        state, why = after_planning(wish, planned, "auto")
        assert state is RearrangementState.FAILED
        assert str(why).startswith("the plan breaks in rehearsal, nothing was moved: ")


def test_what_a_policy_refuses_arrives_as_what_it_is() -> None:
    with pytest.raises(NotFound, match="nowhere"):
        plan_apart(job(hosts=("nowhere",)), never)


def test_an_error_with_several_parts_arrives_whole() -> None:
    with pytest.raises(InvalidFile, match=r"snapshot\.json at /hosts/3: what is this\?") as raised:
        plan_apart(job(), never, planners.complains)
    assert raised.value.pointer == "/hosts/3"


def test_cancelled_planning_is_killed() -> None:
    looks = iter([False, False, True])
    with pytest.raises(PlanningFailed, match="cancelled"):
        plan_apart(job(), lambda: next(looks), planners.never_ends)


def test_planning_that_takes_too_long_is_killed() -> None:
    with pytest.raises(PlanningFailed, match=r"longer than 0\.5 s"):
        plan_apart(job(seconds=0.5), never, planners.never_ends)


def test_a_planning_process_that_dies_is_noticed() -> None:
    with pytest.raises(PlanningFailed, match=r"died \(exit code 7\)"):
        plan_apart(job(), never, planners.dies)


def test_planning_does_not_outlive_a_killed_service(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    script = tmp_path / "service.py"
    script.write_text(
        "import dataclasses\n"
        "from tests.modelled import planners\n"
        "from tests.unit.engine.test_planning import job, never\n"
        "from vmpath_service.engine.planning import plan_apart\n"
        "if __name__ == '__main__':\n"
        f"    plan_apart(dataclasses.replace(job(), policy={str(noted)!r}), never,\n"
        "               planners.never_ends_and_says_who_it_is)\n"
    )
    root = Path(__file__).parents[3]
    service = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(root)})
    try:
        wait_until(lambda: noted.exists() and noted.read_text() != "", "planning has begun")
        planner = int(noted.read_text())
    finally:
        service.send_signal(signal.SIGKILL)
        service.wait()
    wait_until(lambda: not is_running(planner), "planning ends with its service")


def is_running(process: int) -> bool:
    """A process that has ended may still be in the table, as nobody has asked for its exit code."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_what_breaks_is_told_in_a_sentence() -> None:
    with pytest.raises(PlanningFailed, match="planning broke: KeyError: 'empty it'"):
        plan_apart(job(), never, planners.breaks)


def test_hosts_are_woken_before_anything_goes_there() -> None:
    asleep = cloud({"a": 10, "b": 10, "c": 10}, {"x": ("a", 4), "y": ("a", 4)})
    hosts = tuple(
        msgspec.structs.replace(each, status="disabled", disabled_reason="vmpath: rearrangement r")
        if each.name in "bc"
        else each
        for each in asleep.hosts
    )
    asleep = msgspec.structs.replace(asleep, hosts=hosts)
    wanted = replace(job(asleep, hosts=()), driver="balance", wake=("b", "c"))
    planned = plan_apart(replace(wanted, rehearse=True), never)
    plan = planned.plan
    assert planned.decision["rehearsal"]["problems"] == []
    assert [(each.id, each.host, each.action) for each in plan.host_steps] == [(1, "b", "enable"), (2, "c", "enable")]
    assert [(each.id, each.source, each.after) for each in plan.migrations] == [
        (3, "a", (1 if plan.migrations[0].dest == "b" else 2,))
    ]
    # without them there is nowhere to go
    assert not plan_apart(replace(wanted, wake=()), never).plan.migrations
    # those outside of what was asked for sleep on
    narrow = replace(wanted, scope=Scope(hosts=("a", "b")))
    assert [each.host for each in plan_apart(narrow, never).plan.host_steps] == ["b"]


def test_steps_of_a_plan_move_up_for_those_that_wake() -> None:
    moves = (Migration(1, "x", "a", "b"), Migration(2, "y", "b", "c", after=(1,)))
    woken = waking(Plan("found", {}, "sha256:0", migrations=moves), ("c",))
    assert [(each.id, each.after) for each in woken.migrations] == [(2, ()), (3, (1, 2))]
    assert waking(Plan("infeasible", {}, "sha256:0"), ("c",)).host_steps == ()
