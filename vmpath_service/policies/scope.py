"""Which hosts a decision may touch: the scope of the request and the guards of the policy together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput, NotFound
from vmpath_service.model.hints import hint
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Scope
from vmpath_service.policies.settings import Settings


@dataclass(frozen=True, slots=True)
class Reach:
    """Hosts as positions, ascending: those that may be touched, and those of them that may receive."""

    inside: tuple[int, ...]
    destinations: tuple[int, ...]


def hosts_named(cloud: CompiledCloud, names: Iterable[str]) -> tuple[int, ...]:
    """Positions of hosts, each once, ascending; raises NotFound with the nearest name."""
    wanted = tuple(names)
    _known("host", wanted, cloud.host_index)
    return tuple(sorted({cloud.host_index[name] for name in wanted}))


def reach(cloud: CompiledCloud, scope: Scope, settings: Settings, *, hosts_are_sources: bool = False) -> Reach:
    """Hosts that are in the zones and aggregates of the scope and in those of the guards.

    ``scope.hosts`` narrows this further, unless ``hosts_are_sources`` says that they are hosts to be emptied.
    An instance may leave a host inside that is up, and arrive where a host is up and enabled. Raises NotFound
    for what the cloud does not have, InvalidInput if no host is left.
    """
    hosts = cloud.snapshot.hosts
    zones = {host.availability_zone for host in hosts if host.availability_zone is not None}
    aggregates = {aggregate.name for host in hosts for aggregate in host.aggregates}
    chosen = set(range(len(hosts)))
    restrictions = []
    for wanted in (scope.zones, read.names(settings, "availability_zones")):
        if wanted:
            _known("availability zone", wanted, zones)
            chosen &= {at for at in chosen if hosts[at].availability_zone in wanted}
            restrictions.append(f"zones {', '.join(wanted)}")
    for wanted in (scope.aggregates, read.names(settings, "aggregates")):
        if wanted:
            _known("aggregate", wanted, aggregates)
            chosen &= {at for at in chosen if any(each.name in wanted for each in hosts[at].aggregates)}
            restrictions.append(f"aggregates {', '.join(wanted)}")
    excluded = _excluded(cloud, settings)
    if excluded:
        chosen -= excluded
        restrictions.append("what the policy does not exclude")
    named = hosts_named(cloud, scope.hosts)
    if named and hosts_are_sources:
        outside = [hosts[at].name for at in named if at not in chosen]
        if outside:
            raise InvalidInput(f"{', '.join(outside)} is not within {' and '.join(restrictions)}")
    elif named:
        chosen &= set(named)
        restrictions.append(f"hosts {', '.join(scope.hosts)}")
    if not chosen:
        raise InvalidInput(f"no host is within {' and '.join(restrictions)}")
    inside = tuple(sorted(chosen))
    return Reach(inside, tuple(at for at in inside if hosts[at].receives()))


def among(
    cloud: CompiledCloud, zones: Iterable[str], aggregates: Iterable[str], names: Iterable[str]
) -> frozenset[int]:
    """Hosts in any of the zones or aggregates, or named; raises NotFound for what the cloud does not have."""
    hosts = cloud.snapshot.hosts
    wanted_zones, wanted_aggregates = set(zones), set(aggregates)
    _known("availability zone", wanted_zones, {each.availability_zone for each in hosts if each.availability_zone})
    _known("aggregate", wanted_aggregates, {aggregate.name for each in hosts for aggregate in each.aggregates})
    found = set(hosts_named(cloud, names))
    for at, host in enumerate(hosts):
        mine = {aggregate.name for aggregate in host.aggregates}
        if host.availability_zone in wanted_zones or mine & wanted_aggregates:
            found.add(at)
    return frozenset(found)


def _excluded(cloud: CompiledCloud, settings: Settings) -> set[int]:
    kinds = ("exclude_availability_zones", "exclude_aggregates", "exclude_hosts")
    wanted = [read.names(settings, kind) for kind in kinds]
    return set(among(cloud, *wanted)) if any(wanted) else set()


def _known(noun: str, wanted: Iterable[str], there: Iterable[str]) -> None:
    present = set(there)
    for name in wanted:
        if name not in present:
            raise NotFound(f"there is no {noun} {name!r}{hint(name, present)}")
