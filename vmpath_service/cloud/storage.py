"""Where the disks of a server are, and how much of them a migration copies. Pure mapping."""

from __future__ import annotations

from collections.abc import Collection

from vmpath_service.cloud import flavors
from vmpath_service.cloud.wire import Server
from vmpath_service.model.declarations import StorageKind
from vmpath_service.model.snapshot import Storage


def storage_of(server: Server, shared: Collection[str], declared: StorageKind) -> Storage:
    """``shared``: the resource classes that it has from a provider that several hosts share; ``declared``: where the
    disks of its host are.

    The kind is that of its root disk. GiB to copy are what the flavor gives: an ephemeral disk and swap are on the
    host even if the root disk is a volume. Where it is not declared whether the hosts share their disks, all that is
    no volume counts as to be copied.
    """
    disks = flavors.disks_gb(server)
    by_volume = server.volume_backed()
    if "DISK_GB" in shared or declared in ("shared", "volume"):
        apart: StorageKind = "shared" if "DISK_GB" in shared else declared
        return Storage("volume" if by_volume else apart)
    if by_volume:
        return Storage("volume", disks)
    return Storage(declared, disks)
