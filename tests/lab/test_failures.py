"""What genuine Nova does when migrations fail, and what vmpath makes of it; judged by Nova and Placement.

``VMPATH_LAB_SLOW=1`` adds what takes longer: nova-computes and the service killed again and again.
"""

from __future__ import annotations

import collections
import pathlib
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import observe, scenario
from tests.lab.nova_lab import NovaLab, call, until
from tests.lab.tiers import slow
from tests.lab.wishing import ENDLESS, ask_for, configured, ended, migrations
from tests.programs import Service, wait_until

ROWS = {
    # metadata: state and kind of failure of the migration, status and host of the server
    "sound": ({}, ("done", None), ("ACTIVE", "compute2")),
    "check_dest": ({"lab_fail": "check_dest"}, ("failed", "no valid host"), ("ACTIVE", "compute1")),
    "check_source": ({"lab_fail": "check_source"}, ("failed", "no valid host"), ("ACTIVE", "compute1")),
    "pre": ({"lab_fail": "pre"}, ("failed", "before the copy"), ("ACTIVE", "compute1")),
    "mid": ({"lab_fail": "mid", "lab_seconds": "4"}, ("failed", "midway"), ("ACTIVE", "compute1")),
    "raise": ({"lab_fail": "raise", "lab_seconds": "2"}, ("failed", "in error"), ("ERROR", "compute1")),
    "post_dest": ({"lab_fail": "post_dest"}, ("failed", "after the switch"), ("ERROR", "compute2")),
    "paused": ({"vmpath:note": "paused"}, ("done", None), ("PAUSED", "compute2")),
    "cold": ({"vmpath:movable": "cold"}, ("done", None), ("SHUTOFF", "compute2")),
    "endless": (ENDLESS, ("failed", "aborted"), ("ACTIVE", "compute1")),
}


@pytest.fixture
def service(clean_lab: NovaLab, tmp_path: pathlib.Path) -> Iterator[Service]:
    """vmpath on the lab, moving where a file says, and answering failures with nothing but the truth."""
    sections = configured(
        tmp_path, per_source=4, per_destination=4, when_not_converging="abort", copy_seconds=15, stall_seconds=8
    )
    with Service(tmp_path, clean_lab.clouds_file, "novalab", sections) as running:
        yield running


def test_every_row_of_the_table_is_answered(clean_lab: NovaLab, service: Service) -> None:
    metadata = {name: dict(row[0]) for name, row in ROWS.items()}
    # a kind of its own for each that looks as if the scheduler had turned it down: vmpath learns that of the kind
    flavors = {"check_dest": "vmpath.medium", "check_source": "vmpath.large"}
    servers = scenario.boot(
        clean_lab,
        [
            scenario.Wish(name, flavors.get(name, "vmpath.small"), "compute1", metadata=metadata[name])
            for name in ROWS
        ],
    )
    call(clean_lab.compute, "POST", f"/servers/{servers['paused']}/action", {"pause": None})
    scenario.wait_for_status(clean_lab, [servers["paused"]], "PAUSED")
    scenario.stop(clean_lab, servers["cold"])
    identity = ask_for(service, dict.fromkeys(servers.values(), "compute2"))
    record = ended(service, identity)
    assert record["state"] == "failed"
    told = migrations(service, identity)
    seen = {name: (told[uuid]["state"], told[uuid]["failure"]) for name, uuid in servers.items()}
    assert seen == {name: row[1] for name, row in ROWS.items()}
    present = observe.servers(clean_lab)
    assert {name: (present[uuid]["status"], observe.host_of(present[uuid])) for name, uuid in servers.items()} == {
        name: row[2] for name, row in ROWS.items()
    }
    records = collections.Counter(each["instance_uuid"] for each in observe.migrations(clean_lab))
    assert records == {uuid: told[uuid]["attempt"] for uuid in servers.values()}


def test_books_that_a_broken_migration_left_are_healed(clean_lab: NovaLab, service: Service) -> None:
    failing = {"broken": "raise", "switched": "post_dest"}
    servers = scenario.boot(
        clean_lab,
        [scenario.Wish(name, "vmpath.small", "compute1", metadata={"lab_fail": at}) for name, at in failing.items()],
    )
    deleted = scenario.boot(clean_lab, [scenario.Wish("deleted", "vmpath.small", "compute3", metadata=ENDLESS)])
    identity = ask_for(service, dict.fromkeys(servers.values(), "compute2"))
    assert ended(service, identity)["state"] == "failed"
    scenario.live_migrate(clean_lab, deleted["deleted"], "compute4")
    until(
        lambda: [each["status"] for each in observe.migrations_in_progress(clean_lab)] == ["running"], "it copies"
    )
    call(clean_lab.compute, "DELETE", f"/servers/{deleted['deleted']}")
    until(lambda: deleted["deleted"] not in observe.servers(clean_lab), "it is deleted")

    def said(*words: str, expected: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = service.answer(
            "--os-cloud", "novalab", "allocation", *words, "--pause", "1", expected=expected
        )
        return found

    assert {each["remedy"] for each in said("check", expected=1) if each["instance"] in servers.values()} == {
        "look at it"
    }
    for uuid in servers.values():
        call(clean_lab.compute, "POST", f"/servers/{uuid}/action", {"os-resetState": {"state": "active"}})
    found = said("check", expected=1)
    assert {each["kind"] for each in found if each["instance"] in servers.values()} == {
        "leaked by a migration", "missing", "on the wrong host"
    }  # fmt: skip
    healed = said("heal", "--yes", expected=1 if any(each["kind"] == "unexplained" for each in found) else 0)
    assert {each["outcome"] for each in healed if each["instance"] in servers.values()} == {"healed"}
    left = said("check", expected=1 if any(each["kind"] == "unexplained" for each in found) else 0)
    assert {each["kind"] for each in left} <= {"unexplained"}
    if not left:
        observe.assert_allocations_match_hosts(clean_lab)


def test_guests_of_a_dead_host_are_rebuilt(clean_lab: NovaLab, service: Service) -> None:
    names = ("one", "two", "three")
    servers = scenario.boot(clean_lab, [scenario.Wish(name, "vmpath.small", "compute5") for name in names])
    scenario.stop(clean_lab, servers["three"])
    words = ("--os-cloud", "novalab", "rebuild-from", "compute5", "--fenced", "--lose-local-disks", "--yes")
    assert "compute5 is up" in service.command(*words).stderr
    clean_lab.kill_compute("compute5")
    try:
        listed = call(clean_lab.compute, "GET", "/os-services?binary=nova-compute&host=compute5")["services"]
        call(clean_lab.compute, "PUT", f"/os-services/{listed[0]['id']}", {"forced_down": True})
        rows = service.answer(*words)
        assert {each["outcome"] for each in rows} == {"rebuilt"}
        present = observe.servers(clean_lab)
        assert {name: present[uuid]["status"] for name, uuid in servers.items()} == {
            "one": "ACTIVE", "two": "ACTIVE", "three": "SHUTOFF"
        }  # fmt: skip
        assert "compute5" not in {observe.host_of(present[uuid]) for uuid in servers.values()}
        # what Nova keeps on the dead host until it is back is no fault of its books
        assert service.answer("--os-cloud", "novalab", "allocation", "check", "--pause", "1") == []
    finally:
        clean_lab.start_compute("compute5")
    until(lambda: not observe.allocations_by_provider(clean_lab)["compute5"], "the books of the dead host are clean")

    def lifted() -> bool:
        # Nova does not take it back before the host has cleaned up
        place = f"/os-services/{listed[0]['id']}"
        return bool(clean_lab.compute.put(place, json={"forced_down": False}).status_code == 200)

    until(lifted, "the host counts as up again")


@slow
def test_the_service_is_killed_ten_times_in_a_plan_of_thirty(clean_lab: NovaLab, service: Service) -> None:
    wishes = [
        scenario.Wish(f"vm-{number}", "vmpath.small", f"compute{number % 3 + 1}", metadata={"lab_seconds": "3"})
        for number in range(30)
    ]
    servers = scenario.boot(clean_lab, wishes)
    wish = {servers[each.name]: f"compute{int(each.host[-1]) + 3}" for each in wishes}
    identity = ask_for(service, wish)
    chance = random.Random(6)
    wait_until(lambda: observe.migrations(clean_lab), "the first migration has begun", 300)
    for _ in range(10):
        time.sleep(chance.uniform(0, 2))
        service.kill()
        service.start()
    assert ended(service, identity, 600)["state"] == "succeeded"
    assert {uuid: observe.host_of(each) for uuid, each in observe.servers(clean_lab).items()} == wish
    records = collections.Counter(each["instance_uuid"] for each in observe.migrations(clean_lab))
    assert set(records.values()) == {1}
    observe.assert_allocations_match_hosts(clean_lab)
    observe.assert_guests_match_hosts(clean_lab)


@slow
@pytest.mark.parametrize("victim", ["compute1", "compute2"], ids=["source", "destination"])
def test_a_nova_compute_is_killed_midway(clean_lab: NovaLab, service: Service, victim: str) -> None:
    servers = scenario.boot(
        clean_lab,
        [scenario.Wish(f"vm-{n}", "vmpath.small", "compute1", metadata={"lab_seconds": "20"}) for n in range(3)],
    )
    identity = ask_for(service, dict.fromkeys(servers.values(), "compute2"))
    until(
        lambda: [each for each in observe.migrations_in_progress(clean_lab) if each["status"] == "running"],
        "a migration runs",
    )
    time.sleep(3)
    clean_lab.kill_compute(victim)
    time.sleep(5)
    clean_lab.start_compute(victim)
    record = ended(service, identity, 400)
    present = observe.servers(clean_lab)
    for uuid, told in migrations(service, identity).items():
        at = observe.host_of(present[uuid])
        assert (told["state"] == "done") == (at == "compute2"), (told, at)
        if told["state"] == "done":
            assert present[uuid]["status"] == "ACTIVE"
        else:
            assert told["reason"]
    assert (record["state"] == "succeeded") == all(
        observe.host_of(present[uuid]) == "compute2" for uuid in servers.values()
    )
