"""With the role of etc/vmpath/openstack alone, vmpath can do all it does, and its user nothing else."""

import pathlib
import uuid
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter

from tests.lab import observe, scenario
from tests.lab.nova_lab import COMPUTE_MICROVERSION, PLACEMENT_MICROVERSION, NovaLab, call, until
from tests.lab.scenario import Wish
from tests.programs import Service
from vmpath_service.cloud.examination import Examination
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.rights import Finding, Verdict
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.readings import MigrationOutcome

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

RESTRICTED = "novalab-vmpath"


def reader(lab: NovaLab, cloud: str) -> NovaCloud:
    return NovaCloud(CloudSettings(cloud=cloud, config_files=(str(lab.clouds_file),)))


@pytest.fixture(scope="module")
def servers(clean_lab_for_module: NovaLab) -> dict[str, str]:
    """Three servers of the administrator's project, two of them in a group."""
    lab = clean_lab_for_module
    group = scenario.create_group(lab, "apart")
    return scenario.boot(
        lab,
        [
            Wish("first", "lab.tiny", "compute1", group),
            Wish("second", "lab.tiny", "compute2", group),
            Wish("third", "lab.small", "compute1"),
        ],
    )


@pytest.fixture
def vmpath(clean_lab_for_module: NovaLab) -> NovaCloud:
    return reader(clean_lab_for_module, RESTRICTED)


def test_it_sees_what_the_administrator_sees(
    clean_lab_for_module: NovaLab, servers: dict[str, str], vmpath: NovaCloud
) -> None:
    ours, theirs = vmpath.read(), reader(clean_lab_for_module, "novalab").read()
    assert {each.uuid for each in ours.instances} == set(servers.values())
    assert (ours.hosts, ours.instances, ours.server_groups) == (theirs.hosts, theirs.instances, theirs.server_groups)
    assert [len(group.members) for group in ours.server_groups] == [2]


def test_it_migrates_a_server_of_another_project(
    clean_lab_for_module: NovaLab, servers: dict[str, str], vmpath: NovaCloud
) -> None:
    server = servers["third"]
    vmpath.live_migrate(server, "compute3")

    def ended() -> Any:
        # none at all until the conductor has seen the request
        found = vmpath.read_migrations([server])[server]
        return found[-1] if found and found[-1].outcome is not MigrationOutcome.UNDER_WAY else None

    record = until(ended, "the migration has ended")
    assert (record.outcome, record.source, record.dest) == (MigrationOutcome.COMPLETED, "compute1", "compute3")
    assert vmpath.read_instances([server])[server].host == "compute3"
    observe.assert_allocations_match_hosts(clean_lab_for_module)


def test_it_ends_migrations_and_moves_a_stopped_server(clean_lab_for_module: NovaLab, vmpath: NovaCloud) -> None:
    lab = clean_lab_for_module
    slow = {"lab_seconds": "60"}
    booted = scenario.boot(
        lab,
        [
            Wish("aborted", "lab.tiny", "compute1", metadata=slow),
            Wish("forced", "lab.tiny", "compute2", metadata=slow),
            Wish("stopped", "lab.tiny", "compute1"),
        ],
    )

    def running(name: str) -> Any:
        found = vmpath.read_migrations([booted[name]])[booted[name]]
        return found[-1] if found and found[-1].status == "running" else None

    def ended(name: str) -> Any:
        newest = vmpath.read_migrations([booted[name]])[booted[name]][-1]
        return newest.outcome if newest.outcome is not MigrationOutcome.UNDER_WAY else None

    for name in ("aborted", "forced"):
        vmpath.live_migrate(booted[name], "compute3")
    vmpath.abort(booted["aborted"], until(lambda: running("aborted"), "it is being migrated").id)
    vmpath.force_complete(booted["forced"], until(lambda: running("forced"), "it is being migrated").id)
    assert until(lambda: ended("aborted"), "the abort is over") is MigrationOutcome.CANCELLED
    assert until(lambda: ended("forced"), "the forced one is over") is MigrationOutcome.COMPLETED
    scenario.stop(lab, booted["stopped"])
    vmpath.cold_migrate(booted["stopped"], "compute4")
    scenario.wait_for_status(lab, [booted["stopped"]], "VERIFY_RESIZE")
    assert vmpath.read_allocations([booted["stopped"]])[booted["stopped"]]
    vmpath.confirm_resize(booted["stopped"])
    scenario.wait_for_status(lab, [booted["stopped"]], "SHUTOFF")
    assert observe.host_of(observe.servers(lab)[booted["stopped"]]) == "compute4"
    for identifier in booted.values():
        call(lab.compute, "DELETE", f"/servers/{identifier}")
    until(lambda: not booted.values() & observe.servers(lab).keys(), "they are deleted")


def test_it_disables_and_enables_a_host(clean_lab_for_module: NovaLab, vmpath: NovaCloud) -> None:
    vmpath.disable_host("compute6", "a test")
    assert vmpath.disabled_reason("compute6") == "a test"
    assert not vmpath.read_hosts(["compute6"])["compute6"].enabled
    vmpath.enable_host("compute6")
    assert vmpath.read_hosts(["compute6"])["compute6"].enabled


def test_it_drains_a_host(
    clean_lab_for_module: NovaLab, servers: dict[str, str], tmp_path: pathlib.Path
) -> None:
    lab = clean_lab_for_module
    host = observe.host_of(observe.servers(lab)[servers["second"]])
    with Service(tmp_path, lab.clouds_file, RESTRICTED, {"policy:drain": {"driver": "drain"}}) as service:
        assert service.answer("drain", host, "--wait")["state"] == "succeeded"
    assert not observe.servers_by_host(lab)[host]
    observe.assert_groups_intact(lab)
    services = call(lab.compute, "GET", f"/os-services?binary=nova-compute&host={host}")["services"]
    assert [each["status"] for each in services] == ["disabled"]
    call(lab.compute, "PUT", f"/os-services/{services[0]['id']}", {"status": "enabled"})


FORBIDDEN = {
    "delete": ("DELETE", "/servers/{server}", None),
    "create": ("POST", "/servers", {"server": {"name": "no", "flavorRef": "{flavor}", "imageRef": "{image}",
                                               "networks": "none"}}),
    "rename": ("PUT", "/servers/{server}", {"server": {"name": "renamed"}}),
    "stop": ("POST", "/servers/{server}/action", {"os-stop": None}),
    "reboot": ("POST", "/servers/{server}/action", {"reboot": {"type": "HARD"}}),
    "lock": ("POST", "/servers/{server}/action", {"lock": None}),
    "cold-migrate": ("POST", "/servers/{server}/action", {"migrate": None}),
    "live-migrate anywhere": (
        "POST", "/servers/{server}/action", {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    ),
    "evacuate": ("POST", "/servers/{server}/action", {"evacuate": {}}),
    "reset the state": ("POST", "/servers/{server}/action", {"os-resetState": {"state": "error"}}),
    "resize": ("POST", "/servers/{server}/action", {"resize": {"flavorRef": "{flavor}"}}),
    "console": ("POST", "/servers/{server}/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}),
    "metadata": ("POST", "/servers/{server}/metadata", {"metadata": {"a": "b"}}),
    "create an aggregate": ("POST", "/os-aggregates", {"aggregate": {"name": "no"}}),
    "create a flavor": ("POST", "/flavors", {"flavor": {"name": "no", "ram": 64, "vcpus": 1, "disk": 1}}),
    "create a group": ("POST", "/os-server-groups", {"server_group": {"name": "no", "policy": "affinity"}}),
    "delete a group": ("DELETE", "/os-server-groups/{group}", None),
    "delete a service": ("DELETE", "/os-services/{service}", None),
    "quotas": ("PUT", "/os-quota-sets/{project}", {"quota_set": {"cores": 1}}),
    "diagnostics": ("GET", "/servers/{server}/diagnostics", None),
}


def filled(value: Any, names: dict[str, str]) -> Any:
    """The value with every {name} in it replaced."""
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    return value.format(**names) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def names(clean_lab_for_module: NovaLab, servers: dict[str, str]) -> dict[str, str]:
    lab = clean_lab_for_module
    groups = call(lab.compute, "GET", "/os-server-groups?all_projects=True")["server_groups"]
    services = call(lab.compute, "GET", "/os-services?binary=nova-compute&host=compute6")["services"]
    server = observe.servers(lab)[servers["third"]]
    return {
        "server": server["id"],
        "project": server["tenant_id"],
        "group": groups[0]["id"],
        "service": services[0]["id"],
        "flavor": scenario.ensure_flavors(lab)["lab.tiny"],
        "image": call(lab.adapter("image", "2"), "GET", "/v2/images?name=lab")["images"][0]["id"],
        "provider": observe.providers(lab)["compute1"],
    }


@pytest.fixture(scope="module")
def compute(clean_lab_for_module: NovaLab) -> Adapter:
    return clean_lab_for_module.adapter("compute", COMPUTE_MICROVERSION, RESTRICTED)


@pytest.fixture(scope="module")
def placement(clean_lab_for_module: NovaLab) -> Adapter:
    return clean_lab_for_module.adapter("placement", PLACEMENT_MICROVERSION, RESTRICTED)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nova_forbids_everything_else(compute: Adapter, names: dict[str, str], what: str) -> None:
    method, path, body = FORBIDDEN[what]
    answer = compute.request(filled(path, names), method, json=filled(body, names))
    assert answer.status_code == 403, answer.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/allocations/{server}", None),
        ("PUT", "/resource_providers/{provider}/inventories", {"resource_provider_generation": 1, "inventories": {}}),
        ("PUT", "/resource_providers/{provider}/traits", {"resource_provider_generation": 1, "traits": []}),
        ("POST", "/resource_providers", {"name": "no"}),
        ("DELETE", "/resource_providers/{provider}", None),
        ("PUT", "/traits/CUSTOM_NO", None),
    ],
)
def test_placement_lets_it_read_only(
    placement: Adapter, names: dict[str, str], method: str, path: str, body: Any
) -> None:
    answer = placement.request(filled(path, names), method, json=body)
    assert answer.status_code == 403, answer.text


def test_an_ordinary_user_got_nothing_by_it(clean_lab_for_module: NovaLab, names: dict[str, str]) -> None:
    demo = clean_lab_for_module.demo_compute
    body = {"os-migrateLive": {"host": "compute5", "block_migration": "auto"}}
    assert demo.request(f"/servers/{names['server']}", "GET").status_code == 404
    assert demo.request(f"/servers/{names['server']}/action", "POST", json=body).status_code == 404
    for path in ("/os-services", "/os-hypervisors/detail", "/os-aggregates", "/servers/detail?all_tenants=1"):
        assert demo.request(path, "GET").status_code == 403, path
    unknown = demo.request(f"/os-services/{uuid.uuid4()}", "PUT", json={"status": "enabled"})
    assert unknown.status_code == 403


def test_check_finds_nothing_missing_and_changes_nothing(
    clean_lab_for_module: NovaLab, servers: dict[str, str]
) -> None:
    lab = clean_lab_for_module

    def state() -> Any:
        return {
            uuid: (observe.host_of(server), server["status"], server["OS-EXT-STS:task_state"], server["updated"])
            for uuid, server in observe.servers(lab).items()
        }

    before, records = state(), observe.migrations(lab)
    found = {each.name: each for each in examined(lab, RESTRICTED)}
    assert [each for each in found.values() if each.verdict is Verdict.MISSING] == []
    unknown = {name for name, each in found.items() if each.verdict is Verdict.UNKNOWN}
    assert unknown == {"[service_user] of Nova"}
    assert (state(), observe.migrations(lab)) == (before, records)


def test_check_tells_an_ordinary_user_what_is_missing(clean_lab_for_module: NovaLab) -> None:
    missing = {each.name for each in examined(clean_lab_for_module, "novalab-demo") if each.verdict is Verdict.MISSING}
    assert missing == {
        "list the servers of all projects",
        "list compute services",
        "disable and enable hosts",
        "list hypervisors",
        "list aggregates",
        "list migrations",
        "list resource providers",
        "list inventories",
        "show usages",
        "list traits of providers",
        "list allocations of providers",
        "show what a server holds",
        "list allocation candidates",
    }


def examined(lab: NovaLab, cloud: str) -> list[Finding]:
    return list(Examination(CloudSettings(cloud=cloud, config_files=(str(lab.clouds_file),))).findings())
