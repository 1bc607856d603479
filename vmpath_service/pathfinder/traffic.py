"""How many migrations may be under way: slots of hosts, in total, per server group, and the rates of links."""

from __future__ import annotations

from collections.abc import Iterable

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.duration import forecast, links_between, rate_mbps

# Rates are sums of floats: what differs by less than this is equal.
SLACK = 1e-6

Key = int
"""Keys below the number of hosts are left to the room on each host, which is accounted elsewhere."""


class Traffic:
    """Accounts of what is under way, by limited things, each with an integer as its key.

    ``blocker`` names the one thing that keeps a migration from starting, so that whoever is refused can wait for
    just that; ``finish`` returns all that became freer.
    """

    def __init__(self, cloud: CompiledCloud, limits: Limits) -> None:
        self.cloud, self.limits = cloud, limits
        snapshot = cloud.snapshot
        self._hosts = len(snapshot.hosts)
        self._linked = snapshot.network is not None
        self._slots = limits.per_host
        self._out = [0] * self._hosts
        self._in = [0] * self._hosts
        self._total = 0
        self._total_key = 3 * self._hosts
        self._groups_of: dict[int, list[int]] = {}
        if limits.per_group is not None:
            for number, group in enumerate(snapshot.server_groups):
                for member in group.members:
                    self._groups_of.setdefault(cloud.instance_index[member], []).append(number)
        self._in_group = [0] * len(snapshot.server_groups)
        self._group_key = self._total_key + 1
        self.first_shared = self._total_key
        """Keys from here on stand for what is not one host's own."""
        names = sorted(snapshot.network.links) if snapshot.network is not None else []
        self.first_link = self._group_key + len(snapshot.server_groups)
        self._link_number = {name: number for number, name in enumerate(names)}
        self._link_limit = [float(snapshot.network.links[name]) for name in names] if snapshot.network else []
        self._names = names
        self._load = [0.0] * (2 * len(names))
        self._users = [0] * (2 * len(names))
        self._paths: dict[tuple[int, int], tuple[float, list[int]]] = {}
        self._seconds: dict[tuple[object, float], float] = {}
        self.keys = self.first_link + len(self._load)
        """Keys are below this."""

    def path(self, source: int, dest: int) -> tuple[float, list[int]]:
        """The rate in Mbit/s between two hosts and the link ends on the way."""
        if not self._linked:
            return self.limits.migration_mbps, []
        found = self._paths.get((source, dest))
        if found is None:
            hosts = self.cloud.snapshot.hosts
            a, b = hosts[source], hosts[dest]
            rate = rate_mbps(self.cloud.snapshot, a, b, self.limits.migration_mbps)
            ends = [2 * self._link_number[link] + outward for link, outward in links_between(a, b)]
            found = self._paths[source, dest] = (rate, ends)
        return found

    def link(self, end: int) -> tuple[str, float]:
        """The name of the link of a link end, and its rate in Mbit/s."""
        return self._names[end >> 1], self._link_limit[end >> 1]

    def seconds(self, guest: int, rate: float) -> float:
        """How long the instance takes at a rate in Mbit/s."""
        instance = self.cloud.snapshot.instances[guest]
        plain = instance.memory is None and instance.storage is None
        key = (instance.memory_mb() if plain else -1 - guest, rate)
        known = self._seconds.get(key)
        if known is None:
            known = self._seconds[key] = forecast(instance, rate).seconds
        return known

    def blocker(self, guest: int, source: int, dest: int) -> Key | None:
        """What keeps the migration from starting now, or None."""
        if self._slots is not None:
            if self._out[source] >= self._slots:
                return self._hosts + source
            if self._in[dest] >= self._slots:
                return 2 * self._hosts + dest
        if self.limits.in_total is not None and self._total >= self.limits.in_total:
            return self._total_key
        if self._groups_of:
            for group in self._groups_of.get(guest, ()):
                if self._in_group[group] >= (self.limits.per_group or 0):
                    return self._group_key + group
        if self._linked:
            rate, ends = self.path(source, dest)
            for end in ends:
                if self._load[end] + rate > self._link_limit[end >> 1] * (1 + SLACK) and self._users[end]:
                    return self.first_link + end
        return None

    def idle_out(self, host: int) -> int:
        """How many more migrations from this host its slots admit."""
        return self._hosts if self._slots is None else self._slots - self._out[host]

    def idle_in(self, host: int) -> int:
        """How many more migrations to this host its slots admit."""
        return self._hosts if self._slots is None else self._slots - self._in[host]

    def wanted(self, guest: int, source: int, dest: int) -> list[Key]:
        """All that the migration takes while it is under way."""
        keys = []
        if self._slots is not None:
            keys += [self._hosts + source, 2 * self._hosts + dest]
        if self.limits.in_total is not None:
            keys.append(self._total_key)
        keys += [self._group_key + group for group in self._groups_of.get(guest, ())]
        if self._linked:
            keys += [self.first_link + end for end in self.path(source, dest)[1]]
        return keys

    def shares(self, guest: int, source: int, dest: int) -> list[tuple[Key, float, float]]:
        """Of all that the migration takes while it is under way: the key, how much of it, and how much there is."""
        shares: list[tuple[Key, float, float]] = []
        if self._slots is not None:
            shares += [(self._hosts + source, 1, self._slots), (2 * self._hosts + dest, 1, self._slots)]
        if self.limits.in_total is not None:
            shares.append((self._total_key, 1, self.limits.in_total))
        for group in self._groups_of.get(guest, ()):
            shares.append((self._group_key + group, 1, self.limits.per_group or 0))
        if self._linked:
            rate, ends = self.path(source, dest)
            shares += [(self.first_link + end, rate, self._link_limit[end >> 1] * (1 + SLACK)) for end in ends]
        return shares

    def start(self, guest: int, source: int, dest: int) -> None:
        """The migration is under way."""
        self._out[source] += 1
        self._in[dest] += 1
        self._total += 1
        for group in self._groups_of.get(guest, ()):
            self._in_group[group] += 1
        if self._linked:
            rate, ends = self.path(source, dest)
            for end in ends:
                self._load[end] += rate
                self._users[end] += 1

    def finish(self, guest: int, source: int, dest: int) -> Iterable[Key]:
        """The migration has ended; yields what it no longer takes."""
        self._out[source] -= 1
        self._in[dest] -= 1
        self._total -= 1
        for group in self._groups_of.get(guest, ()):
            self._in_group[group] -= 1
        if self._linked:
            rate, ends = self.path(source, dest)
            for end in ends:
                self._users[end] -= 1
                # what is left of sums of floats must not add up over a long plan
                self._load[end] = self._load[end] - rate if self._users[end] else 0.0
        return self.wanted(guest, source, dest)
