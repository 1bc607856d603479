"""vmpath's view of simulated clouds, for the tests of what it reads."""

from __future__ import annotations

from typing import Any

from vmpath_service.cloud.inventory import Reading
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings
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
