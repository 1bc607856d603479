"""Whether a live migration comes to its end by itself, and what is demanded of Nova if it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.settings import Convergence, Settings
from vmpath_service.engine.executor.state import Copying, Task
from vmpath_service.model.declarations import forcing_obstacle
from vmpath_service.model.readings import InstanceReading, MigrationReading
from vmpath_service.model.records import Demand

GIB = float(1 << 30)
ABORTABLE = frozenset(("queued", "preparing", "running"))
RUNNING = "running"
LEAST_SEEN = 20.0
"""Seconds of copying from which on a rate is believed."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What should be demanded, and why; no ``demand``: nothing can be done, but it should be told."""

    demand: Demand | None
    reason: str


def observe(task: Task, nova: MigrationReading, now: float) -> Task:
    """Take in how far the copying has come."""
    if nova.status == RUNNING and not task.copied:
        task = replace(task, copied=True)
    if not nova.memory_total or nova.memory_remaining is None or not nova.memory_processed:
        return task
    before = task.copying
    if before is None:
        return replace(task, copying=Copying(now, nova.memory_remaining, now))
    if nova.memory_remaining < before.least or not nova.passed_once:
        return replace(task, copying=replace(before, least=nova.memory_remaining, least_at=now))
    return task


def wish(
    task: Task, nova: MigrationReading, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Wish | None:
    """What should be demanded of a migration under way now."""
    if seen is None or task.record.demand is not None:
        return None
    if tick.orders.abort and nova.status in ABORTABLE:
        return Wish(Demand.ABORT, "the rearrangement is ended with all that is in flight")
    if nova.status != RUNNING:
        return None
    if task.step.mode == "post-copy" and nova.passed_once:
        obstacle = _no_post_copy(task, seen)
        if obstacle is None:
            return Wish(Demand.FORCE_COMPLETE, "all of its memory has been copied once, and its mode is post-copy")
    why = too_slow(task.copying, nova, tick.now, settings.convergence)
    return None if why is None else _against(why, task, nova, seen, tick, settings.convergence)


def too_slow(copying: Copying | None, nova: MigrationReading, now: float, settings: Convergence) -> str | None:
    """Why a migration does not converge, or not in time; None while it seems to."""
    if copying is None or not nova.memory_total:
        return None
    elapsed = now - copying.began
    limit = max(settings.least_seconds, settings.seconds_per_gib * nova.memory_total / GIB)
    if nova.passed_once and now - copying.least_at >= settings.stall_seconds:
        return f"what is left has not become smaller for {now - copying.least_at:.0f} s"
    if elapsed > limit:
        return f"it has been copying for {elapsed:.0f} s, and was to take {limit:.0f} s at most"
    if elapsed < LEAST_SEEN or not nova.passed_once:
        return None
    gone = nova.memory_total - (nova.memory_remaining or 0)
    if gone > 0 and (predicted := elapsed * nova.memory_total / gone) > limit:
        return f"it is predicted to take {predicted:.0f} s, and was to take {limit:.0f} s at most"
    return None


def _against(
    why: str, task: Task, nova: MigrationReading, seen: InstanceReading, tick: Tick, settings: Convergence
) -> Wish:
    """What is done about a migration that does not converge: what its mode says, else what is configured."""
    no_post_copy = _no_post_copy(task, seen)
    if nova.passed_once and no_post_copy is None and (task.step.mode == "auto" or settings.action == "post-copy"):
        return Wish(Demand.FORCE_COMPLETE, f"{why}; it is switched to post-copy")
    match settings.action:
        case "abort":
            return Wish(Demand.ABORT, why)
        case "pause" if nova.passed_once:
            obstacle = _no_pause(task, nova, seen, tick.now, settings)
            if obstacle is None:
                return Wish(Demand.FORCE_COMPLETE, f"{why}; the guest is paused until the rest is copied")
            return Wish(None, f"{why}; it is not paused, as {obstacle}")
        case "post-copy" if no_post_copy is not None:
            return Wish(None, f"{why}; it is not switched to post-copy, as {no_post_copy}")
    return Wish(None, why)


def _no_post_copy(task: Task, seen: InstanceReading) -> str | None:
    """Why the migration must not be switched to post-copy; safety rule 4."""
    if task.step.mode == "pre-copy":
        return "its mode is pre-copy"
    obstacle = forcing_obstacle(seen.post_copy, task.step.source, task.step.declared)
    if obstacle is None and task.step.declared.forcing() != "post-copy":
        return f"Nova does not permit post-copy on {task.step.source}"
    return obstacle


def _no_pause(
    task: Task, nova: MigrationReading, seen: InstanceReading, now: float, settings: Convergence
) -> str | None:
    """Why the guest must not be paused until the rest of its memory is copied."""
    obstacle = forcing_obstacle(seen.post_copy, task.step.source, task.step.declared)
    if obstacle is None and task.step.declared.forcing() != "pause":
        obstacle = f"force-complete is post-copy on {task.step.source}"
    if obstacle is not None or settings.max_downtime_seconds is None:
        return obstacle
    copying = task.copying
    elapsed = now - copying.began if copying else 0.0
    if not elapsed or not nova.memory_processed:
        return "it is not known how long it would be paused"
    pause = (nova.memory_remaining or 0) * elapsed / nova.memory_processed
    if pause > settings.max_downtime_seconds:
        return (
            f"it would stand still for {pause:.1f} s, and may for {settings.max_downtime_seconds:g} s"
            " (max_downtime_seconds)"
        )
    return None
