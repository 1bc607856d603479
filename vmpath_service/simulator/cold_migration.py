"""The life of a cold migration, or a resize, up to the operator's confirming or reverting it."""

from __future__ import annotations

import dataclasses

from vmpath_service.simulator import scheduling
from vmpath_service.simulator.announcements import compute
from vmpath_service.simulator.flavors import shape_of
from vmpath_service.simulator.records import Flavor, Migration, Server, address_of
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.world import World

KIND, RESIZE = "migration", "resize"


def ask(world: World, server: Server, wanted: str | None, flavor: Flavor | None = None) -> None:
    """Take a request to migrate cold, or, with a flavor, to resize.

    Raises Refused: 409 for a server in the wrong state, 400 for an unknown host or the present,
    or for the present flavor.
    """
    verb = "migrate" if flavor is None else "resize"
    if server.vm_state not in ("active", "stopped"):
        raise not_in_state(server.uuid, "vm_state", server.vm_state, verb)
    if server.task_state is not None:
        raise not_in_state(server.uuid, "task_state", server.task_state, verb)
    if server.host is None:
        raise Refused(409, f"Instance {server.uuid} is not ready")
    if wanted is not None and wanted not in world.hosts:
        raise Refused(400, f"Compute host {wanted} could not be found.")
    if wanted is not None and wanted == server.host:
        raise Refused(400, "Cannot migrate to the host where the server exists.")
    if flavor is not None and flavor.id == server.flavor.id:
        raise Refused(400, "When resizing, instances must change flavor!")
    server.task_state = "resize_prep"
    world.touch(server)
    world.after(world.settings.overhead_s * 0.05, _conduct, world, server, wanted, flavor)


def confirm(world: World, server: Server) -> None:
    """Give up the source. Raises Refused 409 when there is nothing to confirm, 404 without."""
    migration = _finished(world, server, "confirmResize")
    world.set_status(migration, "confirming")
    world.after_unless_changed(migration, world.settings.action_s, _confirmed)


def revert(world: World, server: Server) -> None:
    """Go back to the source. Raises Refused 409 when there is nothing to revert, 404 without."""
    migration = _finished(world, server, "revertResize")
    world.set_status(migration, "reverting")
    server.task_state = "resize_reverting"
    world.touch(server)
    world.after_unless_changed(migration, world.settings.action_s, _reverted)


def _finished(world: World, server: Server, action: str) -> Migration:
    if server.vm_state != "resized":
        raise not_in_state(server.uuid, "vm_state", server.vm_state, action)
    if server.task_state is not None:
        raise not_in_state(server.uuid, "task_state", server.task_state, action)
    migration = world.migrations.get(server.migration or 0)
    if migration is None or migration.status != "finished":
        raise Refused(400, "Instance has not been resized.")
    return migration


def _conduct(world: World, server: Server, wanted: str | None, flavor: Flavor | None) -> None:
    if server.uuid not in world.servers or server.host is None:
        return
    source = world.hosts[server.host]
    migration = world.new_migration(server, source.name, None, KIND if flavor is None else RESIZE, "pre-migrating")
    asked = server
    if flavor is not None:
        migration.before, migration.after = server.shape, shape_of(flavor)
        asked = dataclasses.replace(server)
        asked.reshape(migration.after)
    if wanted is None:
        target = scheduling.choose(world, asked, live=False)
        reason = None if target else "no host admits it"
    else:
        target = world.hosts[wanted]
        reason = scheduling.refusal(world, asked, target, live=False)
    if reason is not None or target is None:
        migration.trouble = f"No valid host was found. {reason}"
        server.fault = (world.now, 500, migration.trouble)
        world.after_unless_changed(migration, world.settings.overhead_s * 0.1, _refused)
        return
    world.claim(server, migration, target)
    migration.source_node = source.hypervisor_hostname
    migration.dest_compute = target.name
    migration.dest_node = target.hypervisor_hostname
    for phase in ("start", "end"):
        world.announce(server, "resize_prep", phase, compute(target.name))
    world.after_unless_changed(migration, world.settings.overhead_s * 0.3, _copying)


def _refused(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    server.task_state = None
    world.touch(server)
    world.set_status(migration, "error")
    if world.announcer is not None:
        world.announcer.task_failed(server, "migrate_server", migration.trouble or "")


def _copying(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    server.task_state = "resize_migrating"
    world.touch(server)
    world.announce(server, "resize", "start")
    world.set_status(migration, "migrating")
    disk_mb = server.resources.get("DISK_GB", 0) * 1024
    seconds = disk_mb / (world.settings.migration_mbps / 8)
    if "lab_seconds" in server.metadata:
        seconds = float(server.metadata["lab_seconds"])
    world.after_unless_changed(migration, seconds, _finishing)


def _finishing(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    server.task_state = "resize_migrated"
    world.place(server, migration.target)
    world.announce(server, "resize", "end", compute(migration.source))
    if migration.after is not None:
        server.reshape(migration.after)
    server.task_state = "resize_finish"
    world.touch(server)
    world.announce(server, "resize_finish", "start")
    migration.dest_host = address_of(world.hosts[migration.target or ""])
    world.set_status(migration, "post-migrating")
    world.after_unless_changed(migration, world.settings.overhead_s * 0.6, _resized)


def _resized(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    server.state_before_resize = server.vm_state
    server.vm_state = "resized"
    server.task_state = None
    world.touch(server)
    world.announce(server, "resize_finish", "end")
    world.set_status(migration, "finished")


def _confirmed(world: World, migration: Migration) -> None:
    server, source = world.servers[migration.server], compute(migration.source)
    world.ledger.release(migration.uuid)
    world.set_status(migration, "confirmed")
    world.announce(server, "resize_confirm", "start", source)
    _end_resize(world, server)
    world.announce(server, "resize_confirm", "end", source)


def _reverted(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    world.announce(server, "resize_revert", "start", compute(migration.source))
    world.give_back(server, migration)
    world.place(server, migration.source)
    if migration.before is not None:
        server.reshape(migration.before)
    world.set_status(migration, "reverted")
    if server.state_before_resize == "stopped":
        # It is brought up to be stopped again.
        server.task_state = "powering-off"
        world.touch(server)
        world.announce(server, "power_off", "start")
        _end_resize(world, server)
        world.announce(server, "power_off", "end")
    else:
        _end_resize(world, server)
    world.announce(server, "resize_revert", "end")


def _end_resize(world: World, server: Server) -> None:
    server.vm_state = server.state_before_resize or "active"
    server.state_before_resize = None
    server.task_state = None
    world.touch(server)
