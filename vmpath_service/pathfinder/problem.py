"""What has to be done: a compiled cloud, and for every instance the host where it is to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import MemoryCost
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Bounds, Limits
from vmpath_service.pathfinder.duration import forecast
from vmpath_service.pathfinder.room import Room
from vmpath_service.pathfinder.ways import Ways


@dataclass(frozen=True, eq=False)
class Problem:
    """``goal``: per instance the host it is to be on, NOWHERE for one that is gone or stays unplaced.

    ``boots``: hosts that are off and may be powered on (enabled), with the seconds that takes.

    Immutable, but for what is worked out when first asked for.
    """

    cloud: CompiledCloud
    goal: Sequence[int]
    departures: tuple[int, ...]
    arrivals: tuple[int, ...]
    movers: tuple[int, ...]
    boots: Mapping[int, float]
    receives: Sequence[bool]
    """Per host: whether an instance may arrive there, if need be after powering it on."""
    mobile: Sequence[bool]
    """Per instance: whether it can be migrated at all: placed, not pinned, its host up, and not one that is to be
    where it is although that host would not take it in again."""
    weights: Sequence[int]
    limits: Limits

    def weight(self, guest: int) -> int:
        """What moving the instance costs, at least 1, so that no move is free."""
        return self.weights[guest]

    @cached_property
    def ways(self) -> Ways:
        """What migrations take on their ways."""
        return Ways(self.cloud, self.limits)

    @cached_property
    def _beginning(self) -> Room:
        return Room(self.cloud, self.departures)

    @cached_property
    def bounds(self) -> Bounds:
        """What no plan can beat."""
        from vmpath_service.pathfinder.bounds import lower_bounds

        return lower_bounds(self)

    def room(self) -> Room:
        """Accounts of their own of who is where once all departures are done."""
        return self._beginning.copy()


@dataclass(frozen=True, slots=True)
class Move:
    """One migration of an instance, as a position of a sequence."""

    guest: int
    source: int
    dest: int


def pose(cloud: CompiledCloud, target: Placement, limits: Limits, cost: Cost | None = None) -> Problem:
    """The problem of a target whose names are known to be the cloud's; ``cost``: by memory if not given."""
    goal = list(cloud.home)
    departures, arrivals, movers = [], [], []
    for uuid, name in target.placement.items():
        guest = cloud.instance_index[uuid]
        goal[guest] = NOWHERE if name is None else cloud.host_index[name]
    for guest, (home, end) in enumerate(zip(cloud.home, goal, strict=True)):
        if home == end:
            continue
        if end == NOWHERE:
            departures.append(guest)
        elif home == NOWHERE:
            arrivals.append(guest)
        else:
            movers.append(guest)
    hosts = cloud.snapshot.hosts
    boots = {
        number: host.boot_s for number, host in enumerate(hosts) if host.state == "off" and host.status == "enabled"
    }
    receives = [host.receives() or number in boots for number, host in enumerate(hosts)]
    masks = [cloud.mask(kind.example) for kind in cloud.classes]
    mobile = []
    for guest, (home, end) in enumerate(zip(cloud.home, goal, strict=True)):
        able = home != NOWHERE and guest not in cloud.pinned and hosts[home].state == "up" and end != NOWHERE
        if able and home == end:
            mask = masks[cloud.class_of[guest]]
            able = receives[home] and (mask is None or mask[home] == 1)
        mobile.append(able)
    price, rate = cost or MemoryCost(), limits.migration_mbps
    weights = [
        max(1, price.of(instance, forecast(instance, rate).seconds if price.timed else 0.0))
        for instance in cloud.snapshot.instances
    ]
    return Problem(
        cloud,
        goal,
        tuple(departures),
        tuple(arrivals),
        tuple(movers),
        boots,
        receives,
        mobile,
        weights,
        limits,
    )
