"""What people, hosts and orders do to a walk on genuine Nova, and what vmpath makes of it: the rows of the table of
failures that are no failure of a migration by itself. Judged by Nova; for ``tools/test --slow``."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping

import pytest
import requests

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.tiers import slow
from tests.lab.wishing import ENDLESS, ask_for, configured, ended, migrations
from tests.programs import Service

pytestmark = slow
SOME_SECONDS = {"lab_seconds": "15"}
Start = Callable[..., Service]


@pytest.fixture
def start(clean_lab: NovaLab, tmp_path: pathlib.Path) -> Iterator[Start]:
    """Starts vmpath on the lab, moving where a file says; the executor's options are given."""
    with contextlib.ExitStack() as stack:

        def started(aggregate: Mapping[str, object] | None = None, **executor: object) -> Service:
            sections = configured(tmp_path, **{"start_wait_seconds": 20, **executor})
            if aggregate:
                sections["aggregate:*"] = dict(aggregate)
            return stack.enter_context(Service(tmp_path, clean_lab.clouds_file, "novalab", sections))

        yield started


def booted(lab: NovaLab, **metadata: Mapping[str, str]) -> dict[str, str]:
    """Small servers on compute1, by name."""
    return scenario.boot(
        lab, [scenario.Wish(name, "vmpath.small", "compute1", metadata=given) for name, given in metadata.items()]
    )


def running(lab: NovaLab, server: str) -> None:
    """Return when its migration copies."""
    until(
        lambda: any(
            each["instance_uuid"] == server and each["status"] == "running"
            for each in observe.migrations_in_progress(lab)
        ),
        f"the migration of {server} runs",
    )


def whereabouts(lab: NovaLab, servers: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    present = observe.servers(lab)
    return {name: (present[uuid]["status"], observe.host_of(present[uuid])) for name, uuid in servers.items()}


def set_service(lab: NovaLab, host: str, **body: object) -> None:
    (found,) = call(lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"]
    call(lab.compute, "PUT", f"/os-services/{found['id']}", body)


def told(service: Service, identity: str) -> dict[str, tuple[str, str | None]]:
    return {uuid: (each["state"], each["failure"]) for uuid, each in migrations(service, identity).items()}


def kinds(service: Service, identity: str) -> set[str]:
    answer = requests.get(f"{service.url}/v1/rearrangements/{identity}/events?limit=1000", timeout=30)
    return {each["kind"] for each in answer.json()["events"]}


def test_what_never_converges_is_forced_where_it_is_declared_to_pause(clean_lab: NovaLab, start: Start) -> None:
    service = start(
        {"post_copy_permitted": "no", "timeout_action": "abort"},
        when_not_converging="pause", copy_seconds=10, stall_seconds=5,
    )  # fmt: skip
    servers = booted(clean_lab, endless=ENDLESS)
    identity = ask_for(service, {servers["endless"]: "compute2"})
    assert ended(service, identity)["state"] == "succeeded"
    assert migrations(service, identity)[servers["endless"]]["demand"] == "force-complete"
    assert whereabouts(clean_lab, servers) == {"endless": ("ACTIVE", "compute2")}


def test_cancelled_with_abort_what_runs_and_what_is_queued_goes_back(clean_lab: NovaLab, start: Start) -> None:
    service = start(per_source=4, per_destination=4)
    servers = booted(clean_lab, **dict.fromkeys(("one", "two", "three", "four"), ENDLESS))
    identity = ask_for(service, dict.fromkeys(servers.values(), "compute2"))

    def statuses() -> set[str]:
        return {each["status"] for each in observe.migrations_in_progress(clean_lab)}

    until(lambda: {"running", "queued"} <= statuses(), "some run and some are queued")
    service.answer("rearrangement", "cancel", identity, "--abort")
    record = ended(service, identity)
    assert record["state"] in ("cancelled", "failed")
    for state, failure in told(service, identity).values():
        assert state == "skipped" or (state, failure) == ("failed", "aborted")
    assert set(whereabouts(clean_lab, servers).values()) == {("ACTIVE", "compute1")}
    assert {each["status"] for each in observe.migrations(clean_lab)} == {"cancelled"}
    observe.assert_allocations_match_hosts(clean_lab)


def one_under_way(lab: NovaLab, servers: Mapping[str, str]) -> tuple[str, list[str]]:
    """The server whose migration goes first, once it does, and the others."""
    until(lambda: observe.migrations_in_progress(lab), "the first one is under way")
    (first,) = {each["instance_uuid"] for each in observe.migrations(lab)}
    return first, [uuid for uuid in servers.values() if uuid != first]


def test_a_destination_that_is_disabled_meanwhile_is_waited_for(clean_lab: NovaLab, start: Start) -> None:
    service = start(per_source=1)
    servers = booted(clean_lab, **dict.fromkeys(("one", "two", "three"), SOME_SECONDS))
    wish = dict(zip(servers.values(), ("compute2", "compute3", "compute4"), strict=True))
    identity = ask_for(service, wish)
    first, (for_a_while, for_good) = one_under_way(clean_lab, servers)
    for uuid in (for_a_while, for_good):
        set_service(clean_lab, wish[uuid], status="disabled", disabled_reason="an operator's")
    until(lambda: told(service, identity)[first] == ("done", None), "the first one is done")
    set_service(clean_lab, wish[for_a_while], status="enabled")
    record = ended(service, identity)
    assert record["state"] == "failed"
    assert f"host {wish[for_good]} is disabled" in record["explanation"]
    assert told(service, identity) == {
        first: ("done", None), for_a_while: ("done", None), for_good: ("failed", "not started")
    }  # fmt: skip
    assert {each["instance_uuid"] for each in observe.migrations(clean_lab)} == {first, for_a_while}


def test_a_destination_that_died_without_anybody_noticing(clean_lab: NovaLab, start: Start) -> None:
    service = start(stuck_seconds=3)
    servers = booted(clean_lab, one={}, two={})
    service.command("freeze", "--reason", "until the plan is made")
    identity = ask_for(service, dict.fromkeys(servers.values(), "compute2"))
    until(lambda: any(told(service, identity)), "the plan is made")
    clean_lab.kill_compute("compute2")
    service.command("thaw")
    until(lambda: len(observe.migrations(clean_lab)) == 2, "both are asked for")
    until(lambda: "migration.stuck" in kinds(service, identity), "that nothing changes is told")
    clean_lab.start_compute("compute2")
    record = ended(service, identity, 400)
    seen = whereabouts(clean_lab, servers)
    states = told(service, identity)
    for name, uuid in servers.items():
        assert (states[uuid][0] == "done") == (seen[name] == ("ACTIVE", "compute2"))
    assert (record["state"] == "succeeded") == all(state == "done" for state, _ in states.values())
    assert len(observe.migrations(clean_lab)) == 2


def test_what_others_move_and_delete_meanwhile_is_left_to_them(clean_lab: NovaLab, start: Start) -> None:
    service = start(per_source=1)
    servers = booted(clean_lab, **dict.fromkeys(("one", "two", "three", "four"), SOME_SECONDS))
    identity = ask_for(service, dict.fromkeys(servers.values(), "compute2"))
    first, (deleted, moved, deleted_midway) = one_under_way(clean_lab, servers)
    call(clean_lab.compute, "DELETE", f"/servers/{deleted}")
    scenario.live_migrate(clean_lab, moved, "compute3")
    running(clean_lab, deleted_midway)
    call(clean_lab.compute, "DELETE", f"/servers/{deleted_midway}")
    assert ended(service, identity)["state"] == "failed"
    assert told(service, identity) == {
        first: ("done", None), deleted: ("skipped", "gone"), moved: ("skipped", "changed"),
        deleted_midway: ("failed", "gone"),
    }  # fmt: skip
    assert "someone else moved it" in migrations(service, identity)[moved]["reason"]
    assert set(whereabouts(clean_lab, {"moved": moved}).values()) == {("ACTIVE", "compute3")}
