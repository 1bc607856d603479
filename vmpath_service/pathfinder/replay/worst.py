"""The timing in which most is held on a host when a migration to it starts: found exactly, as a minimum cut.

What may have ended at that moment is any set of steps that contains, with each step, all that it comes after; it
contains all that the migration comes after and nothing that comes after the migration. An arrival on the host counts
once it may have started, a departure no longer once it has ended. So each arrival wins its amount and wants its
predecessors in the set, each departure in the set costs its amount: a closure of greatest weight, which a minimum cut
gives (J.-C. Picard, Maximal closure of a graph, Management Science 22, 1976). Everything else hangs or has not begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from vmpath_service.model.plan import HostStep, Migration
from vmpath_service.pathfinder.replay.graph import PartialOrder

_SOURCE, _SINK = (0, "source"), (0, "sink")
_Node = tuple[int, str]


def worst_moment(
    steps: Sequence[HostStep | Migration],
    graph: PartialOrder,
    migration: Migration,
    amount: Callable[[str], int],
) -> set[int]:
    """The steps that have ended when most is held on the destination as the migration starts.

    ``amount``: what an instance takes of what is looked at.
    """
    must = graph.before(migration.id)
    never = graph.beyond(migration.id) | {migration.id}
    host = migration.dest
    network = _Network()
    wanted: list[int] = []
    for step in steps:
        if isinstance(step, HostStep) or step.dest != host or step.id in never or not amount(step.instance):
            continue
        start = (step.id, "start")
        network.add(_SOURCE, start, amount(step.instance))
        for earlier in step.after:
            if earlier not in must:
                network.add(start, (earlier, "end"), None)
                wanted.append(earlier)
    by_id = {step.id: step for step in steps}
    seen = set(must)
    while wanted:
        identity = wanted.pop()
        if identity in seen:
            continue
        seen.add(identity)
        step = by_id[identity]
        end = (identity, "end")
        if isinstance(step, Migration) and step.source == host:
            network.add(end, _SINK, amount(step.instance))
        for earlier in step.after:
            if earlier not in must:
                network.add(end, (earlier, "end"), None)
                wanted.append(earlier)
    return must | {identity for identity, what in network.source_side() if what == "end"}


class _Network:
    """A flow network; ``None`` as capacity means no limit."""

    def __init__(self) -> None:
        self._rest: dict[_Node, dict[_Node, float]] = {_SOURCE: {}, _SINK: {}}

    def add(self, tail: _Node, head: _Node, capacity: int | None) -> None:
        """An edge; its capacity is added to what there is."""
        ahead, back = self._rest.setdefault(tail, {}), self._rest.setdefault(head, {})
        ahead[head] = ahead.get(head, 0) + (float("inf") if capacity is None else capacity)
        back.setdefault(tail, 0)

    def source_side(self) -> set[_Node]:
        """What can still be reached from the source once the flow is as great as it can be."""
        while True:
            came = self._reached()
            if _SINK not in came:
                return set(came)
            way = [_SINK]
            while way[-1] != _SOURCE:
                way.append(came[way[-1]])
            pairs = list(zip(way[1:], way, strict=False))
            flow = min(self._rest[tail][head] for tail, head in pairs)
            for tail, head in pairs:
                self._rest[tail][head] -= flow
                self._rest[head][tail] += flow

    def _reached(self) -> dict[_Node, _Node]:
        """Nodes that the source reaches by edges with something left, each with the node before it."""
        came = {_SOURCE: _SOURCE}
        queue = deque([_SOURCE])
        while queue and _SINK not in came:
            node = queue.popleft()
            for head, rest in self._rest[node].items():
                if rest > 0 and head not in came:
                    came[head] = node
                    queue.append(head)
        return came
