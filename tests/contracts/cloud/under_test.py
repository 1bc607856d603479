"""The narrow interface by which the contracts see a cloud, and a server in it."""

from __future__ import annotations

import abc
import concurrent.futures
import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from keystoneauth1.adapter import Adapter
from requests import Response

from tests.contracts.cloud.hearing import Hearing
from vmpath_service.cloud.live import NovaCloud

Found = TypeVar("Found")

#: name -> MEMORY_MB, VCPU, DISK_GB
FLAVORS = {"contract.small": (512, 1, 1), "contract.huge": (20480, 2, 1)}
SMALL = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}
ENDED = ("completed", "error", "failed", "cancelled")
#: metadata of a server whose memory changes faster than it is copied
ENDLESS = {"lab_bw": "100", "lab_dirty": "200"}
ATTEMPTS = 3
NOWHERE = "00000000-0000-0000-0000-000000000000"
WORKERS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """A server that is to be booted."""

    host: str
    flavor: str = "contract.small"
    group: str | None = None
    image: str | None = None


class CloudUnderTest(abc.ABC):
    """A cloud of six hosts, compute1 to compute6, each with 32768 MB, 16 VCPUs (ratio 4) and 500 GB, carrying out
    two live migrations of a host at a time. compute6 is in an availability zone of its own, ``second``; guests of
    compute5 may have Manila shares.

    ``compute`` and ``placement`` speak as the administrator, ``demo`` as an ordinary user, with microversions
    2.96 and 1.39 unless told otherwise; they answer errors, they do not raise.
    """

    compute: Adapter
    demo: Adapter
    placement: Adapter
    demo_placement: Adapter
    image: str
    windows: str
    """An image whose property os_distro is windows; the other has none."""
    hosts: tuple[str, ...]

    def __init__(self) -> None:
        self._flavors: dict[str, str] = {}
        self._stock: dict[str, list[str]] = {}
        self._providers: dict[str, str] = {}

    @property
    def zones(self) -> dict[str, str]:
        """The availability zone of each host."""
        return {host: "second" if host == "compute6" else "nova" for host in self.hosts}

    @abc.abstractmethod
    def moments(self) -> Iterator[None]:
        """Moments at which to look again, time passing between them, until patience is at its end."""

    @abc.abstractmethod
    def kill_compute(self, host: str) -> None:
        """Let the host's nova-compute die at once; the cloud notices only later."""

    @abc.abstractmethod
    def start_compute(self, host: str) -> None:
        """Bring a dead nova-compute back."""

    @abc.abstractmethod
    def vmpath(self, ordinary: bool = False) -> NovaCloud:
        """vmpath's own port to this cloud, as the administrator or as the ordinary user."""

    @abc.abstractmethod
    def deferring(self) -> AbstractContextManager[Adapter]:
        """The compute API with what is deleted kept for a while (reclaim_instance_interval)."""

    @abc.abstractmethod
    def sharing(self, server: Server) -> AbstractContextManager[str]:
        """An ACTIVE server with a Manila share, of which this is the id; within the block."""

    @abc.abstractmethod
    def hear(self) -> Hearing:
        """What has been heard of the cloud's notifications since this was called first."""

    def reset(self) -> None:
        """Let all servers, groups, flavors and allocations be gone, every host up and enabled."""
        self._flavors.clear()
        self._stock.clear()
        self._providers.clear()

    # Waiting -------------------------------------------------------------------------------

    def until(self, seek: Callable[[], Found], what: str) -> Found:
        """The first true answer of *seek*."""
        for _ in self.moments():
            if found := seek():
                return found
        raise AssertionError(f"never: {what}")

    def becomes(self, look: Callable[[], object], expected: object) -> None:
        """Returns when *look* answers what is expected; at the end of patience it must."""
        for _ in self.moments():
            if look() == expected:
                return
        assert look() == expected

    # Servers -------------------------------------------------------------------------------

    def stock(self, hosts: Mapping[str, int]) -> None:
        """Boot plain servers for ``take`` ahead, so many on each host."""
        wishes = [Wish(host) for host, count in hosts.items() for _ in range(count)]
        for wish, server in zip(wishes, self.boot(wishes), strict=True):
            self._stock.setdefault(wish.host, []).append(server.id)

    def take(self, host: str, /, **metadata: str) -> Server:
        """A server of 512 MB, ACTIVE on the host, that no other test has seen, with these metadata."""
        waiting = self._stock.setdefault(host, [])
        server = Server(self, waiting.pop()) if waiting else self.boot([Wish(host)])[0]
        if metadata:
            server.note(**metadata)
        return server

    def boot(self, wishes: Iterable[Wish]) -> list[Server]:
        """Servers as wished for, when all are ACTIVE."""
        wanted = list(wishes)
        self._known_flavors()

        def ask(wish: Wish) -> Server:
            answer = self.ask_for(wish)
            assert answer.status_code == 202, answer.text
            return Server(self, answer.json()["server"]["id"])

        self.compute.get_endpoint()
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            servers = list(pool.map(ask, wanted))
        for server, wish in zip(servers, wanted, strict=True):
            self.becomes(server.state, ("ACTIVE", wish.host, None))
        return servers

    def told(self, server: Server) -> Server:
        """The server, when the end of its boot has been told: what is done to it from now on is told after that.

        Nova says that it is ACTIVE a moment before.
        """
        hearing = self.hear()
        self.until(
            lambda: any(line.startswith("create.end") for line in hearing.story(server.id)), "its boot has been told"
        )
        return server

    def ask_for(self, wish: Wish, **more: object) -> Response:
        """Ask for a server, with *more* properties; what becomes of it is not waited for."""
        body: dict[str, Any] = {
            "server": {
                "name": f"on-{wish.host}",
                "flavorRef": self._known_flavors()[wish.flavor],
                "imageRef": wish.image or self.image,
                "networks": "none",
                "host": wish.host,
                **more,
            }
        }
        if wish.group:
            body["os:scheduler_hints"] = {"group": wish.group}
        return self.compute.post("/servers", json=body)

    def flavor_id(self, name: str) -> str:
        """The id of one of the contract's flavors."""
        return self._known_flavors()[name]

    def create_flavor(self, name: str, extra_specs: Mapping[str, str], **different: int) -> str:
        """The name of a flavor like the small one, with these extra specs and what is different."""
        memory, vcpus, disk = FLAVORS["contract.small"]
        body = {"flavor": {"name": name, "ram": memory, "vcpus": vcpus, "disk": disk, **different}}
        made = self.compute.post("/flavors", json=body)
        assert made.status_code == 200, made.text
        identifier = self._known_flavors()[name] = made.json()["flavor"]["id"]
        if extra_specs:
            body = {"extra_specs": dict(extra_specs)}
            answer = self.compute.post(f"/flavors/{identifier}/os-extra_specs", json=body)
            assert answer.status_code == 200, answer.text
        return name

    def create_group(self, name: str, policy: str, adapter: Adapter | None = None, **more: object) -> str:
        """The id of a new server group."""
        body = {"server_group": {"name": name, "policy": policy, **more}}
        answer = (adapter or self.compute).post("/os-server-groups", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["server_group"]["id"])

    def _known_flavors(self) -> dict[str, str]:
        if not self._flavors:
            for name, (memory, vcpus, disk) in FLAVORS.items():
                body = {"flavor": {"name": name, "ram": memory, "vcpus": vcpus, "disk": disk}}
                answer = self.compute.post("/flavors", json=body)
                assert answer.status_code == 200, answer.text
                self._flavors[name] = answer.json()["flavor"]["id"]
        return self._flavors

    # Hosts and books -----------------------------------------------------------------------

    def services(self) -> dict[str, dict[str, Any]]:
        """The nova-compute services by host."""
        listed = self.compute.get("/os-services?binary=nova-compute").json()["services"]
        return {service["host"]: service for service in listed}

    def change_service(self, host: str, **change: object) -> Response:
        return self.compute.put(f"/os-services/{self.services()[host]['id']}", json=change)

    def providers(self) -> dict[str, str]:
        """Host name -> uuid of its resource provider."""
        listed = self.placement.get("/resource_providers").json()["resource_providers"]
        return {provider["name"]: provider["uuid"] for provider in listed}

    def held(self, consumer: str) -> dict[str, dict[str, int]]:
        """Host name -> what the consumer holds there."""
        allocations = self.placement.get(f"/allocations/{consumer}").json()["allocations"]
        if not allocations.keys() <= set(self._providers.values()):
            self._providers = self.providers()
        names = {uuid: name for name, uuid in self._providers.items()}
        return {names[uuid]: part["resources"] for uuid, part in allocations.items()}


class Server:
    """One server of a cloud under test, and what an operator does to it."""

    def __init__(self, cloud: CloudUnderTest, identifier: str) -> None:
        self.cloud = cloud
        self.id = identifier

    def shown(self, version: str = "2.96") -> dict[str, Any]:
        answer = self.cloud.compute.get(f"/servers/{self.id}", microversion=version)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["server"]
        return found

    def state(self) -> tuple[str, str, str | None]:
        """(status, host, task)"""
        server = self.shown()
        return server["status"], server["OS-EXT-SRV-ATTR:host"], server["OS-EXT-STS:task_state"]

    def act(self, action: str, details: object = None, version: str = "2.96") -> Response:
        return self.cloud.compute.post(f"/servers/{self.id}/action", json={action: details}, microversion=version)

    def migrate(self, to: str | None) -> Response:
        return self.act("os-migrateLive", {"host": to, "block_migration": "auto"})

    def note(self, **metadata: str) -> None:
        answer = self.cloud.compute.post(f"/servers/{self.id}/metadata", json={"metadata": metadata})
        assert answer.status_code == 200, answer.text

    def stop(self) -> None:
        assert self.act("os-stop").status_code == 202
        host = self.state()[1]
        self.cloud.becomes(self.state, ("SHUTOFF", host, None))

    def start(self) -> None:
        assert self.act("os-start").status_code == 202
        host = self.state()[1]
        self.cloud.becomes(self.state, ("ACTIVE", host, None))

    def delete(self) -> None:
        """Returns when the server is gone."""
        path = f"/servers/{self.id}"
        assert self.cloud.compute.delete(path).status_code == 204
        self.cloud.until(lambda: self.cloud.compute.get(path).status_code == 404, "the server is gone")

    # Its migrations ------------------------------------------------------------------------

    def records(self) -> list[dict[str, Any]]:
        """All its migrations, newest first."""
        answer = self.cloud.compute.get(f"/os-migrations?instance_uuid={self.id}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["migrations"]
        return found

    def under_way(self, version: str = "2.96") -> list[dict[str, Any]]:
        """Those in progress."""
        answer = self.cloud.compute.get(f"/servers/{self.id}/migrations", microversion=version)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["migrations"]
        return found

    def starts(self, to: str) -> dict[str, Any]:
        """Have it migrated; its migration as it shows when it runs."""
        return self.asked(to, "running")

    def asked(self, to: str, status: str) -> dict[str, Any]:
        """Have it migrated; its migration as it shows when it has come to that status."""
        answer = self.migrate(to)
        assert answer.status_code == 202, answer.text
        [migration] = self.cloud.until(
            lambda: [each for each in self.under_way() if each["status"] == status], f"a migration {status}"
        )
        return migration

    def abort(self, migration: Mapping[str, Any], version: str = "2.96") -> Response:
        return self.cloud.compute.delete(f"/servers/{self.id}/migrations/{migration['id']}", microversion=version)

    def force_complete(self, migration: Mapping[str, Any]) -> Response:
        return self.cloud.compute.post(
            f"/servers/{self.id}/migrations/{migration['id']}/action", json={"force_complete": None}
        )

    def settles(
        self,
        status: str,
        at: str,
        migration: str,
        holds: Collection[str] | None = None,
        source_held: Collection[str] = (),
    ) -> dict[str, Any]:
        """Its newest record, when everything is as expected.

        Expected are the server's status and host, no task, the record's status, the hosts on which the server's
        own allocation is (its host, unless said otherwise), and those on which the record's uuid has one.
        """

        def look() -> dict[str, object]:
            state = self.state()
            if state != (status, at, None):
                return {"server": state}
            # newest first; none at all until the conductor has seen the request
            record: dict[str, Any] = next(iter(self.records()), {"status": None, "uuid": NOWHERE})
            return {
                "server": state,
                "migration": record["status"],
                "holds": self.cloud.held(self.id),
                "source held": self.cloud.held(record["uuid"]),
            }

        expected = {
            "server": (status, at, None),
            "migration": migration,
            "holds": dict.fromkeys((at,) if holds is None else holds, SMALL),
            "source held": dict.fromkeys(source_held, SMALL),
        }
        try:
            self.cloud.becomes(look, expected)
        except AssertionError as failure:
            failure.add_note(self.story())
            raise
        return self.records()[0]

    def leaves_cold(self, to: str) -> dict[str, Any]:
        """Have it migrated while it is stopped; its newest record, when it waits on *to* for a confirmation.

        A compute whose sign of life comes late, on a machine that has too much to do, is no host to Nova's scheduler
        for that moment. The server stays as it was then, and is asked again.
        """
        source = self.state()[1]
        for _ in range(ATTEMPTS):
            known = len(self.records())
            answer = self.act("migrate", {"host": to})
            assert answer.status_code == 202, answer.text
            ends = functools.partial(self._cold_outcome, source, known)
            if self.cloud.until(ends, "the server waits for a confirmation, or stays") == "waits":
                break
        return self.settles("VERIFY_RESIZE", to, "finished", source_held=[source])

    def _cold_outcome(self, source: str, known: int) -> str | None:
        state = self.state()
        if state[0] == "VERIFY_RESIZE":
            return "waits"
        records = self.records()
        refused = state == ("SHUTOFF", source, None) and len(records) > known and records[0]["status"] == "error"
        return "stays" if refused else None

    def story(self) -> str:
        """What was asked of it and what came of that, as the cloud tells it: for who reads of a failure."""
        path = f"/servers/{self.id}/os-instance-actions"
        asked = self.cloud.compute.get(path).json().get("instanceActions", ())
        told = [self.cloud.compute.get(f"{path}/{each['request_id']}").text for each in asked]
        return "\n".join([f"its migrations: {self.records()}", *told])
