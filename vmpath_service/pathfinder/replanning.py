"""A new plan for the rest of one that is under way in a world that has changed, and the way back.

Both begin with steps that are known: what is left of the plan, in its order, or the mirror of what was done. Those
that are legal one after the other in the world as it is now are kept; the search has to find only what they leave
undone. If none of that leads on, it begins anew.

In-flight migrations are pinned: their instances are not touched and count at both ends for as long as the new plan
lasts, so it is safe however they end.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Migration, Plan
from vmpath_service.model.snapshot import InFlight
from vmpath_service.pathfinder import admission, assembly
from vmpath_service.pathfinder.budget import Budget, deadline
from vmpath_service.pathfinder.continuation import continued
from vmpath_service.pathfinder.finder import WORK, check_limits, solve
from vmpath_service.pathfinder.partial import Ceiling, within
from vmpath_service.pathfinder.problem import Move, pose
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies import registry as strategies
from vmpath_service.pathfinder.wishes import GivenUp, Wish, possible

__all__ = ["GivenUp", "Replanned", "Underway", "replan", "way_back"]


@dataclass(frozen=True, slots=True)
class Underway:
    """A plan and how far it has come, as ids of its migrations.

    ``done``: ended well. ``in_flight``: requested and not known to have ended, however long ago. ``failed``: given up;
    their instances are where they were and are not moved again. All others have not begun.
    """

    plan: Plan
    done: frozenset[int] = frozenset()
    in_flight: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Replanned:
    """``plan`` is for the new snapshot and holds against it; its target is what can still be asked for.

    ``given_up``: what of the old target is not in the new one. ``kept``: of migrations of the new plan that are
    migrations of the old one (on the way back: their mirror images), the new and the old id. ``awaits``: instances in
    flight that are not where they are to end even if they arrive, or whose places others could use: plan again, with
    the old target, once they have ended.
    """

    plan: Plan
    given_up: tuple[GivenUp, ...]
    kept: Mapping[int, int]
    awaits: tuple[str, ...]


def replan(
    cloud: CompiledCloud,
    underway: Underway,
    settings: PathSettings,
    *,
    snapshot_identity: str,
    target: Placement | None = None,
    stop: Callable[[], bool] | None = None,
) -> Replanned:
    """A plan for the rest.

    ``cloud``: the world as it is now, with the constraints in force; its snapshot need not list those in flight.
    ``target``: where instances should be by now (default: what the old plan says, and back home for those that it
    sent out of the way). The settings are those of ``find_path``. What can no longer be had is given up: instances and
    hosts that are gone, hosts that take nothing in, instances that no longer fit or may not be moved.

    Outcomes as ``find_path`` has them, for what is left of the target. Deterministic. Raises InvalidInput for limits
    that admit nothing and for an unknown strategy, InvalidTarget where what is left makes no sense.
    """
    wish: dict[str, str | None] = {}
    for step in _in_order(underway, underway.done | underway.in_flight):
        wish.setdefault(step.instance, step.source)
    wish.update(underway.plan.target if target is None else target.placement)
    ended = underway.done | underway.in_flight | underway.failed
    rest = [step for step in _in_order(underway) if step.id not in ended]
    steps = [(step.id, step.instance, step.source, step.dest) for step in rest]
    world = _world(cloud, underway, pin_failed=True)
    return _plan(world, wish, steps, underway, settings, snapshot_identity, stop, as_it_is=False)


def way_back(
    cloud: CompiledCloud,
    underway: Underway,
    settings: PathSettings,
    *,
    snapshot_identity: str,
    stop: Callable[[], bool] | None = None,
) -> Replanned:
    """A plan that brings back what the old one has moved: the mirror of what was done where that is legal step by
    step, else a search.

    Instances that somebody else has moved on, that are gone, or whose home takes nothing in are given up; so is who
    departed. Arguments, outcomes and errors are those of ``replan``.
    """
    wish: dict[str, str | None] = {}
    last: dict[str, str] = {}
    done = _in_order(underway, underway.done)
    flying = {step.instance for step in _in_order(underway, underway.in_flight)}
    for step in (*done, *_in_order(underway, underway.in_flight)):
        wish.setdefault(step.instance, step.source)
    for step in done:
        last[step.instance] = step.dest
    strays = []
    for uuid, host in last.items():
        guest = cloud.instance_index.get(uuid)
        if guest is None or uuid in flying:
            continue
        now = cloud.home[guest]
        if now == NOWHERE or cloud.snapshot.hosts[now].name != host:
            strays.append(GivenUp(uuid, wish.pop(uuid), f"it is no longer on {host}, where it was brought"))
    steps = [(step.id, step.instance, step.dest, step.source) for step in reversed(done)]
    world = _world(cloud, underway, pin_failed=False)
    found = _plan(world, wish, steps, underway, settings, snapshot_identity, stop, as_it_is=True)
    return dataclasses.replace(found, given_up=(*strays, *found.given_up))


def _in_order(underway: Underway, which: frozenset[int] | None = None) -> list[Migration]:
    """Migrations in the order of their ids: all, or those with these ids."""
    steps = underway.plan.migrations
    return sorted((step for step in steps if which is None or step.id in which), key=lambda step: step.id)


def _world(cloud: CompiledCloud, underway: Underway, *, pin_failed: bool) -> CompiledCloud:
    """The cloud with what only the plan under way knows: who is in flight where, and who is not to be moved again."""
    pinned, also_at = dict(cloud.pinned), dict(cloud.also_at)
    flights = list(cloud.snapshot.in_flight)
    known = {flight.instance for flight in flights}
    for step in _in_order(underway, underway.in_flight):
        guest = cloud.instance_index.get(step.instance)
        if guest is None or step.instance in known:
            continue
        pinned.setdefault(guest, f"it is being migrated from {step.source} to {step.dest}")
        ends = [cloud.host_index.get(host, NOWHERE) for host in (step.source, step.dest)]
        if NOWHERE not in ends and cloud.home[guest] in ends:
            also_at[guest] = ends[1] if cloud.home[guest] == ends[0] else ends[0]
            flights.append(InFlight(step.instance, step.source, step.dest))
    for step in _in_order(underway, underway.failed) if pin_failed else ():
        guest = cloud.instance_index.get(step.instance)
        if guest is not None:
            pinned.setdefault(guest, f"its migration to {step.dest} failed")
    snapshot = msgspec.structs.replace(cloud.snapshot, in_flight=tuple(flights))
    return dataclasses.replace(cloud, pinned=pinned, also_at=also_at, snapshot=snapshot)


def _plan(
    cloud: CompiledCloud,
    wish: Wish,
    steps: Sequence[tuple[int, str, str, str]],
    underway: Underway,
    settings: PathSettings,
    snapshot_identity: str,
    stop: Callable[[], bool] | None,
    *,
    as_it_is: bool,
) -> Replanned:
    """``steps``: id, instance, source, dest of known steps, in the order in which they are to be tried; ``as_it_is``:
    they are not to be made fewer if they suffice."""
    began = time.perf_counter()
    check_limits(settings)
    flights = {flight.instance: flight for flight in cloud.snapshot.in_flight}
    target, given_up = possible(cloud, {uuid: host for uuid, host in wish.items() if uuid not in flights}, settings)
    problem = pose(cloud, target, settings.limits, settings.cost)
    admission.check_sanity(problem)
    budget = Budget(WORK, deadline(settings.time_limit), stop)
    answer = continued(problem, list(_known(cloud, steps)), settings, budget, as_it_is=as_it_is)
    if answer is None or not within(problem, answer.moves, Ceiling(settings.max_migrations, settings.max_memory_mb)):
        answer = solve(problem, strategies.make(settings.strategy), settings, budget)
    plan = assembly.assemble(
        problem,
        answer,
        settings,
        target=target,
        snapshot_identity=snapshot_identity,
        policy=underway.plan.policy,
        time_limited=budget.timed_out,
        began=began,
    )
    old: dict[tuple[str, str, str], list[int]] = {}
    for identity, *step in reversed(steps):
        old.setdefault((step[0], step[1], step[2]), []).append(identity)
    kept = {}
    for each in plan.migrations:
        same = old.get((each.instance, each.source, each.dest))
        if same:
            kept[each.id] = same.pop()
    unwilling = {each.host for each in given_up}
    awaits = tuple(
        uuid
        for uuid, flight in flights.items()
        if wish.get(uuid, flight.dest) not in (None, flight.dest)
        or unwilling & {flight.source, flight.dest}
        or plan.outcome != "found"
    )
    return Replanned(plan, tuple(given_up), kept, awaits)


def _known(cloud: CompiledCloud, steps: Sequence[tuple[int, str, str, str]]) -> Iterator[Move]:
    """Steps as moves, those apart whose instance or hosts are gone."""
    for _, uuid, source, dest in steps:
        if uuid in cloud.instance_index and source in cloud.host_index and dest in cloud.host_index:
            yield Move(cloud.instance_index[uuid], cloud.host_index[source], cloud.host_index[dest])
