"""Saying, for each host that could not be freed, what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.policies.board import obstacle
from vmpath_service.policies.packing import totals


def fixed(cloud: CompiledCloud, hosts: Iterable[int]) -> dict[int, str]:
    """Hosts on which something may not leave, with the first of it."""
    wanted = frozenset(hosts)
    found: dict[int, str] = {}
    more: dict[int, int] = {}
    for guest, host in enumerate(cloud.home):
        if host in wanted and (reason := obstacle(cloud, guest)) is not None:
            if host in found:
                more[host] = more.get(host, 0) + 1
            else:
                found[host] = f"{cloud.snapshot.instances[guest].label()} may not be migrated: {reason}"
    for guest, host in cloud.also_at.items():
        if host in wanted:
            found.setdefault(host, f"{cloud.snapshot.instances[guest].label()} is on its way there")
    return {host: text + (f"; and {more[host]} more" if host in more else "") for host, text in found.items()}


def reasons_in_use(
    cloud: CompiledCloud,
    where: Sequence[int],
    in_use: Sequence[int],
    limits: Sequence[Sequence[int]],
    unlisted: Iterable[int],
    *,
    fewest: bool,
    most: int | None,
) -> dict[str, str]:
    """Per host in use, by name, why it is not free with each instance on ``where[instance]``.

    ``unlisted``: hosts on which something counts as used that no listed instance explains. ``fewest``: whether no
    placement uses fewer hosts. ``most``: how many migrations were allowed.
    """
    stuck = fixed(cloud, in_use)
    strange = frozenset(unlisted)
    accounts = Occupancy(cloud)
    there: dict[int, list[int]] = {}
    for guest, host in enumerate(where):
        if host not in (accounts.where[guest], NOWHERE):
            accounts.move(guest, host)
        there.setdefault(host, []).append(guest)
    receiving = [host for host in in_use if cloud.snapshot.hosts[host].receives()]
    free = {
        host: [max(0, most - used) for most, used in zip(limits[host], accounts.used[host], strict=True)]
        for host in receiving
    }
    total = totals(free.values(), len(cloud.dimensions))
    moved = sum(home != host for home, host in zip(cloud.home, where, strict=True))

    def why(host: int) -> Iterator[str]:
        if host in stuck:
            yield stuck[host]
        if host in strange:
            yield "something counts as used there that no listed instance explains; free_unlisted permits it"
        if fewest:
            yield "no placement of these instances uses fewer hosts"
        guests = there.get(host, [])
        if most is not None and moved + len(guests) > most:
            yield f"it would take {len(guests)} more migrations, max_migrations = {most} leaves {max(0, most - moved)}"
        load = totals((cloud.demand(guest) for guest in guests), len(cloud.dimensions))
        own = free.get(host, [0] * len(cloud.dimensions))
        for name, wanted, left, mine in zip(cloud.dimensions, load, total, own, strict=True):
            if wanted > left - mine:
                yield f"its instances take {wanted} {name}, the other hosts in use have {left - mine} to spare"
        yield "the other hosts have enough to spare in sum, but not for each of its instances where it may go"

    return {cloud.snapshot.hosts[host].name: next(why(host)) for host in in_use}
