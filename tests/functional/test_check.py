"""``vmpath-service --check``: each right that is taken away is the one that is said to be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import group, host, identity, instance, snapshot
from tests.programs import free_port, service_on
from vmpath_service.cloud import broker
from vmpath_service.cloud.examination import Examination
from vmpath_service.cloud.notifications import NotificationSettings
from vmpath_service.cloud.rights import Finding, Verdict
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.declarations import Declaration, Declarations
from vmpath_service.simulator import live_migration
from vmpath_service.simulator.clock import ScaledClock, SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

CLOUD = snapshot(
    host("a"),
    host("b"),
    instance("x", "a"),
    instance("y", "b"),
    group("apart", "anti-affinity", "x", "y"),
)
OFF_SIGHT = {"[service_user] of Nova"}


def settings_of(cloud: SimulatedCloud, name: str = "simulated", **more: Any) -> CloudSettings:
    entry = cloud.clouds()[name]
    auth = entry["auth"]
    assert isinstance(auth, dict)
    return CloudSettings(auth=auth, region=str(entry["region_name"]), **more)


def examined(cloud: SimulatedCloud, name: str = "simulated", **more: Any) -> dict[str, Finding]:
    findings = list(Examination(settings_of(cloud, name, **more)).findings())
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def names(found: dict[str, Finding], verdict: Verdict) -> set[str]:
    return {name for name, finding in found.items() if finding.verdict is verdict}


def cloud_with(simulated_cloud: Factory, *denied: str) -> SimulatedCloud:
    """The small cloud with one migration record; these rights are taken away from its administrator."""
    clock = SteppedClock()
    cloud = simulated_cloud(CLOUD, clock=clock, settings=Settings(denied_rights=frozenset(denied)))
    with cloud.world.lock:
        live_migration.ask(cloud.world, cloud.world.servers[identity("x")], "b")
    clock.step(60)
    return cloud


def test_an_administrator_misses_nothing(simulated_cloud: Factory) -> None:
    cloud = cloud_with(simulated_cloud)
    examined(cloud)
    before = {uuid: (server.host, server.task_state) for uuid, server in cloud.world.servers.items()}
    found = examined(cloud)
    assert names(found, Verdict.MISSING) == set()
    assert names(found, Verdict.UNKNOWN) <= OFF_SIGHT | {"list the server groups of all projects"}
    # it was a look only
    assert {uuid: (server.host, server.task_state) for uuid, server in cloud.world.servers.items()} == before
    assert len(cloud.world.migrations) == 1
    assert not any(each.disabled for each in cloud.world.hosts.values())


RIGHTS = {
    "os_compute_api:servers:detail:get_all_tenants": "list the servers of all projects",
    "os_compute_api:os-extended-server-attributes": "see the hosts of servers",
    "os_compute_api:os-services:list": "list compute services",
    "os_compute_api:os-services:update": "disable and enable hosts",
    "os_compute_api:os-hypervisors:list-detail": "list hypervisors",
    "os_compute_api:os-aggregates:index": "list aggregates",
    "os_compute_api:os-server-groups:index:all_projects": "list the server groups of all projects",
    "os_compute_api:os-migrations:index": "list migrations",
    "os_compute_api:os-migrations:index:all_projects": "list migrations",
    "os_compute_api:os-migrations:index:host": "see the hosts of migrations",
    "os_compute_api:servers:migrations:index": "show the progress of migrations",
    "os_compute_api:os-migrate-server:migrate_live:host": "live-migrate to a named host",
    "os_compute_api:servers:migrations:delete": "abort live migrations",
    "os_compute_api:servers:migrations:force_complete": "force live migrations to complete",
    "os_compute_api:os-migrate-server:migrate:host": "cold-migrate to a named host",
    "placement:resource_providers:list": "list resource providers",
    "placement:resource_providers:inventories:list": "list inventories",
    "placement:resource_providers:usages": "show usages",
    "placement:resource_providers:traits:list": "list traits of providers",
    "placement:resource_providers:allocations:list": "list allocations of providers",
    "placement:allocations:list": "show what a server holds",
    "placement:allocation_candidates:list": "list allocation candidates",
}


@pytest.mark.parametrize("rule", RIGHTS)
def test_the_right_that_was_taken_away_is_missing(simulated_cloud: Factory, rule: str) -> None:
    found = examined(cloud_with(simulated_cloud, rule))
    assert names(found, Verdict.MISSING) == {RIGHTS[rule]}
    assert rule in found[RIGHTS[rule]].advice
    assert "-policy.yaml" in found[RIGHTS[rule]].advice


@pytest.mark.parametrize(
    ("rule", "right", "work"),
    [
        ("os_compute_api:os-evacuate", "rebuild servers of a dead host", "rebuilding from dead hosts"),
        (
            "os_compute_api:os-server-shares:index",
            "list the shares of servers",
            "telling which servers have Manila shares",
        ),
    ],
)
def test_a_right_that_only_some_work_needs_is_not_missed(
    simulated_cloud: Factory, rule: str, right: str, work: str
) -> None:
    found = examined(cloud_with(simulated_cloud, rule))
    assert names(found, Verdict.MISSING) == set()
    assert (found[right].verdict, found[right].details) == (Verdict.OK, f"not given: only {work} needs it")
    assert rule in found[right].advice


def test_a_server_that_is_listed_and_hidden(simulated_cloud: Factory) -> None:
    denied = Settings(denied_rights=frozenset(["context_is_admin"]))
    found = examined(simulated_cloud(CLOUD, clock=SteppedClock(), settings=denied))
    assert names(found, Verdict.MISSING) >= {"show a server of any project", "live-migrate to a named host"}
    assert "context_is_admin" in found["live-migrate to a named host"].advice


def test_an_ordinary_user_misses_nearly_everything(simulated_cloud: Factory) -> None:
    found = examined(simulated_cloud(CLOUD, clock=SteppedClock()), "simulated-demo")
    assert names(found, Verdict.MISSING) >= set(RIGHTS.values()) - {
        "see the hosts of servers",
        "see the hosts of migrations",
        "list the server groups of all projects",
        "live-migrate to a named host",
        "cold-migrate to a named host",
        "abort live migrations",
        "force live migrations to complete",
        "show the progress of migrations",
    }
    assert found["authentication"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("minor", "missing", "unknown"),
    [(29, {"microversions"}, set()), (52, set(), {"disable and enable hosts", "live-migrate to a named host"})],
)
def test_an_old_nova(simulated_cloud: Factory, minor: int, missing: set[str], unknown: set[str]) -> None:
    cloud = simulated_cloud(CLOUD, clock=SteppedClock(), settings=Settings(compute_microversion=minor))
    findings = list(Examination(settings_of(cloud)).findings())
    assert {each.name for each in findings if each.verdict is Verdict.MISSING} == missing
    assert unknown <= {each.name for each in findings if each.verdict is Verdict.UNKNOWN}


def test_a_wrong_region_and_short_tokens(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(CLOUD, clock=SteppedClock(), settings=Settings(token_lifetime_s=300))
    auth = settings_of(cloud).auth
    elsewhere = {each.name: each for each in Examination(CloudSettings(auth=auth, region="Mars")).findings()}
    assert names(elsewhere, Verdict.MISSING) == {"endpoint of compute", "endpoint of placement"}
    assert "region Mars" in elsewhere["endpoint of compute"].details
    assert names(examined(cloud), Verdict.MISSING) == {"life of tokens"}
    assert names(examined(cloud, token_margin_s=200), Verdict.MISSING) == set()


def test_the_program_says_it_line_by_line_and_as_json(simulated_cloud: Factory, tmp_path: Path) -> None:
    denied = Settings(denied_rights=frozenset(["os_compute_api:os-services:update"]))
    service = service_on(tmp_path, simulated_cloud(CLOUD, clock=ScaledClock(50), settings=denied))
    done = service.attempt("--check")
    assert (done.returncode, done.stderr) == (1, "")
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing")]
    assert len(missing) == 1
    assert missing[0].startswith("missing disable and enable hosts: Nova forbids it (403)")
    done = service.attempt("--check", "-f", "json")
    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert said["error"] is None
    assert {each["name"] for each in said["findings"] if each["verdict"] == "missing"} == {"disable and enable hosts"}
    assert {"state_path", "database"} <= {each["name"] for each in said["findings"] if each["verdict"] == "ok"}
    assert service.attempt("-f", "json").returncode == 2


def test_an_aggregate_that_something_is_declared_of_and_that_is_not_there(simulated_cloud: Factory) -> None:
    declarations = Declarations({"sdd": Declaration(storage="local"), "*": Declaration(cell="one")})
    found = examined(cloud_with(simulated_cloud), declarations=declarations)
    assert names(found, Verdict.MISSING) == {"declarations of aggregates"}
    assert found["declarations of aggregates"].details == "the cloud has no aggregate sdd"


def test_a_broker_that_does_not_answer() -> None:
    (found,) = broker.examine(NotificationSettings(f"rabbit://u:sekret@127.0.0.1:{free_port()}/"))
    assert found.verdict is Verdict.MISSING
    assert "does not answer" in found.details
    assert "sekret" not in str(found)
    (unheard,) = broker.examine(NotificationSettings())
    assert unheard.verdict is Verdict.OK
    (unsent,) = broker.examine_sending(f"rabbit://u:sekret@127.0.0.1:{free_port()}/", ("told",))
    assert unsent.verdict is Verdict.MISSING
    assert "does not answer" in unsent.details
    assert unsent.advice == "see transport_url in [oslo_messaging_notifications]"
    assert "sekret" not in str(unsent)
    (to_none,) = broker.examine_sending(None, ("told",))
    assert to_none.verdict is Verdict.OK


def test_a_freeze_and_a_broken_database_are_told(simulated_cloud: Factory, tmp_path: Path) -> None:
    service = service_on(tmp_path, simulated_cloud(CLOUD, clock=ScaledClock(50)))
    with service:
        assert service.command("freeze", "--reason", "a change").returncode == 0
    found = {each["name"]: each for each in json.loads(service.attempt("--check", "-f", "json").stdout)["findings"]}
    assert "a change" in found["freeze"]["details"]
    assert "can be written" in found["database"]["details"]
    next((tmp_path / "state").glob("*.sqlite")).write_bytes(b"not a database at all" * 100)
    done = service.attempt("--check")
    assert done.returncode == 1
    assert "missing database: " in done.stdout
