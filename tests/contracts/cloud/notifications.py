"""Versioned notifications: names, order, and the fields that vmpath reads."""

from __future__ import annotations

import pytest

from tests.contracts.cloud.hearing import Heard, Hearing
from tests.contracts.cloud.under_test import ENDLESS, CloudUnderTest, Server, Wish

OBJECT = {"nova_object.name", "nova_object.namespace", "nova_object.version", "nova_object.data"}
INSTANCE_FIELDS = {
    "uuid", "user_id", "tenant_id", "reservation_id", "display_name", "display_description", "host_name", "host",
    "node", "os_type", "architecture", "availability_zone", "flavor", "image_uuid", "key_name", "kernel_id",
    "ramdisk_id", "created_at", "launched_at", "terminated_at", "deleted_at", "updated_at", "state", "power_state",
    "task_state", "progress", "ip_addresses", "block_devices", "metadata", "locked", "auto_disk_config",
    "request_id", "action_initiator_user", "action_initiator_project", "locked_reason", "shares",
}  # fmt: skip
UPDATE_FIELDS = INSTANCE_FIELDS | {"state_update", "audit_period", "old_display_name", "tags"}
SERVICE_FIELDS = {
    "host", "binary", "topic", "report_count", "disabled", "disabled_reason", "availability_zone", "last_seen_up",
    "forced_down", "version", "uuid",
}  # fmt: skip
BOOT = [
    "update None building/scheduling",
    "update None building/None",
    "create.start None building/None",
    "update compute1 building/None",
    "update compute1 building/networking",
    "update compute1 building/block_device_mapping",
    "update compute1 building/spawning",
    "update compute1 active/None",
    "create.end compute1 active/None",
]
TO_TARGET = [
    "update compute1 active/migrating",
    "live_migration_pre.start compute1 active/migrating",
    "live_migration_pre.end compute1 active/migrating",
]
POWER_OFF = [
    "update compute1 active/powering-off",
    "power_off.start compute1 active/powering-off",
    "update compute1 stopped/None",
    "power_off.end compute1 stopped/None",
]
ABORT_END = "live_migration_abort.end compute1 active/migrating"
ROLLED_BACK = [
    "live_migration_rollback.start compute1 active/migrating",
    "update compute1 active/None",
    "live_migration_rollback.end compute1 active/None",
]
SWITCHED = [
    "live_migration_post.start compute1 active/migrating",
    "live_migration_post_dest.start compute1 active/migrating",
]
ARRIVED = [
    *SWITCHED,
    "update compute2 active/None",
    "live_migration_post_dest.end compute2 active/None",
    # the source has not looked again
    "live_migration_post.end compute1 active/migrating",
]


class NotificationContract:
    """What a consumer with a topic of its own hears.

    A notification is a hint: some carry a picture that is over already, and the death of a nova-compute makes none.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def hearing(cls, cloud: CloudUnderTest) -> Hearing:
        return cloud.hear()

    def tells(self, cloud: CloudUnderTest, hearing: Hearing, server: Server, story: list[str]) -> None:
        """Returns when the server's story since its boot is this one."""
        cloud.becomes(lambda: hearing.since_boot(server.id), story)

    def stopped(self, cloud: CloudUnderTest, hearing: Hearing) -> Server:
        server = cloud.told(cloud.take("compute1"))
        server.stop()
        self.tells(cloud, hearing, server, POWER_OFF)
        return server

    def test_booted_and_deleted(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        [server] = cloud.boot([Wish("compute1")])
        cloud.becomes(lambda: hearing.story(server.id), BOOT)
        server.delete()
        self.tells(
            cloud,
            hearing,
            server,
            [
                "update compute1 active/deleting",
                "delete.start compute1 active/deleting",
                "shutdown.start compute1 active/deleting",
                "shutdown.end compute1 active/deleting",
                "update compute1 deleted/None",
                "delete.end compute1 deleted/None",
            ],
        )

    def test_the_shape_of_payloads(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        [server] = cloud.boot([Wish("compute1")])
        cloud.told(server)
        assert server.act("lock", {"locked_reason": "mine"}).status_code == 202
        cloud.until(lambda: hearing.story(server.id)[-1].startswith("lock"), "the lock is told")
        heard: dict[str, Heard] = {each.event: each for each in hearing.all() if each.data.get("uuid") == server.id}
        for event, name, version, fields in (
            ("instance.update", "InstanceUpdatePayload", "2.1", UPDATE_FIELDS),
            ("instance.lock", "InstanceActionPayload", "1.9", INSTANCE_FIELDS | {"fault"}),
            (
                "instance.create.end",
                "InstanceCreatePayload",
                "1.13",
                INSTANCE_FIELDS
                | {"fault", "keypairs", "tags", "trusted_image_certificates", "instance_name"},
            ),
        ):
            payload = heard[event].payload
            assert payload.keys() == OBJECT
            assert (payload["nova_object.name"], payload["nova_object.version"]) == (name, version)
            assert heard[event].data.keys() == fields, event
        data = heard["instance.lock"].data
        assert (data["host"], data["node"], data["availability_zone"]) == ("compute1", "compute1", "nova")
        assert (data["locked"], data["locked_reason"], data["power_state"]) == (True, "mine", "running")
        flavor = data["flavor"]["nova_object.data"]
        assert (flavor["memory_mb"], flavor["vcpus"], flavor["root_gb"]) == (512, 1, 1)
        change = heard["instance.update"].data["state_update"]["nova_object.data"]
        assert change == {"old_state": "active", "state": "active", "old_task_state": None, "new_task_state": None}
        assert heard["instance.lock"].publisher.startswith("nova-api:")
        assert heard["instance.create.end"].publisher == "nova-compute:compute1"

    def test_power(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        server = cloud.told(cloud.take("compute1"))
        expected = []
        for action, event, task, before, after, status in (
            ("pause", "pause", "pausing", "active", "paused", "PAUSED"),
            ("unpause", "unpause", "unpausing", "paused", "active", "ACTIVE"),
            ("os-stop", "power_off", "powering-off", "active", "stopped", "SHUTOFF"),
            ("os-start", "power_on", "powering-on", "stopped", "active", "ACTIVE"),
        ):
            assert server.act(action).status_code == 202
            cloud.becomes(server.state, (status, "compute1", None))
            expected += [
                f"update compute1 {before}/{task}",
                f"{event}.start compute1 {before}/{task}",
                f"update compute1 {after}/None",
                f"{event}.end compute1 {after}/None",
            ]
            # the end is told a moment after the state has changed
            self.tells(cloud, hearing, server, expected)

    def test_a_live_migration(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        server = cloud.told(cloud.take("compute1", lab_seconds="0.5"))
        assert server.migrate("compute2").status_code == 202
        server.settles("ACTIVE", "compute2", "completed")
        self.tells(cloud, hearing, server, [*TO_TARGET, *ARRIVED])
        by = {each.event: each.publisher for each in hearing.all() if each.data.get("uuid") == server.id}
        assert by["instance.live_migration_pre.end"] == "nova-compute:compute2"
        assert by["instance.live_migration_post.end"] == "nova-compute:compute1"
        assert by["instance.live_migration_post_dest.end"] == "nova-compute:compute2"

    def test_one_aborted_and_one_forced(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        aborted, forced = (cloud.told(cloud.take("compute1", **ENDLESS)) for _ in range(2))
        assert aborted.abort(aborted.starts("compute2")).status_code == 202
        aborted.settles("ACTIVE", "compute1", "cancelled")
        told = [*TO_TARGET, "live_migration_abort.start compute1 active/migrating", *ROLLED_BACK]

        def story() -> tuple[list[str], list[str]]:
            """Without the end of the abort, which says that it was asked for, while it is carried out; and that."""
            heard = hearing.since_boot(aborted.id)
            return [line for line in heard if line != ABORT_END], [line for line in heard if line == ABORT_END]

        cloud.becomes(story, (told, [ABORT_END]))
        assert forced.force_complete(forced.starts("compute2")).status_code == 202
        forced.settles("ACTIVE", "compute2", "completed")
        self.tells(
            cloud,
            hearing,
            forced,
            [
                *TO_TARGET,
                "live_migration_force_complete.start compute1 active/migrating",
                "live_migration_force_complete.end compute1 active/migrating",
                *ARRIVED,
            ],
        )

    def test_one_aborted_in_the_queue(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        running = [cloud.take("compute1", **ENDLESS) for _ in range(2)]
        begun = [server.starts("compute2") for server in running]
        waiting = cloud.told(cloud.take("compute1", **ENDLESS))
        assert waiting.abort(waiting.asked("compute2", "queued")).status_code == 202
        waiting.settles("ACTIVE", "compute1", "cancelled")
        self.tells(
            cloud,
            hearing,
            waiting,
            [
                "update compute1 active/migrating",
                "live_migration_abort.start compute1 active/migrating",
                "update compute1 active/None",
                "live_migration_abort.end compute1 active/None",
            ],
        )
        for server, migration in zip(running, begun, strict=True):
            assert server.abort(migration).status_code == 202
            server.settles("ACTIVE", "compute1", "cancelled")

    @pytest.mark.parametrize(
        ("where", "record", "ends", "story", "given_up"),
        [
            ("nowhere", "error", ("ACTIVE", "compute1"), [TO_TARGET[0], "update compute1 active/None"], True),
            ("check_dest", "error", ("ACTIVE", "compute1"), [TO_TARGET[0], "update compute1 active/None"], True),
            ("pre", "failed", ("ACTIVE", "compute1"), [*TO_TARGET[:2], *ROLLED_BACK], False),
            ("mid", "failed", ("ACTIVE", "compute1"), [*TO_TARGET, *ROLLED_BACK], False),
            ("raise", "error", ("ERROR", "compute1"), [*TO_TARGET, "update compute1 error/None"], False),
            (
                "post_dest",
                "error",
                ("ERROR", "compute2"),
                [*TO_TARGET, *SWITCHED, "update compute2 error/None"],
                False,
            ),
        ],
    )
    def test_failures(
        self,
        cloud: CloudUnderTest,
        hearing: Hearing,
        where: str,
        record: str,
        ends: tuple[str, str],
        story: list[str],
        given_up: bool,
    ) -> None:
        server = cloud.told(cloud.take("compute1", lab_fail=where))
        # the scheduler refuses the host where it is
        assert server.migrate("compute1" if where == "nowhere" else "compute2").status_code == 202
        cloud.becomes(server.state, (*ends, None))
        cloud.becomes(lambda: server.records()[0]["status"], record)
        self.tells(cloud, hearing, server, story)
        expected = ["compute_task.migrate_server.error"] if given_up else []
        cloud.becomes(lambda: hearing.failures(server.id), expected)

    def test_cold_migrations(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        confirmed, reverted = self.stopped(cloud, hearing), self.stopped(cloud, hearing)
        moved = [
            *POWER_OFF,
            "update compute1 stopped/resize_prep",
            "resize_prep.start compute1 stopped/resize_prep",
            "resize_prep.end compute1 stopped/resize_prep",
            "update compute1 stopped/resize_migrating",
            "resize.start compute1 stopped/resize_migrating",
            "update compute4 stopped/resize_migrated",
            "resize.end compute4 stopped/resize_migrated",
            "update compute4 stopped/resize_finish",
            "resize_finish.start compute4 stopped/resize_finish",
            "update compute4 resized/None",
            "resize_finish.end compute4 resized/None",
        ]
        for server in (confirmed, reverted):
            assert server.act("migrate", {"host": "compute4"}).status_code == 202
            server.settles("VERIFY_RESIZE", "compute4", "finished", source_held=["compute1"])
            self.tells(cloud, hearing, server, moved)
        assert confirmed.act("confirmResize").status_code == 204
        confirmed.settles("SHUTOFF", "compute4", "confirmed")
        self.tells(
            cloud,
            hearing,
            confirmed,
            [
                *moved,
                "resize_confirm.start compute4 resized/None",
                "update compute4 stopped/None",
                "resize_confirm.end compute4 stopped/None",
            ],
        )
        assert reverted.act("revertResize").status_code == 202
        reverted.settles("SHUTOFF", "compute1", "reverted")
        self.tells(
            cloud,
            hearing,
            reverted,
            [
                *moved,
                "update compute4 resized/resize_reverting",
                "resize_revert.start compute4 resized/resize_reverting",
                "update compute1 resized/resize_reverting",
                "update compute1 resized/powering-off",
                "power_off.start compute1 resized/powering-off",
                "update compute1 stopped/None",
                "power_off.end compute1 stopped/None",
                "resize_revert.end compute1 stopped/None",
            ],
        )

    def test_a_dead_compute_says_nothing_and_what_follows_does(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        [evacuated, deleted, moving] = cloud.boot([Wish("compute5")] * 3)
        for server in (evacuated, deleted, moving):
            cloud.told(server)
        moving.note(**ENDLESS)
        moving.starts("compute4")
        before = [each.event for each in hearing.all() if each.event.startswith("service.")]
        cloud.kill_compute("compute5")
        try:
            cloud.until(lambda: cloud.services()["compute5"]["state"] == "down", "the host is noticed down")
            assert evacuated.act("evacuate", {"host": "compute6"}).status_code == 200
            cloud.becomes(evacuated.state, ("SHUTOFF", "compute6", None))
            deleted.delete()
            assert [each.event for each in hearing.all() if each.event.startswith("service.")] == before
        finally:
            cloud.start_compute("compute5")
        self.tells(
            cloud,
            hearing,
            evacuated,
            [
                "update compute5 active/rebuilding",
                "evacuate compute5 active/rebuilding",
                "rebuild_scheduled compute5 active/rebuilding",
                "rebuild.start compute5 active/rebuilding",
                "update compute5 active/rebuild_block_device_mapping",
                "update compute5 active/rebuild_spawning",
                "update compute5 active/None",
                "update compute5 active/powering-off",
                "power_off.start compute5 active/powering-off",
                "update compute5 stopped/None",
                "power_off.end compute5 stopped/None",
                "rebuild.end compute5 stopped/None",
                "update compute6 stopped/None",
            ],
        )
        self.tells(
            cloud,
            hearing,
            deleted,
            [
                "update compute5 active/deleting",
                "delete.start compute5 active/deleting",
                "update compute5 deleted/None",
                "delete.end compute5 deleted/None",
            ],
        )
        self.tells(
            cloud,
            hearing,
            moving,
            [
                *(line.replace("compute1", "compute5") for line in TO_TARGET),
                # said by the compute that is back
                "live_migration_abort.start compute5 active/migrating",
                "live_migration_abort.end compute5 active/migrating",
                "update compute5 active/None",
            ],
        )
        cloud.until(lambda: cloud.services()["compute5"]["state"] == "up", "the host is up again")

    def test_services_tell_what_operators_change(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        start = len(hearing.all())

        def told() -> list[tuple[object, ...]]:
            return [
                (each.data["disabled"], each.data["disabled_reason"], each.data["forced_down"])
                for each in hearing.all()[start:]
                if each.event == "service.update" and each.data["host"] == "compute3"
            ]

        for change in (
            {"status": "disabled", "disabled_reason": "drain"},
            {"forced_down": True},
            {"forced_down": False},
            {"status": "enabled"},
        ):
            assert cloud.change_service("compute3", **change).status_code == 200
        cloud.becomes(
            told, [(True, "drain", False), (True, "drain", True), (True, "drain", False), (False, None, False)]
        )
        last = [each for each in hearing.all() if each.event == "service.update"][-1]
        assert last.payload["nova_object.name"] == "ServiceStatusPayload"
        assert last.data.keys() == SERVICE_FIELDS
        assert last.publisher == "nova-compute:compute3"
        cloud.until(lambda: cloud.services()["compute3"]["state"] == "up", "the host is up again")

    def test_groups_and_aggregates(self, cloud: CloudUnderTest, hearing: Hearing) -> None:
        start = len(hearing.all())

        def told(noun: str) -> list[str]:
            return [each.event for each in hearing.all()[start:] if each.event.startswith(noun)]

        group = cloud.create_group("told", "anti-affinity")
        [server] = cloud.boot([Wish("compute2", group=group)])
        assert cloud.compute.delete(f"/os-server-groups/{group}").status_code == 204
        expected = ["server_group.create", "server_group.add_member", "server_group.delete"]
        cloud.becomes(lambda: told("server_group."), expected)
        added = next(each for each in hearing.all()[start:] if each.event == "server_group.add_member")
        assert (added.data["uuid"], added.data["members"]) == (group, [server.id])
        made = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "told"}}).json()["aggregate"]
        action = f"/os-aggregates/{made['id']}/action"
        for body in (
            {"add_host": {"host": "compute6"}},
            {"set_metadata": {"metadata": {"ssd": "true"}}},
            {"remove_host": {"host": "compute6"}},
        ):
            assert cloud.compute.post(action, json=body).status_code == 200
        assert cloud.compute.delete(f"/os-aggregates/{made['id']}").status_code == 200
        actions = ("create", "add_host", "update_metadata", "remove_host", "delete")
        cloud.becomes(
            lambda: told("aggregate."), [f"aggregate.{name}.{phase}" for name in actions for phase in ("start", "end")]
        )
        held = [each.data for each in hearing.all() if each.event == "aggregate.update_metadata.end"][-1]
        assert (held["uuid"], held["hosts"], held["metadata"]) == (made["uuid"], ["compute6"], {"ssd": "true"})
