"""Booting, power, locks and deletion: as much of a server's life as migrations depend on."""

from __future__ import annotations

import pytest

from tests.contracts.cloud.under_test import NOWHERE, SMALL, CloudUnderTest, Server, Wish


class ServerLifeContract:
    """Each action is accepted in the states that admit it and a conflict in all others."""

    def test_power(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        for action, status in (
            ("pause", "PAUSED"),
            ("unpause", "ACTIVE"),
            ("os-stop", "SHUTOFF"),
            ("os-start", "ACTIVE"),
        ):
            assert server.act(action).status_code == 202
            cloud.becomes(server.state, (status, "compute1", None))
            assert server.act(action).status_code == 409, action
            assert cloud.held(server.id) == {"compute1": SMALL}

    def test_a_state_is_reset_by_an_administrator(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        for state, status in (("error", "ERROR"), ("active", "ACTIVE")):
            assert server.act("os-resetState", {"state": state}).status_code == 202
            assert server.state() == (status, "compute1", None)
            if status == "ERROR":
                assert server.migrate("compute2").status_code == 409
        assert server.act("os-resetState", {"state": "asleep"}).status_code == 400

    def test_metadata_are_added_to_and_replaced(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1", colour="red")
        server.note(size="big")
        assert server.shown()["metadata"] == {"colour": "red", "size": "big"}
        path = f"/servers/{server.id}/metadata"
        answer = cloud.compute.put(path, json={"metadata": {"size": "small"}})
        assert (answer.status_code, answer.json()) == (200, {"metadata": {"size": "small"}})
        assert cloud.compute.delete(f"{path}/size").status_code == 204
        assert cloud.compute.delete(f"{path}/size").status_code == 404
        assert server.shown()["metadata"] == {}

    def test_deleted_is_gone_with_all_it_held(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        server.delete()
        cloud.becomes(lambda: cloud.held(server.id), {})
        assert cloud.compute.delete(f"/servers/{server.id}").status_code == 404
        assert cloud.compute.get(f"/os-migrations?instance_uuid={server.id}").json()["migrations"] == []
        gone = cloud.compute.get("/servers?all_tenants=1&deleted=true&limit=100").json()["servers"]
        assert server.id in {each["id"] for each in gone}

    def test_where_it_may_not_be_it_boots_into_error(self, cloud: CloudUnderTest) -> None:
        group = cloud.create_group("crowded", "anti-affinity")
        [first] = cloud.boot([Wish("compute1", group=group)])
        answer = cloud.ask_for(Wish("compute1", group=group))
        assert answer.status_code == 202
        second = Server(cloud, answer.json()["server"]["id"])
        cloud.becomes(second.state, ("ERROR", None, None))
        # the conductor writes down why a moment after it has said that
        cloud.becomes(lambda: "No valid host" in second.shown().get("fault", {}).get("message", ""), True)
        assert cloud.held(second.id) == {}
        groups = cloud.compute.get("/os-server-groups?all_projects=True").json()["server_groups"]
        members = {each["id"]: set(each["members"]) for each in groups}
        assert members[group] == {first.id, second.id}
        first.delete()
        groups = cloud.compute.get("/os-server-groups?all_projects=True").json()["server_groups"]
        assert {each["id"]: set(each["members"]) for each in groups}[group] == {second.id}

    @pytest.mark.parametrize("wish", [Wish("nowhere"), Wish("compute1", group=NOWHERE)], ids=["host", "group"])
    def test_what_does_not_exist_is_refused_at_once(self, cloud: CloudUnderTest, wish: Wish) -> None:
        assert cloud.ask_for(wish).status_code == 400

    @pytest.mark.parametrize(
        ("name", "flavor", "extra_specs", "holds"),
        [
            # the root disk, the ephemeral one, and whole GiB of swap
            (
                "disks",
                {"OS-FLV-EXT-DATA:ephemeral": 1, "swap": 1500},
                {},
                {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 4},
            ),
            (
                "overridden",
                {},
                {"resources:VCPU": "0", "resources:MEMORY_MB": "700"},
                {"MEMORY_MB": 700, "DISK_GB": 1},
            ),
        ],
        ids=["disks", "overridden"],
    )
    def test_what_a_flavor_takes(
        self,
        cloud: CloudUnderTest,
        name: str,
        flavor: dict[str, int],
        extra_specs: dict[str, str],
        holds: dict[str, int],
    ) -> None:
        made = cloud.create_flavor(f"contract.{name}", extra_specs, **flavor)
        [server] = cloud.boot([Wish("compute2", made)])
        assert cloud.held(server.id) == {"compute2": holds}
        [read] = [each for each in cloud.vmpath().read().instances if each.uuid == server.id]
        assert read.resources == holds
        server.delete()

    def test_a_ratio_does_not_admit_what_is_larger_than_the_host(self, cloud: CloudUnderTest) -> None:
        # 64 of 16 processors can be taken, by guests of 16 at most
        made = cloud.create_flavor("contract.wide", {}, vcpus=17)
        answer = cloud.ask_for(Wish("compute2", made))
        assert answer.status_code == 202
        server = Server(cloud, answer.json()["server"]["id"])
        cloud.becomes(server.state, ("ERROR", None, None))
        server.delete()
