from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cloud.shapes import server
from vmpath_service.cloud.storage import storage_of
from vmpath_service.model.snapshot import Storage

DISKS: dict[str, Any] = {"disk": 10, "ephemeral": 5, "swap": 1500}


@pytest.mark.parametrize(
    ("changes", "shared", "declared", "expected"),
    [
        (DISKS, (), "unknown", Storage("unknown", 17)),
        (DISKS, (), "local", Storage("local", 17)),
        (DISKS, (), "shared", Storage("shared")),
        (DISKS, (), "volume", Storage("volume")),
        (DISKS, ("DISK_GB",), "unknown", Storage("shared")),
        (DISKS, ("DISK_GB",), "local", Storage("shared")),
        ({**DISKS, "image": ""}, (), "local", Storage("volume", 7)),
        ({**DISKS, "image": ""}, (), "unknown", Storage("volume", 7)),
        ({**DISKS, "image": ""}, (), "shared", Storage("volume")),
        ({"disk": 10, "image": ""}, (), "unknown", Storage("volume")),
    ],
)
def test_what_is_no_volume_and_not_shared_is_copied(
    changes: dict[str, Any], shared: tuple[str, ...], declared: Any, expected: Storage
) -> None:
    assert storage_of(server(**changes), shared, declared) == expected
