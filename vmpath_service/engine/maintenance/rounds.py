"""Rounds of a maintenance: which hosts are emptied together, what that takes, and what nothing could do with less.

Pure and deterministic: the same cloud gives the same rounds. The service asks before each round, with the cloud as it
is then; an outlook is made of the same answers, each from the state that the one before leaves.

As Ganeti's hroller, it makes groups of hosts to be emptied together; but by capacity and by live migrations.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

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
ZONE_BY_ZONE = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """What a maintenance allows. ``duration_s``: what the work on the hosts of a round is expected to take."""

    rolling: bool = False
    max_hosts: int | None = None
    leftovers: Leftovers = "refuse"
    duration_s: float | None = None


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
    rounds = room.fewest_rounds(left, look.terms.max_hosts) if look.terms.rolling else min(1, len(left))
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


class Room:
    """How many of some hosts can be empty at once, by sums alone: what no choice of rounds can beat."""

    def __init__(self, cloud: CompiledCloud, hosts: Sequence[int]) -> None:
        """``hosts``: those that are still to be emptied."""
        self._cloud = cloud
        self._hosts = hosts
        named = set(hosts)
        receiving = [at for at, host in enumerate(cloud.snapshot.hosts) if host.receives()]
        active = named | set(receiving)
        self._movers: dict[int, list[int]] = {host: [] for host in hosts}
        need = [0] * len(cloud.dimensions)
        for guest, home in enumerate(cloud.home):
            if home not in active:
                continue
            if home in named:
                if obstacle(cloud, guest) is not None:
                    continue  # it stays there: it needs no room elsewhere
                self._movers[home].append(guest)
            for at, amount in enumerate(cloud.demand(guest)):
                need[at] += amount
        held = [sum(cloud.taken[host][at] for host in receiving if host not in named) for at in range(len(need))]
        wide = [sum(cloud.capacity[host][at] for host in receiving) for at in range(len(need))]
        asked = [at for at, amount in enumerate(need) if amount]
        # an empty host gives up its whole capacity, of which the others have so much to spare
        self._spare = [wide[at] - held[at] - need[at] for at in asked]
        giving = set(receiving)
        self._weight = {
            host: tuple(cloud.capacity[host][at] if host in giving else 0 for at in asked) for host in hosts
        }
        self._most = self._by_groups(active, giving & named, len(receiving))
        self._outside = bool(giving - named)

    def ordered(self, order: int) -> list[int]:
        """The hosts in the order of a ``Way``. The largest first lets the smaller ones fill up rounds; of equal ones
        those with the least on them, since what leaves them first may have to move twice."""
        found = sorted(
            self._hosts,
            key=lambda host: (tuple(-each for each in self._weight[host]), len(self._movers[host]), host),
        )
        if order == ZONE_BY_ZONE:
            turn: dict[str | None, int] = {}
            key: dict[int, int] = {}
            for host in found:
                zone = self._cloud.snapshot.hosts[host].availability_zone
                key[host] = turn[zone] = turn.get(zone, 0) + 1
            found.sort(key=key.__getitem__)
        elif order:
            random.Random(order).shuffle(found)
        return found

    def share(self, max_hosts: int | None) -> tuple[float, ...]:
        """What the hosts of a round weigh if they are shared out evenly among the fewest rounds."""
        rounds = self.fewest_rounds(self._hosts, max_hosts)
        return (*(sum(each) / rounds for each in self._weights(self._hosts)), len(self._hosts) / rounds)

    def part(
        self,
        chosen: Sequence[str],
        rest: Sequence[str],
        size: int,
        share: tuple[float, ...] | None,
        max_hosts: int | None,
    ) -> list[str]:
        """Up to ``size`` more hosts, in order, with which the spare room is not exceeded by their sum, until the
        share is reached."""
        weight = [0.0] * len(self._spare)
        count = 0
        found: list[str] = []

        def add(name: str) -> None:
            nonlocal weight, count
            weight = [sum(pair) for pair in zip(weight, self._weight[self._cloud.host_index[name]], strict=True)]
            count += 1

        for name in chosen:
            add(name)
        most = min(self._most, max_hosts or self._most)
        for name in rest:
            full = share is not None and count >= share[-1] and all(
                has >= wanted for has, wanted in zip(weight, share, strict=False)
            )
            if len(found) >= size or count >= most or full:
                break
            heavier = zip(weight, self._weight[self._cloud.host_index[name]], self._spare, strict=True)
            if all(has + more <= spare or not more for has, more, spare in heavier):
                found.append(name)
                add(name)
        return found

    def pairs(self, names: Sequence[str]) -> int:
        """How many pairs of instance and host an attempt to empty these looks at."""
        movers = sum(len(self._movers[self._cloud.host_index[name]]) for name in names)
        return (1 + movers) * len(self._cloud.snapshot.hosts)

    def fewest_rounds(self, hosts: Sequence[int], max_hosts: int | None) -> int:
        """No choice needs fewer rounds: by the capacity of the emptied hosts, by groups, by ``max_hosts``."""
        if not hosts:
            return 0
        most = min(self._at_once(hosts), max_hosts or len(hosts))
        rounds = math.ceil(len(hosts) / max(1, most))
        for total, spare in zip(map(sum, self._weights(hosts)), self._spare, strict=True):
            if total and spare > 0:
                rounds = max(rounds, math.ceil(total / spare))
        return rounds

    def fewest_migrations(self, hosts: Sequence[int], rounds: int, terms: Terms) -> int:
        """What so many rounds cannot do without: each instance leaves its host once; what leaves the hosts of the
        first round goes, where all hosts are to be emptied, to one that is emptied later."""
        counts = sorted(len(self._movers[host]) for host in hosts)
        if not terms.rolling or not rounds or self._outside or len(hosts) < len(self._hosts):
            return sum(counts)
        most = max(1, min(self._at_once(hosts), terms.max_hosts or len(hosts)))
        first = max(1, len(hosts) - (rounds - 1) * most)
        return sum(counts) + sum(counts[:first])

    def _weights(self, hosts: Sequence[int]) -> list[list[int]]:
        return [[self._weight[host][at] for host in hosts] for at in range(len(self._spare))]

    def _at_once(self, hosts: Sequence[int]) -> int:
        """At most so many of them can be empty at the same time."""
        most = min(len(hosts), self._most)
        for weights, spare in zip(self._weights(hosts), self._spare, strict=True):
            total, count = 0, 0
            for weight in sorted(weights):
                total += weight
                if weight and total > spare:
                    break
                count += 1
            most = min(most, count)
        return most

    def _by_groups(self, active: set[int], named: set[int], receiving: int) -> int:
        """Members of a strict anti-affinity group need hosts of their own, also while some are empty."""
        members = [0] * len(self._cloud.counter_limits)
        for guest, counters in self._cloud.counters_of.items():
            if self._cloud.home[guest] in active and obstacle(self._cloud, guest) is None:
                for counter in counters:
                    members[counter] += 1
        # hosts that cannot receive anyway take no room away when they are emptied
        idle = len(self._hosts) - len(named)
        most = len(self._hosts)
        for count, limit in zip(members, self._cloud.counter_limits, strict=True):
            if count:
                most = min(most, idle + max(0, receiving - math.ceil(count / limit)))
        return most


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
