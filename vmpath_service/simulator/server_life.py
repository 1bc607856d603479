"""Booting, stopping, starting, pausing, locking, resetting and deleting servers; computes dying."""

from __future__ import annotations

from collections.abc import Callable

from vmpath_service.simulator import evacuation, live_migration, scheduling, shares
from vmpath_service.simulator.announcements import API, compute
from vmpath_service.simulator.records import ENDED, Host, Server
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.world import World

# action -> (states it may start in, task meanwhile, state and power state afterwards)
POWER_ACTIONS = {
    "os-stop": (("active", "error"), "powering-off", "stopped", 4),
    "os-start": (("stopped",), "powering-on", "active", 1),
    "pause": (("active",), "pausing", "paused", 3),
    "unpause": (("paused",), "unpausing", "active", 1),
    "suspend": (("active",), "suspending", "suspended", 7),
    "resume": (("suspended",), "resuming", "active", 1),
    "rescue": (("active", "stopped", "error"), "rescuing", "rescued", 1),
    "unrescue": (("rescued",), "unrescuing", "active", 1),
    "restore": (("soft-delete",), "restoring", "active", 1),
}
# What Nova calls them in notifications, where it is not their own name.
ANNOUNCED_AS = {"os-stop": "power_off", "os-start": "power_on"}
BUILDING = ("networking", "block_device_mapping", "spawning")


def boot(world: World, server: Server, wanted: str | None) -> None:
    """Take a request for a new server; where it fits nowhere it ends in ERROR.

    Raises Refused 400 when `wanted` is not a host.
    """
    if wanted is not None and wanted not in world.hosts:
        raise Refused(400, f"Compute host {wanted} could not be found.")
    server.vm_state, server.task_state, server.power_state = "building", "scheduling", 0
    world.add_server(server)
    world.touch(server)
    if wanted is None:
        target = scheduling.choose(world, server, live=False)
        reason = None if target else "There are not enough hosts available."
    else:
        target = world.hosts[wanted]
        reason = scheduling.refusal(world, server, target, live=False)
    if reason is not None or target is None:
        world.after(world.settings.boot_s / 2, _not_booted, world, server, str(reason))
        return
    held = world.ledger.spread(target.uuid, server.resources)
    world.ledger.allocate(server.uuid, held, server.project_id, server.user_id)
    server.task_state = None
    world.touch(server)
    world.announce(server, "create", "start", compute(target.name))
    world.place(server, target.name)
    for task in BUILDING:
        server.task_state = task
        world.touch(server)
    world.after(world.settings.boot_s, _booted, world, server)


def change_power(world: World, server: Server, action: str) -> None:
    """Stop, start, pause, suspend, rescue and their opposites; restore what is deleted softly.

    Raises Refused 409 for a server in the wrong state, and for one with shares that is to be suspended.
    """
    if action == "suspend":
        shares.need_none(server)
    allowed, task, *_ = POWER_ACTIONS[action]
    if server.host is None and action in ANNOUNCED_AS:
        raise Refused(409, f"Instance {server.uuid} is not ready")
    if server.vm_state not in allowed:
        raise not_in_state(server.uuid, "vm_state", server.vm_state, _verb(action))
    if server.task_state is not None:
        raise not_in_state(server.uuid, "task_state", server.task_state, _verb(action))
    if server.host is None:
        raise Refused(409, f"Instance {server.uuid} is not ready")
    server.task_state = task
    world.touch(server)
    _ask(world, world.hosts[server.host], lambda: _change_power(world, server, action))


def reset_state(world: World, server: Server, state: str) -> None:
    """Say that the server is active or in error, whatever it is."""
    server.vm_state = state
    server.task_state = None
    world.touch(server)


def delete(world: World, server: Server, forced: bool = False) -> None:
    """Take a request to delete; it is done some moments later.

    Where deletions are to be reclaimed first, and unless it is forced, the server is only stopped then, and keeps all
    that it holds.
    """
    interval = world.settings.reclaim_instance_interval_s
    if server.task_state in ("deleting", "soft-deleting"):
        return
    if interval > 0 and not forced and server.host is not None and server.vm_state != "soft-delete":
        server.task_state = "soft-deleting"
        world.touch(server)
        world.announce(server, "soft_delete", "start")
        world.after(world.settings.action_s, _softly_deleted, world, server, interval)
        return
    server.task_state = "deleting"
    world.touch(server)
    host = world.hosts[server.host] if server.host is not None else None
    if host is not None and world.is_up(host):
        _ask(world, host, lambda: _delete(world, server, host))
    else:
        # Without a nova-compute the API does it by itself.
        world.announce(server, "delete", "start", API)
        world.after(world.settings.action_s, _deleted, world, server, API)


def kill_compute(world: World, host: Host) -> None:
    """The nova-compute process dies; its service counts as down some time later."""
    if host.silent_since is None:
        host.silent_since = world.now
        live_migration.source_died(world, host)


def restart_compute(world: World, host: Host) -> None:
    """The nova-compute process is back."""
    if host.silent_since is not None:
        host.silent_since = None
        heard, host.unheard = host.unheard, []
        for happen in heard:
            happen()
        live_migration.compute_came_back(world, host)
        evacuation.source_came_back(world, host)


def _ask(world: World, host: Host, happen: Callable[[], None]) -> None:
    """Ask something of a nova-compute: one that is dead hears of it when it is back."""
    if host.alive:
        happen()
    else:
        host.unheard.append(happen)


def _change_power(world: World, server: Server, action: str) -> None:
    if server.uuid in world.servers:
        world.announce(server, ANNOUNCED_AS.get(action, action), "start")
        world.after(world.settings.action_s, _power_changed, world, server, action)


def _delete(world: World, server: Server, host: Host) -> None:
    if server.uuid in world.servers:
        world.announce(server, "delete", "start")
        world.announce(server, "shutdown", "start")
        world.after(world.settings.action_s, _deleted, world, server, compute(host.name))


def _verb(action: str) -> str:
    return action.removeprefix("os-")


def _not_booted(world: World, server: Server, reason: str) -> None:
    if server.uuid not in world.servers:
        return
    server.vm_state, server.task_state = "error", None
    server.fault = (world.now, 500, f"No valid host was found. {reason}")
    world.touch(server)
    if world.announcer is not None:
        world.announcer.task_failed(server, "build_instances", server.fault[2])


def _booted(world: World, server: Server) -> None:
    if server.task_state == "spawning":
        server.vm_state, server.task_state, server.power_state = "active", None, 1
        server.launched_at = world.now
        world.touch(server)
        world.announce(server, "create", "end")


def _power_changed(world: World, server: Server, action: str) -> None:
    _, task, state, power = POWER_ACTIONS[action]
    if server.task_state == task:
        server.vm_state, server.task_state, server.power_state = state, None, power
        world.touch(server)
        world.announce(server, ANNOUNCED_AS.get(action, action), "end")


def _softly_deleted(world: World, server: Server, interval: float) -> None:
    if server.task_state == "soft-deleting":
        server.vm_state, server.task_state, server.power_state = "soft-delete", None, 4
        world.touch(server)
        world.announce(server, "soft_delete", "end")
        world.after(interval, _reclaimed, world, server, server.updated_at)


def _reclaimed(world: World, server: Server, since: float) -> None:
    if server.vm_state == "soft-delete" and server.updated_at == since:
        delete(world, server, forced=True)


def _deleted(world: World, server: Server, by: str) -> None:
    if server.uuid not in world.servers:
        return
    migration = world.migrations.get(server.migration or 0)
    if migration is not None and migration.status not in ENDED:
        live_migration.server_is_going(world, migration)
    if by != API:
        world.announce(server, "shutdown", "end", by)
    world.bury(server)
    world.announce(server, "delete", "end", by)
