"""Evacuation: a server whose host is down is built anew on another.

Its share of the dead host stays with it until that host's nova-compute is back and cleans up.
"""

from __future__ import annotations

from vmpath_service.simulator import scheduling, shares
from vmpath_service.simulator.announcements import API, compute
from vmpath_service.simulator.records import Host, Migration, Server
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.world import World

KIND = "evacuation"


def ask(world: World, server: Server, wanted: str | None, stopped: bool) -> None:
    """Take a request to evacuate.

    stopped: the server ends up SHUTOFF, as from microversion 2.95 on, instead of as it was.
    Raises Refused: 404 for an unknown host, 400 for the present one, or while that is up; 409
    for a server in the wrong state.
    """
    if wanted is not None and wanted not in world.hosts:
        raise Refused(404, f"Compute host {wanted} not found.")
    if wanted is not None and wanted == server.host:
        raise Refused(400, "The target host can't be the same one.")
    shares.need_none(server)
    if server.vm_state not in ("active", "stopped", "error"):
        raise not_in_state(server.uuid, "vm_state", server.vm_state, "evacuate")
    if server.task_state is not None:
        raise not_in_state(server.uuid, "task_state", server.task_state, "evacuate")
    if server.host is None:
        raise Refused(409, f"Instance {server.uuid} is not ready")
    if world.is_up(world.hosts[server.host]):
        raise Refused(400, f"Compute service of {server.host} is still in use.")
    server.task_state = "rebuilding"
    world.touch(server)
    world.announce(server, "evacuate", None, API)
    migration = world.new_migration(server, server.host, None, KIND, "accepted")
    migration.source_node = world.hosts[server.host].hypervisor_hostname
    migration.dest_compute = wanted
    after = "stopped" if stopped or server.vm_state == "stopped" else "active"
    world.after_unless_changed(migration, world.settings.overhead_s * 0.05, lambda w, m: _conduct(w, m, after))


def source_came_back(world: World, host: Host) -> None:
    """A nova-compute that is back removes what was evacuated from its host meanwhile."""
    for number in host.evacuated:
        migration = world.migrations[number]
        server = world.servers.get(migration.server)
        if server is not None and server.host != host.name:
            held = {
                provider: amounts
                for provider, amounts in world.ledger.held_by(server.uuid).items()
                if world.ledger.providers[provider].root != host.uuid
            }
            world.ledger.allocate(server.uuid, held, server.project_id, server.user_id)
        world.set_status(migration, "completed")
    host.evacuated.clear()


def _conduct(world: World, migration: Migration, after: str) -> None:
    server = world.servers[migration.server]
    if migration.dest_compute is None:
        target = scheduling.choose(world, server, live=False)
        reason = None if target else "There are not enough hosts available."
    else:
        target = world.hosts[migration.dest_compute]
        reason = scheduling.refusal(world, server, target, live=False)
    if reason is not None or target is None:
        migration.trouble = f"No valid host was found. {reason}"
        server.fault = (world.now, 500, migration.trouble)
        server.vm_state, server.task_state = "error", None
        world.touch(server)
        world.set_status(migration, "error")
        if world.announcer is not None:
            world.announcer.task_failed(server, "rebuild_server", migration.trouble)
        return
    held = dict(world.ledger.held_by(server.uuid))
    held.update(world.ledger.spread(target.uuid, server.resources))
    world.ledger.allocate(server.uuid, held, server.project_id, server.user_id)
    world.set_target(migration, target.name)
    migration.dest_compute = target.name
    migration.dest_node = target.hypervisor_hostname
    world.set_status(migration, "pre-migrating")
    world.announce(server, "rebuild_scheduled", None, f"nova-conductor:{target.name}")
    world.announce(server, "rebuild", "start", compute(target.name))
    world.after_unless_changed(migration, world.settings.boot_s, lambda w, m: _rebuilt(w, m, after))


def _rebuilt(world: World, migration: Migration, after: str) -> None:
    target = world.hosts[migration.target or ""]
    if not target.alive:
        # Its message waits until somebody hears it.
        world.after_unless_changed(migration, world.settings.boot_s, lambda w, m: _rebuilt(w, m, after))
        return
    server = world.servers[migration.server]
    by = compute(target.name)
    for server.task_state in ("rebuild_block_device_mapping", "rebuild_spawning"):
        world.touch(server)
    server.vm_state, server.task_state, server.power_state, server.fault = "active", None, 1, None
    world.touch(server)
    if after == "stopped":
        server.task_state = "powering-off"
        world.touch(server)
        world.announce(server, "power_off", "start", by)
        server.vm_state, server.task_state, server.power_state = "stopped", None, 4
        world.touch(server)
        world.announce(server, "power_off", "end", by)
    # All this while it is still said to be where it was.
    world.announce(server, "rebuild", "end", by)
    world.place(server, target.name)
    source = world.hosts[migration.source]
    source.evacuated.append(migration.number)
    world.set_status(migration, "done")
    if source.alive:
        source_came_back(world, source)
