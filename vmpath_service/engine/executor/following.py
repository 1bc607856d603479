"""What becomes of a migration that was asked for: judged by Nova's record and the instance itself, never by our
patience alone, and looked at again before it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from vmpath_service.engine.executor import converging
from vmpath_service.engine.executor.demands import attend, demand, may_ask, name
from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.instructions import Absolve, Blame, Instruction, Record, Tell
from vmpath_service.engine.executor.settings import Settings
from vmpath_service.engine.executor.state import COLD_STATUS, LIVE_STATUSES, Asked, Look, Task
from vmpath_service.model.readings import InstanceReading, MigrationOutcome, MigrationReading
from vmpath_service.model.records import Demand, FailureKind, Migration, MigrationState

Followed = tuple[Task, tuple[Instruction, ...]]

ACCEPTED = "accepted"
"""Nova's status of a migration for which its scheduler has not claimed room yet."""
KINDS = {"live": ("live-migration",), "cold": ("migration", "resize")}
"""Nova's kinds of records by our method."""
VERIFY = "VERIFY_RESIZE"
AGAIN = frozenset((FailureKind.SCHEDULER, FailureKind.BEFORE_COPY, FailureKind.MIDWAY, FailureKind.LOST))
"""Failures that another attempt may mend."""
HOSTS_FAULT = frozenset(
    (
        *(FailureKind.BEFORE_COPY, FailureKind.MIDWAY, FailureKind.AFTER_SWITCH),
        *(FailureKind.BROKEN, FailureKind.ABANDONED),
    )
)
"""Failures that are held against the hosts."""
FOR_OPERATORS = frozenset((FailureKind.AFTER_SWITCH, FailureKind.BROKEN, FailureKind.ABANDONED, FailureKind.NOT_SHOWN))
"""Failures that leave something behind which a person has to look at."""


def ours(record: Migration, readings: Sequence[MigrationReading]) -> MigrationReading | None:
    """Nova's record of our request: newer than what was there before it, of its kind, and between the same hosts.

    Nova does not know the destination of a migration until its scheduler has confirmed it, so that an unknown one
    counts as the same. The one recognised before is preferred, then the oldest.
    """
    baseline = -1 if record.baseline is None else record.baseline
    possible = [
        each
        for each in readings
        if each.id > baseline
        and each.kind in KINDS[record.method]
        and each.source in (None, record.source)
        and each.dest in (None, record.dest)
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
    # most looks find nothing new, of many: a new value is made only of what is
    idle = seen is None or seen.task_state is None
    if idle != (task.idle_since is not None):
        task = replace(task, idle_since=tick.now if idle else None)
    if nova is not None and nova.status != task.nova_status:
        task = replace(task, nova_status=nova.status)
    task, taken_back = attend(task, tick, settings)
    if nova is None:
        task, more = _unseen(task, seen, tick, settings)
    elif nova.outcome is MigrationOutcome.UNDER_WAY:
        task, more = _under_way(task, nova, seen, tick, settings)
    else:
        task, more = _ended(task, nova, seen, tick, settings)
    return task, (*taken_back, *more)


def settle(
    task: Task, state: MigrationState, reason: str | None, at: float, failure: FailureKind | None = None
) -> Followed:
    """The end of a task: done, failed or skipped."""
    done = state is MigrationState.DONE
    record = msgspec.structs.replace(
        task.record,
        state=state,
        reason=reason,
        ended_at=at,
        progress=1.0 if done else task.record.progress,
        failure=None if done else failure,
    )
    message = f"{name(task)} {state.value}" + (f": {reason}" if reason else "")
    told: tuple[Instruction, ...] = (Record(record), Tell(f"migration.{state.value}", message, task.step.id))
    if failure in FOR_OPERATORS and record.attempt:
        told = (*told, Tell("migration.needs_operator", f"{message}: somebody has to look at it", task.step.id))
    return replace(task, record=record), told


def leave(task: Task, reason: str, at: float, failure: FailureKind | None = None) -> Followed:
    """Give up what is not in flight: skipped if it was never asked for, failed if an attempt came to nothing."""
    if task.record.attempt == 0:
        return settle(task, MigrationState.SKIPPED, reason, at, failure)
    before = f"{task.record.reason}; " if task.record.reason else ""
    return settle(
        task, MigrationState.FAILED, f"{before}not tried again: {reason}", at, task.record.failure or failure
    )


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
        reason = f"Nova does not show its migration {task.record.nova_migration} any more; {whereabouts(seen)}"
        return settle(task, MigrationState.FAILED, reason, tick.at, _kind(task, None, seen))
    reason = f"the request never arrived: Nova shows no migration after {settings.request_settle_seconds:g} s"
    kind = FailureKind.GONE if seen is None else FailureKind.LOST
    return _came_to_nothing(task, f"{reason}; {whereabouts(seen)}", kind, seen, tick, settings)


def _under_way(
    task: Task, nova: MigrationReading, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Followed:
    state = MigrationState.REQUESTED if nova.status == ACCEPTED else MigrationState.RUNNING
    if task.record.demand is Demand.FORCE_COMPLETE and task.step.declared.forcing() == "post-copy":
        state = MigrationState.SWITCHING
    progress = None if nova.remaining is None else round(1.0 - nova.remaining, 2)
    record = msgspec.structs.replace(task.record, state=state, nova_migration=nova.id, progress=progress)
    if task.ended_since is not None:
        task = replace(task, ended_look=None, ended_since=None)
    task = converging.observe(task, nova, tick.now)
    if _idle_for(task, tick) >= settings.request_settle_seconds:
        # its compute service died on the way: Nova has given the migration up without closing the record
        reason = (
            f"Nova's migration {nova.id} still says {nova.status}, but for {settings.request_settle_seconds:g} s the "
            f"instance has not been migrating: {whereabouts(seen)}"
        )
        kind = FailureKind.GONE if seen is None else FailureKind.ABANDONED
        return _given_up(replace(task, record=record), reason, kind, tick)
    task, written = _written(task, record)
    task, told = _watch(task, (nova.status, nova.remaining), tick, settings)
    if task.record.method != "live":
        return task, (*written, *told)
    task, urged = _urge(task, nova, seen, tick, settings)
    return task, (*written, *told, *urged)


def _urge(
    task: Task, nova: MigrationReading, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Followed:
    """Demand of Nova what brings a migration to its end that does not come to it by itself."""
    wish = converging.wish(task, nova, seen, tick, settings)
    stuck = task.stuck_told and settings.when_stuck == "abort" and nova.status in converging.ABORTABLE
    if (wish is None or wish.demand is None) and stuck and seen is not None and task.record.demand is None:
        wish = converging.Wish(Demand.ABORT, f"it has not changed for {settings.stuck_seconds:g} s")
    if wish is None:
        return task, ()
    if wish.demand is not None:
        return demand(task, wish.demand, wish.reason, nova, tick) if may_ask(task, tick) else (task, ())
    if task.slow_told:
        return task, ()
    told = Tell("migration.not_converging", f"{name(task)} does not converge: {wish.reason}", task.step.id)
    return replace(task, slow_told=True), (told,)


def _ended(
    task: Task, nova: MigrationReading, seen: InstanceReading | None, tick: Tick, settings: Settings
) -> Followed:
    """Nova's record has ended: believed when nothing has changed for ``settle_seconds``."""
    record = msgspec.structs.replace(task.record, state=MigrationState.VERIFYING, nova_migration=nova.id)
    if nova.outcome is MigrationOutcome.COMPLETED:
        record = msgspec.structs.replace(record, progress=1.0)
    if task.ended_since is None:
        task = replace(task, ended_since=tick.now)
    task, written = _written(task, record)
    look = (nova.id, nova.status, seen)
    if task.ended_look is None or task.ended_look.seen != look:
        return replace(task, ended_look=Look(look, tick.now)), written
    # an abort may yet cost the instance its state
    aborted = nova.outcome is MigrationOutcome.CANCELLED or task.record.demand in (Demand.ABORT, Demand.RESET_STATE)
    settling = settings.abort_settle_seconds if aborted else settings.settle_seconds
    if tick.now - task.ended_look.since < settling:
        return task, written
    if seen is not None and seen.status == VERIFY and seen.task_state is None and task.record.method == "cold":
        task, more = _confirm(task, nova, seen, tick, settings)
        return task, (*written, *more)
    if may_reset(task, seen, settings) and nova.outcome is not MigrationOutcome.COMPLETED:
        task, more = _reset(task, nova, tick, settings)
        if more or task.record.demand is Demand.RESET_STATE:
            return task, (*written, *more)
    verdict = _judge(task, nova, seen)
    if verdict is None and tick.now - (task.ended_since or 0.0) >= settings.verify_seconds:
        verdict = MigrationState.FAILED
    if verdict is None:
        return task, written
    if verdict is MigrationState.DONE:
        task, ended = settle(task, verdict, None, tick.at)
        troubled = tuple(host for host in (task.step.source, task.step.dest) if host in tick.orders.troubles)
        return task, (*written, *ended, *((Absolve(troubled),) if troubled else ()))
    kind = _kind(task, nova, seen)
    before = f" (it was {task.record.was} before)" if nova.outcome is MigrationOutcome.COMPLETED else ""
    reason = f"Nova's migration {nova.id} ended as {nova.status}; {whereabouts(seen)}{before}"
    reason += _after_abort(task, seen)
    task, ended = _came_to_nothing(task, reason, kind, seen, tick, settings)
    if kind is FailureKind.ABORTED and seen is not None and seen.status == "ERROR":
        ended = (*ended, Tell("migration.needs_operator", f"{name(task)}: {reason}", task.step.id))
    return task, (*written, *ended)


def _confirm(task: Task, nova: MigrationReading, seen: InstanceReading, tick: Tick, settings: Settings) -> Followed:
    """A cold migration waits to be confirmed: on the right host it is, else, or where that fails, it is reverted."""
    late = tick.now - (task.ended_since or 0.0) >= settings.verify_seconds
    if task.record.demand is Demand.REVERT and late:
        reason = f"Nova does not revert its migration {nova.id}; {whereabouts(seen)}"
        return _given_up(task, reason, FailureKind.NOT_SHOWN, tick)
    if task.record.demand is Demand.REVERT or (task.record.demand is Demand.CONFIRM and not late):
        return task, ()
    right = seen.host == task.step.dest and not tick.orders.abort and not late
    if task.record.demand is None and not may_ask(task, tick):
        return task, ()
    if right:
        return demand(task, Demand.CONFIRM, f"it has arrived on {seen.host}", nova, tick)
    if late:
        why = f"it could not be confirmed within {settings.verify_seconds:g} s"
    elif tick.orders.abort:
        why = "the rearrangement is ended with all that is in flight"
    else:
        why = f"it is on {seen.host}, not on {task.step.dest}"
    return demand(replace(task, ended_since=tick.now), Demand.REVERT, why, nova, tick)


def may_reset(task: Task, seen: InstanceReading | None, settings: Settings) -> bool:
    """Whether an instance that Nova calls ERROR after our abort is to be called active again, if it runs on one host.

    One that was paused before is left to a person, and so is one that may have been switched to post-copy.
    """
    return (
        settings.reset_state
        and task.record.demand in (Demand.ABORT, Demand.RESET_STATE)
        and seen is not None
        and (seen.status, seen.host, seen.task_state) == ("ERROR", task.step.source, None)
        and task.record.was == "ACTIVE"
        and not task.step.declared.may_time_out_into_post_copy()
    )


def _reset(task: Task, nova: MigrationReading, tick: Tick, settings: Settings) -> Followed:
    """Call it active, once it is seen to hold room on its source alone; else leave it as it is."""
    if task.record.demand is Demand.RESET_STATE:
        if tick.now - (task.asked.since or tick.now) < settings.verify_seconds and task.asked.refused is None:
            return task, ()
        # of no effect: judged as it is
        return replace(task, record=msgspec.structs.replace(task.record, demand=Demand.ABORT), asked=Asked()), ()
    held = tick.allocations.get(task.step.instance)
    if held is None or set(held) != {task.step.source}:
        return task, ()
    return demand(task, Demand.RESET_STATE, f"it runs on {task.step.source} and Nova calls it ERROR", nova, tick)


def _after_abort(task: Task, seen: InstanceReading | None) -> str:
    """What there is to say about an instance after an abort."""
    if task.record.demand is Demand.RESET_STATE:
        return "; it was aborted, Nova then called it ERROR though it ran on, and its state was reset"
    if task.record.demand is not Demand.ABORT:
        return ""
    if seen is not None and seen.status == "ERROR" and seen.host == task.step.source:
        return (
            f"; it was aborted, and Nova often says ERROR then though the guest runs on: see that it runs on"
            f" {task.step.source} and nowhere else, and reset its state"
        )
    return "; it was aborted"


def _given_up(task: Task, reason: str, kind: FailureKind, tick: Tick) -> Followed:
    task, ended = settle(task, MigrationState.FAILED, reason, tick.at, kind)
    return task, ended


def _came_to_nothing(
    task: Task,
    reason: str,
    kind: FailureKind,
    seen: InstanceReading | None,
    tick: Tick,
    settings: Settings,
) -> Followed:
    """The end of an attempt. Another follows if the instance is where it was and as it was, and attempts are left."""
    record = msgspec.structs.replace(task.record, failures=task.record.failures + 1, failure=kind)
    task = replace(task, record=record)
    if kind not in AGAIN or not unharmed(task, seen) or record.failures >= settings.attempts():
        return settle(task, MigrationState.FAILED, reason, tick.at, kind)
    rest = settings.rest(record.failures, task.answered)
    record = msgspec.structs.replace(
        record, state=MigrationState.PENDING, reason=reason, progress=None, demand=None, demanded_at=None
    )
    message = (
        f"{name(task)} came to nothing at attempt {record.failures} of {settings.attempts()} and is tried again after "
        f"{rest:g} s: {reason}"
    )
    waiting = Task(task.step, record, rest=rest, rest_since=tick.now)
    return waiting, (Record(record), Tell("migration.retrying", message, task.step.id))


def unharmed(task: Task, seen: InstanceReading | None) -> bool:
    """Whether the instance is where it was and as it was before the attempt."""
    return (
        seen is not None
        and seen.task_state is None
        and (seen.host, seen.status) == (task.step.source, task.record.was)
        and (seen.status in LIVE_STATUSES or seen.status == COLD_STATUS)
    )


def blame(before: Task, after: Task, settings: Settings) -> tuple[Instruction, ...]:
    """What is held against the hosts of a migration when an attempt has come to nothing."""
    if after.record.failure not in HOSTS_FAULT or not before.in_flight() or after.in_flight():
        return ()
    hosts = (after.step.source, after.step.dest)
    return (Blame(hosts, f"{name(after)}: {after.record.reason}", settings.quarantine.failures),)


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


def _kind(task: Task, nova: MigrationReading | None, seen: InstanceReading | None) -> FailureKind:
    """Of what kind the failure of an ended migration is."""
    if seen is None:
        return FailureKind.GONE
    if task.record.demand in (Demand.ABORT, Demand.RESET_STATE, Demand.REVERT):
        return FailureKind.ABORTED
    if seen.status == "ERROR":
        return FailureKind.AFTER_SWITCH if seen.host == task.step.dest else FailureKind.BROKEN
    if nova is None or nova.outcome is MigrationOutcome.COMPLETED:
        return FailureKind.NOT_SHOWN
    if nova.outcome is MigrationOutcome.CANCELLED:
        return FailureKind.ABORTED
    if nova.dest is None:
        return FailureKind.SCHEDULER
    return FailureKind.MIDWAY if task.copied or task.record.progress is not None else FailureKind.BEFORE_COPY


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
        kind = record.state.name.lower()
        instructions = (*instructions, Tell(f"migration.{kind}", message, task.step.id))
    return replace(task, record=record), instructions
