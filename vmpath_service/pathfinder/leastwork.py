"""The least that migrations can take, whatever way they go: what lower bounds are made of."""

from __future__ import annotations

from vmpath_service.pathfinder.duration import SHORTEST_S, forecast
from vmpath_service.pathfinder.problem import Problem


class LeastWork:
    """Least durations and least amounts sent over links, with detours allowed.

    Every migration from or to a host uses the links that only this host has, so none is faster than the slowest of
    them. What is sent at rate b in all, b times the duration, falls as b rises (less is written meanwhile), but for
    instances that do not converge at a lower rate: for those, one round of pre-copy and one of post-copy is counted,
    as in the forecast. So at any rate up to b at least the smaller of the two is sent, and it takes at least that
    divided by b.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        cloud = problem.cloud
        hosts, network = cloud.snapshot.hosts, cloud.snapshot.network
        most = problem.limits.migration_mbps
        self.fastest: list[float] = [most] * len(hosts)
        """Per host: the highest rate of a migration from or to it, in Mbit/s."""
        if network is not None:
            users: dict[str, int] = {}
            for host in hosts:
                for link in host.links:
                    users[link] = users.get(link, 0) + 1
            for number, host in enumerate(hosts):
                own = [network.links[link] for link in host.links if users[link] == 1]
                self.fastest[number] = min([most, *own])
        self._ways = problem.ways
        self._sent: dict[float, dict[int, float]] = {}

    def sent(self, guest: int, mbps: float) -> float:
        """Mbit that a migration of the instance sends at least, at any rate up to this one."""
        at_rate = self._sent.get(mbps)
        if at_rate is None:
            at_rate = self._sent[mbps] = {}
        kind = self._ways.kinds[guest]
        known = at_rate.get(kind)
        if known is not None:
            return known
        instance = self._problem.cloud.snapshot.instances[guest]
        predicted = forecast(instance, mbps)
        sent = predicted.seconds * mbps
        if self._problem.cloud.snapshot.network is not None:
            memory = instance.memory
            used = memory.used_mb if memory is not None and memory.used_mb is not None else instance.memory_mb()
            disk = instance.storage.copy_gb * 1024 if instance.storage is not None else 0.0
            rounds = 1 if predicted.seconds <= SHORTEST_S else 2
            if rounds == 1 or predicted.dirty_mb_s > 0.0:
                sent = min(sent, 8 * (rounds * used + disk))
        at_rate[kind] = sent
        return sent

    def seconds(self, guest: int, host: int) -> float:
        """How long a migration of the instance from or to this host takes at least."""
        rate = self.fastest[host]
        return self.sent(guest, rate) / rate

    def whole(self, guest: int) -> float:
        """How long the instance is under way at least on its way to where it is to end, detours included."""
        home, goal = self._problem.cloud.home[guest], self._problem.goal[guest]
        direct = self._ways.lasts(guest, home, goal)
        return min(direct, self.seconds(guest, home) + self.seconds(guest, goal))
