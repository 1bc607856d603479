"""Whether what constraints say of single moves holds in any timing.

A plan is surely safe in this respect if each move is ordered with every migration that touches a host whose
residents its veto may look at (all of them, where the constraint names none): then these hosts hold at its start what
they hold in the order of the ids, which is replayed apart. Where two are not ordered, the timings are tried in which
that makes a difference: the move as early and as late as it can be, and after each of those it is not ordered with,
alone or in flight for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.pathfinder.replay.accounts import Accounts, Rulebook
from vmpath_service.pathfinder.replay.graph import PartialOrder


def veto_doubts(rules: Rulebook, plan: Plan, graph: PartialOrder) -> Iterator[tuple[Migration, list[int]]]:
    """Moves with the ids of migrations that may come before or after them, though their vetoes may look at that."""
    if not rules.vetoes:
        return
    touching: dict[str, set[int]] = {}
    for each in plan.migrations:
        for host in (each.source, each.dest):
            touching.setdefault(host, set()).add(each.id)
    for each in plan.migrations:
        scope = rules.veto_scope(each.instance, each.dest)
        hosts = touching if scope is None else scope
        relevant = {identity for host in hosts for identity in touching.get(host, ())} - {each.id}
        loose = relevant - graph.before(each.id) - graph.beyond(each.id)
        if loose:
            yield each, sorted(loose)


def veto_broken(
    rules: Rulebook,
    plan: Plan,
    steps: Sequence[HostStep | Migration],
    graph: PartialOrder,
    migration: Migration,
    loose: Sequence[int],
) -> str | None:
    """What a veto says against the move in one of the timings that are tried, in words, or None."""
    must = graph.before(migration.id)
    later = graph.beyond(migration.id) | {migration.id}
    late = {step.id for step in steps} - later
    timings: list[tuple[set[int], int | None]] = [(must, None), (late, None)]
    for each in loose:
        with_it = must | graph.closure([each])
        timings += [(with_it, None), (with_it, each)]
    for ended, hanging in timings:
        trouble = _at(rules, plan, steps, migration, ended, hanging)
        if trouble:
            return f"migration {migration.id} may start when it must not: {trouble}"
    return None


def _at(
    rules: Rulebook,
    plan: Plan,
    steps: Sequence[HostStep | Migration],
    migration: Migration,
    ended: set[int],
    hanging: int | None,
) -> str | None:
    """The answer when these steps have ended, but for one of them that is in flight."""
    accounts = Accounts(rules, plan.departures)
    for step in steps:
        if step.id not in ended or isinstance(step, HostStep):
            continue
        if accounts.where[step.instance] != step.source:
            return None  # told by other checks
        accounts.begin(step.instance, step.source, step.dest)
        if step.id != hanging:
            accounts.end(step.instance, step.source)
    if accounts.where[migration.instance] != migration.source:
        return None
    return accounts.vetoed(migration.instance, migration.dest)
