"""Host aggregates and the availability zones that they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from requests import Response

from tests.contracts.cloud.under_test import SMALL, CloudUnderTest, Server, Wish

AGGREGATE_FIELDS = {
    "id", "uuid", "name", "availability_zone", "hosts", "metadata",
    "created_at", "updated_at", "deleted", "deleted_at",
}  # fmt: skip


class ZoneContract:
    """compute5 is in zone ``far``, compute6 in ``second``.

    Begins with an empty cloud, for a zone is made of empty hosts.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def far(cls, cloud: CloudUnderTest) -> Iterator[dict[str, Any]]:
        cloud.reset()
        made = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "far", "availability_zone": "far"}})
        assert made.status_code == 200, made.text
        aggregate = made.json()["aggregate"]
        assert aggregate.keys() == AGGREGATE_FIELDS - {"hosts", "metadata"}
        added = change(cloud, aggregate, "add_host", host="compute5")
        assert added.status_code == 200, added.text
        yield added.json()["aggregate"]
        # with servers in it nothing of the zone may be changed
        cloud.reset()

    def test_an_aggregate_shows_hosts_and_metadata(self, cloud: CloudUnderTest, far: dict[str, Any]) -> None:
        assert far.keys() == AGGREGATE_FIELDS
        assert (far["hosts"], far["availability_zone"]) == (["compute5"], "far")
        assert far["metadata"] == {"availability_zone": "far"}
        changed = change(cloud, far, "set_metadata", metadata={"ssd": "true"}).json()["aggregate"]
        assert changed["metadata"] == {"availability_zone": "far", "ssd": "true"}
        changed = change(cloud, far, "set_metadata", metadata={"ssd": None}).json()["aggregate"]
        assert changed["metadata"] == {"availability_zone": "far"}
        listed = cloud.compute.get("/os-aggregates").json()["aggregates"]
        [found] = [each for each in listed if each["name"] == "far"]
        assert (found["uuid"], found["hosts"]) == (far["uuid"], ["compute5"])
        assert {host: each["zone"] for host, each in cloud.services().items()} == {**cloud.zones, "compute5": "far"}
        shown = cloud.compute.get("/os-availability-zone/detail").json()["availabilityZoneInfo"]
        hosts = {zone["zoneName"]: set(zone["hosts"] or ()) for zone in shown}
        assert (hosts["far"], hosts["second"]) == ({"compute5"}, {"compute6"})
        for host, uuid in cloud.providers().items():
            known = cloud.placement.get(f"/resource_providers/{uuid}/aggregates").json()["aggregates"]
            assert (far["uuid"] in known) == (host == "compute5")

    def test_what_is_refused(self, cloud: CloudUnderTest, far: dict[str, Any]) -> None:
        again = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "far"}})
        assert again.status_code == 409
        assert change(cloud, far, "add_host", host="compute5").status_code == 409
        assert change(cloud, far, "add_host", host="nowhere").status_code == 404
        # it would be in two zones
        assert change(cloud, far, "add_host", host="compute6").status_code == 409
        assert change(cloud, far, "remove_host", host="compute1").status_code == 404
        assert cloud.compute.delete(f"/os-aggregates/{far['id']}").status_code == 400
        assert cloud.compute.get("/os-aggregates/999999").status_code == 404
        assert cloud.demo.get("/os-aggregates").status_code == 403

    def test_a_server_that_asked_for_a_zone_stays_in_it(self, cloud: CloudUnderTest, far: dict[str, Any]) -> None:
        answer = cloud.ask_for(Wish("compute5"), availability_zone="far")
        assert answer.status_code == 202, answer.text
        pinned = Server(cloud, answer.json()["server"]["id"])
        cloud.becomes(pinned.state, ("ACTIVE", "compute5", None))
        shown = pinned.shown()
        assert (shown["pinned_availability_zone"], shown["OS-EXT-AZ:availability_zone"]) == ("far", "far")
        assert pinned.migrate("compute1").status_code == 202
        pinned.settles("ACTIVE", "compute5", "error")
        snapshot = cloud.vmpath().read()
        zones = {host.name: host.availability_zone for host in snapshot.hosts}
        assert zones == {**cloud.zones, "compute5": "far"}
        [read] = [each for each in snapshot.instances if each.uuid == pinned.id]
        assert (read.pinned_availability_zone, read.resources) == ("far", SMALL)

    def test_from_one_zone_to_another(self, cloud: CloudUnderTest, far: dict[str, Any]) -> None:
        assert cloud.ask_for(Wish("compute1"), availability_zone="nowhere").status_code == 400
        answer = cloud.ask_for(Wish("compute6"), availability_zone="second")
        assert answer.status_code == 202, answer.text
        pinned = Server(cloud, answer.json()["server"]["id"])
        cloud.becomes(pinned.state, ("ACTIVE", "compute6", None))
        for host in ("compute5", "compute1"):
            assert pinned.migrate(host).status_code == 202
            pinned.settles("ACTIVE", "compute6", "error")
        # a host of another zone is no host for it
        wrong = cloud.ask_for(Wish("compute1"), availability_zone="second")
        assert wrong.status_code == 202
        lost = Server(cloud, wrong.json()["server"]["id"])
        cloud.becomes(lost.state, ("ERROR", None, None))

    def test_one_that_did_not_ask_goes_anywhere(self, cloud: CloudUnderTest, far: dict[str, Any]) -> None:
        server = cloud.take("compute1")
        assert server.shown()["pinned_availability_zone"] is None
        assert server.migrate("compute5").status_code == 202
        server.settles("ACTIVE", "compute5", "completed")
        assert server.shown()["OS-EXT-AZ:availability_zone"] == "far"
        # a host with servers does not change its zone
        assert change(cloud, far, "set_metadata", metadata={"availability_zone": "near"}).status_code == 400
        assert change(cloud, far, "remove_host", host="compute5").status_code == 409


def change(cloud: CloudUnderTest, aggregate: dict[str, Any], action: str, **details: object) -> Response:
    return cloud.compute.post(f"/os-aggregates/{aggregate['id']}/action", json={action: details})
