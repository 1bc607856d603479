"""What keeps servers off hosts that have room: aggregates that set hosts apart, traits, server groups."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.cloud.under_test import ENDLESS, CloudUnderTest, Server, Wish
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.model.snapshot import Host, Snapshot

APART = "compute4"
GOLD = "CUSTOM_CONTRACT_GOLD"


@contextlib.contextmanager
def set_apart(cloud: CloudUnderTest, **metadata: str) -> Iterator[None]:
    """Within the block, compute4 is in an aggregate with these metadata."""
    made = cloud.compute.post("/os-aggregates", json={"aggregate": {"name": "apart"}})
    assert made.status_code == 200, made.text
    url = f"/os-aggregates/{made.json()['aggregate']['id']}"
    try:
        for body in ({"set_metadata": {"metadata": metadata}}, {"add_host": {"host": APART}}):
            answer = cloud.compute.post(f"{url}/action", json=body)
            assert answer.status_code == 200, answer.text
        yield
    finally:
        cloud.compute.post(f"{url}/action", json={"remove_host": {"host": APART}})
        cloud.compute.delete(url)


@contextlib.contextmanager
def gold(cloud: CloudUnderTest) -> Iterator[None]:
    """Within the block, compute4 has the trait."""
    assert cloud.placement.put(f"/traits/{GOLD}").status_code == 204
    path = f"/resource_providers/{cloud.providers()[APART]}/traits"
    before = cloud.placement.get(path).json()

    def has(*more: str) -> dict[str, Any] | None:
        """Its traits, now those it had and these; None if another wrote in between, as its compute does."""
        now = cloud.placement.get(path).json()
        traits = [*(trait for trait in now["traits"] if trait != GOLD), *more]
        answer = cloud.placement.put(path, json={**now, "traits": traits})
        assert answer.status_code in (200, 409), answer.text
        found: dict[str, Any] = answer.json()
        return found if answer.status_code == 200 else None

    assert GOLD in cloud.until(lambda: has(GOLD), "the trait is written")["traits"]
    assert cloud.placement.put(path, json=before).status_code == 409
    try:
        yield
    finally:
        cloud.until(has, "the trait is taken away")


class IsolationContract:
    """Each is refused by the scheduler where its aggregate, its traits or its group forbid the host; and admitted
    where they do not. vmpath reads what it takes to know before."""

    @pytest.fixture(scope="class")
    @classmethod
    def vmpath(cls, cloud: CloudUnderTest) -> NovaCloud:
        return cloud.vmpath()

    def refused(self, server: Server, to: str) -> None:
        at = server.state()[1]
        assert server.migrate(to).status_code == 202
        server.settles("ACTIVE", at, "error")

    def admitted(self, server: Server, to: str) -> None:
        assert server.migrate(to).status_code == 202
        server.settles("ACTIVE", to, "completed")

    def host(self, snapshot: Snapshot) -> Host:
        return next(each for each in snapshot.hosts if each.name == APART)

    def test_hosts_for_projects(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        server = cloud.take("compute1")
        mine = server.shown()["tenant_id"]
        with set_apart(cloud, filter_tenant_id="0123, 4567"):
            self.refused(server, APART)
            [aggregate] = [each for each in self.host(vmpath.read()).aggregates if each.name == "apart"]
            assert aggregate.metadata == {"filter_tenant_id": "0123, 4567"}
        with set_apart(cloud, filter_tenant_id="0123", filter_tenant_id_2=f"4567, {mine}"):
            self.admitted(server, APART)
            # not held there either: the others are free to all
            self.admitted(server, "compute1")

    def test_hosts_for_flavors(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        specs = {"aggregate_instance_extra_specs:ssd": "true"}
        flavor = cloud.create_flavor("contract.ssd", specs)
        with set_apart(cloud, ssd="true"):
            [server] = cloud.boot([Wish(APART, flavor)])
            self.refused(server, "compute1")
            # who does not ask may come all the same
            other = cloud.take("compute1")
            self.admitted(other, APART)
            other.delete()
            [read] = [each for each in vmpath.read().instances if each.uuid == server.id]
            assert read.extra["extra_specs"] == specs
            server.delete()

    def test_hosts_for_images(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        plain, [windows] = cloud.take("compute1"), cloud.boot([Wish("compute1", image=cloud.windows)])
        with set_apart(cloud, os_distro="debian,ubuntu"):
            self.refused(windows, APART)
            # an image without the property may come
            self.admitted(plain, APART)
            [read] = [each for each in vmpath.read().instances if each.uuid == windows.id]
            assert read.extra["image_properties"] == {"os_distro": "windows"}
            plain.delete()
        with set_apart(cloud, os_distro="debian, windows"):
            self.admitted(windows, APART)
            windows.delete()

    def test_hosts_for_traits(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        wants = cloud.create_flavor("contract.gold", {f"trait:{GOLD}": "required"})
        shuns = cloud.create_flavor("contract.dross", {f"trait:{GOLD}": "forbidden"})
        # Placement refuses to speak of a trait that it does not know
        for flavor in (wants, shuns):
            answer = cloud.ask_for(Wish("compute1", flavor))
            assert answer.status_code == 202
            unknown = Server(cloud, answer.json()["server"]["id"])
            cloud.becomes(unknown.state, ("ERROR", None, None))
            unknown.delete()
        assert cloud.placement.put(f"/traits/{GOLD}").status_code == 201
        plain, [shunning] = cloud.take("compute1"), cloud.boot([Wish("compute1", shuns)])
        with gold(cloud):
            [wanting] = cloud.boot([Wish(APART, wants)])
            assert GOLD in self.host(vmpath.read()).traits
            self.refused(wanting, "compute1")
            self.refused(shunning, APART)
            self.admitted(plain, APART)
            self.admitted(plain, "compute1")
            with set_apart(cloud, **{f"trait:{GOLD}": "required"}):
                self.refused(plain, APART)
                wanting.delete()
                [again] = cloud.boot([Wish(APART, wants)])
                again.delete()
        for server in (plain, shunning):
            server.delete()
        assert cloud.placement.delete(f"/traits/{GOLD}").status_code == 204

    def test_a_group_that_admits_two_of_a_host(self, cloud: CloudUnderTest, vmpath: NovaCloud) -> None:
        group = cloud.create_group("two", "anti-affinity", rules={"max_server_per_host": 2})
        one, two, three = cloud.boot([Wish(f"compute{number}", group=group) for number in (1, 2, 3)])
        self.admitted(two, "compute1")
        self.refused(three, "compute1")
        self.admitted(three, "compute2")
        [read] = [each for each in vmpath.read().server_groups if each.uuid == group]
        assert read.rules is not None
        assert (read.policy, read.rules.max_server_per_host, set(read.members)) == (
            "anti-affinity",
            2,
            {one.id, two.id, three.id},
        )

    @pytest.mark.parametrize("policy", ["soft-anti-affinity", "soft-affinity"])
    def test_a_soft_group_forbids_nothing(self, cloud: CloudUnderTest, policy: str) -> None:
        group = cloud.create_group(policy, policy)
        one, _ = cloud.boot([Wish("compute1", group=group), Wish("compute1", group=group)])
        self.admitted(one, "compute2")
        self.admitted(one, "compute1")

    def test_a_strict_affinity_group_admits_the_hosts_of_its_members(self, cloud: CloudUnderTest) -> None:
        group = cloud.create_group("close", "affinity")
        one, two = cloud.boot([Wish("compute1", group=group), Wish("compute1", group=group)])
        self.refused(one, "compute2")
        # nor is one that is told to stay together with it free to follow
        self.refused(two, "compute2")
        three = cloud.ask_for(Wish("compute2", group=group))
        assert three.status_code == 202
        lost = Server(cloud, three.json()["server"]["id"])
        cloud.becomes(lost.state, ("ERROR", None, None))

    def test_one_on_its_way_counts_where_it_goes(self, cloud: CloudUnderTest) -> None:
        group = cloud.create_group("on the way", "anti-affinity")
        one, two = cloud.boot([Wish("compute1", group=group), Wish("compute2", group=group)])
        one.note(**ENDLESS)
        moving = one.starts("compute3")
        # the scheduler does not see it, the destination does, and that costs the server its state
        assert two.migrate("compute3").status_code == 202
        two.settles("ERROR", "compute2", "error")
        assert two.act("os-resetState", {"state": "active"}).status_code == 202
        assert one.abort(moving).status_code == 202
        one.settles("ACTIVE", "compute1", "cancelled")
        self.admitted(two, "compute3")
