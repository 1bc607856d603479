"""Commands that talk to the service: over HTTP, with an engine that only notes what it is told."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.api.conftest import NotingEngine, parts
from tests.unit.cli.conftest import Outcome
from vmpath_service.api import application
from vmpath_service.api.server import ApiServer
from vmpath_service.cli.watching import Lines, View
from vmpath_service.model.plan import Migration as PlannedMigration
from vmpath_service.model.plan import Plan, Summary
from vmpath_service.model.records import Migration, MigrationState, RearrangementState
from vmpath_service.store import Database

Run = Callable[..., Outcome]


@pytest.fixture
def engine(empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NotingEngine]:
    """An engine behind an API that VMPATH_URL names."""
    database = Database(f"sqlite:///{empty_database}")
    noting = NotingEngine(database)
    server = ApiServer(application.make(parts(noting)), "127.0.0.1", 0, threads=2)
    server.start()
    monkeypatch.setenv("VMPATH_URL", f"http://127.0.0.1:{server.port}")
    yield noting
    server.stop()
    database.close()


def answer(shown: Outcome, status: int = 0) -> object:
    assert shown.status == status, shown
    return json.loads(shown.out)


def test_without_a_service_one_sentence_says_what_to_do(vmpath: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        shown = vmpath("--vmpath-url", url, "host", "list")
    assert (shown.status, shown.out) == (1, "")
    assert shown.err == (
        f"vmpath: nothing answers at {url}: start vmpath-service, "
        "or name its address with --vmpath-url or VMPATH_URL\n"
    )


@pytest.mark.parametrize("url", ["127.0.0.1:9817", "ftp://x", "http://"])
def test_what_is_no_address(vmpath: Run, url: str) -> None:
    shown = vmpath("host", "list", "--vmpath-url", url)
    assert shown.status == 2
    assert f"the address of vmpath-service is {url!r}, expected" in shown.err


def test_something_else_that_answers(vmpath: Run) -> None:
    def other(environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<html>"]

    server = ApiServer(other, "127.0.0.1", 0, threads=1)
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    shown = vmpath("host", "list", "--vmpath-url", url)
    server.stop()
    assert (shown.status, shown.err) == (1, f"vmpath: what answers at {url} is not vmpath-service\n")


def test_policies(vmpath: Run, engine: NotingEngine) -> None:
    listed = answer(vmpath("policy", "list", "-f", "json"))
    assert [policy["name"] for policy in listed] == ["consolidate", "drain"]
    shown = vmpath("policy", "show", "consolidate")
    assert "max_migrations = (not set)" in shown.out
    wrong = vmpath("policy", "show", "consolidte")
    assert (wrong.status, wrong.err) == (
        2,
        "vmpath: there is no policy 'consolidte'; did you mean 'consolidate'?\n",
    )


def test_hosts_and_instances(vmpath: Run, engine: NotingEngine) -> None:
    listed = answer(vmpath("host", "list", "-f", "json"))
    assert [host["name"] for host in listed] == [f"compute-{number:03}" for number in range(1, 8)]
    assert listed[0]["MEMORY_MB"] == {"used": 1024, "capacity": 4096}
    assert "25%  1 GiB of 4 GiB" in vmpath("host", "list").out
    assert answer(vmpath("host", "show", "compute-002", "-f", "json"))["name"] == "compute-002"
    lost = vmpath("host", "show", "compute-9")
    assert (lost.status, lost.err) == (2, "vmpath: there is no host 'compute-9'; did you mean 'compute-007'?\n")
    assert len(answer(vmpath("instance", "list", "--host", "compute-001", "-f", "json"))) == 5
    assert vmpath("instance", "show", "web-1", "-f", "value", "-c", "uuid").out == "i-1\n"
    assert answer(vmpath("instance", "show", "web-1", "-f", "json"))["migrations"] == []


def test_create_sends_options_as_the_policy_declares_them(vmpath: Run, engine: NotingEngine) -> None:
    words = ("--set", "max_migrations=3", "--zone", "az1", "--aggregate", "ssd", "--host", "compute-001", "--dry-run")
    made = answer(vmpath("rearrangement", "create", "consolidate", *words, "-f", "json"))
    assert made["request"] == {
        "policy": "consolidate",
        "options": {"max_migrations": 3},
        "zones": ["az1"],
        "aggregates": ["ssd"],
        "hosts": ["compute-001"],
        "dry_run": True,
        "approve": False,
        "rehearse": False,
    }
    assert made["migrations"] == []
    assert answer(vmpath("rearrangement", "create", "drain", "--rehearse", "-f", "json"))["request"]["rehearse"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("consolidate", "--set", "max_migrations=0"), "--set: option max_migrations: found 0, expected"),
        (("consolidate", "--set", "colour=red"), "--set: there is no option 'colour'"),
        (("drain", "--host", "compute-01"), "there is no host 'compute-01'; did you mean 'compute-001'?"),
        (("nightly",), "there is no policy 'nightly'; there are: consolidate, drain"),
    ],
)
def test_what_is_wrong_is_never_sent(vmpath: Run, engine: NotingEngine, words: tuple[str, ...], part: str) -> None:
    shown = vmpath("rearrangement", "create", *words)
    assert (shown.status, shown.out) == (2, "")
    assert part in shown.err
    assert engine.store.list() == []


def test_a_drain_says_that_it_is_approved(vmpath: Run, engine: NotingEngine) -> None:
    shown = vmpath("drain", "compute-001", "compute-002", "-f", "json")
    made = answer(shown)
    assert (made["policy"], made["request"]["hosts"]) == ("drain", ["compute-001", "compute-002"])
    assert made["request"]["approve"] is True
    assert f"rearrangement {made['id']} is approved, since its hosts were named" in shown.err
    dry = vmpath("drain", "compute-001", "--dry-run", "-f", "json")
    assert answer(dry)["request"]["approve"] is False
    assert dry.err == ""


def test_freeze_and_thaw(vmpath: Run, engine: NotingEngine) -> None:
    first = answer(vmpath("freeze", "--reason", "incident 42", "-f", "json"))
    assert (first["frozen"], first["reason"]) == (True, "incident 42")
    second = vmpath("freeze", "--reason", "another", "-f", "json")
    assert answer(second)["reason"] == "incident 42"
    assert "frozen already since" in second.err
    assert answer(vmpath("thaw", "-f", "json"))["frozen"] is False
    assert "nothing was frozen" in vmpath("thaw").err
    assert "None" not in vmpath("thaw").out
    assert answer(vmpath("thaw", "-f", "json"))["since"] is None


def planned(engine: NotingEngine) -> tuple[str, int]:
    """A rearrangement with two migrations, running."""
    store = engine.store
    identity = store.create(engine.request("consolidate")).id
    epoch = store.claim(identity, "test")
    steps = [PlannedMigration(id=n, instance=f"i{n}", source="a", dest="b", memory_mb=100 * n) for n in (1, 2)]
    summary = {"migrations": 2, "memory_mb": 300, "makespan_s": 3.0}
    plan = Plan(
        outcome="found", target={}, snapshot="sha256:0", migrations=tuple(steps), summary=Summary(**summary)
    )
    moves = [Migration(rearrangement=identity, step=n, instance=f"i{n}", source="a", dest="b") for n in (1, 2)]
    store.save_plan(identity, epoch, plan, moves)
    store.change(identity, epoch, state=RearrangementState.RUNNING, summary=summary)
    store.add_event("started", "two migrations to go", subject=identity)
    return identity, epoch


def finish(engine: NotingEngine, identity: str, epoch: int, state: RearrangementState) -> None:
    done = MigrationState.DONE if state is RearrangementState.SUCCEEDED else MigrationState.FAILED
    for n in (1, 2):
        move = Migration(rearrangement=identity, step=n, instance=f"i{n}", source="a", dest="b", attempt=1)
        engine.store.intend(epoch, Migration(**_fields(move, state=MigrationState.REQUESTED, intended_at=1.0)))
        engine.store.record(epoch, Migration(**_fields(move, state=done, intended_at=1.0, reason="so it went")))
    engine.store.add_event("ended", "nothing is left to do", subject=identity)
    engine.store.change(identity, epoch, state=state)


def _fields(move: Migration, **changes: object) -> dict[str, object]:
    return {name: getattr(move, name) for name in Migration.__struct_fields__} | changes


@pytest.mark.parametrize(
    ("state", "status", "counts"),
    [
        (RearrangementState.SUCCEEDED, 0, "succeeded: 2 of 2 done"),
        (RearrangementState.FAILED, 1, "failed: 0 of 2 done, 2 failed"),
    ],
)
def test_watch_in_a_pipe_is_a_line_per_change(
    vmpath: Run,
    engine: NotingEngine,
    monkeypatch: pytest.MonkeyPatch,
    state: RearrangementState,
    status: int,
    counts: str,
) -> None:
    identity, epoch = planned(engine)
    show = Lines.show
    seen: list[View] = []

    def show_and_go_on(self: Lines, view: View) -> None:
        show(self, view)
        if not seen:
            finish(engine, identity, epoch, state)
        seen.append(view)

    monkeypatch.setattr(Lines, "show", show_and_go_on)
    shown = vmpath("rearrangement", "watch", identity)
    assert shown.status == status
    lines = [line.split(" ", 1)[1] for line in shown.out.splitlines() if line.startswith("20")]
    assert lines == ["two migrations to go", "running: 0 of 2 done, about 3 s left", "nothing is left to do", counts]
    assert re.search(rf"^\| state +\| {state.value} ", shown.out, re.MULTILINE)
    ending = f"vmpath: rearrangement {identity} failed\n" if status else ""
    assert shown.err == ending


def test_watch_says_that_everything_is_frozen(
    vmpath: Run, engine: NotingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity, epoch = planned(engine)
    engine.store.freeze("incident 42", "ann")
    sleeps: list[float] = []

    def end_after_two_looks(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            finish(engine, identity, epoch, RearrangementState.SUCCEEDED)

    monkeypatch.setattr("vmpath_service.cli.watching.time.sleep", end_after_two_looks)
    shown = vmpath("rearrangement", "watch", identity)
    assert shown.status == 0
    told = [line for line in shown.out.splitlines() if line.startswith("nothing starts anywhere, frozen by ann since")]
    assert len(told) == 1
    assert told[0].endswith(": incident 42 (vmpath thaw lifts it)")


def test_watch_with_a_format_keeps_the_output_clean(vmpath: Run, engine: NotingEngine) -> None:
    identity, epoch = planned(engine)
    finish(engine, identity, epoch, RearrangementState.CANCELLED)
    shown = vmpath("rearrangement", "watch", identity, "-f", "json")
    record = answer(shown, 1)
    assert (record["state"], len(record["migrations"])) == ("cancelled", 2)
    assert "nothing is left to do" in shown.err


def test_approve_cancel_list_and_delete(vmpath: Run, engine: NotingEngine) -> None:
    identity = engine.store.create(engine.request("drain")).id
    assert answer(vmpath("rearrangement", "approve", identity, "-f", "json"))["state"] == "running"
    listed = answer(vmpath("rearrangement", "list", "--state", "running", "-f", "json"))
    assert [row["id"] for row in listed] == [identity]
    for typed in ("awaiting-approval", "awaiting approval"):
        assert answer(vmpath("rearrangement", "list", "--state", typed, "-f", "json")) == []
    early = vmpath("rearrangement", "delete", identity)
    assert early.status == 1
    assert f"vmpath: rearrangement {identity} is running" in early.err
    assert answer(vmpath("rearrangement", "cancel", identity, "-f", "json"))["state"] == "cancelled"
    assert answer(vmpath("rearrangement", "delete", identity, "-f", "json")) == {"deleted": identity}
    lost = vmpath("rearrangement", "show", identity)
    assert (lost.status, lost.err) == (2, f"vmpath: there is no rearrangement {identity}\n")


def test_show_tells_what_was_not_done_and_why(vmpath: Run, engine: NotingEngine) -> None:
    identity, epoch = planned(engine)
    finish(engine, identity, epoch, RearrangementState.FAILED)
    shown = vmpath("rearrangement", "show", identity)
    assert "0 of 2 done, 2 failed" in shown.out
    assert "i1 a to b: failed: so it went" in shown.out


def test_show_names_the_beginning_of_long_lists(vmpath: Run, engine: NotingEngine) -> None:
    identity, epoch = planned(engine)
    decision = {
        "emptied": [f"compute-{number:03}" for number in range(1, 501)],
        "leftovers": [{"instance": f"i{number}", "host": "a", "reason": "it is locked"} for number in range(1, 12)],
        "notes": ["one"],
    }
    engine.store.change(identity, epoch, decision=decision)
    shown = vmpath("rearrangement", "show", identity).out
    assert "compute-010" in shown
    assert "compute-011" not in shown
    assert "and 490 more (-f json shows all)" in shown
    assert shown.count("it is locked") == 10
    assert "and 1 more (-f json shows all)" in shown
    assert answer(vmpath("rearrangement", "show", identity, "-f", "json"))["decision"] == decision
