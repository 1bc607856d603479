"""What has to be done: a compiled cloud, and for every instance the host where it is to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.costs.base import Cost
from vmpath_service.model.costs.plain import MemoryCost
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits
from vmpath_service.pathfinder.duration import forecast


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """``goal``: per instance the host it is to be on, NOWHERE for one that is gone or stays unplaced.

    ``boots``: hosts that are off and may be powered on (enabled), with the seconds that takes.
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
    """Per instance: whether it can be migrated at all: placed, not pinned, its host up."""
    weights: Sequence[int]
    limits: Limits

    def weight(self, guest: int) -> int:
        """What moving the instance costs, at least 1, so that no move is free."""
        return self.weights[guest]


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
    mobile = [
        home != NOWHERE and guest not in cloud.pinned and hosts[home].state == "up" and goal[guest] != NOWHERE
        for guest, home in enumerate(cloud.home)
    ]
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
