"""Spare hosts: empty hosts that stay in service so that what is on a host that dies finds room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.policies.board import scales
from vmpath_service.policies.scope import Reach


@dataclass(frozen=True, slots=True)
class Spares:
    """The hosts kept, and what is missing to what was asked for, or None."""

    hosts: tuple[int, ...] = ()
    shortage: str | None = None


def choose_spares(
    cloud: CompiledCloud,
    within: Reach,
    where: Sequence[int],
    counts: Sequence[int],
    wanted: int,
) -> Spares:
    """At least ``wanted`` of the empty hosts that receive, the largest first, and more until what the hosts in
    use and the spare ones may hold, less the ``wanted`` largest of them, is at least what is used.

    ``counts``: how many instances are on each host with the instances at ``where``.
    """
    if not wanted:
        return Spares()
    accounts = Occupancy(cloud)
    for guest, host in enumerate(where):
        if host != accounts.where[guest]:
            accounts.move(guest, host)
    empty = [host for host in within.destinations if not counts[host]]
    scale = scales(cloud, within.inside)
    empty.sort(key=lambda host: (-sum(a * s for a, s in zip(cloud.capacity[host], scale, strict=True)), host))
    in_use = [host for host in within.inside if counts[host]]
    chosen: list[int] = []
    while (missing := _missing(cloud, accounts, [*in_use, *chosen], wanted)) or len(chosen) < wanted:
        if len(chosen) == len(empty):
            break
        chosen.append(empty[len(chosen)])
    shortage = None
    if missing:
        name, amount = missing
        shortage = f"if the {wanted} largest hosts die, {amount} {name} find no room on the others and the spare hosts"
    elif len(chosen) < wanted:
        shortage = f"{wanted} spare hosts are wanted, only {len(chosen)} are empty"
    return Spares(tuple(sorted(chosen)), shortage)


def _missing(cloud: CompiledCloud, accounts: Occupancy, kept: Sequence[int], dying: int) -> tuple[str, int] | None:
    """The class that is missing most after the largest hosts have died, with the amount."""
    worst: tuple[float, str, int] | None = None
    for at, name in enumerate(cloud.dimensions):
        most = sorted((cloud.capacity[host][at] if cloud.snapshot.hosts[host].receives() else 0) for host in kept)
        used = sum(accounts.used[host][at] for host in kept)
        room = sum(most[: max(0, len(most) - dying)])
        if used > room:
            found = (used / max(1, room), name, used - room)
            worst = found if worst is None else max(worst, found)
    return (worst[1], worst[2]) if worst else None
