"""Spare hosts: empty hosts that stay in service so that what is on hosts that die finds room.

Hosts are kept until the amounts suffice whichever hosts die; then it is tried out: what is on hosts that die is packed
onto the others, server groups, zones, traits and the size of each instance respected, and where that fails another
host is kept that mends it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.policies.board import scales
from vmpath_service.policies.packing import Packer, Room, scarcity, totals
from vmpath_service.policies.scope import Reach

# How many sets of hosts are let die at most, and how many pairs of instance and host are looked at for it.
_SETS = 20_000
_WORK = 5_000_000


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
    use and the spare ones may hold, less the ``wanted`` largest of them, is at least what is used, and what is on any
    ``wanted`` of the hosts in use finds a place on the others.

    ``counts``: how many instances are on each host with the instances at ``where``. Where there are too many sets of
    hosts to try them all, each host is let die with those that are filled most.
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
    if shortage is None:
        trial = _Trial(cloud, within, accounts, in_use)
        for dying in trial.sets(wanted):
            left = trial.homeless(dying, chosen)
            while left:
                more = (host for host in empty if host not in chosen and trial.mends(dying, [*chosen, host], left))
                if (found := next(more, None)) is None:
                    return Spares(tuple(sorted(chosen)), trial.sentence(dying, left))
                chosen.append(found)
                left = trial.homeless(dying, chosen)
    return Spares(tuple(sorted(chosen)), shortage)


class _Trial:
    """Letting hosts die, to see whether what is on them finds a place."""

    def __init__(self, cloud: CompiledCloud, within: Reach, accounts: Occupancy, in_use: Sequence[int]) -> None:
        self._cloud = cloud
        self._accounts = accounts
        self._in_use = in_use
        self._receiving = frozenset(within.destinations)
        self._scale = scales(cloud, within.inside)
        dimensions = len(cloud.dimensions)
        weights = scarcity(
            totals((accounts.used[host] for host in in_use), dimensions),
            totals((cloud.capacity[host] for host in in_use), dimensions),
        )
        self._packer = Packer(cloud, self._scale, weights)
        self._guests: dict[int, list[int]] = {host: [] for host in in_use}
        for guest, host in enumerate(accounts.where):
            if host in self._guests:
                self._guests[host].append(guest)
        self._work = _WORK

    def sets(self, number: int) -> Iterator[tuple[int, ...]]:
        """Which hosts die together, those that are filled most first."""
        ranked = sorted(self._in_use, key=lambda host: (-self._filled(host), host))
        if math.comb(len(ranked), number) <= _SETS:
            every: Iterator[tuple[int, ...]] = itertools.combinations(ranked, number)
        else:
            most = ranked[:number]
            every = ((host, *[other for other in most if other != host][: number - 1]) for host in ranked)
        for dying in every:
            if self._work <= 0:
                return
            yield dying

    def homeless(self, dying: Sequence[int], spare: Sequence[int]) -> list[int]:
        """Who of those on the hosts finds no place on the other hosts in use and the spare ones."""
        if self._each_on_its_own(dying, spare):
            return []
        cloud, accounts = self._cloud, self._accounts
        alive = [host for host in (*self._in_use, *spare) if host in self._receiving and host not in dying]
        free = {
            host: [most - used for most, used in zip(cloud.capacity[host], accounts.used[host], strict=True)]
            for host in alive
        }
        guests = [guest for host in dying for guest in self._guests[host]]
        self._work -= len({cloud.class_of[guest] for guest in guests}) * len(alive)
        return self._packer.pack(guests, Room(free, [dict(each) for each in accounts.counts]))[1]

    def mends(self, dying: Sequence[int], spare: Sequence[int], left: Sequence[int]) -> bool:
        """Whether fewer are left without a place with these spare hosts."""
        return self._work > 0 and len(self.homeless(dying, spare)) < len(left)

    def sentence(self, dying: Sequence[int], left: Sequence[int]) -> str:
        """What is wrong if these die."""
        names = " and ".join(self._cloud.snapshot.hosts[host].name for host in dying)
        label = self._cloud.snapshot.instances[left[0]].label()
        others = f" and {len(left) - 1} more" if len(left) > 1 else ""
        verb = "dies" if len(dying) == 1 else "die"
        return f"if {names} {verb}, {label}{others} may find no place on the others and the spare hosts"

    def _each_on_its_own(self, dying: Sequence[int], spare: Sequence[int]) -> bool:
        """Whether everything on each of the hosts fits on a spare host of its own as it is."""
        left = list(spare)
        for host in dying:
            guests = self._guests[host]
            load = totals(map(self._cloud.demand, guests), len(self._scale))
            place = next(
                (
                    other
                    for other in left
                    if all(amount <= most for amount, most in zip(load, self._cloud.capacity[other], strict=True))
                    and all(self._cloud.admits(guest, other) for guest in guests)
                ),
                None,
            )
            if place is None:
                return False
            left.remove(place)
        return True

    def _filled(self, host: int) -> float:
        return sum(used * factor for used, factor in zip(self._accounts.used[host], self._scale, strict=True))


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
