"""How much room hosts have for each other while some of them are empty: what no choice of rounds can beat."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.maintenances import Leftovers
from vmpath_service.policies.board import obstacle

ZONE_BY_ZONE = 1
# Instances of which more than so many fit on one host are left to the sums.
_MOST_TOGETHER = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What a maintenance allows. ``duration_s``: what the work on the hosts of a round is expected to take."""

    rolling: bool = False
    max_hosts: int | None = None
    leftovers: Leftovers = "refuse"
    duration_s: float | None = None


class Room:
    """How many of some hosts can be empty at once, by sums alone: what no choice of rounds can beat."""

    def __init__(self, cloud: CompiledCloud, hosts: Sequence[int], within: Collection[int] | None = None) -> None:
        """``hosts``: those that are still to be emptied. ``within``: hosts, these among them, between which and all
        others nothing can move (all of the cloud)."""
        self._cloud = cloud
        self._hosts = hosts
        named = set(hosts)
        inside = range(len(cloud.snapshot.hosts)) if within is None else sorted(within)
        receiving = [at for at in inside if cloud.snapshot.hosts[at].receives()]
        giving = set(receiving)
        active = named | giving
        self._movers: dict[int, list[int]] = {host: [] for host in hosts}
        need = [0] * len(cloud.dimensions)
        for guest, home in enumerate(cloud.home):
            if home not in active:
                continue
            if home in named:
                if obstacle(cloud, guest) is not None:
                    continue  # it stays there: it needs no room elsewhere
                self._movers[home].append(guest)
                if home not in giving:
                    continue  # it needs room only from when its host is emptied, which may be last
            for at, amount in enumerate(cloud.demand(guest)):
                need[at] += amount
        held = [sum(cloud.taken[host][at] for host in receiving if host not in named) for at in range(len(need))]
        self._holds = self._most_held(active)
        wide = [sum(self._holds[host][at] for host in receiving) for at in range(len(need))]
        asked = [at for at, amount in enumerate(need) if amount]
        # an empty host gives up its whole capacity, of which the others have so much to spare
        self._spare = [wide[at] - held[at] - need[at] for at in asked]
        self._weight = {
            host: tuple(self._holds[host][at] if host in giving else 0 for at in asked) for host in hosts
        }
        self._most = min(
            self._by_groups(active, giving & named, len(receiving)), self._by_size(active, giving & named, receiving)
        )
        self._outside = bool(giving - named)

    def ordered(self, order: int) -> list[int]:
        """The hosts in the order of a ``Way``. The largest first lets the smaller ones fill up rounds; of equal ones
        those with the least on them, since what leaves them first may have to move twice."""
        found = sorted(
            self._hosts,
            key=lambda host: (tuple(-each for each in self._weight[host]), len(self._movers[host]), host),
        )
        if order == ZONE_BY_ZONE:
            turn: dict[str | None, int] = {}
            key: dict[int, int] = {}
            for host in found:
                zone = self._cloud.snapshot.hosts[host].availability_zone
                key[host] = turn[zone] = turn.get(zone, 0) + 1
            found.sort(key=key.__getitem__)
        elif order:
            random.Random(order).shuffle(found)
        return found

    def share(self, max_hosts: int | None) -> tuple[float, ...]:
        """What the hosts of a round weigh if they are shared out evenly among the fewest rounds."""
        rounds = self.fewest_rounds(self._hosts, max_hosts)
        return (*(sum(each) / rounds for each in self._weights(self._hosts)), len(self._hosts) / rounds)

    def part(
        self,
        chosen: Sequence[str],
        rest: Sequence[str],
        size: int,
        share: tuple[float, ...] | None,
        max_hosts: int | None,
    ) -> list[str]:
        """Up to ``size`` more hosts, in order, with which the spare room is not exceeded by their sum, until the
        share is reached."""
        weight = [0.0] * len(self._spare)
        count = 0
        found: list[str] = []

        def add(name: str) -> None:
            nonlocal weight, count
            weight = [sum(pair) for pair in zip(weight, self._weight[self._cloud.host_index[name]], strict=True)]
            count += 1

        for name in chosen:
            add(name)
        most = min(self._most, max_hosts or self._most)
        for name in rest:
            full = share is not None and count >= share[-1] and all(
                has >= wanted for has, wanted in zip(weight, share, strict=False)
            )
            if len(found) >= size or count >= most or full:
                break
            heavier = zip(weight, self._weight[self._cloud.host_index[name]], self._spare, strict=True)
            if all(has + more <= spare or not more for has, more, spare in heavier):
                found.append(name)
                add(name)
        return found

    def pairs(self, names: Sequence[str]) -> int:
        """How many pairs of instance and host an attempt to empty these looks at."""
        movers = sum(len(self._movers[self._cloud.host_index[name]]) for name in names)
        return (1 + movers) * len(self._cloud.snapshot.hosts)

    def fewest_rounds(self, hosts: Sequence[int], max_hosts: int | None) -> int:
        """No choice needs fewer rounds: by the capacity of the emptied hosts, by groups, by ``max_hosts``."""
        if not hosts:
            return 0
        most = min(self._at_once(hosts), max_hosts or len(hosts))
        rounds = math.ceil(len(hosts) / max(1, most))
        for total, spare in zip(map(sum, self._weights(hosts)), self._spare, strict=True):
            if total and spare > 0:
                rounds = max(rounds, math.ceil(total / spare))
        return rounds

    def fewest_migrations(self, hosts: Sequence[int], rounds: int, terms: Terms) -> int:
        """What so many rounds cannot do without: each instance leaves its host once; what leaves the hosts of the
        first round goes, where all hosts are to be emptied, to one that is emptied later."""
        counts = sorted(len(self._movers[host]) for host in hosts)
        if not terms.rolling or not rounds or self._outside or len(hosts) < len(self._hosts):
            return sum(counts)
        most = max(1, min(self._at_once(hosts), terms.max_hosts or len(hosts)))
        first = max(1, len(hosts) - (rounds - 1) * most)
        return sum(counts) + sum(counts[:first])

    def _weights(self, hosts: Sequence[int]) -> list[list[int]]:
        return [[self._weight[host][at] for host in hosts] for at in range(len(self._spare))]

    def _at_once(self, hosts: Sequence[int]) -> int:
        """At most so many of them can be empty at the same time."""
        most = min(len(hosts), self._most)
        for weights, spare in zip(self._weights(hosts), self._spare, strict=True):
            total, count = 0, 0
            for weight in sorted(weights):
                total += weight
                if weight and total > spare:
                    break
                count += 1
            most = min(most, count)
        return most

    def _by_size(self, active: Collection[int], named: Collection[int], receiving: Sequence[int]) -> int:
        """Of instances of which no host holds more than a few, so many hosts are needed, also while some are empty."""
        cloud, most = self._cloud, len(self._hosts)
        idle = len(self._hosts) - len(named)
        kinds = Counter(
            cloud.class_of[guest]
            for guest, home in enumerate(cloud.home)
            if home in active and obstacle(cloud, guest) is None
        )
        for at in range(len(cloud.dimensions)):
            widest = max((self._holds[host][at] for host in active), default=0)
            sizes = [(cloud.classes[kind].demand[at], number) for kind, number in kinds.items()]
            for together in range(1, _MOST_TOGETHER + 1):
                # one more than this many of them fit on no host
                count = sum(number for size, number in sizes if size * (together + 1) > widest)
                if count:
                    most = min(most, idle + max(0, len(receiving) - math.ceil(count / together)))
        return most

    def _most_held(self, active: Collection[int]) -> dict[int, list[int]]:
        """What each host may hold at most: its capacity, or what is on it now where that is more."""
        cloud = self._cloud
        used = {host: list(cloud.taken[host]) for host in active}
        for guest, home in enumerate(cloud.home):
            for host in {home, cloud.also_at.get(guest, home)}:
                if host in used:
                    used[host] = [sum(pair) for pair in zip(used[host], cloud.demand(guest), strict=True)]
        return {host: list(map(max, amounts, cloud.capacity[host])) for host, amounts in used.items()}

    def _by_groups(self, active: set[int], named: set[int], receiving: int) -> int:
        """Members of a strict anti-affinity group need hosts of their own, also while some are empty."""
        members = [0] * len(self._cloud.counter_limits)
        for guest, counters in self._cloud.counters_of.items():
            if self._cloud.home[guest] in active and obstacle(self._cloud, guest) is None:
                for counter in counters:
                    members[counter] += 1
        # hosts that cannot receive anyway take no room away when they are emptied
        idle = len(self._hosts) - len(named)
        most = len(self._hosts)
        for count, limit in zip(members, self._cloud.counter_limits, strict=True):
            if count:
                most = min(most, idle + max(0, receiving - math.ceil(count / limit)))
        return most


def fewest_rounds(cloud: CompiledCloud, hosts: Sequence[int], max_hosts: int | None) -> int:
    """No choice empties all of these hosts in fewer rounds: by the whole cloud, and by each part of it (a zone, say)
    between which and the others nothing can move."""
    most = Room(cloud, hosts).fewest_rounds(hosts, max_hosts)
    parts = closed_parts(cloud)
    for part in parts if len(parts) > 1 else ():
        if here := [host for host in hosts if host in part]:
            most = max(most, Room(cloud, here, part).fewest_rounds(here, max_hosts))
    return most


def closed_parts(cloud: CompiledCloud) -> Sequence[set[int]]:
    """The hosts in parts, so that no instance is, or may come to be, in two of them."""
    first = list(range(len(cloud.snapshot.hosts)))

    def root(host: int) -> int:
        while first[host] != host:
            first[host] = first[first[host]]
            host = first[host]
        return host

    joined: set[int] = set()
    for guest, home in enumerate(cloud.home):
        if home == NOWHERE:
            continue
        first[root(cloud.also_at.get(guest, home))] = root(home)
        if obstacle(cloud, guest) is not None:
            continue
        mask = cloud.mask(guest)
        if mask is None:
            return [set(range(len(first)))]
        if 1 not in mask:
            continue
        somewhere = mask.index(1)
        first[root(home)] = root(somewhere)
        if cloud.class_of[guest] not in joined:
            joined.add(cloud.class_of[guest])
            for host, allowed in enumerate(mask):
                if allowed:
                    first[root(host)] = root(somewhere)
    parts: dict[int, set[int]] = {}
    for host in range(len(first)):
        parts.setdefault(root(host), set()).add(host)
    return list(parts.values())
