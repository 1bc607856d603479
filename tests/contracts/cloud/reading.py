"""What a client reads: services, lists in pages, books, and what an ordinary user is not told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.cloud.under_test import NOWHERE, SMALL, CloudUnderTest, Server, Wish

SERVICE_FIELDS = {
    "id", "binary", "host", "zone", "status", "state", "updated_at", "disabled_reason", "forced_down",
}  # fmt: skip
DISABLED = "COMPUTE_STATUS_DISABLED"
# microversion -> what it is the first to show of a server in the detailed list
FIELD_SINCE = {
    "2.47": ("flavor", "extra_specs"),
    "2.73": ("locked_reason",),
    "2.96": ("pinned_availability_zone",),
    "2.100": ("scheduler_hints",),
}


class ReadingContract:
    """Nothing here changes a server; all share three, one of them locked and in a group."""

    @pytest.fixture(scope="class")
    @classmethod
    def servers(cls, cloud: CloudUnderTest) -> list[Server]:
        group = cloud.create_group("seen", "anti-affinity")
        servers = cloud.boot([Wish("compute5", group=group), Wish("compute6", group=group), Wish("compute6")])
        assert servers[2].act("lock", {"locked_reason": "mine"}).status_code == 202
        return servers

    def test_services_say_what_is_done_to_them(self, cloud: CloudUnderTest) -> None:
        before = cloud.services()
        assert set(before) == set(cloud.hosts)
        assert all(service.keys() == SERVICE_FIELDS for service in before.values())
        assert {(s["state"], s["status"], s["forced_down"]) for s in before.values()} == {("up", "enabled", False)}
        traits = f"/resource_providers/{cloud.providers()['compute6']}/traits"

        def marked() -> bool:
            return DISABLED in cloud.placement.get(traits).json()["traits"]

        try:
            answer = cloud.change_service("compute6", status="disabled", disabled_reason="drain")
            assert answer.status_code == 200
            service = answer.json()["service"]
            assert service.keys() == SERVICE_FIELDS
            assert (service["status"], service["state"], service["disabled_reason"]) == ("disabled", "up", "drain")
            # at once, unless the compute reports to Placement just now; so below
            cloud.becomes(marked, True)
            down = cloud.change_service("compute6", forced_down=True).json()["service"]
            assert (down["status"], down["state"], down["forced_down"]) == ("disabled", "down", True)
            listed = cloud.services()["compute6"]
            assert (listed["status"], listed["state"], listed["disabled_reason"]) == ("disabled", "down", "drain")
        finally:
            cloud.change_service("compute6", forced_down=False)
            up = cloud.change_service("compute6", status="enabled").json()["service"]
        assert (up["status"], up["forced_down"], up["disabled_reason"]) == ("enabled", False, None)
        cloud.becomes(marked, False)
        cloud.until(lambda: cloud.services()["compute6"]["state"] == "up", "the host is up")

    def test_what_services_refuse(self, cloud: CloudUnderTest) -> None:
        assert cloud.change_service("compute6", disabled_reason="why").status_code == 400
        assert cloud.change_service("compute6", status="enabled", disabled_reason="why").status_code == 400
        assert cloud.change_service("compute6", status="asleep").status_code == 400
        assert cloud.change_service("compute6").status_code == 400
        missing = cloud.compute.put(f"/os-services/{NOWHERE}", json={"status": "enabled"})
        assert missing.status_code == 404
        one = cloud.compute.get("/os-services?binary=nova-compute&host=compute2").json()["services"]
        assert [service["host"] for service in one] == ["compute2"]
        assert cloud.compute.get("/os-services?host=nowhere").json()["services"] == []

    def test_servers_come_in_pages_that_join_up(self, cloud: CloudUnderTest, servers: list[Server]) -> None:
        whole = [s["id"] for s in cloud.compute.get("/servers/detail?all_tenants=1").json()["servers"]]
        assert {server.id for server in servers} <= set(whole)
        seen: list[str] = []
        path = "/servers/detail?all_tenants=1&limit=2"
        while True:
            page = cloud.compute.get(path).json()
            seen += [server["id"] for server in page["servers"]]
            if not page.get("servers_links"):
                break
            assert len(page["servers"]) == 2
            path = page["servers_links"][0]["href"]
        assert seen == whole
        behind = cloud.compute.get(f"/servers/detail?all_tenants=1&marker={whole[0]}").json()["servers"]
        assert [server["id"] for server in behind] == whole[1:]
        assert cloud.compute.get(f"/servers/detail?all_tenants=1&marker={NOWHERE}").status_code == 400
        last = cloud.compute.get(f"/servers/detail?all_tenants=1&marker={whole[-1]}")
        assert (last.status_code, last.json()) == (200, {"servers": []})

    def test_servers_by_host_and_status(self, cloud: CloudUnderTest, servers: list[Server]) -> None:
        def listed(query: str) -> set[str]:
            answer = cloud.compute.get(f"/servers/detail?all_tenants=1&{query}")
            assert answer.status_code == 200
            return {server["id"] for server in answer.json()["servers"]}

        ids = {server.id for server in servers}
        assert listed("host=compute5") & ids == {servers[0].id}
        assert listed("host=nowhere") == set()
        assert listed("status=SHUTOFF") & ids == set()
        assert ids <= listed("status=ACTIVE")
        assert listed("locked=true") & ids == {servers[2].id}
        assert listed("changes-since=2099-01-01T00:00:00Z") == set()

    @pytest.mark.parametrize("version", FIELD_SINCE)
    def test_a_microversion_shows_what_it_brought(
        self, cloud: CloudUnderTest, servers: list[Server], version: str
    ) -> None:
        field = FIELD_SINCE[version]
        before = f"2.{int(version.partition('.')[2]) - 1}"
        assert not has(detailed(cloud, before)[servers[0].id], field)
        assert has(detailed(cloud, version)[servers[0].id], field)

    def test_what_the_newest_microversions_say(self, cloud: CloudUnderTest, servers: list[Server]) -> None:
        newest = detailed(cloud, "2.100")
        grouped, alone = newest[servers[0].id], newest[servers[2].id]
        assert "server_groups" not in grouped
        [group] = servers[0].shown()["server_groups"]
        assert grouped["scheduler_hints"] == {"group": [group]}
        assert alone["scheduler_hints"] == {}
        assert (alone["locked"], alone["locked_reason"]) == (True, "mine")
        assert grouped["pinned_availability_zone"] is None
        assert "properties" in newest[servers[0].id]["image"]
        assert "properties" not in detailed(cloud, "2.97")[servers[0].id]["image"]
        assert grouped["flavor"]["original_name"] == "contract.small"
        assert (grouped["flavor"]["ram"], grouped["flavor"]["vcpus"], grouped["flavor"]["disk"]) == (512, 1, 1)

    def test_microversions_out_of_range(self, cloud: CloudUnderTest) -> None:
        assert cloud.compute.get("/servers", microversion="2.999").status_code == 406
        assert cloud.placement.get("/resource_providers", microversion="1.99").status_code == 406
        answer = cloud.compute.get("/servers", microversion="2.96")
        assert answer.headers["OpenStack-API-Version"] == "compute 2.96"

    def test_hypervisors_lose_their_capacity_with_2_88(self, cloud: CloudUnderTest) -> None:
        def hypervisors(version: str) -> dict[str, dict[str, Any]]:
            answer = cloud.compute.get("/os-hypervisors/detail", microversion=version)
            return {each["service"]["host"]: each for each in answer.json()["hypervisors"]}

        old, new = hypervisors("2.87"), hypervisors("2.88")
        assert set(old) == set(new) == set(cloud.hosts)
        assert {"memory_mb", "vcpus_used", "cpu_info", "running_vms"} <= old["compute1"].keys()
        assert not {"memory_mb", "vcpus_used", "cpu_info", "running_vms"} & new["compute1"].keys()
        assert {each["service"]["host"]: each["id"] for each in new.values()} == cloud.providers()

    def test_migrations_come_newest_first_in_pages(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        for to, status in (("compute1", "error"), ("compute2", "completed"), ("compute1", "completed")):
            assert server.migrate(to).status_code == 202
            server.settles("ACTIVE", to, status)
        third, second, first = server.records()

        def found(query: str, version: str = "2.80") -> list[int]:
            path = f"/os-migrations?instance_uuid={server.id}&{query}"
            answer = cloud.compute.get(path, microversion=version)
            assert answer.status_code == 200, answer.text
            return [migration["id"] for migration in answer.json()["migrations"]]

        assert first["id"] < second["id"] < third["id"]
        assert found("") == [third["id"], second["id"], first["id"]]
        assert found("", "2.58") == [first["id"], second["id"], third["id"]]
        assert found("status=error") == [first["id"]]
        assert found("status=error&migration_type=live-migration") == [first["id"]]
        assert found("migration_type=migration") == []
        assert found("source_compute=compute2") == [third["id"]]
        assert found("host=compute2") == [third["id"], second["id"]]
        assert found("changes-since=2099-01-01T00:00:00Z") == []
        since = found(f"changes-since={third['updated_at'].partition('.')[0]}Z")
        assert third["id"] in since
        assert first["id"] not in since
        assert found(f"limit=1&marker={third['uuid']}") == [second["id"]]
        assert found(f"marker={first['uuid']}") == []
        page = cloud.compute.get(f"/os-migrations?instance_uuid={server.id}&limit=2").json()
        assert [migration["id"] for migration in page["migrations"]] == [third["id"], second["id"]]
        rest = cloud.compute.get(page["migrations_links"][0]["href"]).json()
        assert [migration["id"] for migration in rest["migrations"]] == [first["id"]]
        assert cloud.compute.get(f"/os-migrations?marker={NOWHERE}").status_code == 400
        old = cloud.compute.get(f"/os-migrations?instance_uuid={server.id}", microversion="2.22").json()
        assert not {"uuid", "migration_type", "user_id"} & old["migrations"][0].keys()

    def test_provider_summaries_tell_room_and_use(self, cloud: CloudUnderTest, servers: list[Server]) -> None:
        providers = cloud.providers()
        assert set(providers) == set(cloud.hosts)
        answer = cloud.placement.get("/allocation_candidates?resources=MEMORY_MB:1").json()
        assert set(answer["provider_summaries"]) == set(providers.values())
        for uuid in providers.values():
            usages = cloud.placement.get(f"/resource_providers/{uuid}/usages").json()["usages"]
            resources = answer["provider_summaries"][uuid]["resources"]
            assert {name: each["used"] for name, each in resources.items()} == usages
            inventories = cloud.placement.get(f"/resource_providers/{uuid}/inventories").json()["inventories"]
            assert {name: each["capacity"] for name, each in resources.items()} == {
                name: int((each["total"] - each["reserved"]) * each["allocation_ratio"])
                for name, each in inventories.items()
            }
        six = cloud.placement.get(f"/resource_providers/{providers['compute6']}/allocations").json()
        assert six["allocations"][servers[1].id]["resources"] == SMALL
        # hosts without so much of the class asked for are left out
        room = 32768 - 512 + 1
        roomy = cloud.placement.get(f"/allocation_candidates?resources=MEMORY_MB:{room}").json()
        assert set(roomy["provider_summaries"]) == {
            uuid
            for uuid in providers.values()
            if answer["provider_summaries"][uuid]["resources"]["MEMORY_MB"]["used"] == 0
        }
        pinned = cloud.placement.get("/allocation_candidates?resources=PCPU:1").json()
        assert (pinned["provider_summaries"], pinned["allocation_requests"]) == ({}, [])
        much = cloud.placement.get("/allocation_candidates?resources=MEMORY_MB:999999").json()
        assert (much["provider_summaries"], much["allocation_requests"]) == ({}, [])
        limited = cloud.placement.get("/allocation_candidates?resources=MEMORY_MB:1&limit=2").json()
        assert len(limited["provider_summaries"]) == 2
        nobody = cloud.placement.get(f"/allocations/{NOWHERE}")
        assert (nobody.status_code, nobody.json()["allocations"]) == (200, {})
        assert cloud.placement.get(f"/resource_providers/{NOWHERE}").status_code == 404

    def test_what_an_ordinary_user_may_not(self, cloud: CloudUnderTest, servers: list[Server]) -> None:
        for path in ("/os-services", "/os-hypervisors/detail", "/os-aggregates", "/os-migrations"):
            assert cloud.demo.get(path).status_code == 403, path
        assert cloud.demo.get("/servers/detail?all_tenants=1").status_code == 403
        assert cloud.demo.get(f"/servers/{servers[0].id}").status_code == 404
        mine = cloud.demo.get("/servers/detail")
        assert (mine.status_code, mine.json()["servers"]) == (200, [])
        assert cloud.demo_placement.get("/resource_providers").status_code == 403
        service = cloud.services()["compute6"]["id"]
        assert cloud.demo.put(f"/os-services/{service}", json={"status": "disabled"}).status_code == 403

    def test_an_ordinary_user_sees_the_own_groups_only_and_is_not_told(
        self, cloud: CloudUnderTest, servers: list[Server]
    ) -> None:
        ours = cloud.create_group("ours", "soft-anti-affinity", cloud.demo)
        theirs = servers[0].shown()["server_groups"][0]
        listed = cloud.demo.get("/os-server-groups?all_projects=True")
        assert listed.status_code == 200
        assert [group["id"] for group in listed.json()["server_groups"]] == [ours]
        everything = cloud.compute.get("/os-server-groups?all_projects=True").json()["server_groups"]
        by_id = {group["id"]: group for group in everything}
        assert {ours, theirs} <= set(by_id)
        assert set(by_id[theirs]["members"]) == {servers[0].id, servers[1].id}
        assert (by_id[theirs]["policy"], by_id[theirs]["rules"]) == ("anti-affinity", {})
        own = cloud.compute.get("/os-server-groups").json()["server_groups"]
        assert ours not in {group["id"] for group in own}


def detailed(cloud: CloudUnderTest, version: str) -> dict[str, dict[str, Any]]:
    """Every server by its id, as the detailed list shows it at that microversion."""
    answer = cloud.compute.get("/servers/detail?all_tenants=1", microversion=version)
    assert answer.status_code == 200, answer.text
    return {server["id"]: server for server in answer.json()["servers"]}


def has(server: dict[str, Any], path: tuple[str, ...]) -> bool:
    found: Any = server
    for name in path:
        if name not in found:
            return False
        found = found[name]
    return True
