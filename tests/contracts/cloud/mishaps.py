"""Migrations that break: in each phase, with a compute that dies, under an operator's hands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.cloud.under_test import ENDLESS, SMALL, CloudUnderTest, Server, Wish


class MishapContract:
    """Judged by the record, the server and Placement together; each alone misleads."""

    @pytest.mark.parametrize(
        ("where", "record", "server", "holds", "source_held"),
        [
            ("check_dest", "error", ("ACTIVE", "compute1"), ["compute1"], []),
            ("check_source", "error", ("ACTIVE", "compute1"), ["compute1"], []),
            ("pre", "failed", ("ACTIVE", "compute1"), ["compute1"], []),
            ("mid", "failed", ("ACTIVE", "compute1"), ["compute1"], []),
            ("raise", "error", ("ERROR", "compute1"), ["compute2"], ["compute1"]),
            ("post_dest", "error", ("ERROR", "compute2"), ["compute2"], ["compute1"]),
        ],
    )
    def test_failing(
        self,
        cloud: CloudUnderTest,
        where: str,
        record: str,
        server: tuple[str, str],
        holds: list[str],
        source_held: list[str],
    ) -> None:
        failing = cloud.take("compute1", lab_fail=where)
        assert failing.migrate("compute2").status_code == 202
        failing.settles(*server, record, holds, source_held)
        assert failing.under_way() == []
        # a driver that raises leaves not even a reason; else it is written down a moment after the state
        cloud.becomes(lambda: failing.shown().get("fault", {}).get("code"), 500 if where == "post_dest" else None)

    def test_what_a_crash_left_behind_stays_when_the_server_moves_again(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1", lab_fail="raise")
        assert server.migrate("compute2").status_code == 202
        first = server.settles("ERROR", "compute1", "error", ["compute2"], ["compute1"])
        assert server.migrate("compute3").status_code == 409
        assert server.act("os-resetState", {"state": "active"}).status_code == 202
        assert server.state() == ("ACTIVE", "compute1", None)
        server.note(lab_fail="")
        assert server.migrate("compute3").status_code == 202
        server.settles("ACTIVE", "compute3", "completed", ["compute2", "compute3"])
        assert cloud.held(first["uuid"]) == {"compute1": SMALL}

    def test_a_failure_makes_room_for_the_next_one(self, cloud: CloudUnderTest) -> None:
        failing = [cloud.take("compute1", lab_fail="raise", lab_seconds="2") for _ in range(2)]
        waiting = cloud.take("compute1")
        for server in (*failing, waiting):
            assert server.migrate("compute2").status_code == 202
        waiting.settles("ACTIVE", "compute2", "completed")

    def test_deleting_a_server_under_migration_leaves_the_hold_on_its_source(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1", **ENDLESS)
        moving = server.starts("compute2")
        server.delete()
        assert server.records() == []
        cloud.becomes(lambda: cloud.held(server.id), {})
        assert cloud.held(moving["uuid"]) == {"compute1": SMALL}

    def test_resetting_a_server_under_migration_ends_in_error_at_the_target(self, cloud: CloudUnderTest) -> None:
        # it shall not be over before all of this has been looked at
        server = cloud.take("compute1", lab_seconds="25")
        moving = server.starts("compute2")
        assert server.act("os-resetState", {"state": "active"}).status_code == 202
        assert server.state() == ("ACTIVE", "compute1", None)
        assert server.under_way()[0]["status"] == "running"
        assert server.abort(moving).status_code == 409
        assert server.force_complete(moving).status_code == 409
        server.settles("ERROR", "compute2", "error", ["compute2"], ["compute1"])

    def test_a_source_killed_midway_leaves_the_allocations_where_they_are(self, cloud: CloudUnderTest) -> None:
        server, waiting = cloud.take("compute4", **ENDLESS), cloud.take("compute4", **ENDLESS)
        other = cloud.take("compute4", **ENDLESS)
        moving = server.starts("compute3")
        other.starts("compute3")
        waiting.asked("compute3", "queued")
        cloud.kill_compute("compute4")
        try:
            cloud.until(lambda: cloud.services()["compute4"]["state"] == "down", "the host is noticed down")
            assert server.under_way()[0]["status"] == "running"
            assert server.state() == ("MIGRATING", "compute4", "migrating")
        finally:
            cloud.start_compute("compute4")
        server.settles("ACTIVE", "compute4", "error", ["compute3"], ["compute4"])
        assert server.under_way() == []
        waiting.settles("ACTIVE", "compute4", "queued", ["compute3"], ["compute4"])
        assert server.abort(moving).status_code == 409
        # and what it does from now on is sound
        cloud.until(lambda: cloud.services()["compute4"]["state"] == "up", "the host is up again")
        arriving = cloud.take("compute1")
        assert arriving.migrate("compute4").status_code == 202
        arriving.settles("ACTIVE", "compute4", "completed")

    def test_a_dead_target(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        cloud.kill_compute("compute4")
        try:
            # nobody has noticed yet
            assert server.migrate("compute4").status_code == 202
            stuck = self.stuck(cloud, server)
        finally:
            cloud.start_compute("compute4")
        # revived in time, it answers what was asked of it
        record = server.settles("ACTIVE", "compute4", "completed")
        assert record["id"] == stuck["id"]
        cloud.until(lambda: cloud.services()["compute4"]["state"] == "up", "the host is up again")

    def stuck(self, cloud: CloudUnderTest, server: Server) -> dict[str, Any]:
        """The record of a migration from compute1 to a dead compute4 that nobody has noticed to be dead."""
        cloud.until(server.records, "a record")
        # the scheduler takes its room there, and only then the dead one is asked
        cloud.becomes(lambda: cloud.held(server.id), {"compute4": SMALL})
        [record] = server.records()
        assert (record["status"], record["dest_compute"]) == ("accepted", None)
        assert server.state() == ("MIGRATING", "compute1", "migrating")
        assert server.under_way() == []
        assert cloud.held(record["uuid"]) == {"compute1": SMALL}
        return record

    def test_a_target_that_stays_dead(self, cloud: CloudUnderTest) -> None:
        server, late = cloud.take("compute1"), cloud.take("compute1")
        cloud.kill_compute("compute4")
        try:
            assert server.migrate("compute4").status_code == 202
            self.stuck(cloud, server)
            # that it is noticed changes nothing for who has asked already
            cloud.until(lambda: cloud.services()["compute4"]["state"] == "down", "the host is noticed down")
            stuck = self.stuck(cloud, server)
            # saved by nobody yet, it is not even found by the time of its change
            assert stuck["updated_at"] is None
            since = f"/os-migrations?instance_uuid={server.id}&changes-since=2020-01-01T00:00:00Z"
            assert cloud.compute.get(since).json()["migrations"] == []
            assert late.migrate("compute4").status_code == 202
            assert late.settles("ACTIVE", "compute1", "error")["dest_compute"] is None
            record = server.settles("ACTIVE", "compute1", "error")
            assert (record["dest_compute"], record["updated_at"] is None) == (None, False)
            assert [each["id"] for each in cloud.compute.get(since).json()["migrations"]] == [record["id"]]
        finally:
            cloud.start_compute("compute4")
        cloud.until(lambda: cloud.services()["compute4"]["state"] == "up", "the host is up again")
        assert server.state() == ("ACTIVE", "compute1", None)

    def test_what_is_asked_of_a_dead_compute_waits_for_it(self, cloud: CloudUnderTest) -> None:
        stopped, deleted = cloud.boot([Wish("compute4")] * 2)
        cloud.kill_compute("compute4")
        try:
            # nobody has noticed yet
            assert stopped.act("os-stop").status_code == 202
            assert cloud.compute.delete(f"/servers/{deleted.id}").status_code == 204
            cloud.until(lambda: cloud.services()["compute4"]["state"] == "down", "the host is noticed down")
            assert stopped.state() == ("ACTIVE", "compute4", "powering-off")
            assert deleted.state() == ("ACTIVE", "compute4", "deleting")
            assert cloud.held(deleted.id) == {"compute4": SMALL}
        finally:
            cloud.start_compute("compute4")
        cloud.becomes(stopped.state, ("SHUTOFF", "compute4", None))
        cloud.until(lambda: cloud.compute.get(f"/servers/{deleted.id}").status_code == 404, "the server is gone")
        assert cloud.held(deleted.id) == {}
        cloud.until(lambda: cloud.services()["compute4"]["state"] == "up", "the host is up again")

    def test_evacuated_they_hold_the_dead_host_until_it_is_back(self, cloud: CloudUnderTest) -> None:
        first, second = cloud.boot([Wish("compute4")] * 2)
        still_in_use = first.act("evacuate", {"host": "compute3"})
        assert (still_in_use.status_code, "still in use" in still_in_use.text) == (400, True)
        cloud.kill_compute("compute4")
        try:
            cloud.until(lambda: cloud.services()["compute4"]["state"] == "down", "the host is noticed down")
            assert first.act("evacuate", {"host": "nowhere"}).status_code == 404
            assert first.act("evacuate", {"host": "compute4"}).status_code == 400
            # from 2.95 on what is rebuilt is stopped; before, it is as it was
            for server, version, status in ((first, "2.96", "SHUTOFF"), (second, "2.94", "ACTIVE")):
                assert server.act("evacuate", {"host": "compute3"}, version).status_code == 200
                record = server.settles(status, "compute3", "done", ["compute3", "compute4"])
                assert record["migration_type"] == "evacuation"
                assert (record["source_compute"], record["dest_compute"]) == ("compute4", "compute3")
                assert cloud.held(record["uuid"]) == {}
        finally:
            cloud.start_compute("compute4")
        for server, status in ((first, "SHUTOFF"), (second, "ACTIVE")):
            server.settles(status, "compute3", "completed")
        cloud.until(lambda: cloud.services()["compute4"]["state"] == "up", "the host is up again")

    @pytest.mark.parametrize(
        ("where", "ends", "results"),
        [
            # a failure midway is in none of the events
            ("mid", ("ACTIVE", "compute1"), {"Success"}),
            ("check_dest", ("ACTIVE", "compute1"), {"Error"}),
        ],
    )
    def test_events_of_the_action_do_not_tell_how_it_ended(
        self, cloud: CloudUnderTest, where: str, ends: tuple[str, str], results: set[str]
    ) -> None:
        server = cloud.take("compute1", lab_fail=where)
        assert server.migrate("compute2").status_code == 202
        cloud.until(lambda: server.records() and server.records()[0]["status"] in ("failed", "error"), "its failure")
        cloud.becomes(server.state, (*ends, None))
        path = f"/servers/{server.id}/os-instance-actions"
        newest = cloud.compute.get(path).json()["instanceActions"][0]
        assert newest["action"] == "live-migration"

        def said() -> set[str]:
            action = cloud.compute.get(f"{path}/{newest['request_id']}").json()["instanceAction"]
            return {event["result"] for event in action["events"]}

        cloud.becomes(said, results)
