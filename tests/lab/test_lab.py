"""The lab itself: it is Nova, migrations really move what they say, and a reset is one."""

from __future__ import annotations

import subprocess
import uuid

import pytest

from tests.lab import observe, scenario
from tests.lab.nova_lab import SCRIPT, NovaLab, call, until


def compute_services(lab: NovaLab) -> dict[str, tuple[str, str, bool]]:
    services = call(lab.compute, "GET", "/os-services?binary=nova-compute")["services"]
    return {
        service["host"]: (service["state"], service["status"], service["forced_down"])
        for service in services
    }


def test_boots_genuine_nova(clean_lab: NovaLab) -> None:
    assert len(clean_lab.hosts) >= 6
    assert compute_services(clean_lab) == dict.fromkeys(clean_lab.hosts, ("up", "enabled", False))
    assert set(observe.providers(clean_lab)) == set(clean_lab.hosts)
    version = call(clean_lab.compute, "GET", "/")["version"]["version"]
    assert tuple(map(int, version.split("."))) >= (2, 96)


def test_live_migration_moves_guest_and_allocation(clean_lab: NovaLab) -> None:
    wish = scenario.Wish("mover", "vmpath.medium", "compute1", metadata={"lab_seconds": "3"})
    server = scenario.boot(clean_lab, [wish])["mover"]
    observe.assert_allocations_match_hosts(clean_lab)
    before = observe.allocations_by_provider(clean_lab)

    scenario.live_migrate(clean_lab, server, "compute2")
    moving = until(
        lambda: [
            entry
            for entry in call(clean_lab.compute, "GET", f"/servers/{server}/migrations")[
                "migrations"
            ]
            if entry["memory_processed_bytes"]
        ],
        "memory on its way",
    )[0]
    assert (moving["source_compute"], moving["dest_compute"]) == ("compute1", "compute2")
    assert moving["memory_total_bytes"] == 2048 * 2**20
    midway = observe.allocations_by_provider(clean_lab)
    assert set(midway["compute1"]) == {moving["uuid"]}
    assert set(midway["compute2"]) == {server}
    with pytest.raises(AssertionError, match="compute1"):
        observe.assert_allocations_match_hosts(clean_lab, seconds=0)

    until(
        lambda: observe.migrations(clean_lab)[-1]["status"] == "completed",
        "the migration completed",
    )
    scenario.wait_for_status(clean_lab, [server], "ACTIVE")
    assert observe.servers_by_host(clean_lab)["compute2"] == {server}
    until(lambda: not observe.allocations_by_provider(clean_lab)["compute1"], "source released")
    after = observe.allocations_by_provider(clean_lab)
    assert after["compute2"] == before["compute1"]
    observe.assert_allocations_match_hosts(clean_lab)
    observe.assert_guests_match_hosts(clean_lab)
    assert not observe.migrations_in_progress(clean_lab)
    assert not observe.scheduler_refusals(clean_lab)


def test_reset_undoes_disorder(clean_lab: NovaLab) -> None:
    lab = clean_lab
    group = scenario.create_group(lab, "left-over")
    slow = {"lab_seconds": "600"}
    servers = scenario.boot(
        lab,
        [
            scenario.Wish("grouped", "vmpath.small", "compute1", group),
            scenario.Wish("moving", "vmpath.small", "compute2", metadata=slow),
            scenario.Wish("orphaned", "vmpath.small", "compute6"),
        ],
    )
    scenario.lock(lab, servers["grouped"])
    scenario.live_migrate(lab, servers["moving"], "compute3")
    aggregate = call(
        lab.compute,
        "POST",
        "/os-aggregates",
        {"aggregate": {"name": "zone", "availability_zone": "third"}},
    )["aggregate"]["id"]
    body = {"add_host": {"host": "compute5"}}
    call(lab.compute, "POST", f"/os-aggregates/{aggregate}/action", body)
    services = call(lab.compute, "GET", "/os-services?binary=nova-compute")["services"]
    ids = {service["host"]: service["id"] for service in services}
    reason = {"status": "disabled", "disabled_reason": "a test"}
    call(lab.compute, "PUT", f"/os-services/{ids['compute4']}", reason)
    call(lab.compute, "PUT", f"/os-services/{ids['compute5']}", {"forced_down": True})
    lab.kill_compute("compute6")
    project = observe.servers(lab)[servers["grouped"]]
    leaked = {
        "allocations": {observe.providers(lab)["compute1"]: {"resources": {"MEMORY_MB": 512}}},
        "project_id": project["tenant_id"],
        "user_id": project["user_id"],
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
    }
    call(lab.placement, "PUT", f"/allocations/{uuid.uuid4()}", leaked)

    lab.reset()
    assert_clean(lab)
    assert all(not guests for guests in observe.guests_by_host(lab).values())


def assert_clean(lab: NovaLab) -> None:
    assert not observe.servers(lab)
    assert not any(observe.allocations_by_provider(lab).values())
    assert compute_services(lab) == dict.fromkeys(lab.hosts, ("up", "enabled", False))
    groups = call(lab.compute, "GET", "/os-server-groups?all_projects=True")
    assert groups == {"server_groups": []}
    [zone] = call(lab.compute, "GET", "/os-aggregates")["aggregates"]
    assert (zone["name"], zone["hosts"], zone["metadata"]) == ("second", ["compute6"], {"availability_zone": "second"})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("fly",), "unknown command fly"),
        (("kill-compute", "99"), "'99' is not a number of computes from 1 to 64"),
        (("kill-compute", "64"), "compute64 does not run"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence(
    nova_lab: NovaLab, words: tuple[str, ...], sentence: str
) -> None:
    outcome = subprocess.run(
        [SCRIPT, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert outcome.returncode != 0
    assert sentence in outcome.stderr
    assert "Traceback" not in outcome.stderr
