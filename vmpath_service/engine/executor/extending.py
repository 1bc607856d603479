"""A plan under way, made longer: by a new plan for the rest, or by the way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from vmpath_service.engine.executor.beginning import ANSWERED, BACK, GIVEN_UP, REPLANS
from vmpath_service.engine.executor.facts import Facts
from vmpath_service.engine.executor.state import State, Task
from vmpath_service.model import plan as plans
from vmpath_service.model.records import Migration, MigrationState

FACTS = "facts"
"""Where ``plan.extra`` has what is known of instances and hosts."""
RETRIABLE = (MigrationState.PENDING, MigrationState.FAILED, MigrationState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Rest:
    """What a planner made of the present: a plan with ids of its own, and what it gives up, as sentences."""

    plan: plans.Plan
    given_up: tuple[str, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Extension:
    """``plan`` is the longer one; ``added`` its new steps, all pending; ``changed`` those that they replace."""

    plan: plans.Plan
    added: tuple[Migration, ...]
    changed: tuple[Migration, ...]


def extend(
    identity: str,
    plan: plans.Plan,
    records: Iterable[Migration],
    rest: Rest,
    answered: Iterable[int],
    *,
    back: bool = False,
) -> Extension:
    """Put the steps of a new plan behind those of the old one, in the place of what has not begun.

    A step that has failed is replaced if its instance is moved by the new plan, else it stays failed. ``answered``
    are the failures that the planner knew of.
    """
    known = list(records)
    shift = max((*(each.id for each in plan.migrations), *(each.id for each in plan.host_steps)), default=0)
    waves = max((step.wave for step in plan.migrations), default=0)
    migrations = tuple(
        msgspec.structs.replace(each, id=each.id + shift, after=_shifted(each.after, shift), wave=each.wave + waves)
        for each in rest.plan.migrations
    )
    host_steps = tuple(
        msgspec.structs.replace(each, id=each.id + shift, after=_shifted(each.after, shift))
        for each in rest.plan.host_steps
    )
    moved = {each.instance for each in migrations}
    why = "the way back takes its place" if back else "a new plan takes its place"
    changed = tuple(
        msgspec.structs.replace(
            each, state=MigrationState.REPLACED, reason=f"{each.reason}; {why}" if each.reason else why
        )
        for each in known
        if each.state is MigrationState.PENDING or (each.state in RETRIABLE and each.instance in moved and not back)
    )
    facts = Facts.of(plan.extra.get(FACTS, {})).updated(rest.facts)
    extra: dict[str, Any] = {
        **plan.extra,
        FACTS: facts.plain(),
        GIVEN_UP: list(rest.given_up),
        ANSWERED: sorted({*plan.extra.get(ANSWERED, ()), *answered}),
        plans.PARTS: [*plan.extra.get(plans.PARTS, ()), _part(shift + 1, rest.plan)],
    }
    if back:
        extra[BACK] = shift + 1
    else:
        extra[REPLANS] = int(plan.extra.get(REPLANS, 0)) + 1
    longer = msgspec.structs.replace(
        plan,
        migrations=(*plan.migrations, *migrations),
        host_steps=(*plan.host_steps, *host_steps),
        target={**plan.target, **rest.plan.target},
        extra=extra,
    )
    return Extension(longer, pending(identity, migrations, facts), changed)


def pending(identity: str, migrations: Iterable[plans.Migration], facts: Facts) -> tuple[Migration, ...]:
    """The steps of a plan as records, none of them begun."""
    return tuple(
        Migration(
            *(identity, each.id, each.instance, each.source, each.dest), instance_name=facts.name_of(each.instance)
        )
        for each in migrations
    )


def resumed(fresh: State, before: State) -> State:
    """The state of the longer plan, with what is known of what goes on and is in no database."""
    kept: dict[int, Task] = {
        number: replace(before.tasks[number], step=task.step)
        for number, task in fresh.tasks.items()
        if number in before.tasks and before.tasks[number].in_flight()
    }
    asked = {
        number: replace(task, asked=before.host_tasks[number].asked)
        for number, task in fresh.host_tasks.items()
        if number in before.host_tasks
    }
    for task in asked.values():
        fresh = fresh.with_host_task(task)
    return replace(fresh.with_tasks(kept), cancelled=before.cancelled, halted=before.halted, retreat=before.retreat)


def _part(first: int, plan: plans.Plan) -> dict[str, Any]:
    return {"from": first, "snapshot": plan.snapshot, "summary": msgspec.to_builtins(plan.summary)}


def _shifted(after: Sequence[int], shift: int) -> tuple[int, ...]:
    return tuple(each + shift for each in after)
