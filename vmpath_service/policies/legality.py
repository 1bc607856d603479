"""Whether a placement is sane by itself, judged by growth against the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.occupancy import Occupancy


def problems(cloud: CompiledCloud, where: Sequence[int]) -> Iterator[str]:
    """What is wrong with having instance i on host ``where[i]``, in words, most telling first.

    What is over capacity or against a group's rule at the start may stay or shrink, never grow.
    """
    instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
    start, end = Occupancy(cloud), Occupancy(cloud)
    arrivals: dict[int, list[int]] = {}
    for guest, (home, host) in enumerate(zip(cloud.home, where, strict=True)):
        if host in (home, NOWHERE):
            continue
        label, place = instances[guest].label(), hosts[host]
        if guest in cloud.pinned:
            yield f"{label} may not be migrated: {cloud.pinned[guest]}"
        if not place.receives():
            yield f"{label} cannot go to {place.name}, which is {place.state} and {place.status}"
        if (refusal := cloud.refusal(guest, host)) is not None:
            yield f"{label} cannot go to {place.name}: {refusal}"
        if home != NOWHERE and (refusal := cloud.passage_refusal(home, host)) is not None:
            yield f"{label} cannot go to {place.name}: {refusal}"
        end.move(guest, host)
        arrivals.setdefault(host, []).append(guest)
    for host, guests in sorted(arrivals.items()):
        for at, name in enumerate(cloud.dimensions):
            over = end.used[host][at] - cloud.capacity[host][at]
            grown = end.used[host][at] > start.used[host][at]
            if over > 0 and grown and any(cloud.demand(guest)[at] for guest in guests):
                yield f"{hosts[host].name} would be {over} {name} over its capacity"
        for counter in sorted({counter for guest in guests for counter in cloud.counters_of.get(guest, ())}):
            count = end.counts[counter].get(host, 0)
            limit = cloud.counter_limits[counter]
            if count > limit and count > start.counts[counter].get(host, 0):
                yield f"{hosts[host].name} would hold {count} of {cloud.counter_names[counter]}, at most {limit} may"
