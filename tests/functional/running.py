"""A service on a simulated cloud, and what the cloud itself says of it."""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.programs import Service
from vmpath_service.simulator.cloud import SimulatedCloud

QUICK: Mapping[str, Mapping[str, object]] = {
    "executor": {"poll_seconds": 0.1, "settle_seconds": 0.3, "request_settle_seconds": 2}
}
"""Settings for tests that do not want to wait."""

Start = Callable[..., Service]


def write_clouds(directory: Path, cloud: SimulatedCloud) -> Path:
    """A clouds.yaml for the cloud."""
    path = directory / "clouds.yaml"
    path.write_text(cloud.clouds_yaml_text())
    return path


def service_on(directory: Path, cloud: SimulatedCloud, **more: Mapping[str, object]) -> Service:
    """A service on the cloud, not started yet; ``more`` sections for its configuration."""
    sections = {name: dict(options) for name, options in QUICK.items()}
    for name, options in more.items():
        sections.setdefault(name, {}).update(options)
    return Service(directory, write_clouds(directory, cloud), "simulated", sections)


def servers_by_host(cloud: SimulatedCloud) -> dict[str, set[str]]:
    """Where Nova says that the servers are."""
    found: dict[str, set[str]] = {name: set() for name in cloud.world.hosts}
    for uuid, server in list(cloud.world.servers.items()):
        if server.host is not None:
            found[server.host].add(uuid)
    return found


def started(cloud: SimulatedCloud) -> collections.Counter[tuple[str, str, str | None]]:
    """How often each server was migrated from where to where, by Nova's own records."""
    return collections.Counter(
        (each.server, each.source, each.dest_compute) for each in list(cloud.world.migrations.values())
    )


def statuses(cloud: SimulatedCloud) -> collections.Counter[str]:
    """Nova's migration records by status."""
    return collections.Counter(each.status for each in list(cloud.world.migrations.values()))


def planned(record: Mapping[str, list[Mapping[str, str]]]) -> collections.Counter[tuple[str, str, str]]:
    """The same of a rearrangement's migrations."""
    return collections.Counter((each["instance"], each["source"], each["dest"]) for each in record["migrations"])
