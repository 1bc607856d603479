"""Live migrations that go well, wait, are refused, aborted or forced; and cold ones."""

from __future__ import annotations

import pytest

from tests.contracts.cloud.under_test import ENDLESS, NOWHERE, SMALL, CloudUnderTest, Wish

IN_PROGRESS_FIELDS = {
    "id", "uuid", "server_uuid", "status", "user_id", "project_id", "created_at", "updated_at",
    "source_compute", "source_node", "dest_compute", "dest_node", "dest_host",
    "memory_total_bytes", "memory_processed_bytes", "memory_remaining_bytes",
    "disk_total_bytes", "disk_processed_bytes", "disk_remaining_bytes",
}  # fmt: skip
RECORD_FIELDS = {
    "id", "uuid", "instance_uuid", "status", "migration_type", "user_id", "project_id", "created_at", "updated_at",
    "source_compute", "source_node", "dest_compute", "dest_node", "dest_host",
    "old_instance_type_id", "new_instance_type_id",
}  # fmt: skip
MIB = 2**20


class LiveMigrationContract:
    """``POST os-migrateLive`` and what follows."""

    def test_one_that_never_converges_until_it_is_forced(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1", **ENDLESS)
        answer = server.migrate("compute2")
        assert (answer.status_code, answer.content) == (202, b"")
        assert server.state() == ("MIGRATING", "compute1", "migrating")
        cloud.until(lambda: any(m["memory_processed_bytes"] for m in server.under_way()), "memory on its way")
        [moving] = server.under_way()
        assert moving.keys() == IN_PROGRESS_FIELDS
        assert moving["status"] == "running"
        assert (moving["source_compute"], moving["dest_compute"]) == ("compute1", "compute2")
        assert (moving["source_node"], moving["dest_node"]) == ("compute1", "compute2")
        assert moving["server_uuid"] == server.id
        assert moving["memory_total_bytes"] == 512 * MIB
        assert 0 < moving["memory_remaining_bytes"] <= moving["memory_total_bytes"]
        [record] = server.records()
        assert record.keys() == RECORD_FIELDS | {"links"}
        assert (record["status"], record["migration_type"]) == ("running", "live-migration")
        assert (record["id"], record["uuid"]) == (moving["id"], moving["uuid"])
        single = cloud.compute.get(f"/servers/{server.id}/migrations/{moving['id']}").json()["migration"]
        assert single.keys() == IN_PROGRESS_FIELDS
        assert "uuid" not in server.under_way("2.58")[0]
        assert server.under_way("2.59")[0].keys() == IN_PROGRESS_FIELDS - {"user_id", "project_id"}
        # while it runs, the server holds its target and the migration the source
        assert cloud.held(server.id) == {"compute2": SMALL}
        assert cloud.held(moving["uuid"]) == {"compute1": SMALL}
        cloud.until(
            lambda: any(m["memory_processed_bytes"] > m["memory_total_bytes"] for m in server.under_way()),
            "more copied than there is",
        )
        assert server.state() == ("MIGRATING", "compute1", "migrating")
        assert server.force_complete(moving).status_code == 202
        record = server.settles("ACTIVE", "compute2", "completed")
        assert record.keys() == RECORD_FIELDS
        assert server.under_way() == []
        gone = cloud.compute.get(f"/servers/{server.id}/migrations/{moving['id']}")
        assert gone.status_code == 404
        assert server.abort(moving).status_code == 409
        assert server.force_complete(moving).status_code == 409

    def test_a_paused_server_stays_paused(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        assert server.act("pause").status_code == 202
        cloud.becomes(server.state, ("PAUSED", "compute1", None))
        assert server.migrate("compute2").status_code == 202
        server.settles("PAUSED", "compute2", "completed")

    def test_a_locked_server_moves_for_an_administrator(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        assert server.act("lock", {"locked_reason": "mine"}).status_code == 202
        assert server.migrate("compute2").status_code == 202
        server.settles("ACTIVE", "compute2", "completed")
        assert (server.shown()["locked"], server.shown()["locked_reason"]) == (True, "mine")

    def test_what_is_refused_at_once(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1", **ENDLESS)
        assert server.migrate("nowhere").status_code == 400
        bare = server.act("os-migrateLive", {"host": "compute2"})
        assert bare.status_code == 400
        assert "'block_migration' is a required property" in bare.json()["badRequest"]["message"]
        forced = {"host": "compute2", "block_migration": "auto", "force": True}
        assert server.act("os-migrateLive", forced, "2.68").status_code == 400
        body = {"os-migrateLive": {"host": "compute2", "block_migration": "auto"}}
        assert cloud.compute.post(f"/servers/{NOWHERE}/action", json=body).status_code == 404
        assert server.records() == []
        assert server.state() == ("ACTIVE", "compute1", None)
        moving = server.starts("compute2")
        again = server.migrate("compute2")
        assert again.status_code == 409
        assert "task_state migrating" in again.json()["conflictingRequest"]["message"]
        assert server.act("os-stop").status_code == 409
        assert server.abort(moving).status_code == 202
        server.settles("ACTIVE", "compute1", "cancelled")
        server.stop()
        stopped = server.migrate("compute2")
        assert stopped.status_code == 409
        assert "vm_state stopped" in stopped.json()["conflictingRequest"]["message"]

    @pytest.mark.parametrize(
        "change",
        [{"status": "disabled"}, {"forced_down": True}, None],
        ids=["disabled", "forced down", "the same host"],
    )
    def test_what_the_scheduler_refuses_is_accepted_first(
        self, cloud: CloudUnderTest, change: dict[str, object] | None
    ) -> None:
        server = cloud.take("compute1")
        target = "compute1" if change is None else "compute3"
        try:
            if change:
                assert cloud.change_service("compute3", **change).status_code == 200
            assert server.migrate(target).status_code == 202
            record = server.settles("ACTIVE", "compute1", "error")
        finally:
            if change:
                cloud.change_service("compute3", status="enabled", forced_down=False)
        assert record.keys() == RECORD_FIELDS
        assert (record["source_compute"], record["source_node"]) == ("compute1", None)
        assert (record["dest_compute"], record["dest_node"]) == (None, None)
        assert server.under_way() == []

    def test_no_room_at_the_target(self, cloud: CloudUnderTest) -> None:
        moved, _ = cloud.boot([Wish("compute5", "contract.huge"), Wish("compute6", "contract.huge")])
        huge = {"VCPU": 2, "MEMORY_MB": 20480, "DISK_GB": 1}
        assert moved.migrate("compute6").status_code == 202
        cloud.becomes(lambda: [m["status"] for m in moved.records()], ["error"])
        cloud.becomes(moved.state, ("ACTIVE", "compute5", None))
        assert cloud.held(moved.id) == {"compute5": huge}
        assert cloud.held(moved.records()[0]["uuid"]) == {}

    def test_the_scheduler_chooses_when_no_host_is_named(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        others = ("compute3", "compute4", "compute5", "compute6")
        try:
            for host in others:
                assert cloud.change_service(host, status="disabled").status_code == 200
            assert server.migrate(None).status_code == 202
            server.settles("ACTIVE", "compute2", "completed")
        finally:
            for host in others:
                cloud.change_service(host, status="enabled")

    def test_an_aborted_one_goes_back(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1", **ENDLESS)
        moving = server.starts("compute2")
        assert server.abort(moving).status_code == 202
        server.settles("ACTIVE", "compute1", "cancelled")
        late = server.abort(moving)
        assert late.status_code == 409
        assert "abort live migration" in late.json()["conflictingRequest"]["message"]
        assert server.force_complete(moving).status_code == 409

    def test_a_source_carries_out_two_and_queues_the_rest(self, cloud: CloudUnderTest) -> None:
        first, second, third, fourth = (cloud.take("compute1", **ENDLESS) for _ in range(4))
        moving = [server.starts("compute2") for server in (first, second)]
        queued = [server.asked("compute2", "queued") for server in (third, fourth)]
        assert [server.records()[0]["status"] for server in (third, fourth)] == ["queued", "queued"]
        assert (queued[0]["source_compute"], queued[0]["dest_compute"]) == ("compute1", "compute2")
        assert queued[0]["memory_total_bytes"] is None
        assert third.state() == ("MIGRATING", "compute1", "migrating")
        assert cloud.held(third.id) == {"compute2": SMALL}
        assert cloud.held(queued[0]["uuid"]) == {"compute1": SMALL}
        assert third.force_complete(queued[0]).status_code == 400
        assert third.abort(queued[0], "2.64").status_code == 400
        assert third.abort(queued[0], "2.65").status_code == 202
        third.settles("ACTIVE", "compute1", "cancelled")
        # the places are taken still; another source is not held up
        assert fourth.under_way()[0]["status"] == "queued"
        other = cloud.take("compute2")
        assert other.migrate("compute1").status_code == 202
        other.settles("ACTIVE", "compute1", "completed")
        fifth = cloud.take("compute1", **ENDLESS)
        last = fifth.asked("compute2", "queued")
        assert first.force_complete(moving[0]).status_code == 202
        first.settles("ACTIVE", "compute2", "completed")
        cloud.until(lambda: fourth.under_way()[0]["status"] == "running", "the one that waited longest runs")
        assert fifth.under_way()[0]["status"] == "queued"
        assert fifth.abort(last).status_code == 202
        fifth.settles("ACTIVE", "compute1", "cancelled")
        for server, migration in ((second, moving[1]), (fourth, queued[1])):
            assert server.abort(migration).status_code == 202
            server.settles("ACTIVE", "compute1", "cancelled")

    def test_a_group_keeps_its_members_apart_also_from_one_that_leaves(self, cloud: CloudUnderTest) -> None:
        group = cloud.create_group("apart", "anti-affinity")
        one, two = cloud.boot([Wish("compute1", group=group), Wish("compute2", group=group)])
        assert one.migrate("compute2").status_code == 202
        one.settles("ACTIVE", "compute1", "error")
        one.note(**ENDLESS)
        leaving = one.starts("compute3")
        assert two.migrate("compute1").status_code == 202
        two.settles("ACTIVE", "compute2", "error")
        assert one.force_complete(leaving).status_code == 202
        one.settles("ACTIVE", "compute3", "completed")
        assert two.migrate("compute1").status_code == 202
        two.settles("ACTIVE", "compute1", "completed")

    def test_a_strict_affinity_group_holds_even_one_alone(self, cloud: CloudUnderTest) -> None:
        group = cloud.create_group("together", "affinity")
        [server] = cloud.boot([Wish("compute1", group=group)])
        assert server.migrate("compute2").status_code == 202
        server.settles("ACTIVE", "compute1", "error")


class ColdMigrationContract:
    """Stopped servers move by the other action, and wait for a confirmation."""

    def test_to_the_host_named_when_confirmed(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        server.stop()
        assert server.act("migrate", {"host": "compute1"}).status_code == 400
        assert server.act("migrate", {"host": "nowhere"}).status_code == 400
        assert server.act("migrate", {"host": "compute4"}).status_code == 202
        # or over already, where the answer took its time
        assert server.state()[0] in ("RESIZE", "VERIFY_RESIZE")
        record = server.settles("VERIFY_RESIZE", "compute4", "finished", source_held=["compute1"])
        assert record["migration_type"] == "migration"
        assert server.under_way() == []
        assert server.act("confirmResize").status_code == 204
        server.settles("SHUTOFF", "compute4", "confirmed")
        assert server.act("confirmResize").status_code == 409

    def test_back_when_reverted(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        server.stop()
        server.leaves_cold("compute4")
        assert server.act("revertResize").status_code == 202
        server.settles("SHUTOFF", "compute1", "reverted")

    def test_deleted_before_the_confirmation(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        server.stop()
        record = server.leaves_cold("compute4")
        server.delete()
        cloud.becomes(lambda: (cloud.held(server.id), cloud.held(record["uuid"])), ({}, {}))

    def test_without_room_it_stays_and_says_error(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        server.stop()
        try:
            assert cloud.change_service("compute3", status="disabled").status_code == 200
            assert server.act("migrate", {"host": "compute3"}).status_code == 202
            server.settles("SHUTOFF", "compute1", "error")
        finally:
            cloud.change_service("compute3", status="enabled")
