"""Rounds of a maintenance: which hosts are emptied together, what that takes, and what nothing could do with less.

Pure and deterministic: the same cloud gives the same rounds. The service asks before each round, with the cloud as it
is then; an outlook is made of the same answers, each from the state that the one before leaves.

As Ganeti's hroller, it makes groups of hosts to be emptied together; but by capacity and by live migrations.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from vmpath_service.engine.maintenance.room import ZONE_BY_ZONE, Room, Terms, fewest_rounds
from vmpath_service.engine.planning import Job, find_way
from vmpath_service.model import files
from vmpath_service.model.compiled import CompiledCloud, compile_cloud
from vmpath_service.model.errors import VmpathError
from vmpath_service.model.maintenances import Leftovers, Outlook, PlannedRound
from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder.duration import forecast
from vmpath_service.policies import registry
from vmpath_service.policies.base import Decision
from vmpath_service.policies.board import obstacle
from vmpath_service.policies.deciding import decide

AVOID = "avoid_hosts"
"""The option of a policy that takes the hosts which are still to be emptied: instances move once where that can be."""

# How many pairs of instance and host are looked at in search of a round before it is what has been found so far.
_WORK = 40_000_000
# How many ways to choose rounds are tried at most where the first ones need more than the fewest that may be possible.
_MOST_WAYS = 24


@dataclass(frozen=True, slots=True)
class Look:
    """What ``look_ahead`` needs; it is sent to another process. ``job``: how hosts are emptied, with the present;
    ``left``: the hosts that still wait; ``foretold``: their rounds as they were told before, which stand as long as
    they fit."""

    job: Job
    left: tuple[str, ...]
    terms: Terms
    foretold: tuple[tuple[str, ...], ...] = ()

    @property
    def seconds(self) -> float:
        return self.job.seconds


@dataclass(frozen=True, slots=True)
class Way:
    """How rounds are chosen. ``even``: hosts are shared out evenly among the fewest rounds, which moves less twice;
    else each round has as many as fit. ``order``: in which order hosts are tried: 0 the largest first, 1 one of each
    zone in turn, above that the seed of an order by chance."""

    even: bool = True
    order: int = 0


EVENLY = Way()


@dataclass(frozen=True, slots=True)
class Step:
    """One round: the hosts, and the plan that empties them from ``before``."""

    hosts: tuple[str, ...]
    before: Snapshot
    plan: Plan


@dataclass(frozen=True, slots=True)
class Bounds:
    """``seconds``: of draining alone."""

    rounds: int
    migrations: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Attempt:
    """``short``: why it cannot be done, or None; ``blamed``: the hosts that could not be emptied."""

    short: str | None
    blamed: frozenset[str]
    plan: Plan | None = None


def look_ahead(look: Look) -> bytes:
    """All rounds to come, as an encoded ``Outlook``. Raises VmpathError."""
    snapshot = files.decode_snapshot(look.job.snapshot, "the state of the cloud")
    return msgspec.json.encode(outlook(look, snapshot))


def outlook(look: Look, snapshot: Snapshot) -> Outlook:
    """All rounds to come, with what they take and the bounds of that."""
    fewest = bounds(look, snapshot, ()).rounds
    best: tuple[list[Step], str | None] | None = None
    if (followed := _followed(look, snapshot)) is not None:
        best = followed, None
    for way in _ways(look, snapshot) if best is None else ():
        steps, short = _rolled(look, snapshot, way)
        if best is None or _rank(steps) < _rank(best[0]):
            best = steps, short
        if not look.terms.rolling or (best[1] is None and len(best[0]) <= fewest):
            break
    steps, short = best or ([], None)
    least = bounds(look, snapshot, steps)
    work = look.terms.duration_s or 0.0
    drains = [step.plan.summary.makespan_s for step in steps]
    return Outlook(
        rounds=tuple(
            PlannedRound(step.hosts, len(step.plan.migrations), seconds)
            for step, seconds in zip(steps, drains, strict=True)
        ),
        migrations=sum(len(step.plan.migrations) for step in steps),
        seconds=round(sum(drains) + work * len(steps), 3),
        fewest_rounds=least.rounds,
        fewest_migrations=least.migrations,
        least_seconds=round(least.seconds + work * least.rounds, 3),
        short=short,
    )


def bounds(look: Look, snapshot: Snapshot, steps: Sequence[Step]) -> Bounds:
    """What nothing could do with less: the rounds and the draining of all hosts, the migrations of those that are in
    the steps."""
    cloud = compile_cloud(snapshot, look.job.constraints)
    left = tuple(cloud.host_index[name] for name in look.left if name in cloud.host_index)
    room = Room(cloud, left)
    rounds = fewest_rounds(cloud, left, look.terms.max_hosts) if look.terms.rolling else min(1, len(left))
    emptied = [cloud.host_index[name] for step in steps for name in step.hosts]
    return Bounds(
        rounds,
        room.fewest_migrations(emptied, len(steps), look.terms),
        _least_drain(look.job, cloud, left, rounds),
    )


def roll(look: Look, snapshot: Snapshot, way: Way = EVENLY) -> Iterator[Step | str]:
    """The rounds, each from what the one before leaves; the last item is why the hosts that are left do not fit, if
    any are."""
    left = list(look.left)
    while left:
        step = next_round(look, snapshot, left, way)
        yield step
        if isinstance(step, str):
            return
        left = [name for name in left if name not in step.hosts]
        snapshot = after(step)


def after(step: Step) -> Snapshot:
    """The cloud once a round has been walked, its hosts in service again."""
    now = {each.instance: each.dest for each in step.plan.migrations}
    instances = tuple(
        msgspec.structs.replace(each, host=now[each.uuid]) if each.uuid in now else each
        for each in step.before.instances
    )
    return msgspec.structs.replace(step.before, instances=instances)


def next_round(look: Look, snapshot: Snapshot, left: Sequence[str], way: Way = EVENLY) -> Step | str:
    """The hosts of ``left`` to be emptied now, or why none can be."""
    cloud = compile_cloud(snapshot, look.job.constraints)
    for name in left:
        if name not in cloud.host_index:
            return f"{name} is not there any more"
    if not look.terms.rolling:
        attempt = _attempt(look, cloud, tuple(left), ())
        return attempt.short or _step(tuple(left), snapshot, attempt)
    room = Room(cloud, [cloud.host_index[name] for name in left])
    order = room.ordered(way.order)
    share = room.share(look.terms.max_hosts) if way.even else None
    chosen: list[str] = []
    best: _Attempt | None = None
    short: str | None = None
    rest = [cloud.snapshot.hosts[host].name for host in order]
    size, work = len(rest), _WORK
    while rest and work > 0:
        part = room.part(chosen, rest, size, share, look.terms.max_hosts)
        if not part:
            break
        trial = (*chosen, *part)
        work -= room.pairs(trial)
        attempt = _attempt(look, cloud, trial, left)
        if attempt.short is None:
            chosen, best = list(trial), attempt
            rest = [name for name in rest if name not in part]
            continue
        short = short or attempt.short
        blamed = [name for name in part if name in attempt.blamed]
        if 0 < len(blamed) < len(part):
            # the others first: who could not be emptied is in the way of nobody then
            rest = [name for name in rest if name not in blamed] + blamed
            size = len(part) - len(blamed)
        elif len(part) > 1:
            size = len(part) // 2
        else:
            rest = [name for name in rest if name not in part]
            size = 1
    if best is None:
        return short or "there is no room for what is on any of the hosts"
    in_order = tuple(name for name in left if name in chosen)
    return _step(in_order, snapshot, best)


def drain_options(options: Mapping[str, object], left: Sequence[str]) -> dict[str, object]:
    """What a policy that knows how is told besides: which hosts are still to be emptied. ``options``: those that the
    policy has."""
    return {AVOID: list(left)} if AVOID in options and left else {}


def _followed(look: Look, snapshot: Snapshot) -> list[Step] | None:
    """The rounds as they were foretold; None where they do not fit any more, or are not about these hosts."""
    left = set(look.left)
    if not look.foretold or sorted(left) != sorted(name for hosts in look.foretold for name in hosts):
        return None
    steps: list[Step] = []
    for hosts in look.foretold:
        cloud = compile_cloud(snapshot, look.job.constraints)
        if not left <= cloud.host_index.keys():
            return None
        attempt = _attempt(look, cloud, hosts, tuple(left))
        if attempt.short is not None:
            return None
        steps.append(_step(hosts, snapshot, attempt))
        snapshot = after(steps[-1])
        left -= set(hosts)
    return steps


def _ways(look: Look, snapshot: Snapshot) -> Iterator[Way]:
    """Ways to choose rounds, the likeliest first; in large clouds only these."""
    yield EVENLY
    yield Way(even=False)
    yield Way(order=ZONE_BY_ZONE)
    each = (1 + len(snapshot.instances)) * len(snapshot.hosts)
    for order in range(ZONE_BY_ZONE + 1, min(_MOST_WAYS, _WORK // each)):
        yield Way(order=order)


def _rank(steps: Sequence[Step]) -> tuple[int, int]:
    return -sum(len(step.hosts) for step in steps), len(steps)


def _rolled(look: Look, snapshot: Snapshot, way: Way) -> tuple[list[Step], str | None]:
    steps: list[Step] = []
    for step in roll(look, snapshot, way):
        if isinstance(step, str):
            return steps, step
        steps.append(step)
    return steps, None


def _step(hosts: tuple[str, ...], snapshot: Snapshot, attempt: _Attempt) -> Step:
    if attempt.plan is None:
        raise AssertionError("an attempt that is not short has a plan")
    return Step(hosts, snapshot, attempt.plan)


def _attempt(look: Look, cloud: CompiledCloud, hosts: tuple[str, ...], left: Sequence[str]) -> _Attempt:
    """Decide how to empty these hosts, and find the way."""
    later = tuple(name for name in left if name not in hosts)
    settings = {**look.job.settings, AVOID: later} if AVOID in look.job.settings else look.job.settings
    scope = dataclasses.replace(look.job.scope, hosts=hosts)
    job = dataclasses.replace(look.job, settings=settings, scope=scope)
    try:
        decision = decide(registry.make(job.driver, settings), cloud, scope)
        short, blamed = _short(decision, look.terms.leftovers)
        if short is not None:
            return _Attempt(short, blamed)
        _, plan = find_way(job, cloud, decision, "")
    except VmpathError as error:
        return _Attempt(str(error), frozenset())
    if plan.outcome != "found":
        return _Attempt(plan.explanation or f"no path was found: {plan.outcome}", frozenset())
    return _Attempt(None, frozenset(), plan)


def _short(decision: Decision, leftovers: Leftovers) -> tuple[str | None, frozenset[str]]:
    left = decision.leftovers
    if left and leftovers == "refuse":
        said = decision.shortage or f"{len(left)} instances would stay: {left[0].reason}, ..."
        return said, frozenset(each.host for each in left)
    return (None if left else decision.shortage), frozenset()


def _least_drain(job: Job, cloud: CompiledCloud, hosts: Sequence[int], rounds: int) -> float:
    """Seconds that draining takes at least, in so many rounds or more: each host sends away what is on it with no more
    migrations at once than it may have, and rounds follow each other."""
    instances = cloud.snapshot.instances
    each: dict[int, list[float]] = {host: [] for host in hosts}
    for guest, home in enumerate(cloud.home):
        if home in each and obstacle(cloud, guest) is None:
            each[home].append(forecast(instances[guest], job.limits.migration_mbps).seconds)
    if not each:
        return 0.0
    slots = job.limits.per_host or math.inf
    drains = sorted(max((*seconds, sum(seconds) / slots)) for seconds in each.values())
    in_turn = drains[-1] + sum(drains[: rounds - 1])
    total = sum(map(sum, each.values()))
    return max(in_turn, total / job.limits.in_total if job.limits.in_total else 0.0)
