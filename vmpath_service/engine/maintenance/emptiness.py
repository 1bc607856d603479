"""Whether hosts are empty: by what Nova has there and by what Placement counts there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vmpath_service.model.snapshot import Snapshot

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is left on a host: instances (with the reason why they stay), and amounts that no listed instance
    explains: leaked allocations, migrations that have not been confirmed."""

    host: str
    instances: tuple[str, ...]
    unexplained: tuple[tuple[str, int], ...]

    def in_words(self) -> str:
        parts = []
        if self.instances:
            named = "; ".join(self.instances[:_MOST_NAMED])
            more = f"; and {len(self.instances) - _MOST_NAMED} more" if len(self.instances) > _MOST_NAMED else ""
            parts.append(f"{len(self.instances)} instances on it ({named}{more})")
        if self.unexplained:
            amounts = ", ".join(f"{amount} {name}" for name, amount in self.unexplained)
            parts.append(f"{amounts} held there in Placement by no listed instance (see vmpath allocation check)")
        return f"{self.host} has {' and '.join(parts)}"


def remainders(snapshot: Snapshot, hosts: Collection[str]) -> Sequence[Remainder]:
    """What is left on each of these hosts that is not empty. A host that is not in the snapshot is empty of what
    anybody knows, which is nothing: it counts as not empty."""
    wanted = set(hosts)
    labels = {instance.uuid: instance.label() for instance in snapshot.instances}
    names: dict[str, list[str]] = {name: [] for name in hosts}
    for instance in snapshot.instances:
        if instance.host in wanted:
            why = f": {instance.why_not}" if instance.why_not else ""
            names[str(instance.host)].append(f"{instance.label()}{why}")
    for flight in snapshot.in_flight:
        for end in {flight.source, flight.dest} & wanted:
            names[end].append(f"{labels.get(flight.instance, flight.instance)}: it is being migrated")
    known = {host.name: host for host in snapshot.hosts if host.name in wanted}
    found = []
    for name in hosts:
        if name not in known:
            found.append(Remainder(name, ("Nova does not list the host",), ()))
            continue
        held = tuple(sorted((kind, amount) for kind, amount in known[name].used_by_others.items() if amount > 0))
        if names[name] or held:
            found.append(Remainder(name, tuple(names[name]), held))
    return found
