"""Whether what a plan says of itself agrees with what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmpath_service.model.plan import Plan
from vmpath_service.pathfinder.replay.accounts import Rulebook
from vmpath_service.pathfinder.replay.sequence import ordered_steps, reaches_target

MILLISECOND = 1e-3


def agreement_problems(rules: Rulebook, plan: Plan, target: Mapping[str, str | None]) -> Iterator[str]:
    """Outcome, summary, flags and bounds against the content."""
    if plan.target != target:
        different = sorted(
            uuid for uuid in {*plan.target, *target} if plan.target.get(uuid, "") != target.get(uuid, "")
        )
        yield f"the plan was made for another target: {rules.label(different[0])} differs"
    reached = reaches_target(rules, plan, target)
    if plan.outcome == "found" and not reached:
        yield "the outcome is found, but the plan does not reach the target"
    if plan.outcome != "found" and reached:
        yield f"the outcome is {plan.outcome}, but the plan reaches the target"
    if plan.outcome != "found" and not plan.explanation:
        yield f"the outcome is {plan.outcome} and nothing is explained"
    home = {uuid: instance.host for uuid, instance in rules.instances.items()}
    misplaced = {uuid for uuid, host in target.items() if host is not None and home[uuid] not in (None, host)}
    for migration in plan.migrations:
        instance = rules.instances[migration.instance]
        ends = (target.get(migration.instance, instance.host), instance.host)
        if migration.bypass != (migration.dest not in ends):
            state = "is" if migration.bypass else "is not"
            yield f"migration {migration.id} {state} marked as a bypass, but goes to {migration.dest}"
        if migration.memory_mb != instance.memory_mb():
            yield f"migration {migration.id} says {migration.memory_mb} MiB, the instance has {instance.memory_mb()}"
        if (migration.method == "cold") != (instance.movable == "cold"):
            yield f"migration {migration.id} is {migration.method}, the instance is movable {instance.movable}"
    moved = {migration.instance for migration in plan.migrations}
    summary = plan.summary
    counted = {
        "migrations": len(plan.migrations),
        "extra_migrations": len(plan.migrations) - len(misplaced & moved),
        "bypasses": sum(migration.bypass for migration in plan.migrations),
        "memory_mb": sum(migration.memory_mb for migration in plan.migrations),
        "waves": len({migration.wave for migration in plan.migrations}),
    }
    for name, value in counted.items():
        if getattr(summary, name) != value:
            yield f"summary/{name} says {getattr(summary, name)}, the plan has {value}"
    last = max((step.end_s for step in ordered_steps(plan)), default=0.0)
    if abs(summary.makespan_s - last) > MILLISECOND:
        yield f"summary/makespan_s says {summary.makespan_s}, the last step ends at {last}"
    if plan.outcome == "found":
        for name in ("migrations", "memory_mb", "makespan_s"):
            bound, value = getattr(summary.bounds, name), getattr(summary, name)
            if bound > value + MILLISECOND:
                yield f"summary/bounds/{name} says that {bound} is the least, the plan has {value}"
