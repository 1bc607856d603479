"""vmpath's own port to a cloud: what it reads is the truth, and what it asks is told apart by its outcome."""

from __future__ import annotations

import collections

import pytest

from tests.contracts.cloud.under_test import ENDLESS, NOWHERE, SMALL, CloudUnderTest, Server
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.model.errors import CloudDenied, NotFound, RequestRefused
from vmpath_service.model.readings import MigrationOutcome, MigrationReading
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.model.snapshot import Host, Instance, Snapshot

DRAIN = "vmpath: drain"


def by_uuid(snapshot: Snapshot) -> dict[str, Instance]:
    return {each.uuid: each for each in snapshot.instances}


def by_name(snapshot: Snapshot) -> dict[str, Host]:
    return {each.name: each for each in snapshot.hosts}


def taken(snapshot: Snapshot) -> dict[str, dict[str, int]]:
    """What the snapshot says is taken on each host, by everything that counts there."""
    also = {flight.instance: {flight.source, flight.dest} for flight in snapshot.in_flight}
    sums = {host.name: collections.Counter(host.used_by_others) for host in snapshot.hosts}
    for instance in snapshot.instances:
        for host in also.get(instance.uuid, set()) | {instance.host}:
            assert host is not None
            sums[host].update(instance.resources)
    return {name: dict(+counts) for name, counts in sums.items()}


def used(cloud: CloudUnderTest) -> dict[str, dict[str, int]]:
    """What Placement says is taken of each host."""
    found = {}
    for name, uuid in cloud.providers().items():
        usages = cloud.placement.get(f"/resource_providers/{uuid}/usages").json()["usages"]
        found[name] = {kind: amount for kind, amount in usages.items() if amount}
    return found


class PortContract:
    """``read``, ``read_migrations``, ``live_migrate``, ``disable_host`` and their like.

    Begins with an empty cloud, for a leaked allocation would be counted with what others use.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def vmpath(cls, cloud: CloudUnderTest) -> NovaCloud:
        cloud.reset()
        cloud.stock({"compute1": 5})
        return cloud.vmpath()

    def newest(self, vmpath: NovaCloud, server: Server) -> MigrationReading:
        return vmpath.read_migrations([server.id])[server.id][-1]

    def test_reading_equals_the_truth(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        servers = [cloud.take("compute5"), cloud.take("compute6"), cloud.take("compute5")]
        servers[2].stop()
        reading = vmpath.read_with_notes()
        snapshot = reading.snapshot
        assert reading.notes == ()
        assert not list(snapshot_problems(snapshot))
        assert (snapshot.region, snapshot.in_flight) == ("RegionOne", ())
        assert {host.name: host.uuid for host in snapshot.hosts} == cloud.providers()
        assert {(host.state, host.status) for host in snapshot.hosts} == {("up", "enabled")}
        assert {host.name: host.availability_zone for host in snapshot.hosts} == cloud.zones
        assert all(not host.used_by_others for host in snapshot.hosts)
        for host in snapshot.hosts:
            genuine = cloud.placement.get(f"/resource_providers/{host.uuid}/inventories").json()["inventories"]
            mine = {
                name: (each.total, each.reserved, each.allocation_ratio, each.max_unit)
                for name, each in host.inventories.items()
            }
            assert mine == {
                name: (each["total"], each["reserved"], each["allocation_ratio"], each["max_unit"])
                for name, each in genuine.items()
            }
        found = by_uuid(snapshot)
        listed = cloud.compute.get("/servers/detail?all_tenants=1").json()["servers"]
        assert {uuid: (each.host, each.status) for uuid, each in found.items()} == {
            server["id"]: (server["OS-EXT-SRV-ATTR:host"], server["status"]) for server in listed
        }
        assert all(each.resources == SMALL for each in found.values())
        assert {found[server.id].flavor for server in servers} == {"contract.small"}
        assert [found[server.id].movable for server in servers] == ["live", "live", "no"]
        assert vmpath.read_instances([servers[2].id])[servers[2].id].status == "SHUTOFF"
        assert used(cloud) == taken(snapshot)

    def test_hosts_and_instances_asked_for_by_name(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute6")
        amounts = used(cloud)
        for names in (["compute6", "nowhere"], [*cloud.hosts, "nowhere"]):
            read = vmpath.read_hosts(names)
            assert read.keys() == set(names) - {"nowhere"}
            for name, host in read.items():
                assert (host.name, host.up, host.enabled) == (name, True, True)
                assert host.free["MEMORY_MB"] == 32768 - amounts[name].get("MEMORY_MB", 0)
                assert host.free["VCPU"] == 64 - amounts[name].get("VCPU", 0)
        read_instances = vmpath.read_instances([server.id, NOWHERE])
        assert read_instances.keys() == {server.id}
        assert (read_instances[server.id].host, read_instances[server.id].status) == ("compute6", "ACTIVE")

    def test_a_refusal_carries_novas_reason(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server, stopped = cloud.take("compute1"), cloud.take("compute1")
        stopped.stop()
        for instance, dest, status, said in (
            (stopped.id, "compute2", 409, "vm_state stopped"),
            (server.id, "nowhere", 400, "nowhere could not be found"),
            (NOWHERE, "compute2", 404, "could not be found"),
        ):
            with pytest.raises(RequestRefused, match=said) as refusal:
                vmpath.live_migrate(instance, dest)
            assert refusal.value.status == status
            assert vmpath.read_migrations([instance])[instance] == ()
        assert server.state() == ("ACTIVE", "compute1", None)

    def test_an_ordinary_user_is_told_what_is_missing(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1")
        ordinary = cloud.vmpath(ordinary=True)
        with pytest.raises(CloudDenied, match=r"does not allow user 'demo' .* GET /os-services \(403\)"):
            ordinary.read()
        # a server of another project does not even exist
        with pytest.raises(RequestRefused, match="could not be found"):
            ordinary.live_migrate(server.id, "compute2")
        assert server.state() == ("ACTIVE", "compute1", None)

    def test_a_migration_counts_at_both_ends_and_ends_completed(
        self, cloud: CloudUnderTest, vmpath: NovaCloud
    ) -> None:
        server = cloud.take("compute1", **ENDLESS)
        assert vmpath.read_migrations([server.id])[server.id] == ()
        vmpath.live_migrate(server.id, "compute2")
        cloud.until(server.under_way, "the migration is under way")
        cloud.until(lambda: self.newest(vmpath, server).remaining, "how much remains")
        record = self.newest(vmpath, server)
        assert (record.status, record.outcome) == ("running", MigrationOutcome.UNDER_WAY)
        assert (record.source, record.dest, record.uuid) == ("compute1", "compute2", server.records()[0]["uuid"])
        assert record.remaining is not None
        assert 0 < record.remaining <= 1
        snapshot = vmpath.read()
        (flight,) = snapshot.in_flight
        assert (flight.instance, flight.source, flight.dest) == (server.id, "compute1", "compute2")
        assert flight.migration == record.uuid
        assert all(not host.used_by_others for host in snapshot.hosts)
        moving = by_uuid(snapshot)[server.id]
        assert (moving.host, moving.status, moving.movable, moving.resources) == ("compute1", "MIGRATING", "no", SMALL)
        assert used(cloud) == taken(snapshot)
        with pytest.raises(RequestRefused, match="migrating") as refusal:
            vmpath.live_migrate(server.id, "compute3")
        assert refusal.value.status == 409
        assert server.force_complete(server.under_way()[0]).status_code == 202
        server.settles("ACTIVE", "compute2", "completed")
        assert self.newest(vmpath, server).outcome is MigrationOutcome.COMPLETED
        snapshot = vmpath.read()
        assert snapshot.in_flight == ()
        assert (by_uuid(snapshot)[server.id].host, by_uuid(snapshot)[server.id].movable) == ("compute2", "live")
        assert used(cloud) == taken(snapshot)

    def test_one_refused_later_and_one_aborted(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1", **ENDLESS)
        vmpath.live_migrate(server.id, "compute1")
        server.settles("ACTIVE", "compute1", "error")
        assert self.newest(vmpath, server).outcome is MigrationOutcome.FAILED
        assert self.newest(vmpath, server).dest is None
        assert server.abort(server.starts("compute2")).status_code == 202
        server.settles("ACTIVE", "compute1", "cancelled")
        records = vmpath.read_migrations([server.id])[server.id]
        assert [each.outcome for each in records] == [MigrationOutcome.FAILED, MigrationOutcome.CANCELLED]
        assert [each.id for each in records] == [each["id"] for each in reversed(server.records())]
        assert used(cloud) == taken(vmpath.read())

    def test_aborting_what_waits_what_runs_and_what_has_ended(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        servers = [cloud.take("compute1", **ENDLESS) for _ in range(3)]
        for server in servers:
            vmpath.live_migrate(server.id, "compute2")
        cloud.until(
            lambda: collections.Counter(self.newest(vmpath, each).status for each in servers if each.records())
            == {"running": 2, "queued": 1},
            "two are running and one is queued",
        )
        newest = {server: self.newest(vmpath, server) for server in servers}
        [queued] = [server for server, record in newest.items() if record.status == "queued"]
        [running, forced] = [server for server, record in newest.items() if record.status == "running"]
        with pytest.raises(RequestRefused) as refusal:
            vmpath.force_complete(queued.id, newest[queued].id)
        assert refusal.value.status == 400
        for server in (queued, running):
            vmpath.abort(server.id, newest[server].id)
            server.settles("ACTIVE", "compute1", "cancelled")
            assert self.newest(vmpath, server).outcome is MigrationOutcome.CANCELLED
        vmpath.force_complete(forced.id, newest[forced].id)
        forced.settles("ACTIVE", "compute2", "completed")
        for server in (running, forced):
            for action in (vmpath.abort, vmpath.force_complete):
                with pytest.raises(RequestRefused) as refusal:
                    action(server.id, newest[server].id)
                assert refusal.value.status == 409
        with pytest.raises(RequestRefused) as refusal:
            vmpath.abort(NOWHERE, newest[forced].id)
        assert refusal.value.status == 404

    def test_a_paused_one_moves_live_and_stays_paused(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1")
        assert server.act("pause").status_code == 202
        cloud.becomes(server.state, ("PAUSED", "compute1", None))
        vmpath.live_migrate(server.id, "compute2")
        server.settles("PAUSED", "compute2", "completed")
        assert vmpath.read_instances([server.id])[server.id].status == "PAUSED"

    @pytest.mark.parametrize(
        ("confirmed", "at", "status"), [(True, "compute4", "confirmed"), (False, "compute1", "reverted")]
    )
    def test_a_stopped_one_moves_cold(
        self, cloud: CloudUnderTest, vmpath: NovaCloud, confirmed: bool, at: str, status: str
    ) -> None:
        server = cloud.take("compute1")
        for ending in (vmpath.confirm_resize, vmpath.revert_resize):
            with pytest.raises(RequestRefused) as refusal:
                ending(server.id)
            assert refusal.value.status == 409
        server.stop()
        with pytest.raises(RequestRefused, match="nowhere") as refusal:
            vmpath.cold_migrate(server.id, "nowhere")
        assert refusal.value.status == 400
        vmpath.cold_migrate(server.id, "compute4")
        server.settles("VERIFY_RESIZE", "compute4", "finished", source_held=["compute1"])
        assert (self.newest(vmpath, server).source, self.newest(vmpath, server).dest) == ("compute1", "compute4")
        (vmpath.confirm_resize if confirmed else vmpath.revert_resize)(server.id)
        server.settles("SHUTOFF", at, status)

    def test_a_broken_one_is_called_active_again(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1", lab_fail="raise")
        vmpath.live_migrate(server.id, "compute2")
        server.settles("ERROR", "compute1", "error", ["compute2"], ["compute1"])
        sound = cloud.take("compute1")
        assert vmpath.read_allocations([server.id, sound.id, NOWHERE]) == {
            server.id: {"compute2": SMALL},
            sound.id: {"compute1": SMALL},
            NOWHERE: {},
        }
        vmpath.reset_state(server.id)
        cloud.becomes(server.state, ("ACTIVE", "compute1", None))
        with pytest.raises(RequestRefused) as refusal:
            vmpath.reset_state(NOWHERE)
        assert refusal.value.status == 404

    def test_a_guest_of_a_dead_host_is_built_anew(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute4")
        with pytest.raises(RequestRefused, match="still in use") as refusal:
            vmpath.evacuate(server.id)
        assert refusal.value.status == 400
        cloud.kill_compute("compute4")
        try:
            cloud.change_service("compute4", forced_down=True)
            vmpath.evacuate(server.id)
            # it is ACTIVE and without a task some moments before its host is another
            cloud.until(lambda: server.state()[1] != "compute4", "the server is built anew")
            host = server.state()[1]
            cloud.becomes(server.state, ("ACTIVE", host, None))
            cloud.until(lambda: self.newest(vmpath, server).outcome is MigrationOutcome.COMPLETED, "the record's end")
            record = self.newest(vmpath, server)
            assert (record.kind, record.source, record.dest) == ("evacuation", "compute4", host)
            assert record.outcome is MigrationOutcome.COMPLETED
            # its share of the dead host stays until that is back
            assert vmpath.read_allocations([server.id]) == {server.id: {"compute4": SMALL, host: SMALL}}
            early = cloud.change_service("compute4", forced_down=False)
            assert (early.status_code, "`done` evacuation" in early.text) == (400, True)
        finally:
            cloud.start_compute("compute4")
            # Nova refuses until the host that is back has seen what was taken from it
            cloud.until(
                lambda: cloud.change_service("compute4", forced_down=False).status_code == 200, "it counts as up again"
            )
        cloud.becomes(lambda: vmpath.read_allocations([server.id]), {server.id: {host: SMALL}})
        cloud.until(lambda: vmpath.read_hosts(["compute4"])["compute4"].up, "the host is up")

    def test_a_host_is_disabled_and_enabled(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        assert vmpath.disabled_reason("compute4") is None
        vmpath.disable_host("compute4", DRAIN)
        try:
            assert vmpath.disabled_reason("compute4") == DRAIN
            assert cloud.services()["compute4"]["disabled_reason"] == DRAIN
            assert not vmpath.read_hosts(["compute4"])["compute4"].enabled
            host = by_name(vmpath.read())["compute4"]
            assert (host.state, host.status, host.disabled_reason) == ("up", "disabled", DRAIN)
            assert "COMPUTE_STATUS_DISABLED" not in host.traits
        finally:
            vmpath.enable_host("compute4")
        assert vmpath.disabled_reason("compute4") is None
        assert cloud.services()["compute4"]["disabled_reason"] is None
        # not at once, if the compute reports to Placement just now
        cloud.until(lambda: by_name(vmpath.read())["compute4"].status == "enabled", "the host takes in")
        for change in (vmpath.enable_host, vmpath.disabled_reason, lambda name: vmpath.disable_host(name, DRAIN)):
            with pytest.raises(NotFound, match="nowhere"):
                change("nowhere")

    def test_forced_down_is_down(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute5")
        cloud.change_service("compute5", forced_down=True)
        try:
            snapshot = vmpath.read()
            assert by_name(snapshot)["compute5"].state == "down"
            assert by_uuid(snapshot)[server.id].why_not == "its host compute5 is down: nothing can leave it"
            assert not vmpath.read_hosts(["compute5"])["compute5"].up
        finally:
            cloud.change_service("compute5", forced_down=False)
        cloud.until(lambda: vmpath.read_hosts(["compute5"])["compute5"].up, "the host is up")

    def test_an_unconfirmed_cold_migration_holds_its_source(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1")
        server.stop()
        server.leaves_cold("compute4")
        snapshot = vmpath.read()
        assert by_name(snapshot)["compute1"].used_by_others == SMALL
        assert by_name(snapshot)["compute4"].used_by_others == {}
        waiting = by_uuid(snapshot)[server.id]
        assert (waiting.host, waiting.why_not) == ("compute4", "its resize waits to be confirmed or reverted")
        assert snapshot.in_flight == ()
        assert used(cloud) == taken(snapshot)
        assert server.act("confirmResize").status_code == 204
        server.settles("SHUTOFF", "compute4", "confirmed")
        assert by_name(vmpath.read())["compute1"].used_by_others == {}

    def test_a_compute_that_died_midway_leaves_the_truth(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute4", **ENDLESS)
        vmpath.live_migrate(server.id, "compute3")
        cloud.until(lambda: [m for m in server.under_way() if m["status"] == "running"], "the migration runs")
        cloud.kill_compute("compute4")
        try:
            cloud.until(lambda: not vmpath.read_hosts(["compute4"])["compute4"].up, "the host is noticed down")
            snapshot = vmpath.read()
            assert [each.instance for each in snapshot.in_flight] == [server.id]
            assert used(cloud) == taken(snapshot)
        finally:
            cloud.start_compute("compute4")
        cloud.becomes(server.state, ("ACTIVE", "compute4", None))
        cloud.until(lambda: vmpath.read_hosts(["compute4"])["compute4"].up, "the host is up")
        snapshot = vmpath.read()
        assert snapshot.in_flight == ()
        assert self.newest(vmpath, server).outcome is MigrationOutcome.FAILED
        assert used(cloud) == taken(snapshot)
        # what the broken migration left on the target is nobody's, and the server is to be healed first
        assert by_name(snapshot)["compute3"].used_by_others == SMALL
        assert "heal its allocations" in (by_uuid(snapshot)[server.id].why_not or "")

    def test_a_migration_that_broke_is_never_counted_too_little(
        self, cloud: CloudUnderTest, vmpath: NovaCloud
    ) -> None:
        server = cloud.take("compute1", lab_fail="raise")
        vmpath.live_migrate(server.id, "compute2")
        server.settles("ERROR", "compute1", "error", ["compute2"], ["compute1"])
        assert self.newest(vmpath, server).outcome is MigrationOutcome.FAILED
        snapshot = vmpath.read()
        broken = by_uuid(snapshot)[server.id]
        assert (broken.host, broken.movable, broken.resources) == ("compute1", "no", SMALL)
        counted = taken(snapshot)
        for host, amounts in used(cloud).items():
            for name, amount in amounts.items():
                assert counted[host].get(name, 0) >= amount
