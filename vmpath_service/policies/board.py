"""Moving instances in thought: the accounts of a cloud, what may move, and where it may arrive now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.occupancy import Occupancy


def obstacle(cloud: CompiledCloud, guest: int) -> str | None:
    """Why the instance may not be migrated wherever to, or None."""
    if guest in cloud.pinned:
        return cloud.pinned[guest]
    home = cloud.home[guest]
    if home == NOWHERE:
        return "it is not placed yet"
    host = cloud.snapshot.hosts[home]
    return None if host.state == "up" else f"its host {host.name} is {host.state}"


def held(cloud: CompiledCloud, where: Sequence[int]) -> list[int]:
    """Per host, how many instances are on it; one in flight is on both."""
    counts = [0] * len(cloud.snapshot.hosts)
    for host in where:
        if host != NOWHERE:
            counts[host] += 1
    for guest, host in cloud.also_at.items():
        if host != where[guest]:
            counts[host] += 1
    return counts


class Board:
    """The state of a cloud while a policy moves instances one by one.

    Each arrival is judged as at that moment, so that the moves made, in their order, are a path as long as no
    instance is moved twice. ``destinations``: hosts that may receive. ``limits``: capacity to respect at an
    arrival, per host and dimension, where it is less than the host's own.
    """

    def __init__(
        self, cloud: CompiledCloud, destinations: Iterable[int], limits: Sequence[Sequence[int]] | None = None
    ) -> None:
        self.cloud = cloud
        self.destinations = tuple(destinations)
        self.accounts = Occupancy(cloud)
        self.limits = cloud.capacity if limits is None else limits
        self.moved: dict[int, None] = {}
        """Instances that are elsewhere than at the start, in the order of their moves."""
        self.guests: list[dict[int, None]] = [{} for _ in cloud.snapshot.hosts]
        """Per host, the instances on it, in a fixed order."""
        for guest, host in enumerate(cloud.home):
            if host != NOWHERE:
                self.guests[host][guest] = None
        # only vetoes read it
        self._names: dict[str, str | None] = (
            {each.uuid: each.host for each in cloud.snapshot.instances} if cloud.vetoes else {}
        )
        self._free_passage = cloud.free_passage()

    def has_room(self, guest: int, host: int) -> bool:
        """Whether resources and counters have room for one more arrival."""
        row, limit = self.accounts.used[host], self.limits[host]
        for used, amount, most in zip(row, self.cloud.demand(guest), limit, strict=True):
            if amount and used + amount > most:
                return False
        for counter in self.cloud.counters_of.get(guest, ()):
            if self.accounts.counts[counter].get(host, 0) >= self.cloud.counter_limits[counter]:
                return False
        return True

    def suits(self, guest: int, host: int) -> bool:
        """Whether the filters admit the instance and it may be migrated there from its first host."""
        if not self.cloud.admits(guest, host):
            return False
        home = self.cloud.home[guest]
        return self._free_passage or home == host or self.cloud.may_pass(home, host)

    def vetoed(self, guest: int, host: int) -> bool:
        """Whether a constraint's veto forbids this very move now."""
        instance, place = self.cloud.snapshot.instances[guest], self.cloud.snapshot.hosts[host]
        return any(veto(instance, place, self._names) is not None for veto in self.cloud.vetoes)

    def may_arrive(self, guest: int, host: int) -> bool:
        """All of the above; that the host is a destination is for the caller to see to."""
        return self.has_room(guest, host) and self.suits(guest, host) and not self.vetoed(guest, host)

    def move(self, guest: int, host: int) -> None:
        """Put the instance on the host."""
        source = self.accounts.where[guest]
        self.accounts.move(guest, host)
        del self.guests[source][guest]
        self.guests[host][guest] = None
        if host == self.cloud.home[guest]:
            self.moved.pop(guest, None)
        else:
            self.moved[guest] = None
        if self.cloud.vetoes:
            self._names[self.cloud.snapshot.instances[guest].uuid] = self.cloud.snapshot.hosts[host].name

    def fill_after(self, guest: int, host: int) -> float:
        """How full the fullest of the classes that the instance takes would be with it, as a share."""
        fill = 0.0
        for used, amount, most in zip(
            self.accounts.used[host], self.cloud.demand(guest), self.cloud.capacity[host], strict=True
        ):
            if amount and most:
                fill = max(fill, (used + amount) / most)
        return fill


def named_placement(cloud: CompiledCloud, where: Sequence[int]) -> dict[str, str]:
    """Who is elsewhere than at the start, by uuid and host name, in the snapshot's order."""
    instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
    return {
        instances[guest].uuid: hosts[host].name
        for guest, (home, host) in enumerate(zip(cloud.home, where, strict=True))
        if host not in (home, NOWHERE)
    }


def ordered_placement(cloud: CompiledCloud, order: Iterable[int], where: Sequence[int]) -> dict[str, str]:
    """As ``named_placement``, with the instances in this order."""
    instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
    return {
        instances[guest].uuid: hosts[where[guest]].name
        for guest in order
        if where[guest] not in (cloud.home[guest], NOWHERE)
    }


def scales(cloud: CompiledCloud, hosts: Sequence[int]) -> tuple[float, ...]:
    """Per dimension, what makes amounts comparable: one over the mean capacity of these hosts (0: none)."""
    totals = [sum(cloud.capacity[host][at] for host in hosts) for at in range(len(cloud.dimensions))]
    return tuple(len(hosts) / total if total else 0.0 for total in totals)


def size(vector: Sequence[int], scale: Sequence[float]) -> float:
    """The share of a mean host that the vector takes in the class where it takes most."""
    return max((amount * factor for amount, factor in zip(vector, scale, strict=True)), default=0.0)
