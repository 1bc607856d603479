"""Replaying a plan one step at a time, in the order of its ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.pathfinder.replay.accounts import Accounts, Rulebook


def unknown_names(rules: Rulebook, plan: Plan, target: Mapping[str, str | None]) -> Iterator[str]:
    """References to what the snapshot does not have: nothing else can be checked where there are any."""
    for step in plan.host_steps:
        if step.host not in rules.hosts:
            yield f"host step {step.id}: there is no host {step.host!r}"
    for migration in plan.migrations:
        if migration.instance not in rules.instances:
            yield f"migration {migration.id}: there is no instance {migration.instance!r}"
        for host in (migration.source, migration.dest):
            if host not in rules.hosts:
                yield f"migration {migration.id}: there is no host {host!r}"
    for uuid in plan.departures:
        if uuid not in rules.instances:
            yield f"departure: there is no instance {uuid!r}"
    for arrival in plan.arrivals:
        if arrival.instance not in rules.instances:
            yield f"arrival: there is no instance {arrival.instance!r}"
        if arrival.host not in rules.hosts:
            yield f"arrival of {arrival.instance}: there is no host {arrival.host!r}"
    for uuid, place in target.items():
        if uuid not in rules.instances:
            yield f"target: there is no instance {uuid!r}"
        if place is not None and place not in rules.hosts:
            yield f"target of {uuid}: there is no host {place!r}"


def ordered_steps(plan: Plan) -> list[HostStep | Migration]:
    """Host steps and migrations in the order of their ids."""
    return sorted([*plan.host_steps, *plan.migrations], key=lambda step: step.id)


def sequence_problems(rules: Rulebook, plan: Plan, target: Mapping[str, str | None]) -> Iterator[str]:
    """What is wrong with the plan when it is carried out step by step."""
    yield from _departure_problems(rules, plan, target)
    accounts = Accounts(rules, plan.departures)
    for step in ordered_steps(plan):
        if isinstance(step, HostStep):
            if step.action == "power-off":
                there = [uuid for uuid, host in accounts.where.items() if host == step.host]
                if there:
                    yield f"host step {step.id}: powers off {step.host} with {rules.label(there[0])} on it"
            accounts.act(step.host, step.action)
            continue
        for trouble in _migration_problems(rules, accounts, step):
            yield f"migration {step.id}: {trouble}"
    yield from _arrival_problems(rules, accounts, plan, target)
    yield from _end_problems(rules, accounts, plan, target)


def _departure_problems(rules: Rulebook, plan: Plan, target: Mapping[str, str | None]) -> Iterator[str]:
    for uuid in plan.departures:
        if uuid not in target or target[uuid] is not None:
            yield f"departure: the target does not take {rules.label(uuid)} away"
        elif rules.instances[uuid].host is None:
            yield f"departure: {rules.label(uuid)} is on no host"
    if len(set(plan.departures)) < len(plan.departures):
        yield "departure: an instance is named twice"


def _migration_problems(rules: Rulebook, accounts: Accounts, step: Migration) -> Iterator[str]:
    uuid, source, dest = step.instance, step.source, step.dest
    label = rules.label(uuid)
    if uuid in rules.fixed:
        yield f"{label} may not be moved: {rules.fixed[uuid]}"
    if accounts.where[uuid] != source:
        yield f"{label} is on {accounts.where[uuid] or 'no host'} then, not on {source}"
        return
    if source == dest:
        yield f"{label} is moved from {source} to the same host"
        return
    for trouble in (
        accounts.closed(source, dest),
        rules.misfit(uuid, dest),
        rules.barrier(source, dest),
        accounts.vetoed(uuid, dest),
    ):
        if trouble:
            yield f"{label} cannot go to {dest}: {trouble}"
    accounts.hold(uuid, dest)
    excess = accounts.excess(uuid, dest)
    if excess:
        yield f"{label} cannot go from {source} to {dest}: {excess}"
    accounts.release(uuid, source)
    accounts.where[uuid] = dest


def _arrival_problems(
    rules: Rulebook, accounts: Accounts, plan: Plan, target: Mapping[str, str | None]
) -> Iterator[str]:
    for arrival in plan.arrivals:
        uuid, host = arrival.instance, arrival.host
        label = rules.label(uuid)
        if accounts.where[uuid] is not None or uuid in plan.departures:
            yield f"arrival: {label} is placed already"
            continue
        if target.get(uuid) != host:
            yield f"arrival: the target does not put {label} on {host}"
        accounts.hold(uuid, host)
        for trouble in (
            accounts.closed(None, host),
            rules.misfit(uuid, host),
            accounts.vetoed(uuid, host),
            accounts.excess(uuid, host),
        ):
            if trouble:
                yield f"arrival: {label} cannot be placed on {host}: {trouble}"
        accounts.where[uuid] = host


def _end_problems(rules: Rulebook, accounts: Accounts, plan: Plan, target: Mapping[str, str | None]) -> Iterator[str]:
    """Whether everything ends where the outcome says."""
    for uuid, end in accounts.where.items():
        home = rules.instances[uuid].host
        wanted = target.get(uuid, home)
        if end == wanted or (uuid in plan.departures and wanted is None):
            continue
        if plan.outcome == "found":
            aim = f"the target wants it {'gone' if wanted is None else 'on ' + wanted}"
            yield f"{rules.label(uuid)} ends on {end or 'no host'}, {aim}"
        elif end != home:
            yield f"{rules.label(uuid)} is left on {end or 'no host'}, which is neither its target nor its home"
    for group in rules.snapshot.server_groups:
        if group.policy == "affinity":
            before = {rules.instances[member].host for member in group.members} - {None}
            after = {accounts.where[member] for member in group.members} - {None}
            if len(after) > max(1, len(before)):
                yield f"the strict affinity server group {group.name or group.uuid} ends on {len(after)} hosts"


def reaches_target(rules: Rulebook, plan: Plan, target: Mapping[str, str | None]) -> bool:
    """Whether the plan's content leaves every instance where the target wants it."""
    where: dict[str, str | None] = {uuid: instance.host for uuid, instance in rules.instances.items()}
    where.update(dict.fromkeys(plan.departures))
    for step in ordered_steps(plan):
        if isinstance(step, Migration):
            where[step.instance] = step.dest
    where.update({arrival.instance: arrival.host for arrival in plan.arrivals})
    return all(where[uuid] == host for uuid, host in target.items())
