"""What is demanded of Nova about a migration that it has begun: each demand is in the database before it is sent, and
is not repeated while it may still have an effect."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.instructions import Ask, Instruction, Record, Tell
from vmpath_service.engine.executor.settings import Settings
from vmpath_service.engine.executor.state import Asked, Task
from vmpath_service.model.readings import MigrationReading
from vmpath_service.model.records import Demand

AFTER_REFUSAL = 30.0
"""Seconds before something is demanded again that Nova has refused."""

Demanded = tuple[Task, tuple[Instruction, ...]]


def name(task: Task) -> str:
    """How messages speak of a migration."""
    return f"migration of {task.record.label()} from {task.step.source} to {task.step.dest}"


def demand(task: Task, what: Demand, why: str, nova: MigrationReading, tick: Tick) -> Demanded:
    """Write the demand down, then ask."""
    record = msgspec.structs.replace(task.record, demand=what, demanded_at=tick.at, nova_migration=nova.id)
    told = Tell(f"migration.{what.name.lower()}", f"{name(task)}: {what.value} demanded: {why}", task.step.id)
    ask = Ask(task.step.id, what, task.step.instance, nova.id)
    return replace(task, record=record, asked=Asked(since=tick.now)), (Record(record), told, ask)


def attend(task: Task, tick: Tick, settings: Settings) -> Demanded:
    """Take a demand back that Nova has refused, or that has had no effect for so long that it cannot be on its way."""
    asked, record = task.asked, task.record
    if record.demand in (None, Demand.RESET_STATE):
        return task, ()
    if asked.refused is not None:
        asked = Asked(not_before=tick.now + AFTER_REFUSAL)
    elif asked.since is None:
        # after a crash nobody knows whether it was sent; a confirmation has its time from when it cannot be any more
        ended_since = task.ended_since
        if record.demand is Demand.CONFIRM:
            ended_since = tick.now + settings.request_settle_seconds
        return replace(task, asked=replace(asked, since=tick.now), ended_since=ended_since), ()
    else:
        patience = settings.stuck_seconds if asked.accepted else settings.request_settle_seconds
        if tick.now - asked.since < patience:
            return task, ()
        asked = Asked(not_before=tick.now)
    if record.demand is Demand.FORCE_COMPLETE and task.asked.accepted:
        # a switch to post-copy cannot be taken back, and takes as long as it takes
        return task, ()
    record = msgspec.structs.replace(record, demand=None, demanded_at=None)
    return replace(task, record=record, asked=asked), (Record(record),)


def may_ask(task: Task, tick: Tick) -> bool:
    """Whether something may be demanded now."""
    return task.record.demand is None and tick.now >= task.asked.not_before


def answered(task: Task, what: Demand) -> Task:
    """Nova has accepted a demand."""
    return replace(task, asked=replace(task.asked, accepted=True)) if task.record.demand is what else task


def refused(task: Task, what: Demand, reason: str) -> Task:
    """Nova has surely not done what was demanded."""
    return replace(task, asked=replace(task.asked, refused=reason)) if task.record.demand is what else task
