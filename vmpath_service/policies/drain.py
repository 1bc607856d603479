"""``drain``: empty the hosts that the request names."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import held, obstacle, ordered_placement
from vmpath_service.policies.course import Course
from vmpath_service.policies.emptying import CountedCourse, leftover, place, reasons_to_leave
from vmpath_service.policies.leftovers import OPTIONS, fallen_short
from vmpath_service.policies.scope import hosts_named, reach


class DrainPolicy(Policy):
    """Empties hosts by live migration, for maintenance.

    Every instance that may be migrated leaves the named hosts (``--host``, at least one); each goes to a host
    that is up, enabled, within the scope, admits it and has room for it now, so that a path exists. Only what
    must move is moved; where an instance finds no place, others are moved off a host to make room for it. The
    named hosts are disabled before the first migration, so that nothing new arrives.

    What cannot be migrated (locked, in a strict affinity group, a device passed through, ...) stays, and is
    listed with the reason; ``on_locked`` and the like say what that means for the drain. If there is not enough
    room, as many instances as possible leave, and the answer says how much is missing and what would help. The score
    is the number of instances on the named hosts.
    """

    name = "drain"
    summary = "Empties the named hosts, moving as little as possible."
    asks_for_all = True
    hosts_are_sources = True
    options = (
        Option(
            "destinations",
            "string",
            "Which of the hosts that have room take an instance: the least filled (spread) or the fullest (pack).",
            "spread",
            choices=("spread", "pack"),
        ),
        Option(
            "avoid_hosts",
            "list",
            "Hosts that take an instance only where no other has room for it: those that are to be emptied next.",
            (),
        ),
        Option("evict", "boolean", "Whether other instances may be moved to make room where that is needed.", True),
        *OPTIONS,
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        if not scope.hosts:
            raise InvalidInput("drain: no host is named; name at least one with --host")
        within = reach(cloud, scope, self.settings, hosts_are_sources=True)
        sources = hosts_named(cloud, scope.hosts)
        emptying = set(sources)
        movers: list[int] = []
        leftovers: list[Leftover] = []
        for guest, host in enumerate(cloud.home):
            if host not in emptying:
                continue
            reason = obstacle(cloud, guest)
            if reason is None:
                movers.append(guest)
            else:
                leftovers.append(leftover(cloud, guest, reason))
        for guest, host in cloud.also_at.items():
            if host in emptying and cloud.home[guest] not in emptying:
                leftovers.append(leftover(cloud, guest, cloud.pinned[guest], host))

        stay = [(cloud.instance_index[each.instance], each.reason) for each in leftovers]
        short = fallen_short(cloud, self.settings, stay)
        limit = read.whole(self.settings, "max_migrations")
        wished = read.text(self.settings, "destinations") or "spread"
        evict = bool(self.settings.get("evict"))
        destinations = [host for host in within.destinations if host not in emptying]
        avoid = frozenset(hosts_named(cloud, read.names(self.settings, "avoid_hosts")))
        emptied = place(cloud, destinations, movers, limit, wished=wished, evict=evict, avoid=avoid)
        leftovers += emptied.leftovers(limit)
        board = emptied.board
        where = board.accounts.where
        staying = held(cloud, where)
        hosts = cloud.snapshot.hosts
        return Decision(
            placement=ordered_placement(cloud, board.moved, where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(leftovers),
            disable=tuple(hosts[host].name for host in sources),
            emptied=tuple(hosts[host].name for host in sources if not staying[host]),
            shortage="; ".join(filter(None, (short, emptied.shortage(movers, sources, limit)))) or None,
            reasons=reasons_to_leave(cloud, board, emptying, lambda host: f"{host} is to be emptied"),
        )

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        return CountedCourse(cloud, hosts_named(cloud, scope.hosts))

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        emptying = set(hosts_named(cloud, scope.hosts))
        there = [guest for guest, host in enumerate(where) if host in emptying]
        arriving = sum(host in emptying and where[guest] not in emptying for guest, host in cloud.also_at.items())
        memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in there)
        value = float(len(there) + arriving)
        return Score(value, "instances on the hosts to empty", {"instances": value, "memory_mb": float(memory)})
