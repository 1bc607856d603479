"""Whether a plan's partial order is safe in any timing, with any subset of its migrations never ending.

For each arrival m on a host b, in the order of ids, everything that may be at b when m starts is added up: an
instance is surely absent only if the last thing that happens to it at b before m (by id) is a departure that must
have ended when m starts. If that fits for every arrival, no timing breaks the plan: were b over its limit when m
starts, take s, the last by id of the arrivals at b that have started and ask for what is short. Everything at b
that asks for it was there at the start or came by an arrival up to s; whoever was surely absent when s started
has left; so b holds at most what was added up for s, which fits.

Where it does not fit by this bound, the plan is not called wrong yet: the worst moment for the arrival is worked out
exactly (``worst``) and carried out, and only what breaks then is reported. Random timings are tried on top.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from vmpath_service.model.plan import HostStep, Migration, Plan
from vmpath_service.pathfinder.replay.accounts import Accounts, Rulebook
from vmpath_service.pathfinder.replay.graph import PartialOrder
from vmpath_service.pathfinder.replay.sequence import ordered_steps
from vmpath_service.pathfinder.replay.vetoes import veto_broken, veto_doubts
from vmpath_service.pathfinder.replay.worst import worst_moment

# How many suspicions are followed up.
SUSPECTS = 2000
# So many troubles are worth looking for.
ENOUGH = 20
# Migrations times random runs, of all modes together; at least one run of each mode.
RUNS = 6000
MODES = ("even", "hanging", "uneven")


@dataclass(slots=True)
class OrderVerdict:
    """``suspects``: arrivals for which the bound failed, and moves whose vetoes may look at what may change;
    ``unproved``: how many there are where no timing was found that breaks the plan."""

    problems: list[str] = field(default_factory=list)
    suspects: int = 0
    unproved: int = 0
    runs: int = 0


def check_order(rules: Rulebook, plan: Plan, seed: int = 0) -> OrderVerdict:
    """All checks of the partial order; the plan's ids and references are known to be sound."""
    steps = ordered_steps(plan)
    graph = PartialOrder(steps)
    verdict = OrderVerdict()
    verdict.problems += _repeated_moves(rules, plan, graph)
    verdict.problems += _host_steps(rules, plan, graph)
    suspects = list(_suspects(rules, plan, graph))
    verdict.suspects = len(suspects)
    doubts = list(veto_doubts(rules, plan, graph))
    verdict.suspects += len(doubts)
    found = itertools.chain(
        (veto_broken(rules, plan, steps, graph, migration, loose) for migration, loose in doubts[:SUSPECTS]),
        (_bring_about(rules, plan, steps, graph, migration) for migration in suspects[:SUSPECTS]),
    )
    for trouble in found:
        if trouble:
            verdict.problems.append(trouble)
            if len(verdict.problems) >= ENOUGH:
                break
    verdict.unproved = 0 if verdict.problems else verdict.suspects
    if verdict.problems:
        return verdict
    for trial in range(max(1, min(4, RUNS // max(1, len(MODES) * len(plan.migrations))))):
        for mode in MODES:
            verdict.runs += 1
            trouble = _run(rules, plan, steps, mode, seed + trial)
            if trouble:
                verdict.problems.append(trouble)
                return verdict
    return verdict


def _repeated_moves(rules: Rulebook, plan: Plan, graph: PartialOrder) -> Iterator[str]:
    latest: dict[str, int] = {}
    for migration in sorted(plan.migrations, key=lambda each: each.id):
        before = latest.get(migration.instance)
        if before is not None and not graph.precedes(before, migration.id):
            label = rules.label(migration.instance)
            yield f"migration {migration.id} moves {label} again, but is not after migration {before}"
        latest[migration.instance] = migration.id


def _host_steps(rules: Rulebook, plan: Plan, graph: PartialOrder) -> Iterator[str]:
    """Whether a host is surely up and open whenever somebody needs it to be."""
    steps_of: dict[str, list[HostStep]] = {}
    for step in sorted(plan.host_steps, key=lambda each: each.id):
        steps_of.setdefault(step.host, []).append(step)
    for host, steps in steps_of.items():
        place = rules.hosts[host]
        if place.receives() and all(step.action in ("power-on", "enable") for step in steps):
            continue
        for earlier, later in itertools.pairwise(steps):
            if not graph.precedes(earlier.id, later.id):
                yield f"host step {later.id} on {host} is not after host step {earlier.id} there"
        for migration in plan.migrations:
            for step in steps:
                power = step.action in ("power-on", "power-off")
                if migration.dest != host and not (migration.source == host and power):
                    continue
                first, second = min(step.id, migration.id), max(step.id, migration.id)
                if not graph.precedes(first, second):
                    yield (
                        f"migration {migration.id} uses {host}, but it and host step {step.id} ({step.action})"
                        " may come in either order"
                    )


def _suspects(rules: Rulebook, plan: Plan, graph: PartialOrder) -> Iterator[Migration]:
    """Arrivals for which what may be at their destination, added up, is too much."""
    start = Accounts(rules, plan.departures)
    touching: dict[str, list[Migration]] = {}
    for migration in sorted(plan.migrations, key=lambda each: each.id):
        touching.setdefault(migration.source, []).append(migration)
        touching.setdefault(migration.dest, []).append(migration)
    members: dict[str, dict[int, int]] = {}
    for (group, host), count in start.members.items():
        members.setdefault(host, {})[group] = count
    suspects = []
    for host, migrations in touching.items():
        amounts = list(start.used[host])
        counts = members.get(host, {})
        left: dict[str, int] = {}
        """Instances that have left by now in the order of ids, with the id of the departure."""
        for migration in migrations:
            uuid = migration.instance
            if migration.source == host:
                left[uuid] = migration.id
                continue
            if uuid in left:
                # it comes back: it was counted all along
                del left[uuid]
            else:
                for number, amount in rules.asked[uuid]:
                    amounts[number] += amount
                for group in rules.groups_of.get(uuid, ()):
                    counts[group] = counts.get(group, 0) + 1
            if _fits(rules, uuid, host, amounts, counts, ()):
                continue
            sure = set(migration.after)
            if _fits(rules, uuid, host, amounts, counts, [each for each, by in left.items() if by in sure]):
                continue
            if left:
                sure = graph.before(migration.id, min(left.values()))
            if not _fits(rules, uuid, host, amounts, counts, [each for each, by in left.items() if by in sure]):
                suspects.append(migration)
    yield from sorted(suspects, key=lambda each: each.id)


def _fits(
    rules: Rulebook,
    uuid: str,
    host: str,
    amounts: Sequence[int],
    counts: dict[int, int],
    absent: Collection[str],
) -> bool:
    limit = rules.capacity[host]
    for number, _ in rules.asked[uuid]:
        total = amounts[number]
        if total > limit[number]:
            total -= sum(amount for each in absent for which, amount in rules.asked[each] if which == number)
            if total > limit[number]:
                return False
    for group in rules.groups_of.get(uuid, ()):
        # in a plan that is wrong, somebody may come back who never was there
        count = counts.get(group, 0) - sum(group in rules.groups_of.get(each, ()) for each in absent)
        if count > rules.groups[group].limit:
            return False
    return True


def _bring_about(
    rules: Rulebook, plan: Plan, steps: Sequence[HostStep | Migration], graph: PartialOrder, migration: Migration
) -> str | None:
    """What breaks when the migration starts at the worst moment, in words; None if that never breaks anything."""
    uuid = migration.instance

    def of_class(number: int) -> Callable[[str], int]:
        return lambda each: sum(amount for which, amount in rules.asked[each] if which == number)

    def of_group(group: int) -> Callable[[str], int]:
        return lambda each: int(group in rules.groups_of.get(each, ()))

    looks = [of_class(number) for number, _ in rules.asked[uuid]]
    looks += [of_group(group) for group in rules.groups_of.get(uuid, ())]
    for amount in looks:
        trouble = _at(rules, plan, steps, migration, worst_moment(steps, graph, migration, amount))
        if trouble:
            return trouble
    return None


def _at(
    rules: Rulebook, plan: Plan, steps: Sequence[HostStep | Migration], migration: Migration, ended: set[int]
) -> str | None:
    """What breaks by then when these steps end, all that may then come to the same host starts, and last the one."""
    accounts = Accounts(rules, plan.departures)
    late: list[Migration] = []
    for step in steps:
        if isinstance(step, HostStep) or step.id == migration.id:
            continue
        if step.id in ended:
            if accounts.where[step.instance] != step.source:
                return None  # told by other checks; nothing can be concluded from what follows
            trouble = _hold(accounts, step)
            if trouble:
                return trouble
            accounts.release(step.instance, step.source)
            accounts.where[step.instance] = step.dest
        elif step.dest == migration.dest and ended.issuperset(step.after):
            late.append(step)
    for step in (*late, migration):
        trouble = _hold(accounts, step)
        if trouble:
            return trouble
    return None


def _hold(accounts: Accounts, step: Migration) -> str | None:
    accounts.hold(step.instance, step.dest)
    excess = accounts.excess(step.instance, step.dest)
    return f"migration {step.id} may start when it must not: {excess}" if excess else None


def _run(rules: Rulebook, plan: Plan, steps: Sequence[HostStep | Migration], mode: str, seed: int) -> str | None:
    """Carry the plan out with random durations, each step started as soon as its ``after`` have ended."""
    rng = random.Random(f"{mode} {seed}")
    accounts = Accounts(rules, plan.departures)
    by_id = {step.id: step for step in steps}
    missing = {step.id: len(set(step.after)) for step in steps}
    followers: dict[int, list[int]] = {step.id: [] for step in steps}
    for step in steps:
        for earlier in set(step.after):
            followers[earlier].append(step.id)
    hanging = {step.id for step in steps if mode == "hanging" and rng.random() < 0.1}
    ready = [step.id for step in steps if not step.after]
    running: list[tuple[float, int]] = []
    now, ended = 0.0, 0
    while ready or running:
        rng.shuffle(ready)
        for identity in ready:
            step = by_id[identity]
            if isinstance(step, Migration):
                trouble = _start(rules, accounts, step)
                if trouble:
                    return f"in a random timing ({mode}, seed {seed}), migration {identity}: {trouble}"
            if identity not in hanging:
                takes = rng.paretovariate(0.6) if mode == "uneven" else 0.1 + 10 * rng.random()
                heapq.heappush(running, (now + takes, identity))
        ready = []
        if not running:
            break
        now, identity = heapq.heappop(running)
        step = by_id[identity]
        if isinstance(step, Migration):
            accounts.end(step.instance, step.source)
        else:
            accounts.act(step.host, step.action)
        ended += 1
        for follower in followers[identity]:
            missing[follower] -= 1
            if not missing[follower]:
                ready.append(follower)
    if not hanging and ended < len(steps):
        return f"{len(steps) - ended} steps never start though nothing hangs"
    return None


def _start(rules: Rulebook, accounts: Accounts, step: Migration) -> str | None:
    where = accounts.where[step.instance]
    if where != step.source:
        return f"{rules.label(step.instance)} is on {where or 'no host'} then, not on {step.source}"
    trouble = accounts.closed(step.source, step.dest) or accounts.vetoed(step.instance, step.dest)
    if trouble:
        return trouble
    accounts.begin(step.instance, step.source, step.dest)
    return accounts.excess(step.instance, step.dest)
