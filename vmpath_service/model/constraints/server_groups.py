"""Strict server groups."""

from __future__ import annotations

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Counter
from vmpath_service.model.snapshot import Snapshot


class ServerGroupsConstraint(Constraint):
    """Strict anti-affinity: at most ``max_server_per_host`` members on a host, one that is leaving counts
    until its migration has ended (Nova counts so too). Strict affinity: a member whose group has another
    member placed cannot be moved at all, since Nova admits it only where the others are. Soft policies do
    not restrict; policies may score them.
    """

    name = "server-groups"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        placed = {instance.uuid for instance in snapshot.instances if instance.host is not None}
        counters = []
        pinned = {}
        for group in snapshot.server_groups:
            label = f"server group {group.name or group.uuid}"
            if group.policy == "anti-affinity":
                counters.append(Counter(label, group.max_per_host(), group.members))
            elif group.policy == "affinity" and sum(member in placed for member in group.members) > 1:
                for member in group.members:
                    pinned[member] = f"it belongs to the strict affinity {label}, whose members Nova keeps together"
        return CompiledConstraint(counters=tuple(counters), pinned=pinned)
