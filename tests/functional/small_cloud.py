"""A small cloud for tests of the simulator, and steps that move its clock."""

from __future__ import annotations

import uuid
from typing import Any

import openstack
from keystoneauth1.adapter import Adapter

from vmpath_service.model.snapshot import Host, Instance, Inventory, ServerGroup, Snapshot
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud


def identity(name: str) -> str:
    """The UUID of the thing of that name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def host(name: str, memory_mb: int = 16384, **more: Any) -> Host:
    inventories = {
        "VCPU": Inventory(total=16, allocation_ratio=4.0, max_unit=16),
        "MEMORY_MB": Inventory(total=memory_mb, max_unit=memory_mb),
        "DISK_GB": Inventory(total=1000),
    }
    return Host(name=name, uuid=identity(name), inventories=inventories, **more)


def instance(name: str, at: str, memory_mb: int = 1000, **more: Any) -> Instance:
    resources = {"VCPU": 1, "MEMORY_MB": memory_mb, "DISK_GB": 1}
    return Instance(uuid=identity(name), name=name, host=at, resources=resources, **more)


def snapshot(*parts: Host | Instance | ServerGroup) -> Snapshot:
    return Snapshot(
        hosts=tuple(part for part in parts if isinstance(part, Host)),
        instances=tuple(part for part in parts if isinstance(part, Instance)),
        server_groups=tuple(part for part in parts if isinstance(part, ServerGroup)),
    )


def group(name: str, policy: str, *members: str) -> ServerGroup:
    return ServerGroup(
        uuid=identity(name),
        name=name,
        policy=policy,  # type: ignore[arg-type]
        members=tuple(identity(member) for member in members),
    )


class Operator:
    """Does to a simulated cloud with a stepped clock what an operator does, over HTTP."""

    def __init__(self, cloud: SimulatedCloud, connection: openstack.connection.Connection) -> None:
        self.cloud = cloud
        self.connection = connection
        self.compute: Adapter = connection.compute
        self.placement: Adapter = connection.placement

    def step(self, seconds: float) -> None:
        """Let time pass."""
        clock = self.cloud.clock
        assert isinstance(clock, SteppedClock)
        clock.step(seconds)

    def server(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.compute.get(f"/servers/{identity(name)}").json()["server"]
        return found

    def where(self, name: str) -> tuple[str, str]:
        """(status, host)"""
        server = self.server(name)
        return server["status"], server["OS-EXT-SRV-ATTR:host"]

    def act(self, name: str, action: str, details: Any = None, version: str = "2.96") -> Any:
        return self.compute.post(f"/servers/{identity(name)}/action", json={action: details}, microversion=version)

    def migrate(self, name: str, to: str | None, version: str = "2.96") -> Any:
        details = {"host": to, "block_migration": "auto"}
        return self.act(name, "os-migrateLive", details, version)

    def migrations(self, name: str) -> list[dict[str, Any]]:
        """All of the server's, newest first."""
        path = f"/os-migrations?instance_uuid={identity(name)}"
        found: list[dict[str, Any]] = self.compute.get(path).json()["migrations"]
        return found

    def under_way(self, name: str) -> list[dict[str, Any]]:
        path = f"/servers/{identity(name)}/migrations"
        found: list[dict[str, Any]] = self.compute.get(path).json()["migrations"]
        return found

    def held(self, consumer: str) -> dict[str, int]:
        """Host name -> MEMORY_MB that a consumer holds there."""
        found = self.placement.get(f"/allocations/{consumer}").json()["allocations"]
        names = {h.uuid: h.name for h in self.cloud.world.hosts.values()}
        return {names[uuid]: part["resources"]["MEMORY_MB"] for uuid, part in found.items()}

    def abort(self, name: str, number: int, version: str = "2.96") -> Any:
        return self.compute.delete(f"/servers/{identity(name)}/migrations/{number}", microversion=version)

    def force_complete(self, name: str, number: int) -> Any:
        return self.compute.post(
            f"/servers/{identity(name)}/migrations/{number}/action", json={"force_complete": None}
        )

    def note(self, name: str, **metadata: str) -> None:
        """Set metadata that steer migrations."""
        answer = self.compute.post(f"/servers/{identity(name)}/metadata", json={"metadata": metadata})
        assert answer.status_code == 200
