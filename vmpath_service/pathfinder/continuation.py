"""A way that begins with steps that are known: the search finds only what they leave undone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import msgspec

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.placement import Placement
from vmpath_service.pathfinder import admission
from vmpath_service.pathfinder.answer import Answer
from vmpath_service.pathfinder.budget import Budget
from vmpath_service.pathfinder.needless import straightened
from vmpath_service.pathfinder.partial import may_go
from vmpath_service.pathfinder.problem import Move, Problem, pose
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.settings import PathSettings
from vmpath_service.pathfinder.strategies import registry as strategies


def continued(
    problem: Problem, hint: Sequence[Move], settings: PathSettings, budget: Budget, *, as_it_is: bool
) -> Answer | None:
    """A whole way that begins with known steps, as many of them as lead on; None if there is none to be found so.

    ``as_it_is``: known steps that suffice are not made fewer where that could be done.
    """
    kept, room = _kept(problem, hint)
    length = len(kept)
    while length:
        moves = kept[:length]
        if length < len(kept):
            _, room = _kept(problem, moves)
        if any(room.where[guest] not in (NOWHERE, host) for guest, host in enumerate(problem.goal)):
            onward = pose(*_moved(problem, moves, room), settings.limits, settings.cost)
            if list(admission.obstacles(onward)):
                return None
            rest = strategies.make(settings.strategy).find(onward, settings, budget.share(budget.left // 2), None)
            if rest.outcome != "found":
                length //= 2
                continue
            moves = [*moves, *rest.moves]
        elif as_it_is:
            return Answer("found", moves)
        short, _ = straightened(problem, moves, [0.0] * len(moves))
        return Answer("found", short)
    return None


def _kept(problem: Problem, hint: Sequence[Move]) -> tuple[list[Move], Room]:
    """The known steps that are legal one after the other, and the room after them."""
    room = Room(problem.cloud, problem.departures)
    kept: list[Move] = []
    lost: set[int] = set()
    for move in hint:
        if move.guest in lost:
            continue
        if room.where[move.guest] != move.source or not may_go(problem, room, move.guest, move.dest):
            lost.add(move.guest)
            continue
        room.move(move.guest, move.dest)
        kept.append(move)
    return kept, room


def _moved(problem: Problem, moves: Sequence[Move], room: Room) -> tuple[CompiledCloud, Placement]:
    """The cloud as it is after these moves, with the hosts up that they need, and what is left to be asked of it."""
    cloud = problem.cloud
    awake = {move.dest for move in moves}
    hosts = tuple(
        msgspec.structs.replace(host, state="up") if number in awake else host
        for number, host in enumerate(cloud.snapshot.hosts)
    )
    names = [host.name for host in hosts]
    instances = tuple(
        msgspec.structs.replace(instance, host=names[room.where[guest]])
        if room.where[guest] not in (NOWHERE, cloud.home[guest])
        else instance
        for guest, instance in enumerate(cloud.snapshot.instances)
    )
    gone = set(problem.departures)
    home = [before if guest in gone else room.where[guest] for guest, before in enumerate(cloud.home)]
    snapshot = msgspec.structs.replace(cloud.snapshot, hosts=hosts, instances=instances)
    wanted: dict[str, str | None] = {
        instances[guest].uuid: None if host == NOWHERE else names[host]
        for guest, host in enumerate(problem.goal)
        if host != home[guest]
    }
    return dataclasses.replace(cloud, snapshot=snapshot, home=home), Placement(wanted)
