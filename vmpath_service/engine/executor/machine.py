"""The state machine itself: ``advance`` takes an event and says what is to be done; ``wanted`` what to look at."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

import msgspec

from vmpath_service.engine.executor import following
from vmpath_service.engine.executor.admission import Load, urgency
from vmpath_service.engine.executor.events import (
    Accepted,
    AnswerLost,
    Event,
    Intended,
    Orders,
    Refused,
    Tick,
    Wanted,
)
from vmpath_service.engine.executor.instructions import Finish, Instruction, Intend, Outcome, Send, Tell
from vmpath_service.engine.executor.starting import Drop, Room, Start, Wait, verdict
from vmpath_service.engine.executor.state import State, Task
from vmpath_service.model.records import MigrationState

MOST_WAITING = 50
"""How many migrations that wait for their destination are looked at in one tick."""
MOST_NAMED = 10
"""How many migrations that were not done the explanation names."""

Advanced = tuple[State, tuple[Instruction, ...]]


def wanted(state: State, orders: Orders) -> Wanted:
    """What has to be read for the next tick: all in flight, and what could start if its readings allow it."""
    flying = [task for task in state.tasks.values() if task.in_flight()]
    candidates = list(_candidates(state, orders)) if orders.may_start() else []
    instances = dict.fromkeys(task.step.instance for task in (*flying, *candidates))
    hosts = dict.fromkeys(host for task in candidates for host in (task.step.source, task.step.dest))
    return Wanted(tuple(instances), tuple(hosts), tuple(task.step.id for task in candidates))


def advance(state: State, event: Event) -> Advanced:
    """The next state, and what is to be done now, in this order."""
    if state.finished:
        return state, ()
    match event:
        case Tick():
            return _tick(state, event)
        case Intended(step):
            task = state.tasks[step]
            if task.sent or task.record.state is not MigrationState.REQUESTED:
                return state, ()
            told = Tell("migration.requested", f"{following.name(task)} requested", step)
            send = Send(step, task.step.instance, task.step.dest)
            return state.with_task(replace(task, sent=True)), (told, send)
        case Accepted(step):
            task = state.tasks[step]
            told = Tell("migration.accepted", f"{following.name(task)} accepted by Nova", step)
            return state.with_task(replace(task, answered=True)), (told,)
        case Refused(step, at, reason):
            return _refused(state, step, at, reason)
        case AnswerLost(step, reason):
            name = following.name(state.tasks[step])
            message = f"{name}: the answer was lost ({reason}); looking for what became of it"
            return state, (Tell("migration.answer_lost", message, step),)


def _refused(state: State, step: int, at: float, reason: str) -> Advanced:
    task = state.tasks[step]
    if task.record.state is not MigrationState.REQUESTED or task.record.nova_migration is not None:
        return state, ()
    task, instructions = following.settle(task, MigrationState.FAILED, f"Nova refused the request: {reason}", at)
    return state.with_task(task), instructions


def _tick(state: State, tick: Tick) -> Advanced:
    instructions: list[Instruction] = []
    for stage in (_rest, _follow, _leave_out, _start, _finish):
        state, more = stage(state, tick)
        instructions += more
    return state, tuple(instructions)


def _rest(state: State, tick: Tick) -> Advanced:
    """Let what is to be tried again become ready when it has rested; after a crash the rest begins anew."""
    changed: dict[int, Task] = {}
    for number, task in state.tasks.items():
        if task.rest is None:
            continue
        since = tick.now if task.rest_since is None else task.rest_since
        rested = tick.now - since >= task.rest
        changed[number] = replace(task, rest=None if rested else task.rest, rest_since=None if rested else since)
    return state.with_tasks(changed), ()


def _follow(state: State, tick: Tick) -> Advanced:
    """Look at everything in flight."""
    changed: dict[int, Task] = {}
    instructions: list[Instruction] = []
    looked_at = frozenset(tick.wanted.instances)
    for number, task in state.tasks.items():
        if task.in_flight() and task.step.instance in looked_at:
            changed[number], more = following.follow(task, tick, state.settings)
            instructions += more
    return state.with_tasks(changed), tuple(instructions)


def _leave_out(state: State, tick: Tick) -> Advanced:
    """Skip what waits for a migration that was not done, and everything once the walk is cancelled."""
    changed: dict[int, Task] = {}
    instructions: list[Instruction] = []
    cancelled = state.cancelled
    for number, task in state.tasks.items():
        if task.record.state is not MigrationState.PENDING:
            continue
        reason = None
        for before in task.step.after:
            record = (changed.get(before) or state.tasks[before]).record
            if record.state in (MigrationState.FAILED, MigrationState.SKIPPED):
                reason = f"it waits for step {before}, which {_ended_how(record.state)}"
                break
        if reason is None and tick.orders.cancel:
            reason = "the rearrangement was cancelled"
            cancelled = True
        if reason is not None:
            changed[number], more = following.leave(task, reason, tick.at)
            instructions += more
    return replace(state.with_tasks(changed), cancelled=cancelled), tuple(instructions)


def _ended_how(state: MigrationState) -> str:
    return "failed" if state is MigrationState.FAILED else "was skipped"


def _ready(state: State) -> Iterator[Task]:
    """Tasks that only their hosts and limits may hold back."""
    for task in state.tasks.values():
        if (
            task.record.state is MigrationState.PENDING
            and task.rest is None
            and all(state.tasks[before].record.state is MigrationState.DONE for before in task.step.after)
        ):
            yield task


def _candidates(state: State, orders: Orders) -> Iterator[Task]:
    """What would start if nothing stood in the way, and some of what something stood in the way of before."""
    load = Load(state.settings.limits, state.tasks.values(), orders.elsewhere)
    waiting = 0
    if load.full():
        return
    for task in sorted(_ready(state), key=urgency):
        if not load.admits(task.step.source, task.step.dest):
            continue
        if task.waiting_for is None:
            # takes a place in the queue; what waits does not, or it would keep others from being looked at
            load.add(task.step.source, task.step.dest)
            yield task
        elif waiting < MOST_WAITING:
            waiting += 1
            yield task


def _start(state: State, tick: Tick) -> Advanced:
    """Start what may start, on readings that were taken after all that was asked for before."""
    if not tick.orders.may_start():
        return _stop_waiting(state, {}), ()
    load = Load(state.settings.limits, state.tasks.values(), tick.orders.elsewhere)
    room = Room(tick, state.tasks.values())
    changed: dict[int, Task] = {}
    instructions: list[Instruction] = []
    for task in sorted((state.tasks[number] for number in tick.wanted.candidates), key=urgency):
        if task.record.state is not MigrationState.PENDING or not load.admits(task.step.source, task.step.dest):
            continue
        more: tuple[Instruction, ...] = ()
        match verdict(task, tick, room):
            case Start(was):
                task, more = _intend(task, tick, was)
                load.add(task.step.source, task.step.dest)
                room.take(task)
            case Wait(reason, limited):
                limited = limited and not load.touches(task.step.dest)
                task, more = _wait(task, reason, limited, tick, state.settings.start_wait_seconds)
            case Drop(ending, reason):
                if ending is MigrationState.SKIPPED:
                    task, more = following.leave(task, reason, tick.at)
                else:
                    task, more = following.settle(task, ending, reason, tick.at)
        changed[task.step.id] = task
        instructions += more
    return _stop_waiting(state.with_tasks(changed), changed), tuple(instructions)


def _stop_waiting(state: State, looked_at: Container[int]) -> State:
    """The time that a start is held back by limits or orders is not held against it."""
    return state.with_tasks(
        {
            number: replace(task, waiting_since=None)
            for number, task in state.tasks.items()
            if task.waiting_since is not None and number not in looked_at
        }
    )


def _intend(task: Task, tick: Tick, was: str) -> tuple[Task, tuple[Instruction, ...]]:
    record = msgspec.structs.replace(
        task.record,
        state=MigrationState.REQUESTED,
        attempt=task.record.attempt + 1,
        baseline=following.newest(tick.migrations.get(task.step.instance, ())),
        was=was,
        intended_at=tick.at,
        nova_migration=None,
        reason=None,
    )
    return replace(task, record=record, waiting_since=None, waiting_for=None), (Intend(record),)


def _wait(task: Task, reason: str, limited: bool, tick: Tick, limit: float) -> tuple[Task, tuple[Instruction, ...]]:
    """Hold a start back; while something of ours may still change the host, the time does not count."""
    since = tick.now if task.waiting_since is None or not limited else task.waiting_since
    if limited and tick.now - since >= limit:
        late = f"not started within {limit:g} s: {reason}"
        if task.record.attempt:
            return following.leave(task, late, tick.at)
        return following.settle(task, MigrationState.FAILED, late, tick.at)
    told: tuple[Instruction, ...] = ()
    if task.waiting_for is None:
        told = (Tell("migration.waiting", f"{following.name(task)} waits: {reason}", task.step.id),)
    return replace(task, waiting_since=since, waiting_for=reason), told


def _finish(state: State, tick: Tick) -> Advanced:
    if not all(task.settled() for task in state.tasks.values()):
        return state, ()
    return replace(state, finished=True), (Finish(*conclusion(state)),)


def conclusion(state: State) -> tuple[Outcome, str | None]:
    """How a walk of which everything has ended went, and why not better."""
    missed = [task for task in state.tasks.values() if task.record.state is not MigrationState.DONE]
    if not missed:
        return "succeeded", None
    return ("cancelled" if state.cancelled else "failed"), explain(missed, len(state.tasks))


def explain(missed: Iterable[Task], planned: int) -> str:
    """What was not done and why, in one sentence; failures before what merely waited for them."""
    order = sorted(missed, key=lambda task: (task.record.state is not MigrationState.FAILED, task.step.id))
    parts = [
        f"step {task.step.id}, {following.name(task)}, {_ended_how(task.record.state)}: {task.record.reason}"
        for task in order[:MOST_NAMED]
    ]
    if len(order) > MOST_NAMED:
        parts.append(f"and {len(order) - MOST_NAMED} more")
    return f"{len(order)} of {planned} migrations were not done: " + "; ".join(parts)
