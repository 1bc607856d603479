"""What becomes of a migration that was asked for: judged by Nova's record and the instance itself, never by our
patience alone, and looked at again before it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.instructions import Instruction, Record, Tell
from vmpath_service.engine.executor.state import LIVE_STATUSES, Look, Settings, Task
from vmpath_service.model.readings import InstanceReading, MigrationOutcome, MigrationReading
from vmpath_service.model.records import Migration, MigrationState

Followed = tuple[Task, tuple[Instruction, ...]]

ACCEPTED = "accepted"
"""Nova's status of a migration for which its scheduler has not claimed room yet."""


def ours(record: Migration, readings: Sequence[MigrationReading]) -> MigrationReading | None:
    """Nova's record of our request: newer than what was there before it, and between the same hosts.

    Nova does not know the destination of a migration until its scheduler has confirmed it, so that an unknown one
    counts as the same. The one recognised before is preferred, then the oldest.
    """
    baseline = -1 if record.baseline is None else record.baseline
    possible = [
        each
        for each in readings
        if each.id > baseline and each.source in (None, record.source) and each.dest in (None, record.dest)
    ]
    known = next((each for each in possible if each.id == record.nova_migration), None)
    return known or min(possible, key=lambda each: each.id, default=None)


def newest(readings: Sequence[MigrationReading]) -> int | None:
    """The baseline for a request: the newest Nova migration id of the instance so far."""
    return max((each.id for each in readings), default=None)


def follow(task: Task, tick: Tick, settings: Settings) -> Followed:
    """A migration in flight after another look at the cloud."""
    seen = tick.instances.get(task.step.instance)
    nova = ours(task.record, tick.migrations.get(task.step.instance, ()))
    if seen is None or seen.task_state is None:
        task = replace(task, idle_since=tick.now if task.idle_since is None else task.idle_since)
    else:
        task = replace(task, idle_since=None)
    if nova is None:
        return _unseen(task, seen, tick, settings)
    if nova.outcome is MigrationOutcome.UNDER_WAY:
        return _under_way(task, nova, seen, tick, settings)
    return _ended(task, nova, seen, tick, settings)


def settle(task: Task, state: MigrationState, reason: str | None, at: float) -> Followed:
    """The end of a task: done, failed or skipped."""
    progress = 1.0 if state is MigrationState.DONE else task.record.progress
    record = msgspec.structs.replace(task.record, state=state, reason=reason, ended_at=at, progress=progress)
    message = f"{name(task)} {state.value}" + (f": {reason}" if reason else "")
    return replace(task, record=record), (Record(record), Tell(f"migration.{state.value}", message, task.step.id))


def leave(task: Task, reason: str, at: float) -> Followed:
    """Give up what is not in flight: skipped if it was never asked for, failed if an attempt came to nothing."""
    if task.record.attempt == 0:
        return settle(task, MigrationState.SKIPPED, reason, at)
    return settle(task, MigrationState.FAILED, f"{task.record.reason}; not tried again: {reason}", at)


def name(task: Task) -> str:
    """How messages speak of a migration."""
    return f"migration of {task.step.instance} from {task.step.source} to {task.step.dest}"


def whereabouts(seen: InstanceReading | None) -> str:
    """Where an instance is and how it is, for a reason."""
    if seen is None:
        return "the instance does not exist any more"
    busy = f" with task {seen.task_state}" if seen.task_state else ""
    return f"the instance is {seen.status} on {seen.host or 'no host'}{busy}"


def _unseen(task: Task, seen: InstanceReading | None, tick: Tick, settings: Settings) -> Followed:
    """Nova shows no record of the request (yet): it may still be on its way."""
    if _idle_for(task, tick) < settings.request_settle_seconds:
        return _watch(task, ("no record", seen.task_state if seen else None), tick, settings)
    if task.record.nova_migration is not None:
        reason = f"Nova does not show its migration {task.record.nova_migration} any more"
        return settle(task, MigrationState.FAILED, f"{reason}; {whereabouts(seen)}", tick.at)
    reason = f"the request never arrived: Nova shows no migration after {settings.request_settle_seconds:g} s"
    return _came_to_nothing(task, f"{reason}; {whereabouts(seen)}", seen, tick, settings)


def _under_way(
    task: Task, nova: MigrationReading, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Followed:
    state = MigrationState.REQUESTED if nova.status == ACCEPTED else MigrationState.RUNNING
    progress = None if nova.remaining is None else round(1.0 - nova.remaining, 2)
    record = msgspec.structs.replace(task.record, state=state, nova_migration=nova.id, progress=progress)
    task = replace(task, ended_look=None, ended_since=None)
    if _idle_for(task, tick) >= settings.request_settle_seconds:
        # its compute service died on the way: Nova has given the migration up without closing the record
        reason = (
            f"Nova's migration {nova.id} still says {nova.status}, but for {settings.request_settle_seconds:g} s the "
            f"instance has not been migrating: {whereabouts(seen)}"
        )
        return settle(replace(task, record=record), MigrationState.FAILED, reason, tick.at)
    task, told = _watch(task, (nova.status, nova.remaining), tick, settings)
    task, written = _written(task, record)
    return task, (*written, *told)


def _ended(
    task: Task, nova: MigrationReading, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Followed:
    """Nova's record has ended: believed when nothing has changed for ``settle_seconds``."""
    record = msgspec.structs.replace(task.record, state=MigrationState.VERIFYING, nova_migration=nova.id)
    if nova.outcome is MigrationOutcome.COMPLETED:
        record = msgspec.structs.replace(record, progress=1.0)
    ended_since = tick.now if task.ended_since is None else task.ended_since
    task, written = _written(replace(task, ended_since=ended_since), record)
    look = (nova.id, nova.status, seen)
    if task.ended_look is None or task.ended_look.seen != look:
        return replace(task, ended_look=Look(look, tick.now)), written
    if tick.now - task.ended_look.since < settings.settle_seconds:
        return task, written
    verdict = _judge(task, nova, seen)
    if verdict is None and tick.now - ended_since >= settings.verify_seconds:
        verdict = MigrationState.FAILED
    if verdict is None:
        return task, written
    reason = None
    if verdict is MigrationState.FAILED:
        before = f" (it was {task.record.was} before)" if nova.outcome is MigrationOutcome.COMPLETED else ""
        reason = f"Nova's migration {nova.id} ended as {nova.status}; {whereabouts(seen)}{before}"
    if reason is not None and nova.outcome is MigrationOutcome.FAILED:
        task, ended = _came_to_nothing(task, reason, seen, tick, settings)
    else:
        task, ended = settle(task, verdict, reason, tick.at)
    return task, (*written, *ended)


def _came_to_nothing(
    task: Task, reason: str, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Followed:
    """The end of an attempt. Another follows if the instance is where it was and as it was, and attempts are left."""
    record = task.record
    unharmed = (
        seen is not None
        and seen.task_state is None
        and (seen.host, seen.status) == (task.step.source, record.was)
        and seen.status in LIVE_STATUSES
    )
    if not unharmed or record.attempt > settings.retries:
        return settle(task, MigrationState.FAILED, reason, tick.at)
    rest = settings.rest(record.attempt, task.answered)
    record = msgspec.structs.replace(record, state=MigrationState.PENDING, reason=reason, progress=None)
    message = (
        f"{name(task)} came to nothing at attempt {record.attempt} of {settings.retries + 1} and is tried again after "
        f"{rest:g} s: {reason}"
    )
    waiting = Task(task.step, record, rest=rest, rest_since=tick.now)
    return waiting, (Record(record), Tell("migration.retrying", message, task.step.id))


def _judge(task: Task, nova: MigrationReading, seen: InstanceReading | None) -> MigrationState | None:
    """Done, failed, or None while Nova may still be about to change what it shows."""
    if seen is None:
        return MigrationState.FAILED
    if seen.task_state is not None:
        return None
    if nova.outcome is not MigrationOutcome.COMPLETED or seen.status == "ERROR":
        return MigrationState.FAILED
    there = seen.host == task.step.dest and seen.status == task.record.was
    return MigrationState.DONE if there else None


def _idle_for(task: Task, tick: Tick) -> float:
    return -1.0 if task.idle_since is None else tick.now - task.idle_since


def _watch(task: Task, seen: tuple[object, ...], tick: Tick, settings: Settings) -> Followed:
    """Tell the operator, once, when Nova's record has not changed for too long."""
    look = task.progress_look
    if look is None or look.seen != seen:
        return replace(task, progress_look=Look(seen, tick.now), stuck_told=False), ()
    if task.stuck_told or tick.now - look.since < settings.stuck_seconds:
        return task, ()
    message = (
        f"{name(task)} has not changed for {settings.stuck_seconds:g} s (Nova: {look.seen[0]}); it is followed on, "
        "and what waits for it does not start before it has ended"
    )
    return replace(task, stuck_told=True), (Tell("migration.stuck", message, task.step.id),)


def _written(task: Task, record: Migration) -> Followed:
    """Keep a changed record, and tell of a changed state."""
    if record == task.record:
        return task, ()
    instructions: tuple[Instruction, ...] = (Record(record),)
    if record.state is not task.record.state:
        message = f"{name(task)} {record.state.value}"
        instructions = (*instructions, Tell(f"migration.{record.state.value}", message, task.step.id))
    return replace(task, record=record), instructions
