"""Servers that rest: shelved, rescued, suspended, deleted softly, resized; what they hold and what they refuse."""

from __future__ import annotations

import pytest

from tests.contracts.cloud.hearing import Hearing
from tests.contracts.cloud.under_test import SMALL, CloudUnderTest, Server, Wish
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.model.snapshot import Instance

SHELVED = [
    "update compute2 active/shelving",
    "shelve.start compute2 active/shelving",
    "update compute2 active/shelving_image_uploading",
    "update compute2 shelved/None",
    "shelve.end compute2 shelved/None",
]


class StatusContract:
    """What is shelved on compute2 stays there until it is offloaded; elsewhere it is offloaded at once."""

    @pytest.fixture(scope="class")
    @classmethod
    def vmpath(cls, cloud: CloudUnderTest) -> NovaCloud:
        return cloud.vmpath()

    @pytest.fixture(scope="class")
    @classmethod
    def hearing(cls, cloud: CloudUnderTest) -> Hearing:
        return cloud.hear()

    def read(self, vmpath: NovaCloud, server: Server) -> Instance:
        [found] = [each for each in vmpath.read().instances if each.uuid == server.id]
        return found

    def refuses(self, server: Server, state: str) -> None:
        """It may neither be migrated, live or cold, nor paused."""
        for answer in (server.migrate("compute3"), server.act("migrate"), server.act("pause")):
            assert answer.status_code == 409
            assert f"vm_state {state}" in answer.json()["conflictingRequest"]["message"]

    def test_shelved_it_keeps_its_place(self, cloud: CloudUnderTest, vmpath: NovaCloud, hearing: Hearing) -> None:
        [server] = cloud.boot([Wish("compute2")])
        cloud.told(server)
        assert server.act("unshelve").status_code == 409
        assert server.act("shelve").status_code == 202
        cloud.becomes(server.state, ("SHELVED", "compute2", None))
        assert cloud.held(server.id) == {"compute2": SMALL}
        self.refuses(server, "shelved")
        assert server.act("shelve").status_code == 409
        read = self.read(vmpath, server)
        assert (read.status, read.host, read.movable, read.resources) == ("SHELVED", "compute2", "no", SMALL)
        self.tells(cloud, hearing, server, SHELVED)
        # a host may be chosen only for one that has none
        assert server.act("unshelve", {"host": "compute3"}).status_code == 409
        assert server.act("unshelve").status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute2", None))
        assert cloud.held(server.id) == {"compute2": SMALL}
        self.tells(
            cloud,
            hearing,
            server,
            [
                *SHELVED,
                "update compute2 shelved/unshelving",
                "update compute2 shelved/powering-on",
                "power_on.start compute2 shelved/powering-on",
                "update compute2 active/None",
                "power_on.end compute2 active/None",
            ],
        )

    def test_offloaded_it_is_nowhere(self, cloud: CloudUnderTest, vmpath: NovaCloud, hearing: Hearing) -> None:
        [server] = cloud.boot([Wish("compute2")])
        cloud.told(server)
        assert server.act("shelveOffload").status_code == 409
        assert server.act("shelve").status_code == 202
        cloud.becomes(server.state, ("SHELVED", "compute2", None))
        self.tells(cloud, hearing, server, SHELVED)
        assert server.act("shelveOffload").status_code == 202
        cloud.becomes(server.state, ("SHELVED_OFFLOADED", None, None))
        offloaded = [
            *SHELVED,
            "update compute2 shelved/shelving_offloading",
            "shelve_offload.start compute2 shelved/shelving_offloading",
            "update compute2 shelved_offloaded/None",
            "update None shelved_offloaded/None",
            "shelve_offload.end None shelved_offloaded/None",
        ]
        assert cloud.held(server.id) == {}
        not_there = server.act("os-stop")
        assert (not_there.status_code, "is not ready" in not_there.text) == (409, True)
        assert server.shown()["OS-EXT-AZ:availability_zone"] == ""
        assert server.shown()["OS-EXT-SRV-ATTR:hypervisor_hostname"] is None
        self.refuses(server, "shelved_offloaded")
        assert server.act("shelveOffload").status_code == 409
        read = self.read(vmpath, server)
        assert (read.status, read.host, read.movable) == ("SHELVED_OFFLOADED", None, "no")
        self.tells(cloud, hearing, server, offloaded)
        assert server.act("unshelve", {"host": "nowhere"}).status_code == 400
        assert server.act("unshelve", {"host": "compute3"}).status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute3", None))
        assert cloud.held(server.id) == {"compute3": SMALL}
        self.tells(
            cloud,
            hearing,
            server,
            [
                *offloaded,
                "update None shelved_offloaded/unshelving",
                "unshelve.start None shelved_offloaded/unshelving",
                "update None shelved_offloaded/spawning",
                "update compute3 shelved_offloaded/spawning",
                "update compute3 active/None",
                "unshelve.end compute3 active/None",
            ],
        )

    def test_offloaded_at_once(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        assert server.act("shelve").status_code == 202
        cloud.becomes(server.state, ("SHELVED_OFFLOADED", None, None))
        assert cloud.held(server.id) == {}
        # a host that does not admit it: accepted, and nothing comes of it
        try:
            assert cloud.change_service("compute3", status="disabled").status_code == 200
            assert server.act("unshelve", {"host": "compute3"}).status_code == 202
            cloud.becomes(server.state, ("SHELVED_OFFLOADED", None, None))
            assert cloud.held(server.id) == {}
        finally:
            cloud.change_service("compute3", status="enabled")
        assert server.act("unshelve").status_code == 202
        cloud.until(lambda: server.state()[0] == "ACTIVE", "it is ACTIVE again")
        assert cloud.held(server.id) == {server.state()[1]: SMALL}
        server.delete()

    def test_a_strict_affinity_group_lets_go_of_one_that_is_offloaded(self, cloud: CloudUnderTest) -> None:
        group = cloud.create_group("let go", "affinity")
        [server] = cloud.boot([Wish("compute1", group=group)])
        assert server.act("shelve").status_code == 202
        cloud.becomes(server.state, ("SHELVED_OFFLOADED", None, None))
        assert server.act("unshelve", {"host": "compute4"}).status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute4", None))

    def test_rescued(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1")
        answer = server.act("rescue")
        assert (answer.status_code, list(answer.json())) == (200, ["adminPass"])
        cloud.becomes(server.state, ("RESCUE", "compute1", None))
        assert cloud.held(server.id) == {"compute1": SMALL}
        assert server.migrate("compute2").status_code == 409
        assert server.act("migrate").status_code == 409
        assert server.act("rescue").status_code == 409
        read = self.read(vmpath, server)
        assert (read.status, read.movable) == ("RESCUE", "no")
        assert server.act("unrescue").status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute1", None))
        assert server.act("unrescue").status_code == 409

    def test_suspended(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1")
        assert server.act("suspend").status_code == 202
        cloud.becomes(server.state, ("SUSPENDED", "compute1", None))
        assert cloud.held(server.id) == {"compute1": SMALL}
        self.refuses(server, "suspended")
        assert self.read(vmpath, server).status == "SUSPENDED"
        assert server.act("resume").status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute1", None))

    def test_deleted_softly_it_keeps_its_place_and_is_not_listed(
        self, cloud: CloudUnderTest, vmpath: NovaCloud
    ) -> None:
        server = cloud.take("compute1")

        def listed(query: str = "") -> bool:
            # the short list: of a cloud that has been used for long, many are deleted
            found = cloud.compute.get(f"/servers?all_tenants=1{query}").json()["servers"]
            return server.id in {each["id"] for each in found}

        def by_others() -> int:
            [host] = [each for each in vmpath.read().hosts if each.name == "compute1"]
            return host.used_by_others.get("MEMORY_MB", 0)

        before = by_others()
        with cloud.deferring() as deferring:
            assert deferring.delete(f"/servers/{server.id}").status_code == 204
        cloud.becomes(server.state, ("SOFT_DELETED", "compute1", None))
        assert cloud.held(server.id) == {"compute1": SMALL}
        # its status is not enough to find it by
        queries = ("", "&host=compute1", "&status=SOFT_DELETED", "&vm_state=soft-delete")
        assert [query for query in queries if listed(query)] == []
        for query in ("&soft_deleted=true", "&soft_deleted=true&status=SOFT_DELETED", "&deleted=true&limit=500"):
            assert listed(query), query
        assert listed(f"&changes-since={server.shown()['created']}")
        self.refuses(server, "soft-delete")
        # no list shows it, so to vmpath it is somebody else's
        assert server.id not in {each.uuid for each in vmpath.read().instances}
        assert by_others() == before + 512
        assert server.act("restore").status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute1", None))
        assert listed()
        assert server.act("restore").status_code == 409
        with cloud.deferring() as deferring:
            assert deferring.delete(f"/servers/{server.id}").status_code == 204
        cloud.becomes(server.state, ("SOFT_DELETED", "compute1", None))
        assert server.act("forceDelete").status_code == 202
        cloud.until(lambda: cloud.compute.get(f"/servers/{server.id}").status_code == 404, "it is gone")
        assert cloud.held(server.id) == {}

    def test_resized_it_holds_both(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        [server] = cloud.boot([Wish("compute1")])
        big = {"VCPU": 2, "MEMORY_MB": 20480, "DISK_GB": 1}
        assert server.act("resize", {"flavorRef": cloud.flavor_id("contract.small")}).status_code == 400
        assert server.act("resize", {"flavorRef": "nothing"}).status_code in (400, 404)
        assert server.act("resize", {"flavorRef": cloud.flavor_id("contract.huge")}).status_code == 202
        # or over already, where the answer took its time
        assert server.state()[0] in ("RESIZE", "VERIFY_RESIZE")
        cloud.until(lambda: server.state()[0] == "VERIFY_RESIZE", "it waits for confirmation")
        to = server.state()[1]
        assert to != "compute1"
        [record] = server.records()
        assert (record["migration_type"], record["status"], record["dest_compute"]) == ("resize", "finished", to)
        assert record["old_instance_type_id"] != record["new_instance_type_id"]
        assert (cloud.held(server.id), cloud.held(record["uuid"])) == ({to: big}, {"compute1": SMALL})
        self.refuses(server, "resized")
        read = self.read(vmpath, server)
        assert (read.status, read.host, read.movable, read.resources) == ("VERIFY_RESIZE", to, "no", big)
        assert server.act("revertResize").status_code == 202
        cloud.becomes(server.state, ("ACTIVE", "compute1", None))
        assert (cloud.held(server.id), cloud.held(record["uuid"])) == ({"compute1": SMALL}, {})
        assert server.shown()["flavor"]["original_name"] == "contract.small"
        assert server.act("resize", {"flavorRef": cloud.flavor_id("contract.huge")}).status_code == 202
        cloud.until(lambda: server.state()[0] == "VERIFY_RESIZE", "it waits for confirmation")
        to = server.state()[1]
        assert server.act("confirmResize").status_code == 204
        cloud.becomes(server.state, ("ACTIVE", to, None))
        assert cloud.held(server.id) == {to: big}
        server.delete()

    def tells(self, cloud: CloudUnderTest, hearing: Hearing, server: Server, story: list[str]) -> None:
        cloud.becomes(lambda: hearing.since_boot(server.id), story)
