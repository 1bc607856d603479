"""The life of a live migration, as Nova's API, conductor, scheduler and two computes give it."""

from __future__ import annotations

import math

from vmpath_service.simulator import bandwidth, memory_copy, scheduling, shares
from vmpath_service.simulator.announcements import compute
from vmpath_service.simulator.records import Host, MemoryBehaviour, Migration, Server
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.world import World

# Shares of Settings.overhead_s; they add up to 1 on the way to the end.
TO_CONDUCTOR, CHECKS, PREPARING, SWITCHING, COMPLETING, RELEASING = 0.05, 0.3, 0.2, 0.25, 0.15, 0.05
KIND = "live-migration"
AFTER_ABORT_S = 1.5


def ask(world: World, server: Server, target: str | None) -> None:
    """Take a request to live-migrate; all but the plainest errors show later, in the record.

    Raises Refused: 409 for a server in the wrong state or with shares, 400 for an unknown host.
    """
    shares.need_none(server)
    if server.vm_state not in ("active", "paused"):
        raise not_in_state(server.uuid, "vm_state", server.vm_state, "os-migrateLive")
    if server.task_state is not None:
        raise not_in_state(server.uuid, "task_state", server.task_state, "os-migrateLive")
    if target is not None and target not in world.hosts:
        raise Refused(400, f"Compute host {target} could not be found.")
    _source_of(world, server)
    server.task_state = "migrating"
    world.touch(server)
    world.after(world.settings.overhead_s * TO_CONDUCTOR, _conduct, world, server, target)


def abort(world: World, server: Server, migration: Migration, queued_too: bool) -> None:
    """Take a request to abort.

    Raises Refused: 409 when the server is not migrating, 400 in a status that forbids it.
    """
    if server.task_state != "migrating":
        raise not_in_state(server.uuid, "task_state", server.task_state, "abort live migration")
    allowed = ("running", "queued", "preparing") if queued_too else ("running",)
    if migration.status not in allowed:
        raise _wrong_status(migration, "abort live migration")
    if not world.hosts[migration.source].alive:
        return
    world.announce(server, "live_migration_abort", "start")
    if migration.phase == "copying":
        world.announce(server, "live_migration_abort", "end")
    if migration.status == "preparing":
        migration.cancel_asked = True
    elif migration.phase in ("queued", "copying") and not migration.post_copy:
        happens = _withdrawn if migration.phase == "queued" else _cancelled
        migration.epoch += 1
        migration.phase = "aborting"
        world.after_unless_changed(migration, world.settings.overhead_s * 0.1, happens)


def force_complete(world: World, server: Server, migration: Migration) -> None:
    """Take a request to complete at any price: the guest is paused, or switched to post-copy.

    Raises Refused: 409 when the server is not ACTIVE and migrating, 400 when not running.
    """
    if server.vm_state != "active":
        raise not_in_state(server.uuid, "vm_state", server.vm_state, "force_complete")
    if server.task_state != "migrating":
        raise not_in_state(server.uuid, "task_state", server.task_state, "force_complete")
    if migration.status != "running":
        raise _wrong_status(migration, "force complete")
    copy = migration.copy
    if migration.phase != "copying" or copy is None or not world.hosts[migration.source].alive:
        return
    for phase in ("start", "end"):
        world.announce(server, "live_migration_force_complete", phase)
    migration.copy = memory_copy.forced(copy, world.now, migration.rate_mb_s)
    migration.post_copy = world.settings.post_copy_permitted
    migration.epoch += 1
    world.after_unless_changed(migration, migration.copy.duration_s or 0.0, _switch)


def server_is_going(world: World, migration: Migration) -> None:
    """The server is being deleted under a migration of any kind.

    Nova gives a cold migration's hold on the source back first. That of a live one it leaves in
    Placement for good, under the UUID of a record that is no longer shown.
    """
    migration.epoch += 1
    if migration.kind != KIND:
        world.ledger.release(migration.uuid)
    _leave_source(world, migration)
    world.set_status(migration, "error")


def source_died(world: World, host: Host) -> None:
    """The nova-compute that carries out migrations is dead: they stay as they are."""
    for number in list(world.touching[host.name]):
        migration = world.migrations[number]
        if migration.source == host.name and migration.kind == KIND:
            migration.epoch += 1
            migration.phase = "orphaned"
        elif migration.kind == KIND and migration.phase == "copying":
            migration.epoch += 1
            world.after_unless_changed(migration, 1.0, _failed)
    host.copying.clear()
    host.waiting.clear()


def compute_came_back(world: World, host: Host) -> None:
    """A restarted nova-compute resets the task of its servers and answers what was asked of it.

    Migrations that ran from it end in error then, queued ones are forgotten; the books stay as they are.
    """
    for number in list(world.touching[host.name]):
        migration = world.migrations[number]
        server = world.servers.get(migration.server)
        if migration.phase == "orphaned" and migration.source == host.name and server is not None:
            if migration.status == "running":
                for phase in ("start", "end"):
                    world.announce(server, "live_migration_abort", phase, compute(host.name))
            if server.host == host.name:
                server.task_state = None
                world.touch(server)
            if migration.status == "running":
                migration.phase = "ended"
                world.set_status(migration, "error")
        elif migration.phase == "unanswered" and migration.target == host.name and server is not None:
            migration.epoch += 1
            _check(world, server, migration)


def resume_in_flight(world: World, server: Server, target: Host) -> Migration:
    """A migration that was running already when the snapshot was taken."""
    source = _source_of(world, server)
    server.task_state = "migrating"
    migration = world.new_migration(server, source.name, None, KIND, "accepted")
    world.claim(server, migration, target)
    migration.source_node = source.hypervisor_hostname
    migration.dest_compute = target.name
    migration.dest_node = target.hypervisor_hostname
    source.copying.add(migration.number)
    _start_copying(world, migration)
    return migration


def _wrong_status(migration: Migration, action: str) -> Refused:
    return Refused(
        400,
        f"Migration {migration.number} state of instance {migration.server} is"
        f" {migration.status}. Cannot {action} while the migration is in this state.",
    )


def _source_of(world: World, server: Server) -> Host:
    if server.host is None:
        raise Refused(409, f"Instance {server.uuid} is not ready")
    return world.hosts[server.host]


def _conduct(world: World, server: Server, wanted: str | None) -> None:
    if server.uuid not in world.servers or server.task_state != "migrating":
        return
    overhead = world.settings.overhead_s
    source = _source_of(world, server)
    migration = world.new_migration(server, source.name, None, KIND, "accepted")
    migration.fate = world.disorder.fate(server.uuid)
    target = world.hosts[wanted] if wanted is not None else None
    reason: str | None = None
    if migration.fate == "refuse":
        reason = "There are not enough hosts available."
    elif not world.is_up(source):
        reason = f"Compute service of {source.name} is unavailable at this time."
    elif target is None:
        target = scheduling.choose(world, server, live=True)
        reason = None if target else "no host admits it"
    else:
        reason = scheduling.refusal(world, server, target, live=True)
    if reason is not None or target is None:
        migration.trouble = f"No valid host was found. {reason}"
        server.fault = (world.now, 500, migration.trouble)
        world.after_unless_changed(migration, overhead * CHECKS / 3, _refused)
        return
    world.claim(server, migration, target)
    if target.alive:
        _check(world, server, migration)
    else:
        migration.phase = "unanswered"
        world.after_unless_changed(migration, world.settings.dead_target_timeout_s, _refused)


def _check(world: World, server: Server, migration: Migration) -> None:
    """The two computes look whether they can do it."""
    where = _failure(server, migration)
    late = scheduling.late_refusal(world, server, world.hosts[migration.target or ""])
    if late is not None:
        migration.trouble = late
        world.after_unless_changed(migration, world.settings.overhead_s * CHECKS, _turned_down)
        return
    fails = where in ("check_dest", "check_source")
    if fails:
        migration.trouble = "Migration pre-check error: the driver refused"
        if world.announcer is not None:
            by = migration.target if where == "check_dest" else migration.source
            world.announcer.exception(compute(by), migration.trouble)
    world.after_unless_changed(migration, world.settings.overhead_s * CHECKS, _refused if fails else _reach_source)


def _refused(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    world.give_back(server, migration)
    server.task_state = None
    world.touch(server)
    world.set_status(migration, "error")
    if world.announcer is not None:
        world.announcer.task_failed(server, "migrate_server", migration.trouble or "")


def _turned_down(world: World, migration: Migration) -> None:
    """The destination says no with words that the conductor does not know: it takes the server for broken."""
    server = world.servers[migration.server]
    server.vm_state = "error"
    server.fault = (world.now, 500, migration.trouble or "")
    _refused(world, migration)


def _reach_source(world: World, migration: Migration) -> None:
    source = world.hosts[migration.source]
    target = world.hosts[migration.target or ""]
    migration.source_node = source.hypervisor_hostname
    migration.dest_compute = target.name
    migration.dest_node = target.hypervisor_hostname
    migration.phase = "queued"
    world.set_status(migration, "queued")
    if not source.alive:
        migration.phase = "orphaned"
        return
    source.waiting.append(migration.number)
    _fill_slots(world, source)


def _fill_slots(world: World, source: Host) -> None:
    while source.waiting and len(source.copying) < world.settings.concurrent_live_migrations:
        migration = world.migrations[source.waiting.pop(0)]
        source.copying.add(migration.number)
        migration.phase = "preparing"
        world.set_status(migration, "preparing")
        server = world.servers[migration.server]
        fails = _failure(server, migration) == "pre"
        world.announce(server, "live_migration_pre", "start", compute(migration.target))
        if fails and world.announcer is not None:
            for host in (migration.target, migration.source):
                world.announcer.exception(compute(host), "Migration pre-check error: the driver refused")
        world.after_unless_changed(
            migration,
            world.settings.overhead_s * PREPARING,
            _failed if fails else _start_copying,
        )


def _leave_source(world: World, migration: Migration) -> None:
    source = world.hosts[migration.source]
    source.copying.discard(migration.number)
    if migration.number in source.waiting:
        source.waiting.remove(migration.number)
    _fill_slots(world, source)


def _failure(server: Server, migration: Migration) -> str:
    """Where it is to fail: what its metadata ask for, else what chance has chosen."""
    return server.metadata.get("lab_fail") or migration.fate or ""


def _rate_mb_s(world: World, server: Server, migration: Migration) -> float:
    memory = max(1, server.resources.get("MEMORY_MB", 1))
    if "lab_seconds" in server.metadata:
        return memory / max(0.001, float(server.metadata["lab_seconds"]))
    if "lab_bw" in server.metadata:
        return max(0.001, float(server.metadata["lab_bw"]))
    return bandwidth.rate_mb_s(world, migration)


def _behaviour(server: Server) -> MemoryBehaviour:
    if "lab_dirty" in server.metadata:
        return MemoryBehaviour(dirty_mb_s=float(server.metadata["lab_dirty"]))
    if "lab_seconds" in server.metadata:
        return MemoryBehaviour()
    return server.memory


def _start_copying(world: World, migration: Migration) -> None:
    server = world.servers[migration.server]
    world.announce(server, "live_migration_pre", "end", compute(migration.target))
    if migration.cancel_asked:
        _cancelled(world, migration)
        world.announce(server, "live_migration_abort", "end", compute(migration.source))
        return
    every = float(server.metadata.get("lab_tick", world.settings.progress_every_s))
    migration.rate_mb_s = _rate_mb_s(world, server, migration)
    copy = memory_copy.begin(
        world.now,
        server.resources.get("MEMORY_MB", 0),
        migration.rate_mb_s,
        MemoryBehaviour(dirty_mb_s=math.inf) if migration.fate == "hang" else _behaviour(server),
        every,
    )
    migration.copy = copy
    migration.phase = "copying"
    world.copying.add(migration.number)
    world.set_status(migration, "running")
    failing = {"mid": _failed, "raise": _raised}.get(_failure(server, migration))
    if failing is not None:
        share = float(server.metadata.get("lab_fail_at", 0.5))
        seconds = copy.duration_s if copy.duration_s is not None else copy.first_pass_s
        world.after_unless_changed(migration, share * seconds, failing)
    elif copy.duration_s is not None:
        world.after_unless_changed(migration, copy.duration_s, _switch)


def _switch(world: World, migration: Migration) -> None:
    migration.phase = "switching"
    server = world.servers[migration.server]
    world.announce(server, "live_migration_post", "start")
    world.announce(server, "live_migration_post_dest", "start", compute(migration.target))
    overhead, lag = world.settings.overhead_s, world.settings.host_update_lag_s
    if _failure(server, migration) == "post_dest":
        world.after_unless_changed(migration, overhead * SWITCHING, _failed_at_target)
    elif lag > 0:
        world.after_unless_changed(migration, overhead * (SWITCHING + COMPLETING), _completed)
        world.after_unless_changed(migration, overhead * (SWITCHING + COMPLETING) + lag, _arrived_late)
    else:
        world.after_unless_changed(migration, overhead * SWITCHING, _arrived)


def _arrived(world: World, migration: Migration) -> None:
    if world.servers[migration.server].task_state != "migrating":
        # Somebody reset the server's state: Nova finds it changed, after the guest has moved.
        _failed_at_target(world, migration)
        return
    _arrived_late(world, migration)
    overhead = world.settings.overhead_s
    world.after_unless_changed(migration, overhead * COMPLETING, _completed)


def _arrived_late(world: World, migration: Migration) -> None:
    server = world.servers.get(migration.server)
    if server is not None:
        source, task = world.hosts[migration.source], server.task_state
        server.task_state = None
        world.place(server, migration.target)
        world.announce(server, "live_migration_post_dest", "end")
        # The source has not looked again: it tells of the server as it was.
        before = {"host": source.name, "node": source.hypervisor_hostname, "task_state": task}
        world.announce(server, "live_migration_post", "end", compute(source.name), **before)
    migration.phase = "arrived"


def _completed(world: World, migration: Migration) -> None:
    world.set_status(migration, "completed")
    world.after_unless_changed(migration, world.settings.overhead_s * RELEASING, _released)


def _released(world: World, migration: Migration) -> None:
    world.ledger.release(migration.uuid)
    _leave_source(world, migration)


def _cancelled(world: World, migration: Migration) -> None:
    _roll_back(world, migration, "cancelled")
    asked = world.servers[migration.server].metadata.get("simulated_abort")
    if asked == "error" or (asked is None and world.settings.aborts_end_in_error):
        world.after_unless_changed(migration, AFTER_ABORT_S, _breaks_after_abort)


def _withdrawn(world: World, migration: Migration) -> None:
    """A migration that had not begun is taken out of the queue."""
    server = world.servers[migration.server]
    world.give_back(server, migration)
    server.task_state = None
    world.touch(server)
    migration.phase = "ended"
    world.set_status(migration, "cancelled")
    _leave_source(world, migration)
    world.announce(server, "live_migration_abort", "end", compute(migration.source))


def _breaks_after_abort(world: World, migration: Migration) -> None:
    """libvirt's driver, some moments after a clean-looking end: the guest runs on all the same."""
    server = world.servers.get(migration.server)
    world.set_status(migration, "error")
    if server is not None:
        server.vm_state = "error"
        server.fault = (world.now, 500, "Migration operation was cancelled")
        world.touch(server)


def _failed(world: World, migration: Migration) -> None:
    _roll_back(world, migration, "failed")


def _roll_back(world: World, migration: Migration, status: str) -> None:
    """What the source does about an end without success: books first, then server, then record."""
    server = world.servers[migration.server]
    world.give_back(server, migration)
    if server.task_state != "migrating":
        # Reset by somebody: the books are in order, the rest ends as if the driver had raised.
        _raised(world, migration)
        return
    world.announce(server, "live_migration_rollback", "start", compute(migration.source))
    server.task_state = None
    world.touch(server)
    world.announce(server, "live_migration_rollback", "end", compute(migration.source))
    migration.phase = "ended"

    def end(world: World, migration: Migration) -> None:
        world.set_status(migration, status)
        _leave_source(world, migration)

    world.after_unless_changed(migration, world.settings.overhead_s * RELEASING, end)


def _raised(world: World, migration: Migration) -> None:
    """The driver raised: nobody rolls back or notes why, so both allocations stay where they are."""
    server = world.servers[migration.server]
    migration.phase = "ended"
    world.set_status(migration, "error")
    server.vm_state = "error"
    server.task_state = None
    server.fault = None
    world.touch(server)
    _leave_source(world, migration)


def _failed_at_target(world: World, migration: Migration) -> None:
    """The guest is at the target already when the work after the switch fails there."""
    server = world.servers[migration.server]
    server.vm_state, server.task_state = "error", None
    world.place(server, migration.target)
    _raised(world, migration)
    server.fault = (world.now, 500, "the work after the switch failed")
