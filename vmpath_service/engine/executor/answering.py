"""What is done about a failure that no further attempt mends: what ``on_failure`` says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vmpath_service.engine.executor.demands import name
from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.instructions import Instruction, Plan, Tell
from vmpath_service.engine.executor.state import State, Task
from vmpath_service.model.records import FailureKind, MigrationState

Answered = tuple[State, tuple[Instruction, ...]]

ELSEWHERE = frozenset(
    (
        *(FailureKind.REFUSED, FailureKind.LOST, FailureKind.SCHEDULER, FailureKind.BEFORE_COPY),
        *(FailureKind.MIDWAY, FailureKind.NOT_STARTED),
    )
)
"""Failures that another destination may mend."""


def is_open(state: State, task: Task) -> bool:
    """Whether a step has come to nothing and what is to be done about it has not been done yet."""
    return (
        not task.settled_failure
        and task.record.failure is not None
        and task.record.state in (MigrationState.FAILED, MigrationState.SKIPPED)
        and state.back_from is None
        and state.settings.on_failure not in ("retry", "skip")
    )


def answer(state: State, tick: Tick) -> Answered:
    """Do what ``on_failure`` says about the failures that there are."""
    if state.halted is not None or not tick.orders.may_go_on():
        return state, ()
    found = [task for task in state.tasks.values() if is_open(state, task)]
    if not found:
        return state, ()
    match state.settings.on_failure:
        case "replan":
            return _replan(state, found)
        case "other-destination":
            return _divert(state, found)
        case "stop" | "rollback" as action:
            return _halt(state, found, rollback=action == "rollback")
    return state, ()


def watch_rate(state: State) -> Answered:
    """Start nothing more when too many have failed."""
    most = state.settings.max_failure_percent
    if most is None or state.halted is not None or state.back_from is not None:
        return state, ()
    asked = [task.record.state for task in state.tasks.values() if task.record.attempt and task.settled()]
    failed = asked.count(MigrationState.FAILED)
    if len(asked) < state.settings.failure_sample or failed * 100 <= most * len(asked):
        return state, ()
    reason = f"{failed} of {len(asked)} migrations have failed, more than {most}% (max_failure_percent)"
    return replace(state, halted=reason), (Tell("rearrangement.stopping", f"nothing more is started: {reason}"),)


def answered(state: State, tasks: Iterable[Task]) -> State:
    """The same with all that can be done about the failures of these done."""
    return state.with_tasks({task.step.id: replace(task, settled_failure=True) for task in tasks})


def _replan(state: State, found: list[Task]) -> Answered:
    if state.planning is not None:
        return state, ()
    if state.replans >= state.settings.max_replans:
        told = f"no new plan is made any more: {state.replans} were made already (max_replans)"
        return answered(state, found), (Tell("rearrangement.not_replanned", told),)
    told = f"a new plan is made for the rest, after {_first(found)}"
    return replace(state, planning=("rest", None)), (Tell("rearrangement.replanning", told),)


def ask_planner(state: State) -> Answered:
    """Have the new plan made once nothing is in flight that is to be moved on: where it ends is not known before."""
    if state.planning != ("rest", None) or state.plan_asked:
        return state, ()
    if any(task.in_flight() and task.step.more for task in state.tasks.values()):
        return state, ()
    return replace(state, plan_asked=True), (Plan("rest"),)


def _divert(state: State, found: list[Task]) -> Answered:
    """Have another destination looked for, one step after the other; what is moved on afterwards has none."""
    hopeless = [task for task in found if not _divertible(state, task)]
    state = answered(state, hopeless)
    waiting = [task for task in found if _divertible(state, task)]
    if not waiting or state.planning is not None:
        return state, ()
    task = waiting[0]
    told = Tell("migration.diverting", f"{name(task)}: another destination is looked for", task.step.id)
    return replace(state, planning=("destination", task.step.id)), (told, Plan("destination", task.step.id))


def _divertible(state: State, task: Task) -> bool:
    return (
        task.record.state is MigrationState.FAILED
        and task.record.failure in ELSEWHERE
        and not task.step.more
        and len(task.record.tried) < state.settings.max_destinations
    )


def _halt(state: State, found: list[Task], *, rollback: bool) -> Answered:
    """Start nothing more; what the world has changed is left out, and no reason to."""
    failed = [task for task in found if task.record.state is MigrationState.FAILED]
    state = answered(state, found)
    if not failed:
        return state, ()
    reason = _first(failed)
    what = "all that was moved goes back" if rollback else "nothing more is started"
    return (
        replace(state, halted=reason, retreat=rollback),
        (Tell("rearrangement.stopping", f"{what}, after {reason}"),),
    )


def _first(tasks: list[Task]) -> str:
    task = min(tasks, key=lambda each: each.step.id)
    return f"step {task.step.id}, {name(task)}, {task.record.state.value}: {task.record.reason}"
