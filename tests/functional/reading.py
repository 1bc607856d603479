"""vmpath's view of simulated clouds, for the tests of what it reads."""

from __future__ import annotations

from typing import Any

import msgspec

from vmpath_service.cloud.inventory import Reading
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.simulator.cloud import SimulatedCloud


def reader(cloud: SimulatedCloud, name: str = "simulated", **settings: Any) -> NovaCloud:
    """vmpath's view of a simulated cloud."""
    entry = cloud.clouds()[name]
    auth = entry["auth"]
    assert isinstance(auth, dict)
    return NovaCloud(CloudSettings(auth=auth, region=str(entry["region_name"]), **settings))


def notes_of(reading: Reading) -> str:
    """All notes in one text."""
    return "; ".join(reading.notes)


def essence(value: Snapshot) -> Snapshot:
    """A snapshot without what a reading adds: when and where, notes, storage, what only a file can know."""
    change = msgspec.structs.replace
    hosts = [
        change(
            each,
            traits=tuple(sorted(each.traits)),
            aggregates=tuple(sorted(each.aggregates, key=lambda aggregate: aggregate.name)),
        )
        for each in value.hosts
    ]
    instances = [change(each, storage=None, memory=None) for each in value.instances]
    return Snapshot(
        hosts=tuple(sorted(hosts, key=lambda each: each.name)),
        instances=tuple(sorted(instances, key=lambda each: each.uuid)),
        server_groups=tuple(sorted(value.server_groups, key=lambda each: each.uuid)),
        in_flight=value.in_flight,
    )
