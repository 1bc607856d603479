"""Manila shares: attached to and detached from stopped servers, and in the way of what moves or removes a guest.

What stands for Manila knows every share, and grants access at once.
"""

from __future__ import annotations

from vmpath_service.simulator.records import Server
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.world import World

VIRTIO_FS, MEMORY_IN_FILES = "COMPUTE_STORAGE_VIRTIO_FS", "COMPUTE_MEM_BACKING_FILE"


def attach(world: World, server: Server, share: str, tag: str) -> None:
    """Take a request to attach a share.

    Raises Refused 409 for a server that is not stopped, on a host or of a flavor that cannot have shares, and for a
    share or a tag that it has.
    """
    if server.vm_state != "stopped":
        raise not_in_state(server.uuid, "vm_state", server.vm_state, "create share")
    traits = world.hosts[server.host].traits if server.host is not None else ()
    paged = "hw:mem_page_size" in server.flavor.extra_specs
    if VIRTIO_FS not in traits or not (MEMORY_IN_FILES in traits or paged):
        raise Refused(
            409, "Feature not supported because either compute or instance are not configured correctly."
        )
    if share in server.shares or tag in server.shares.values():
        raise Refused(409, f"Share '{share}' or tag '{tag}' already associated to this server.")
    server.shares[share] = tag


def detach(server: Server, share: str) -> None:
    """Take a request to detach a share. Raises Refused: 404 for one that it does not have, 409 while it runs."""
    if server.vm_state not in ("stopped", "error"):
        raise not_in_state(server.uuid, "vm_state", server.vm_state, "delete share")
    if share not in server.shares:
        raise missing(share)
    del server.shares[share]


def missing(share: str) -> Refused:
    """What is said of a share that a server does not have."""
    return Refused(404, f"Share {share} could not be found.")


def need_none(server: Server) -> None:
    """Raises Refused 409 for a server with shares: it can neither be moved live nor put away."""
    if server.shares:
        raise Refused(409, "Feature not supported with instances that have shares.")
