"""A decision under all guards, with its curve: what services and commands call."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.plan import Plan
from vmpath_service.policies import settings as read
from vmpath_service.policies import shortage
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope
from vmpath_service.policies.board import Board, held, named_placement
from vmpath_service.policies.course import curve, worth
from vmpath_service.policies.guards import guarded
from vmpath_service.policies.settings import Settings

Move = tuple[int, int]
_NO_GAIN = "no further migration would lower the score"


def decide(policy: Policy, cloud: CompiledCloud, scope: Scope) -> Decision:
    """What the policy decides where it leaves alone what its guards say, cut where they say so.

    Raises what ``policy.decide`` raises, and InvalidInput for guards that make no sense for the cloud.
    """
    cloud = guarded(cloud, policy.settings)
    decision = policy.decide(cloud, scope)
    wanted = [(cloud.instance_index[uuid], cloud.host_index[name]) for uuid, name in decision.placement.items()]
    moves, waiting = in_turn(cloud, wanted)
    within, why = _within(cloud, policy.settings, moves, waiting)
    points = curve(cloud, policy.course(cloud, scope), within if why else (*moves, *waiting))
    least = read.number(policy.settings, "min_gain")
    if why or least:
        stop = worth(points, least)
        if not why and stop < len(wanted):
            why = f"min_gain = {least:g}: all further migrations would gain less"
        kept = (within or [*moves, *waiting])[:stop]
        # what is last in turn fits only once all the others have moved
        if why and (within or stop <= len(moves)):
            decision = _cut(policy, cloud, scope, decision, kept, why)
            points = tuple(point for point in points if point.migrations <= stop)
    broken = _broken(cloud) if "heal" not in policy.name else None
    notes = decision.notes if broken is None else (*decision.notes, broken)
    return dataclasses.replace(decision, curve=points, notes=notes)


def _broken(cloud: CompiledCloud) -> str | None:
    """What is wrong before anything moves, with the way out, or None."""
    accounts, hosts = Occupancy(cloud), cloud.snapshot.hosts
    over = [
        hosts[host].name
        for host, (row, most) in enumerate(zip(accounts.used, cloud.capacity, strict=True))
        if any(used > limit for used, limit in zip(row, most, strict=True))
    ]
    groups = [
        cloud.counter_names[counter]
        for counter, limit in enumerate(cloud.counter_limits)
        if any(count > limit for count in accounts.counts[counter].values())
    ]
    parts = [f"{name} is over its capacity" for name in over[:1]] + [f"{name} is violated" for name in groups[:1]]
    if not parts:
        return None
    more = len(over) + len(groups) - len(parts)
    rest = f", and {more} more" if more else ""
    return f"the cloud is broken before anything moves ({' and '.join(parts)}{rest}): the policy heal repairs that"


def in_turn(cloud: CompiledCloud, wanted: Sequence[Move]) -> tuple[list[Move], list[Move]]:
    """The moves in an order close to the one given in which each has room, and those for which none was found:
    they have to make a detour."""
    board = Board(cloud, ())
    moves: list[Move] = []
    waiting = list(wanted)
    progress = True
    while progress and waiting:
        progress = False
        still: list[Move] = []
        for guest, host in waiting:
            if board.may_arrive(guest, host):
                board.move(guest, host)
                moves.append((guest, host))
                progress = True
            else:
                still.append((guest, host))
        waiting = still
    return moves, waiting


def _within(
    cloud: CompiledCloud, settings: Settings, moves: Sequence[Move], waiting: Sequence[Move]
) -> tuple[list[Move], str | None]:
    """Of the moves those that the limits leave, each with room at its turn; why not all, or None."""
    most = {
        name: limit
        for name in ("max_migrations", "max_memory", "max_hosts_touched")
        if (limit := read.whole(settings, name)) is not None
    }
    every = [*moves, *waiting]
    exceeded = [name for name, amount in _amounts(cloud, every).items() if name in most and amount > most[name]]
    if not exceeded:
        return [], None
    board = Board(cloud, ())
    kept: list[Move] = []
    touched: set[int] = set()
    memory = 0
    for guest, host in moves:
        ends = touched | {cloud.home[guest], host}
        size = cloud.snapshot.instances[guest].memory_mb()
        reached = {"max_migrations": len(kept) + 1, "max_memory": memory + size, "max_hosts_touched": len(ends)}
        if any(amount > most.get(name, amount) for name, amount in reached.items()):
            continue
        if not board.may_arrive(guest, host):
            continue
        board.move(guest, host)
        kept.append((guest, host))
        touched, memory = ends, memory + size
    return kept, " and ".join(f"{name} = {most[name]}" for name in exceeded) + " is used up"


def _amounts(cloud: CompiledCloud, moves: Iterable[Move]) -> Mapping[str, int]:
    every = list(moves)
    return {
        "max_migrations": len(every),
        "max_memory": sum(cloud.snapshot.instances[guest].memory_mb() for guest, _ in every),
        "max_hosts_touched": len({end for guest, host in every for end in (cloud.home[guest], host)}),
    }


def _cut(
    policy: Policy, cloud: CompiledCloud, scope: Scope, decision: Decision, kept: Sequence[Move], why: str
) -> Decision:
    where = list(cloud.home)
    for guest, host in kept:
        where[guest] = host
    instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
    chosen = {instances[guest].uuid: hosts[host].name for guest, host in kept}
    dropped = [uuid for uuid in decision.placement if uuid not in chosen]
    left = [Leftover(uuid, hosts[cloud.home[cloud.instance_index[uuid]]].name, why) for uuid in dropped]
    counts = held(cloud, where)
    short = [decision.shortage] if decision.shortage else []
    if policy.asks_for_all:
        short.append(shortage.held_back(len(dropped), why))
    return dataclasses.replace(
        decision,
        placement=chosen,
        after=policy.score(cloud, where, scope),
        leftovers=(*decision.leftovers, *left),
        emptied=tuple(name for name in decision.emptied if not counts[cloud.host_index[name]]),
        in_use={**decision.in_use, **{name: why for name in decision.emptied if counts[cloud.host_index[name]]}},
        shortage="; ".join(short) or None,
        notes=(*decision.notes, f"{len(dropped)} further migrations are left out: {why}"),
        reasons={uuid: text for uuid, text in decision.reasons.items() if uuid in chosen},
    )


def as_if(cloud: CompiledCloud, where: Sequence[int], closed: Iterable[str] = ()) -> CompiledCloud:
    """The cloud as it would be with each instance on ``where[instance]`` and nothing arriving on ``closed`` hosts.

    Where not every host can be reached from every other, who has moved stays: a stop on the way is no target.
    """
    snapshot = cloud.snapshot
    moved = named_placement(cloud, where)
    shut = set(closed)
    if not moved and not shut:
        return cloud
    hosts = tuple(
        msgspec.structs.replace(host, status="disabled") if host.name in shut else host for host in snapshot.hosts
    )
    instances = tuple(
        msgspec.structs.replace(each, host=moved[each.uuid]) if each.uuid in moved else each
        for each in snapshot.instances
    )
    pinned = cloud.pinned
    if not cloud.free_passage():
        stay = {cloud.instance_index[uuid]: "it has been moved already" for uuid in moved}
        pinned = {**stay, **pinned}
    return dataclasses.replace(
        cloud,
        snapshot=msgspec.structs.replace(snapshot, hosts=hosts, instances=instances),
        home=list(where),
        pinned=pinned,
    )


def along(policy: Policy, cloud: CompiledCloud, scope: Scope, decision: Decision, plan: Plan) -> tuple[Decision, Plan]:
    """The decision with its curve in the order of the plan's migrations, and the plan with the policy's reasons.

    A migration to a stop on the way keeps the reason that the path finder gave.
    """
    moves = [
        (cloud.instance_index[each.instance], cloud.host_index[each.dest])
        for each in plan.migrations
        if each.instance in cloud.instance_index and each.dest in cloud.host_index
    ]
    migrations = tuple(
        msgspec.structs.replace(each, reason="; ".join(filter(None, (decision.reasons[each.instance], each.reason))))
        if each.instance in decision.reasons and not each.bypass
        else each
        for each in plan.migrations
    )
    followed = dataclasses.replace(decision, curve=curve(cloud, policy.course(cloud, scope), moves))
    return followed, msgspec.structs.replace(plan, migrations=migrations)
