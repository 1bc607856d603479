"""What a migration takes on its way from one host to another: its rate, its time, its shares of what is limited."""

from __future__ import annotations

from collections import Counter

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.duration import forecast, links_between, rate_mbps

# Rates are sums of floats: what differs by less than this is equal.
SLACK = 1e-6

Key = int
"""A limited thing. Keys below the number of hosts are left to the room on each host, which is accounted elsewhere."""
Share = tuple[Key, float, float]
"""A limited thing, how much of it a migration takes while it is under way, and how much of it there is."""


class Ways:
    """What is known of ways before anything moves; worked out when first asked for.

    Limited things are the outgoing and the incoming slots of each host, the number of all migrations, that of each
    server group, and the rate of each link in each direction.
    """

    def __init__(self, cloud: CompiledCloud, limits: Limits) -> None:
        self.cloud, self.limits = cloud, limits
        snapshot = cloud.snapshot
        self.hosts = hosts = len(snapshot.hosts)
        self.linked = snapshot.network is not None
        slots = limits.per_host
        self.slots: int | None = slots
        # slots of hosts: first the outgoing ones, then the incoming ones
        self._slots: list[Share] = [] if slots is None else [(hosts + key, 1, slots) for key in range(2 * hosts)]
        self.first_shared = 3 * hosts
        """Keys from here on stand for what is not one host's own."""
        self._total: tuple[Share, ...] = () if limits.in_total is None else ((self.first_shared, 1, limits.in_total),)
        self._groups_of: dict[int, tuple[Share, ...]] = {}
        first_group = self.first_shared + 1
        if limits.per_group is not None:
            for number, group in enumerate(snapshot.server_groups):
                for member in group.members:
                    guest = cloud.instance_index[member]
                    share = (first_group + number, 1, limits.per_group)
                    self._groups_of[guest] = (*self._groups_of.get(guest, ()), share)
        self.first_link = first_group + len(snapshot.server_groups)
        links = snapshot.network.links if snapshot.network is not None else {}
        self._names = sorted(links)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._limits = [float(links[name]) for name in self._names]
        self.link_ends = 2 * len(self._names)
        self.keys = self.first_link + self.link_ends
        """Keys are below this."""
        behind = Counter(link for host in snapshot.hosts for link in host.links)
        own = [
            next((self._numbers[link] for link in host.links if behind[link] == 1), None) for host in snapshot.hosts
        ]
        self.own = [None if number is None else 2 * number for number in own]
        """Per host: the inward end of a link that only this host has, by which all comes that arrives there; the
        outward end is the next one. None where there is no such link."""
        self.waited_for = [key >= self.first_shared for key in range(self.keys)]
        """Per key: whether hosts share it, so that it may become free though nothing changes on either host."""
        for end in self.own:
            if end is not None:
                self.waited_for[self.first_link + end] = self.waited_for[self.first_link + end + 1] = False
        self.alike = not (self._groups_of or self.linked)
        """Whether all migrations take the same, but for the slots of their own hosts."""
        self.brim: list[float] = [0.0] * self.keys
        """Per key of a link: where more than this is in use, none fits of those that have been asked about."""
        self._paths: dict[int, tuple[float, list[int], tuple[Share, ...]]] = {}
        self._shares: dict[int, tuple[Share, ...]] = {}
        self._loads: dict[int, list[tuple[int, float]]] = {}
        kinds: dict[tuple[object, ...], int] = {}
        self.kinds = [
            kinds.setdefault((each.memory_mb(), each.memory, each.storage, each.movable), guest)
            for guest, each in enumerate(snapshot.instances)
        ]
        """Per instance: the first one that takes the same time at every rate."""
        self._seconds: dict[float, dict[int, float]] = {}

    def gates(self, outward: bool) -> list[tuple[Key, float]]:
        """Per host: a limited thing that all take that leave it (``outward``) or arrive there, and how much of it in
        use shuts the host."""
        if self._slots:
            first = 0 if outward else self.hosts
            return [(key, most) for key, _, most in self._slots[first : first + self.hosts]]
        # without slots and links, nothing ever shuts a host: nothing uses key 0
        return [
            (0, 1.0) if end is None else (self.first_link + end + outward, self._limits[end >> 1]) for end in self.own
        ]

    def path(self, source: int, dest: int) -> tuple[float, list[int]]:
        """The rate in Mbit/s between two hosts and the link ends on the way."""
        if not self.linked:
            return self.limits.migration_mbps, []
        rate, ends, _ = self._paths.get(source * self.hosts + dest) or self._path(source, dest)
        return rate, ends

    def _path(self, source: int, dest: int) -> tuple[float, list[int], tuple[Share, ...]]:
        key = source * self.hosts + dest
        found = self._paths.get(key)
        if found is None:
            snapshot = self.cloud.snapshot
            a, b = snapshot.hosts[source], snapshot.hosts[dest]
            rate = rate_mbps(snapshot, a, b, self.limits.migration_mbps)
            ends = [2 * self._numbers[link] + outward for link, outward in links_between(a, b)]
            shares = tuple((self.first_link + end, rate, self._limits[end >> 1] * (1 + SLACK)) for end in ends)
            found = self._paths[key] = (rate, ends, shares)
            for share, amount, limit in shares:
                self.brim[share] = max(self.brim[share], limit - amount)
        return found

    def loads(self, source: int, dest: int) -> list[tuple[int, float]]:
        """The link ends on the way, and how much of its rate each gives to one migration, from 0 to 1."""
        key = source * self.hosts + dest
        found = self._loads.get(key)
        if found is None:
            rate, ends = self.path(source, dest)
            found = self._loads[key] = [(end, rate / self._limits[end >> 1]) for end in ends]
        return found

    def link(self, end: int) -> tuple[str, float]:
        """The name of the link of a link end, and its rate in Mbit/s."""
        return self._names[end >> 1], self._limits[end >> 1]

    def seconds(self, guest: int, rate: float) -> float:
        """How long the instance takes at a rate in Mbit/s."""
        at_rate = self._seconds.get(rate)
        if at_rate is None:
            at_rate = self._seconds[rate] = {}
        kind = self.kinds[guest]
        known = at_rate.get(kind)
        if known is None:
            known = at_rate[kind] = forecast(self.cloud.snapshot.instances[guest], rate).seconds
        return known

    def lasts(self, guest: int, source: int, dest: int) -> float:
        """How long the migration takes, in seconds."""
        return self.seconds(guest, self.path(source, dest)[0])

    def shares(self, guest: int, source: int, dest: int) -> tuple[Share, ...]:
        """All that the migration takes while it is under way."""
        found = self._shares.get(source * self.hosts + dest) if self.linked else None
        if found is None:
            slots = (self._slots[source], self._slots[self.hosts + dest], *self._total) if self._slots else self._total
            if not self.linked:
                return slots if self.alike else (*slots, *self._groups_of.get(guest, ()))
            found = self._shares[source * self.hosts + dest] = (*slots, *self._path(source, dest)[2])
        # the order does not matter
        return (*found, *self._groups_of[guest]) if guest in self._groups_of else found
