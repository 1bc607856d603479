"""Shelving: a server gives up its memory, then its host, and gets one again when it is unshelved."""

from __future__ import annotations

from vmpath_service.simulator import scheduling, shares
from vmpath_service.simulator.announcements import compute
from vmpath_service.simulator.records import Host, Server
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.world import World


def shelve(world: World, server: Server) -> None:
    """Take a request to shelve. Raises Refused 409 for a server in the wrong state or with shares."""
    shares.need_none(server)
    _need(server, ("active", "stopped", "paused", "suspended"), "shelve")
    server.task_state = "shelving"
    world.touch(server)
    world.announce(server, "shelve", "start")
    world.after(world.settings.action_s, _shelved, world, server)


def offload(world: World, server: Server) -> None:
    """Take a request to give up the host of a shelved server. Raises Refused 409 for one that is not."""
    _need(server, ("shelved",), "shelveOffload")
    server.task_state = "shelving_offloading"
    world.touch(server)
    world.after(world.settings.action_s, _offloaded, world, server)


def unshelve(world: World, server: Server, wanted: str | None) -> None:
    """Take a request to unshelve; without a host for it the server stays as it is.

    Raises Refused: 409 for a server that is not shelved, or not offloaded and a host is named; 400 for an unknown
    host.
    """
    _need(server, ("shelved", "shelved_offloaded"), "unshelve")
    if wanted is not None and server.vm_state != "shelved_offloaded":
        raise Refused(409, "Unshelving with a host is possible only for a server in vm_state shelved_offloaded.")
    if wanted is not None and wanted not in world.hosts:
        raise Refused(400, f"Compute host {wanted} could not be found.")
    server.task_state = "unshelving"
    world.touch(server)
    if server.host is not None:
        world.after(world.settings.action_s, _awakened, world, server)
    else:
        world.after(world.settings.action_s / 2, _scheduled, world, server, wanted)


def _need(server: Server, states: tuple[str, ...], verb: str) -> None:
    if server.vm_state not in states:
        raise not_in_state(server.uuid, "vm_state", server.vm_state, verb)
    if server.task_state is not None:
        raise not_in_state(server.uuid, "task_state", server.task_state, verb)


def _shelved(world: World, server: Server) -> None:
    if server.task_state != "shelving" or server.host is None:
        return
    server.task_state = "shelving_image_uploading"
    world.touch(server)
    stays = server.host in world.settings.keep_shelved_on
    server.vm_state, server.power_state = "shelved", 4
    server.task_state = None if stays else "shelving_offloading"
    world.touch(server)
    world.announce(server, "shelve", "end")
    if not stays:
        _offloaded(world, server)


def _offloaded(world: World, server: Server) -> None:
    if server.task_state != "shelving_offloading":
        return
    by = compute(server.host)
    world.announce(server, "shelve_offload", "start", by)
    server.vm_state, server.task_state = "shelved_offloaded", None
    world.touch(server)
    world.ledger.release(server.uuid)
    server.zone = None
    world.place(server, None)
    world.announce(server, "shelve_offload", "end", by)


def _awakened(world: World, server: Server) -> None:
    """It is on its host still, and is only started."""
    if server.task_state != "unshelving":
        return
    server.task_state = "powering-on"
    world.touch(server)
    world.announce(server, "power_on", "start")
    server.vm_state, server.task_state, server.power_state = "active", None, 1
    world.touch(server)
    world.announce(server, "power_on", "end")


def _scheduled(world: World, server: Server, wanted: str | None) -> None:
    if server.task_state != "unshelving":
        return
    target: Host | None
    if wanted is None:
        target = scheduling.choose(world, server, live=False)
    else:
        target = world.hosts[wanted]
        if scheduling.refusal(world, server, target, live=False) is not None:
            target = None
    if target is None:
        server.task_state = None
        world.touch(server)
        return
    held = world.ledger.spread(target.uuid, server.resources)
    world.ledger.allocate(server.uuid, held, server.project_id, server.user_id)
    by = compute(target.name)
    world.announce(server, "unshelve", "start", by)
    server.task_state = "spawning"
    world.touch(server)
    world.place(server, target.name)
    world.after(world.settings.boot_s, _spawned, world, server)


def _spawned(world: World, server: Server) -> None:
    if server.vm_state == "shelved_offloaded" and server.task_state == "spawning":
        server.vm_state, server.task_state, server.power_state = "active", None, 1
        world.touch(server)
        world.announce(server, "unshelve", "end")
