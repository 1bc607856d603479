"""Making a plan in a process of its own, which can be killed and leaves the service responsive."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import msgspec
from oslo_log import log as logging

from vmpath_service.engine.executor.extending import FACTS
from vmpath_service.engine.executor.facts import Facts, Keys, gather
from vmpath_service.engine.settings import EngineSettings
from vmpath_service.model import files
from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import MemoryCost
from vmpath_service.model.errors import PlanningFailed, VmpathError
from vmpath_service.model.options import OptionValue
from vmpath_service.model.plan import HostStep, Limits, Plan
from vmpath_service.model.records import Request
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies.base import Decision, Scope

if TYPE_CHECKING:
    from vmpath_service.pathfinder import PathSettings

LOG = logging.getLogger(__name__)

GLANCE = 0.2
"""Seconds between two looks at whether planning was cancelled."""
SHARE_FOR_SEARCH = 0.8
"""Part of the time for planning after which the search for a better path ends by itself."""
LAST_CHANCE = 2.0
"""Seconds that a planning process which has closed its pipe has to end."""


@dataclass(frozen=True, slots=True)
class Job:
    """All that planning needs; it is sent to another process.

    ``snapshot`` are the bytes of a snapshot file; ``policy`` the name to be written into the plan; ``seconds`` what
    planning may take; ``wake`` are hosts that are disabled and are enabled before the first migration; ``rehearse``:
    the plan is replayed.
    """

    snapshot: bytes
    policy: str
    driver: str
    settings: Mapping[str, OptionValue]
    scope: Scope
    limits: Limits
    constraints: tuple[Constraint, ...]
    cost: Cost = field(default_factory=MemoryCost)
    strategy: str = "layered"
    seconds: float = 600.0
    keys: Keys = field(default_factory=Keys)
    wake: tuple[str, ...] = ()
    rehearse: bool = False


def job_for(
    settings: EngineSettings,
    request: Request,
    driver: str,
    options: Mapping[str, OptionValue],
    snapshot: Snapshot,
    wake: tuple[str, ...] = (),
) -> Job:
    """What planning needs for a request. ``options``: values for all that the driver declares."""
    limits = settings.executor.limits
    return Job(
        snapshot=files.encode(snapshot),
        policy=request.policy,
        driver=driver,
        settings=options,
        scope=Scope(request.zones, request.aggregates, request.hosts),
        limits=Limits(
            per_host=_least(limits.per_source, limits.per_destination),
            in_total=limits.in_total,
            migration_mbps=settings.migration_mbps,
            per_group=limits.per_group,
        ),
        constraints=settings.constraints,
        cost=settings.cost,
        strategy=settings.strategy,
        seconds=settings.planning_timeout,
        keys=settings.keys,
        wake=wake,
        rehearse=request.rehearse,
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


class Timed(Protocol):
    """Whatever is to be worked out in another process: ``seconds`` is what it may take."""

    @property
    def seconds(self) -> float: ...


Work = TypeVar("Work", bound=Timed)


class Planned(msgspec.Struct, frozen=True):
    """The policy's decision in plain data, without the placement (the plan's target), and the plan. ``rehearsal`` of
    the decision, where it was asked for: what the replay counted, and the ``problems`` that it found.

    ``plan.extra["facts"]`` is what the executor has to know of instances and hosts.
    """

    decision: dict[str, Any]
    plan: Plan


def make_plan(job: Job) -> bytes:
    """Decide and find the path; returns an encoded ``Planned``. Raises what policy and path finder raise."""
    from vmpath_service.model.compiled import compile_cloud
    from vmpath_service.policies import registry as policies
    from vmpath_service.policies.deciding import along, decide
    from vmpath_service.policies.scope import reach

    snapshot = files.decode_snapshot(job.snapshot, "the state of the cloud")
    cloud = compile_cloud(snapshot, job.constraints)
    policy = policies.make(job.driver, job.settings)
    wake: tuple[str, ...] = ()
    if job.wake:
        inside = reach(cloud, job.scope, job.settings).inside
        wake = tuple(name for name in job.wake if cloud.host_index[name] in inside)
        cloud = compile_cloud(_switched(snapshot, wake, "enabled"), job.constraints)
    decision = decide(policy, cloud, job.scope)
    cloud, plan = find_way(job, cloud, decision, files.identity(job.snapshot))
    plan = msgspec.structs.replace(plan, extra={**plan.extra, FACTS: facts_of(cloud, plan, job.keys).plain()})
    decision, plan = along(policy, cloud, job.scope, decision, plan)
    plan = waking(plan, wake)
    told = plain(decision, {each.uuid: each.name for each in snapshot.instances})
    if job.rehearse and plan.outcome == "found":
        told["rehearsal"] = rehearsal(snapshot, plan, job.constraints)
    return msgspec.json.encode(Planned(told, plan))


def rehearsal(snapshot: Snapshot, plan: Plan, constraints: tuple[Constraint, ...]) -> dict[str, Any]:
    """What becomes of a plan when it is replayed by code that shares nothing with the path finder: step by step, and
    in any timing that it allows."""
    from vmpath_service.pathfinder.replay import check_plan

    found = check_plan(snapshot, plan, constraints)
    figures = found.figures
    return {
        "problems": list(found.problems),
        "migrations": figures.migrations,
        "suspects": figures.suspects,
        "unproved": figures.unproved,
        "runs": figures.runs,
    }


def waking(plan: Plan, hosts: tuple[str, ...]) -> Plan:
    """The plan with a step in front that enables each of these hosts, for which what goes there waits."""
    if not hosts or plan.outcome != "found":
        return plan
    shift = len(hosts)
    step_of = {host: number for number, host in enumerate(hosts, start=1)}
    steps = tuple(HostStep(number, host, "enable") for host, number in step_of.items())
    later = tuple(
        msgspec.structs.replace(each, id=each.id + shift, after=tuple(earlier + shift for earlier in each.after))
        for each in plan.host_steps
    )
    migrations = tuple(
        msgspec.structs.replace(
            each,
            id=each.id + shift,
            after=(
                *((step_of[each.dest],) if each.dest in step_of else ()),
                *(earlier + shift for earlier in each.after),
            ),
        )
        for each in plan.migrations
    )
    return msgspec.structs.replace(plan, host_steps=(*steps, *later), migrations=migrations)


def find_way(job: Job, cloud: CompiledCloud, decision: Decision, identity: str) -> tuple[CompiledCloud, Plan]:
    """The path to what was decided, and the cloud as it is while it is walked: with the hosts disabled that take
    nothing in. ``identity``: of the snapshot."""
    from vmpath_service.model.compiled import compile_cloud
    from vmpath_service.model.placement import Placement
    from vmpath_service.pathfinder import find_path

    if decision.disable:
        cloud = compile_cloud(_switched(cloud.snapshot, decision.disable, "disabled"), job.constraints)
    target = Placement(dict(decision.placement))
    plan = find_path(cloud, target, path_settings(job), snapshot_identity=identity, policy=job.policy)
    return cloud, plan


def _switched(snapshot: Snapshot, names: Collection[str], status: Literal["enabled", "disabled"]) -> Snapshot:
    """The snapshot with another status of these hosts."""
    if not names:
        return snapshot
    hosts = (msgspec.structs.replace(each, status=status) if each.name in names else each for each in snapshot.hosts)
    return msgspec.structs.replace(snapshot, hosts=tuple(hosts))


def path_settings(job: Job) -> PathSettings:
    """What the path finder is asked for."""
    from vmpath_service.pathfinder import PathSettings

    objective = job.settings.get("objective") or "balanced"
    return PathSettings(
        objective=objective,  # type: ignore[arg-type]  # one of its choices: it was checked
        limits=job.limits,
        time_limit=job.seconds * SHARE_FOR_SEARCH,
        cost=job.cost,
        strategy=job.strategy,
    )


def facts_of(cloud: CompiledCloud, plan: Plan, keys: Keys) -> Facts:
    """What the executor has to know of the instances and hosts of a plan."""
    moved = {each.instance for each in plan.migrations}
    hosts = {host for each in plan.migrations for host in (each.source, each.dest)}
    return gather(cloud, moved, hosts, keys)


def plain(decision: Decision, names: Mapping[str, str | None]) -> dict[str, Any]:
    """A decision as plain data without what the plan says: the placement and the reasons. ``names``: of instances,
    for those that stay; they are remembered when the instance is gone."""
    elsewhere = ("placement", "reasons")
    kept = {each.name: getattr(decision, each.name) for each in fields(decision) if each.name not in elsewhere}
    found: dict[str, Any] = msgspec.to_builtins(kept, enc_hook=dict)
    for each in found["leftovers"]:
        each["instance_name"] = names.get(each["instance"])
    return found


def plan_apart(job: Job, cancelled: Callable[[], bool], make: Callable[[Job], bytes] = make_plan) -> Planned:
    """Make a plan in a process of its own; see ``apart``."""
    return msgspec.json.decode(apart(job, cancelled, make), type=Planned)


def apart(job: Work, cancelled: Callable[[], bool], make: Callable[[Work], bytes]) -> bytes:
    """Work something out in a process of its own.

    ``cancelled`` is asked several times a second; ``make`` is a function of a module that the process can import.
    Raises what ``make`` raises of VmpathError; PlanningFailed if it was cancelled, took longer than ``job.seconds``,
    died, or raised anything else.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work_and_tell, args=(make, job, theirs), name="vmpath-planning", daemon=True)
    deadline = time.monotonic() + job.seconds
    try:
        try:
            process.start()
        except OSError as error:
            raise PlanningFailed(f"the planning process did not start: {error}") from error
        finally:
            theirs.close()
        while not connection.wait([ours, process.sentinel], GLANCE):
            if cancelled():
                raise PlanningFailed("planning was cancelled")
            if time.monotonic() > deadline:
                raise PlanningFailed(f"planning took longer than {job.seconds:g} s")
        return _answer(ours, process)
    finally:
        ours.close()
        _end(process)


def _answer(ours: connection.Connection, process: SpawnProcess) -> bytes:
    try:
        answer = ours.recv() if ours.poll() else None
    except (EOFError, OSError):
        answer = None
    if answer is None:
        process.join(LAST_CHANCE)
        raise PlanningFailed(f"the planning process died (exit code {process.exitcode})")
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, VmpathError):
        raise answer
    summary, details = answer
    LOG.error("Planning broke: %s", details)
    raise PlanningFailed(f"planning broke: {summary}")


def _end(process: SpawnProcess) -> None:
    if process.pid is None:
        return
    process.kill()  # it holds nothing that would have to be put away
    process.join()
    process.close()


def _work_and_tell(make: Callable[[Work], bytes], job: Work, pipe: connection.Connection) -> None:
    """In the planning process."""
    # a terminal or an init system tells the whole group to end: the parent decides what becomes of planning
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.nice(5)
    try:
        pipe.send(make(job))
    except VmpathError as error:
        pipe.send(error)
    except Exception as error:  # noqa: BLE001  (told to the parent, which logs it)
        pipe.send((f"{type(error).__name__}: {error}", traceback.format_exc()))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
