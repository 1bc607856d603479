"""Constraints that judge single moves by where everybody is (vetoes): asking them, and what they ask of the order.

What a veto says of a move may depend on the residents of some hosts: those that its ``veto_scope`` names, else all. A
migration that comes to or leaves one of these hosts must not be under way together with the move, and must come on the
same side of it as in the sequence; then, at the start of the move, these hosts hold what they held when the veto was
asked, in any timing and whoever hangs, and nobody changes that until the move has ended. Where there is no scope, that
makes the order a chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.pathfinder.problem import Move, Problem


class Whereabouts(Mapping[str, str | None]):
    """Uuid to host name of a list of positions, without a copy.

    ``other_ends``: instances in flight in the snapshot are shown at the other end of their migration.
    """

    def __init__(self, cloud: CompiledCloud, where: Sequence[int], *, other_ends: bool = False) -> None:
        self._cloud, self._where = cloud, where
        self._elsewhere: Mapping[int, int] = cloud.also_at if other_ends else {}

    def __getitem__(self, uuid: str) -> str | None:
        guest = self._cloud.instance_index[uuid]
        host = self._elsewhere.get(guest, self._where[guest])
        return None if host == NOWHERE else self._cloud.snapshot.hosts[host].name

    def __iter__(self) -> Iterator[str]:
        return iter(self._cloud.instance_index)

    def __len__(self) -> int:
        return len(self._cloud.instance_index)


def refused(problem: Problem, where: Sequence[int], guest: int, dest: int) -> bool:
    """Whether a veto forbids the move at this moment, whichever end those in flight are taken to be at."""
    cloud = problem.cloud
    instance, host = cloud.snapshot.instances[guest], cloud.snapshot.hosts[dest]
    readings = (False, True) if cloud.also_at else (False,)
    return any(
        veto(instance, host, Whereabouts(cloud, where, other_ends=reading))
        for veto in cloud.vetoes
        for reading in readings
    )


def scope(problem: Problem, move: Move) -> set[int] | None:
    """The hosts whose residents a veto of the move may look at; None: all."""
    cloud = problem.cloud
    instance, host = cloud.snapshot.instances[move.guest], cloud.snapshot.hosts[move.dest]
    found: set[int] = set()
    for names in cloud.veto_scopes:
        hosts = None if names is None else names(instance, host)
        if hosts is None:
            return None
        found.update(cloud.host_index[name] for name in hosts if name in cloud.host_index)
    return found


@dataclass(slots=True)
class _Side:
    """Moves that change what is on a host, or that look at it, one after the other in the sequence with none of the
    other kind between them; ``before``: those of the other kind just before them."""

    looking: bool | None = None
    moves: list[int] = field(default_factory=list)
    before: list[int] = field(default_factory=list)


def edges(problem: Problem, moves: Sequence[Move]) -> list[set[int]] | None:
    """Per move: earlier ones that must have ended when it starts, for the sake of the vetoes. None: all of them."""
    after: list[set[int]] = [set() for _ in moves]
    if not problem.cloud.vetoes:
        return after
    sides: dict[int, _Side] = {}
    for position, move in enumerate(moves):
        looked_at = scope(problem, move)
        if looked_at is None:
            return None
        touched = {move.source, move.dest}
        for host in sorted(looked_at | touched):
            side = sides.setdefault(host, _Side())
            # who looks and changes stands alone
            looking = None if host in looked_at and host in touched else host in looked_at
            if not side.moves or looking is None or side.looking != looking:
                side.before, side.moves, side.looking = side.moves, [], looking
            side.moves.append(position)
            after[position].update(side.before)
    return after
