"""Working out, in a process of its own, how a walk goes on: a new plan for the rest, the way back, or another
destination for one step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from vmpath_service.engine.executor.extending import Rest
from vmpath_service.engine.executor.facts import Facts
from vmpath_service.engine.planning import Job, apart, facts_of, path_settings
from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter
from vmpath_service.model.errors import PlanningFailed, VmpathError
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import UNRESOLVED, FailureKind, HostTrouble, Migration, MigrationState
from vmpath_service.model.snapshot import Host, Instance, Snapshot

if TYPE_CHECKING:
    from vmpath_service.model.compiled import CompiledCloud
    from vmpath_service.pathfinder.replanning import Replanned, Underway

NOT_THERE_AGAIN = frozenset(
    (
        *(FailureKind.SCHEDULER, FailureKind.BEFORE_COPY, FailureKind.MIDWAY),
        *(FailureKind.LOST, FailureKind.REFUSED),
    )
)
"""Failures after which the instance may be moved, but not to that destination."""
NOT_AGAIN = frozenset(
    (
        *(FailureKind.AFTER_SWITCH, FailureKind.BROKEN, FailureKind.ABANDONED),
        *(FailureKind.ABORTED, FailureKind.NOT_SHOWN, FailureKind.FORBIDDEN),
    )
)
"""Failures after which the instance is left where it is."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """A plan under way, and the present: ``job`` has the snapshot of now, ``plan`` is the encoded plan as it stands.

    ``quarantined``: hosts to and from which nothing is moved. ``back``: the way back is wanted.
    """

    job: Job
    plan: bytes
    records: tuple[Migration, ...]
    quarantined: tuple[str, ...] = ()
    back: bool = False
    step: int | None = None

    @property
    def seconds(self) -> float:
        """What it may take."""
        return self.job.seconds


class Destination(msgspec.Struct, frozen=True):
    """Another destination, None if there is none, and a sentence about it."""

    host: str | None
    message: str


class _Found(msgspec.Struct, frozen=True):
    plan: Plan
    given_up: tuple[str, ...]
    facts: Facts


class TurnedDown(Constraint):
    """What was learned in this walk: instances that do not come to some hosts."""

    name = "turned-down"

    def __init__(self, refused: Mapping[str, frozenset[str]]) -> None:
        super().__init__()
        self._refused = refused

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        """One filter, for the instances that something is known of."""

        def refusal(instance: Instance, host: Host) -> str | None:
            if host.name in self._refused.get(instance.uuid, ()) and host.name != instance.host:
                return f"a migration of it to {host.name} has come to nothing"
            return None

        return CompiledConstraint(
            filters=(Filter(lambda each: self._refused.get(each.uuid), lambda host: host.name, refusal),)
        )


def rest_apart(work: GoOn, cancelled: Callable[[], bool]) -> Rest:
    """A new plan for the rest, or the way back; raises PlanningFailed where there is none."""
    return rest_of(apart(work, cancelled, make_rest))


def rest_of(content: bytes) -> Rest:
    """What ``make_rest`` found; raises PlanningFailed where that is no plan."""
    found = msgspec.json.decode(content, type=_Found)
    if found.plan.outcome not in ("found", "partial"):
        raise PlanningFailed(found.plan.explanation or f"no path was found: {found.plan.outcome}")
    return Rest(found.plan, found.given_up, found.facts)


def destination_apart(work: GoOn, cancelled: Callable[[], bool]) -> Destination:
    """Another destination for ``work.step``."""
    return msgspec.json.decode(apart(work, cancelled, make_destination), type=Destination)


def make_rest(work: GoOn) -> bytes:
    """Find the rest or the way back; returns an encoded ``_Found``. Raises what policy and path finder raise.

    Where what the old plan wanted cannot be had any more, the policy is asked again.
    """
    from vmpath_service.pathfinder.replanning import Underway, replan, way_back

    cloud = _world(work)
    plan = _as_it_stands(work)
    done, flying = _steps(work, MigrationState.DONE), _in_flight(work)
    underway = Underway(plan, done, flying, frozenset())
    settings = path_settings(work.job)
    identity = _identity(work)
    sentences: tuple[str, ...] = ()
    if work.back:
        found = way_back(cloud, underway, settings, snapshot_identity=identity)
    else:
        found = replan(cloud, underway, settings, snapshot_identity=identity)
        if found.given_up or found.plan.outcome != "found":
            found, sentences = _by_the_policy(work, cloud, underway, found)
    plan = found.plan
    steps = [step for step in plan.host_steps if step.action in ("power-on", "power-off")]
    if steps:
        raise PlanningFailed(f"the new plan needs a step that is not carried out: {steps[0].action} {steps[0].host}")
    if plan.outcome == "partial" and plan.explanation:
        sentences = (*sentences, plan.explanation)
    called = {each.instance: each.label() for each in work.records}
    given_up = [
        f"{called.get(each.instance, each.instance)} to {each.host or 'nowhere'}: {each.reason}"
        for each in found.given_up
    ]
    return msgspec.json.encode(_Found(plan, (*given_up, *sentences), facts_of(cloud, plan, work.job.keys)))


def make_destination(work: GoOn) -> bytes:
    """Find the legal host with the most room, once all that the plan still sends there has come; an encoded
    ``Destination``."""
    from vmpath_service.model.placement import Placement
    from vmpath_service.pathfinder.partial import may_go
    from vmpath_service.pathfinder.problem import pose
    from vmpath_service.pathfinder.room import Room

    cloud = _world(work)
    record = next(each for each in work.records if each.step == work.step)
    guest = cloud.instance_index.get(record.instance)
    if guest is None or guest in cloud.pinned:
        why = "it does not exist any more" if guest is None else cloud.pinned[guest]
        return msgspec.json.encode(Destination(None, f"there is no other destination: {why}"))
    settings = path_settings(work.job)
    room = Room(cloud, ())
    problem = pose(cloud, Placement({}), settings.limits, settings.cost)
    promised: dict[int, list[int]] = {}
    for each in work.records:
        other = cloud.instance_index.get(each.instance)
        dest = cloud.host_index.get(each.dest)
        if each.state is MigrationState.PENDING and other is not None and dest is not None:
            amounts = promised.setdefault(dest, [0] * len(cloud.dimensions))
            promised[dest] = [had + more for had, more in zip(amounts, cloud.demand(other), strict=True)]
    best: tuple[int, int] | None = None
    for host in range(len(cloud.snapshot.hosts)):
        if host == cloud.home[guest] or not may_go(problem, room, guest, host):
            continue
        left = [
            free - need - later
            for free, need, later in zip(
                room.amounts(room.free[host]),
                cloud.demand(guest),
                promised.get(host, [0] * len(cloud.dimensions)),
                strict=True,
            )
        ]
        wanted = [number for number, need in enumerate(cloud.demand(guest)) if need]
        least = min((left[number] for number in wanted), default=0)
        if least >= 0 and (best is None or least > best[0]):
            best = (least, host)
    if best is None:
        return msgspec.json.encode(Destination(None, "there is no other destination that takes it in"))
    name = cloud.snapshot.hosts[best[1]].name
    return msgspec.json.encode(Destination(name, f"{record.dest} has failed: {record.reason}"))


def _by_the_policy(
    work: GoOn, cloud: CompiledCloud, underway: Underway, found: Replanned
) -> tuple[Replanned, tuple[str, ...]]:
    """What the policy wants by now, where that is more than is left of what it wanted then."""
    from vmpath_service.model.placement import Placement
    from vmpath_service.pathfinder.replanning import replan
    from vmpath_service.policies import registry as policies
    from vmpath_service.policies.deciding import decide

    try:
        decision = decide(policies.make(work.job.driver, work.job.settings), cloud, work.job.scope)
    except VmpathError:
        # what was asked for makes no sense any more: what is left of the old target does
        return found, ()
    newer = replan(
        cloud,
        underway,
        path_settings(work.job),
        snapshot_identity=_identity(work),
        target=Placement({**_where_they_are(work, cloud), **decision.placement}),
    )
    worse = newer.plan.outcome != "found" and found.plan.outcome == "found"
    if worse or len(newer.given_up) > len(found.given_up):
        return found, ()
    return newer, (decision.shortage,) if decision.shortage else ()


def _where_they_are(work: GoOn, cloud: CompiledCloud) -> dict[str, str]:
    """What was moved already stays, unless the policy says otherwise: it is not sent home."""
    moved = {each.instance for each in work.records if each.state is MigrationState.DONE or each.state in UNRESOLVED}
    return {
        each.uuid: each.host for each in cloud.snapshot.instances if each.uuid in moved and each.host is not None
    }


def _identity(work: GoOn) -> str:
    from vmpath_service.model import files

    return files.identity(work.job.snapshot)


def _world(work: GoOn) -> CompiledCloud:
    """The present, with all that was learned on the way."""
    from vmpath_service.model import files
    from vmpath_service.model.compiled import compile_cloud

    snapshot = files.decode_snapshot(work.job.snapshot, "the state of the cloud")
    pinned: dict[str, str] = {}
    refused: dict[str, set[str]] = {}
    for each in work.records:
        refused.setdefault(each.instance, set()).update(each.tried)
        if each.state in (MigrationState.FAILED, MigrationState.SKIPPED, MigrationState.REPLACED):
            if each.failure in NOT_AGAIN and not work.back:
                pinned[each.instance] = f"its migration to {each.dest} failed"
            if each.failure in NOT_THERE_AGAIN:
                refused[each.instance].add(each.dest)
    closed = frozenset(work.quarantined)
    hosts = tuple(
        msgspec.structs.replace(host, status="disabled", disabled_reason="it is in quarantine")
        if host.name in closed
        else host
        for host in snapshot.hosts
    )
    instances = tuple(_held(each, pinned.get(each.uuid), closed) for each in snapshot.instances)
    found = msgspec.structs.replace(snapshot, hosts=hosts, instances=instances)
    learned = TurnedDown({uuid: frozenset(hosts) for uuid, hosts in refused.items() if hosts})
    return compile_cloud(found, (*work.job.constraints, learned))


def _held(instance: Instance, why: str | None, closed: frozenset[str]) -> Instance:
    if why is None and instance.host in closed:
        why = f"its host {instance.host} is in quarantine"
    if why is None or instance.movable == "no":
        return instance
    return msgspec.structs.replace(instance, movable="no", why_not=why)


def _as_it_stands(work: GoOn) -> Plan:
    """The plan without what was replaced, with the destinations to which it really goes."""
    plan = msgspec.json.decode(work.plan, type=Plan)
    by_step = {each.step: each for each in work.records}
    migrations = [
        msgspec.structs.replace(each, dest=by_step[each.id].dest)
        for each in plan.migrations
        if by_step[each.id].state is not MigrationState.REPLACED
    ]
    return msgspec.structs.replace(plan, migrations=tuple(migrations))


def _steps(work: GoOn, state: MigrationState) -> frozenset[int]:
    # what was there already was not moved by us
    return frozenset(each.step for each in work.records if each.state is state and each.attempt)


def _in_flight(work: GoOn) -> frozenset[int]:
    return frozenset(each.step for each in work.records if each.state in UNRESOLVED)


def in_quarantine(troubles: Mapping[str, HostTrouble], failures: int) -> tuple[str, ...]:
    """Hosts that a new plan does not count on."""
    return tuple(sorted(host for host, trouble in troubles.items() if failures and trouble.failures >= failures))
