"""How a walk went of which everything has ended."""

from __future__ import annotations

from collections.abc import Iterable

from vmpath_service.engine.executor.demands import name
from vmpath_service.engine.executor.instructions import Outcome
from vmpath_service.engine.executor.state import State, Task
from vmpath_service.model.records import MigrationState

MOST_NAMED = 10
"""How many migrations that were not done the explanation names."""
GOOD = (MigrationState.DONE, MigrationState.REPLACED)


def conclusion(state: State, *, rollback: bool = False) -> tuple[Outcome, str | None]:
    """The outcome, and why it is not better; ``rollback``: what was moved is to go back now."""
    if state.back_from is not None:
        return _of_the_way_back(state)
    missed = [task for task in state.tasks.values() if task.record.state not in GOOD]
    explanation = _sentence(state, missed)
    if rollback or state.retreat:
        return "rollback", state.halted
    if explanation is None:
        return "succeeded", None
    if state.halted is not None:
        explanation = f"stopped after {state.halted}; {explanation}"
    return ("cancelled" if state.cancelled else "failed"), explanation


def _of_the_way_back(state: State) -> tuple[Outcome, str | None]:
    steps = [task for number, task in state.tasks.items() if number >= (state.back_from or 0)]
    missed = [task for task in steps if task.record.state not in GOOD]
    parts = [*state.given_up]
    if missed:
        parts.append(explain(missed, len(steps)))
    explanation = f"not everything could go back: {'; '.join(parts)}" if parts else None
    return ("cancelled" if state.cancelled else "rolled back"), explanation


def _sentence(state: State, missed: list[Task]) -> str | None:
    parts = []
    if missed:
        parts.append(explain(missed, len(state.tasks)))
    failed = [task.record for task in state.host_tasks.values() if task.record.state != "done"]
    if failed:
        named = [f"step {each.step}, {each.action} {each.host}: {each.reason or 'not begun'}" for each in failed]
        parts.append(f"{len(failed)} host steps were not done: {'; '.join(named)}")
    if state.given_up:
        parts.append(f"given up by the new plan: {'; '.join(state.given_up[:MOST_NAMED])}")
    return "; ".join(parts) or None


def explain(missed: Iterable[Task], planned: int) -> str:
    """What was not done and why, in one sentence; failures before what merely waited for them."""
    order = sorted(missed, key=lambda task: (task.record.state is not MigrationState.FAILED, task.step.id))
    parts = [
        f"step {task.step.id}, {name(task)}, {ended_how(task.record.state)}: {task.record.reason}"
        for task in order[:MOST_NAMED]
    ]
    if len(order) > MOST_NAMED:
        parts.append(f"and {len(order) - MOST_NAMED} more")
    return f"{len(order)} of {planned} migrations were not done: " + "; ".join(parts)


def ended_how(state: MigrationState) -> str:
    """In the words of an explanation."""
    return "failed" if state is MigrationState.FAILED else "was skipped"
