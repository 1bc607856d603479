"""What an ordinary client reads from the simulated cloud."""

from __future__ import annotations

import keystoneauth1.exceptions
import openstack
import pytest
import requests
from openstack import exceptions

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import group, host, identity, instance, snapshot
from vmpath_service.model.snapshot import Aggregate, Host, Inventory
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings


def test_a_client_finds_services_hypervisors_and_servers(simulated_cloud: Factory) -> None:
    sample = make_sample(6, 30)
    cloud = simulated_cloud(sample, settings=Settings(hypervisor_domain=".example"))
    connection = connect(cloud)

    services = list(connection.compute.services(binary="nova-compute"))
    assert {s.host for s in services} == {h.name for h in sample.hosts}
    assert {(s.state, s.status) for s in services} == {("up", "enabled")}
    hypervisors = list(connection.compute.hypervisors(details=True))
    assert {h.id for h in hypervisors} == {h.uuid for h in sample.hosts}
    assert {h.name for h in hypervisors} == {h.name + ".example" for h in sample.hosts}
    assert {h.service_details["host"] for h in hypervisors} == {h.name for h in sample.hosts}
    servers = {s.id: s for s in connection.compute.servers(details=True, all_projects=True)}
    assert set(servers) == {i.uuid for i in sample.instances}
    for given in sample.instances:
        server = servers[given.uuid]
        assert server.compute_host == given.host
        assert server.hypervisor_hostname == f"{given.host}.example"
        assert server.flavor.original_name == given.flavor
        assert server.flavor.ram == given.resources["MEMORY_MB"]
        assert server.status == "ACTIVE"
    groups = {g.id: g for g in connection.compute.server_groups(all_projects=True)}
    assert {g: set(groups[g].member_ids) for g in groups} == {g.uuid: set(g.members) for g in sample.server_groups}
    assert cloud.unknown_requests == {}


def test_lists_come_in_pages_that_join_up(simulated_cloud: Factory) -> None:
    sample = make_sample(7, 25)
    cloud = simulated_cloud(sample, settings=Settings(page_limit=10))
    compute = connect(cloud).compute

    seen: list[str] = []
    path = "/servers/detail?all_tenants=1"
    while True:
        page = compute.get(path).json()
        seen += [server["id"] for server in page["servers"]]
        links = page.get("servers_links")
        if not links:
            break
        assert len(page["servers"]) == 10
        path = links[0]["href"]
    assert len(seen) == 25
    assert set(seen) == {i.uuid for i in sample.instances}
    assert len({h.id for h in compute.hypervisors(details=True, limit=3)}) == 7
    missing = compute.get(f"/servers/detail?all_tenants=1&marker={identity('nobody')}")
    assert missing.status_code == 400


@pytest.mark.parametrize(
    ("version", "has", "has_not"),
    [
        ("2.1", {"OS-EXT-SRV-ATTR:host"}, {"locked", "OS-EXT-SRV-ATTR:hostname", "tags"}),
        ("2.47", {"locked", "host_status", "tags"}, {"trusted_image_certificates"}),
        ("2.72", {"trusted_image_certificates"}, {"locked_reason"}),
        ("2.95", {"locked_reason"}, {"pinned_availability_zone"}),
        ("2.99", {"pinned_availability_zone"}, {"scheduler_hints"}),
        ("2.100", {"scheduler_hints"}, {"server_groups"}),
    ],
)
def test_servers_show_what_the_microversion_has(
    simulated_cloud: Factory, version: str, has: set[str], has_not: set[str]
) -> None:
    compute = connect(simulated_cloud()).compute
    answer = compute.get("/servers/detail?all_tenants=1", microversion=version)
    shown = set(answer.json()["servers"][0])
    assert answer.headers["OpenStack-API-Version"] == f"compute {version}"
    assert answer.headers["X-OpenStack-Nova-API-Version"] == version
    assert has <= shown
    assert not has_not & shown


def test_what_newer_microversions_say_of_a_server(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(
            host("h1"),
            instance("a", "h1", image="img", required_traits=("HW_X",), pinned_availability_zone="nova"),
            instance("b", "h1"),
            group("apart", "anti-affinity", "a"),
        )
    )
    compute = connect(cloud).compute

    def show(name: str, version: str) -> dict[str, object]:
        found: dict[str, object] = compute.get(f"/servers/{identity(name)}", microversion=version).json()["server"]
        return found

    assert set(show("a", "2.46")["flavor"]) == {"id", "links"}  # type: ignore[call-overload]
    newest = show("a", "2.100")
    assert newest["flavor"]["extra_specs"] == {"trait:HW_X": "required"}  # type: ignore[index]
    assert newest["scheduler_hints"] == {"group": [identity("apart")]}
    assert newest["pinned_availability_zone"] == "nova"
    assert newest["server_groups"] == [identity("apart")]
    assert newest["image"]["properties"] == {}  # type: ignore[index]
    assert "properties" not in show("a", "2.97")["image"]  # type: ignore[operator]
    assert show("b", "2.100")["image"] == ""


def test_microversions_out_of_range_are_refused(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(settings=Settings(compute_microversion=90))
    connection = connect(cloud)
    assert connection.compute.get("/servers", microversion="2.91").status_code == 406
    assert connection.placement.get("/resource_providers", microversion="1.40").status_code == 406
    document = requests.get(f"{cloud.site.base_url}/compute/v2.1/", timeout=60).json()["version"]
    assert (document["min_version"], document["version"]) == ("2.1", "2.90")


def test_services_are_disabled_forced_down_and_enabled_again(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("h1"), host("h2", status="disabled"), host("h3", state="down")))
    connection = connect(cloud)
    compute = connection.compute
    by_host = {s.host: s for s in compute.services(binary="nova-compute")}
    assert by_host["h2"].status == "disabled"
    assert by_host["h3"].state == "down"

    path = f"/os-services/{by_host['h1'].id}"
    done = compute.put(path, json={"status": "disabled", "disabled_reason": "drain"})
    assert done.json()["service"]["disabled_reason"] == "drain"
    traits = connection.placement.get(f"/resource_providers/{identity('h1')}/traits").json()
    assert "COMPUTE_STATUS_DISABLED" in traits["traits"]
    down = compute.put(path, json={"forced_down": True}).json()["service"]
    assert (down["state"], down["status"], down["forced_down"]) == ("down", "disabled", True)
    up = compute.put(path, json={"status": "enabled", "forced_down": False}).json()["service"]
    assert (up["state"], up["status"], up["disabled_reason"]) == ("up", "enabled", None)
    assert compute.put(path, json={"disabled_reason": "why"}).status_code == 400
    assert compute.put(f"/os-services/{identity('x')}", json={"status": "enabled"}).status_code == 404


def test_filters_of_the_list_of_servers(simulated_cloud: Factory) -> None:
    clock = SteppedClock()
    cloud = simulated_cloud(
        snapshot(
            host("h1"),
            host("h2"),
            instance("a", "h1"),
            instance("b", "h1", status="SHUTOFF"),
            instance("c", "h2", project_id="other"),
            instance("d", "h2", status="SOFT_DELETED"),
        ),
        clock=clock,
    )
    compute = connect(cloud).compute

    def names(query: str) -> set[str]:
        answer = compute.get(f"/servers/detail?all_tenants=1&{query}")
        assert answer.status_code == 200
        return {server["name"] for server in answer.json()["servers"]}

    assert names("") == {"a", "b", "c"}
    assert names("host=h1") == {"a", "b"}
    assert names("host=nowhere") == set()
    assert names("status=SHUTOFF") == {"b"}
    assert names("status=SOFT_DELETED") == set()
    assert names("soft_deleted=true") == {"a", "b", "c", "d"}
    assert names("soft_deleted=true&status=SOFT_DELETED") == {"d"}
    assert names("project_id=other") == {"c"}
    assert names("changes-since=2100-01-01T00:00:00Z") == set()
    compute.delete(f"/servers/{identity('a')}")
    clock.step(10)
    assert names("") == {"b", "c"}
    assert names("deleted=true") == {"a", "d"}
    assert "a" in names("changes-since=2000-01-01T00:00:00Z")


def test_aggregates_and_zones(simulated_cloud: Factory) -> None:
    fast = Aggregate("ssd", {"ssd": "true"})
    cloud = simulated_cloud(
        snapshot(
            host("h1", availability_zone="az1", aggregates=(fast,)),
            host("h2", availability_zone="az2"),
            instance("a", "h1"),
        )
    )
    connection = connect(cloud)
    aggregates = {a.name: a for a in connection.compute.aggregates()}
    assert aggregates["ssd"].hosts == ["h1"]
    assert aggregates["ssd"].metadata == {"ssd": "true"}
    assert {a.availability_zone: a.hosts for a in aggregates.values() if a.availability_zone} == {
        "az1": ["h1"],
        "az2": ["h2"],
    }
    assert {s.host: s.availability_zone for s in connection.compute.services(binary="nova-compute")} == {
        "h1": "az1",
        "h2": "az2",
    }
    known = connection.placement.get(f"/resource_providers/{identity('h1')}/aggregates").json()
    assert aggregates["ssd"].uuid in known["aggregates"]


def test_an_ordinary_user_sees_little(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(
            host("h1"),
            instance("mine", "h1"),
            instance("yours", "h1", project_id="other"),
            group("ours", "anti-affinity", "mine"),
            group("theirs", "anti-affinity", "yours"),
        )
    )
    connection = connect(cloud, "simulated-demo")
    compute = connection.compute
    assert [s.name for s in compute.servers(details=True)] == ["mine"]
    assert "OS-EXT-SRV-ATTR:host" not in compute.get("/servers/detail").json()["servers"][0]
    # Silently one's own project's only: a client that believes it has them all is wrong.
    assert [g.name for g in compute.server_groups(all_projects=True)] == ["ours"]
    for path in ("/os-services", "/os-hypervisors/detail", "/os-aggregates", "/os-migrations"):
        assert compute.get(path).status_code == 403, path
    assert compute.get("/servers/detail?all_tenants=1").status_code == 403
    assert compute.get(f"/servers/{identity('yours')}").status_code == 404
    assert connection.placement.get("/resource_providers").status_code == 403
    action = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    answer = compute.post(f"/servers/{identity('mine')}/action", json=action, microversion="2.96")
    assert answer.status_code == 403


def test_placement_tells_capacity_and_use(simulated_cloud: Factory) -> None:
    odd = Host(
        name="h2",
        uuid=identity("h2"),
        inventories={
            "MEMORY_MB": Inventory(total=100, reserved=0, allocation_ratio=1.15),
            "CUSTOM_GPU": Inventory(capacity=2),
        },
        used_by_others={"MEMORY_MB": 14},
    )
    cloud = simulated_cloud(snapshot(host("h1"), odd, instance("a", "h1", memory_mb=4096)))
    placement = connect(cloud).placement

    providers = placement.get("/resource_providers").json()["resource_providers"]
    assert {p["name"]: p["uuid"] for p in providers} == {"h1": identity("h1"), "h2": identity("h2")}
    found = placement.get("/allocation_candidates?resources=MEMORY_MB:1").json()
    summaries = found["provider_summaries"]
    assert summaries[identity("h2")]["resources"] == {
        "MEMORY_MB": {"capacity": 114, "used": 14},
        "CUSTOM_GPU": {"capacity": 2, "used": 0},
    }
    assert summaries[identity("h1")]["resources"]["MEMORY_MB"] == {"capacity": 16384, "used": 4096}
    limited = placement.get("/allocation_candidates?resources=MEMORY_MB:1&limit=1").json()
    assert len(limited["allocation_requests"]) == len(limited["provider_summaries"]) == 1
    none = placement.get("/allocation_candidates?resources=MEMORY_MB:101").json()
    assert list(none["provider_summaries"]) == [identity("h1")]
    inventories = placement.get(f"/resource_providers/{identity('h2')}/inventories").json()
    assert inventories["inventories"]["MEMORY_MB"]["allocation_ratio"] == 1.15
    assert inventories["inventories"]["CUSTOM_GPU"]["total"] == 2
    usages = placement.get(f"/resource_providers/{identity('h1')}/usages").json()["usages"]
    assert usages == {"VCPU": 1, "MEMORY_MB": 4096, "DISK_GB": 1}
    there = placement.get(f"/resource_providers/{identity('h1')}/allocations").json()
    assert list(there["allocations"]) == [identity("a")]
    assert placement.get("/allocation_candidates?resources=VCPU").status_code == 400


def test_allocations_are_put_and_deleted_as_healing_does(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("h1"), host("h2"), instance("a", "h1")))
    placement = connect(cloud).placement
    path = f"/allocations/{identity('a')}"
    body = placement.get(path).json()
    body["allocations"] = {identity("h2"): {"resources": {"VCPU": 1, "MEMORY_MB": 1000}}}
    stale = body | {"consumer_generation": body["consumer_generation"] + 5}
    assert placement.put(path, json=stale).status_code == 409
    too_much = body | {"allocations": {identity("h2"): {"resources": {"MEMORY_MB": 99999}}}}
    assert placement.put(path, json=too_much).status_code == 409
    assert list(placement.get(path).json()["allocations"]) == [identity("h1")]
    assert placement.put(path, json=body).status_code == 204
    assert list(placement.get(path).json()["allocations"]) == [identity("h2")]
    assert placement.delete(path).status_code == 204
    assert placement.get(path).json() == {"allocations": {}}
    assert placement.delete(path).status_code == 404


def test_wrong_passwords_and_unknown_tokens_are_refused(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud()
    given = cloud.clouds()["simulated"]
    wrong = given | {"auth": given["auth"] | {"password": "wrong"}}  # type: ignore[operator]
    connection = connect(cloud)
    with pytest.raises(keystoneauth1.exceptions.Unauthorized):
        openstack.connect(load_envvars=False, load_yaml_config=False, **wrong).session.get_token()
    base = cloud.site.base_url
    for path in ("/compute/v2.1/servers", "/placement/resource_providers"):
        for headers in ({}, {"X-Auth-Token": "nonsense"}):
            answer = requests.get(base + path, headers=headers, timeout=60)
            assert answer.status_code == 401
            assert answer.json()["error"]["title"] == "Unauthorized"
            assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    # A client asks for a new token when the cloud no longer knows the old one.
    assert len(list(connection.compute.services())) == 6
    cloud.site.identity.revoke_all()
    assert len(list(connection.compute.services())) == 6


def test_tokens_run_out(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(settings=Settings(token_lifetime_s=0.0))
    connection = connect(cloud)
    token = connection.session.get_token()
    answer = requests.get(f"{cloud.site.base_url}/compute/v2.1/servers", headers={"X-Auth-Token": token}, timeout=60)
    assert answer.status_code == 401


def test_what_is_not_simulated_is_refused_loudly(simulated_cloud: Factory, caplog: pytest.LogCaptureFixture) -> None:
    cloud = simulated_cloud()
    compute = connect(cloud).compute
    assert compute.get("/os-keypairs").status_code == 404
    assert compute.put("/os-hypervisors/detail", json={}).status_code == 404
    assert compute.get("/servers/detail?all_tenants=1&colour=blue").status_code == 404
    with pytest.raises(exceptions.NotFoundException):
        list(compute.images())
    assert "GET /compute/v2.1/os-keypairs" in cloud.unknown_requests
    assert any("colour" in what for what in cloud.unknown_requests)
    assert len(cloud.unknown_requests) == 4
    assert "does not know GET /compute/v2.1/os-keypairs" in caplog.text


def test_a_cell_that_does_not_answer_lies_by_omission(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(
            host("h1", cell="cell1"),
            host("h2", cell="cell2"),
            instance("a", "h1"),
            instance("b", "h2"),
        )
    )
    compute = connect(cloud).compute

    def services(version: str) -> dict[str, str]:
        found = compute.get("/os-services?binary=nova-compute", microversion=version).json()
        return {s["host"]: s["status"] for s in found["services"]}

    def servers() -> list[str]:
        answer = compute.get("/servers/detail?all_tenants=1&limit=1000")
        assert answer.status_code == 200
        return [s["name"] for s in answer.json()["servers"]]

    cells = {a.metadata["vmpath:cell"]: a.hosts for a in compute.aggregates()}
    assert cells == {"cell1": ["h1"], "cell2": ["h2"]}
    cloud.silence_cell("cell2")
    assert services("2.69") == {"h1": "enabled", "h2": "UNKNOWN"}
    assert services("2.68") == {"h1": "enabled"}
    assert servers() == ["a"]
    assert [h.name for h in compute.hypervisors()] == ["h1"]
    cloud.silence_cell("cell2", silent=False)
    assert services("2.69") == {"h1": "enabled", "h2": "enabled"}
    assert sorted(servers()) == ["a", "b"]


def test_services_are_changed_the_old_way_before_2_53(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(snapshot(host("h1")))
    compute = connect(cloud).compute

    def put(action: str, **more: object) -> requests.Response:
        body = {"host": "h1", "binary": "nova-compute"} | more
        answer: requests.Response = compute.put(f"/os-services/{action}", json=body, microversion="2.52")
        return answer

    assert put("disable-log-reason", disabled_reason="why").status_code == 200
    assert (cloud.world.hosts["h1"].disabled, cloud.world.hosts["h1"].disabled_reason) == (
        True,
        "why",
    )
    assert put("enable").json()["service"]["status"] == "enabled"
    assert put("force-down", forced_down=True).status_code == 200
    assert cloud.world.hosts["h1"].forced_down
    assert put("explode").status_code == 404
    assert put("enable", host="h9").status_code == 404
