"""Servers with Manila shares, which never live-migrate."""

from __future__ import annotations

import pytest

from tests.contracts.cloud.under_test import NOWHERE, CloudUnderTest
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.shares import HELD
from vmpath_service.model.errors import RequestRefused
from vmpath_service.model.snapshot import Instance

NEWEST = "2.97"


class ShareContract:
    """Nova shows the shares of one server at a time. Guests of compute5 may have some, those of others may not."""

    def read(self, vmpath: NovaCloud, identifier: str) -> Instance:
        [found] = [each for each in vmpath.read().instances if each.uuid == identifier]
        return found

    def test_who_is_given_one(self, cloud: CloudUnderTest) -> None:
        server = cloud.take("compute1")
        path, body = f"/servers/{server.id}/shares", {"share": {"share_id": NOWHERE}}
        assert cloud.compute.get(path, microversion="2.96").status_code == 404
        listed = cloud.compute.get(path, microversion=NEWEST)
        assert (listed.status_code, listed.json()) == (200, {"shares": []})
        assert cloud.demo.get(path, microversion=NEWEST).status_code in (403, 404)
        assert cloud.compute.get(f"/servers/{NOWHERE}/shares", microversion=NEWEST).status_code == 404
        running = cloud.compute.post(path, json=body, microversion=NEWEST)
        assert running.status_code == 409
        assert "vm_state active" in running.json()["conflictingRequest"]["message"]
        server.stop()
        # its host has neither virtiofs nor guest memory in files
        elsewhere = cloud.compute.post(path, json=body, microversion=NEWEST)
        assert elsewhere.status_code == 409
        assert "not configured correctly" in elsewhere.json()["conflictingRequest"]["message"]

    def test_with_one_it_stays_where_it_is(self, cloud: CloudUnderTest) -> None:
        server, beside = cloud.take("compute5"), cloud.take("compute5")
        vmpath = cloud.vmpath()
        before = vmpath.requests_sent()
        assert self.read(vmpath, server.id).movable == "live"
        first = vmpath.requests_sent() - before
        with cloud.sharing(server) as share:
            [shown] = cloud.compute.get(f"/servers/{server.id}/shares", microversion=NEWEST).json()["shares"]
            assert shown.keys() == {"share_id", "status", "tag"}
            assert (shown["share_id"], shown["tag"]) == (share, share)
            for answer in (server.migrate("compute2"), server.act("shelve"), server.act("suspend")):
                assert answer.status_code == 409
                assert "instances that have shares" in answer.json()["conflictingRequest"]["message"]
            assert server.records() == []
            fresh = cloud.vmpath()
            held = self.read(fresh, server.id)
            assert (held.movable, held.why_not) == ("no", HELD)
            assert self.read(fresh, beside.id).movable == "live"
            with pytest.raises(RequestRefused, match="have shares") as refusal:
                fresh.live_migrate(server.id, "compute2")
            assert refusal.value.status == 409
            assert server.state() == ("ACTIVE", "compute5", None)
        assert self.read(cloud.vmpath(), server.id).movable == "live"
        # what runs as it ran is not asked for again
        again = vmpath.requests_sent()
        assert self.read(vmpath, beside.id).movable == "live"
        assert vmpath.requests_sent() - again < first
