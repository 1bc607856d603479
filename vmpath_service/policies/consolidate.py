"""``consolidate``: free as many hosts as possible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud, Vector
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, held, obstacle, ordered_placement, scales, size
from vmpath_service.policies.course import Course
from vmpath_service.policies.eviction import best_destination
from vmpath_service.policies.exhaustive import improve, is_small, put
from vmpath_service.policies.freeing import Freed, Freeing
from vmpath_service.policies.inuse import HostsInUse
from vmpath_service.policies.packing import fewest_hosts, totals
from vmpath_service.policies.repacking import repacked
from vmpath_service.policies.scope import Reach, reach
from vmpath_service.policies.shortage import why_nowhere
from vmpath_service.policies.spares import Spares, choose_spares
from vmpath_service.policies.staying import reasons_in_use


class ConsolidatePolicy(Policy):
    """Brings the instances together on few hosts, so that the others can be powered off or repaired.

    A host is freed whole or not at all: hosts that hold an instance that may not be migrated stay in use, and
    so do hosts on which something counts as used that no listed instance explains, unless ``free_unlisted``.
    Among equally many hosts in use, the target with the fewest migrations is taken, or that which moves the least
    memory (``save``).

    At first only the instances of the hosts that are freed move: those hosts only give, the others only receive, and
    the migrations fit in any order. With ``repack`` instances of hosts that stay in use move too where that frees more
    hosts. The notes say how many hosts are in use, and a number that no placement goes below; ``min_gain`` (hosts
    freed for each migration) and ``repack = no`` stop where another host costs too much.

    ``headroom`` is kept free on every host that receives. ``spare_hosts`` = k keeps at least k of the empty
    hosts in service, the largest ones, and more where that is needed so that any k hosts in use may die: the others
    and the spare ones have as much free as was used, in every resource class, and what was on those that died finds
    places there, as capacity, server groups, zones and traits have it. Where there are more than 20,000 sets of k
    hosts, each host is let die with the k - 1 that are filled most. Headroom may be used up then. Spare hosts are not
    among the hosts reported as freed.

    The score is the number of hosts in use.
    """

    name = "consolidate"
    summary = "Frees as many hosts as possible, moving as little memory as possible."
    options = (
        Option("headroom", "share", "What stays free on every host that receives: MEMORY_MB:10%, VCPU:20%.", {}),
        Option("spare_hosts", "integer", "How many hosts may die and all still fits on the others.", 0, minimum=0),
        Option(
            "repack",
            "boolean",
            "Whether instances on hosts that stay in use may move too, where that frees more hosts.",
            True,
        ),
        Option(
            "exchanges",
            "integer",
            "How many exchanges of instances the search for fewer migrations makes in a repacking; not set: eighty "
            "for each host that stays in use, at most 40,000.",
            None,
            minimum=0,
        ),
        Option(
            "neighbourhoods",
            "integer",
            "How many neighbourhoods of four hosts are improved after a repacking, where OR-Tools is installed; not "
            "set: twice as many as hosts stay in use, at most 400.",
            None,
            minimum=0,
        ),
        Option(
            "save",
            "string",
            "What is saved among targets with equally many hosts in use.",
            "migrations",
            choices=("migrations", "memory"),
        ),
        Option(
            "disable_freed",
            "boolean",
            "Whether the hosts that are freed are disabled, before the first migration, so that they stay free; spare "
            "hosts are not.",
            False,
        ),
        Option(
            "free_unlisted",
            "boolean",
            "Whether hosts may be freed on which something counts as used that no listed instance explains.",
            False,
        ),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        within = reach(cloud, scope, self.settings)
        limits = self._limits(cloud)
        counts = held(cloud, cloud.home)
        candidates, leftovers, unlisted = self._candidates(cloud, within, counts)
        occupied = [host for host in within.inside if counts[host]]
        most = read.whole(self.settings, "max_migrations")
        save = read.text(self.settings, "save") or "migrations"
        freeing = Freeing(cloud, candidates, within.destinations, limits, occupied, most, save)
        freed = freeing.best()
        where = _carry_out(cloud, within, freed, limits)
        bound = self._bound(cloud, within, limits, candidates, held(cloud, where))
        how: str | None = None
        # a limit on migrations is better spent on hosts that are freed whole; vetoes are asked move by move
        if self.settings.get("repack") and most is None and not cloud.vetoes:
            exchanges, neighbourhoods = (read.whole(self.settings, name) for name in ("exchanges", "neighbourhoods"))
            where, how = repacked(freeing, freed, where, bound, exchanges, neighbourhoods)
            where = _exhausted(cloud, within, limits, unlisted, where, save)
        after = held(cloud, where)
        spares = choose_spares(cloud, within, where, after, read.whole(self.settings, "spare_hosts") or 0)
        hosts = cloud.snapshot.hosts
        emptied = [host for host in occupied if not after[host]]
        stuck = {hosts[host].name for host in occupied if after[host]}
        freed_names = tuple(hosts[host].name for host in emptied if host not in spares.hosts)
        return Decision(
            placement=ordered_placement(cloud, _by_host(cloud, where, after), where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(each for each in leftovers if each.host in stuck),
            disable=freed_names if self.settings.get("disable_freed") else (),
            emptied=freed_names,
            in_use=reasons_in_use(
                cloud,
                where,
                [host for host in within.inside if after[host]],
                limits,
                unlisted,
                fewest=sum(after[host] > 0 for host in within.inside) <= bound,
                most=most,
            ),
            notes=(
                *self._notes(cloud, within, bound, after, unlisted, spares),
                *_price(freeing, where, emptied),
                *([how] if how else []),
                *(_in_the_way(cloud, within, limits, candidates, where, after) if len(stuck) > bound else ()),
            ),
            reasons=_reasons(cloud, where, after),
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        within = reach(cloud, scope, self.settings)
        counts = held(cloud, where)
        instances = cloud.snapshot.instances
        in_use = sum(counts[host] > 0 for host in within.inside)
        moved = sum(
            instances[guest].memory_mb()
            for guest, (home, host) in enumerate(zip(cloud.home, where, strict=True))
            if host not in (home, NOWHERE)
        )
        return Score(float(in_use), "hosts in use", {"hosts": float(in_use), "moved_memory_mb": float(moved)})

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        return HostsInUse(cloud, reach(cloud, scope, self.settings).inside)

    def _limits(self, cloud: CompiledCloud) -> list[Vector]:
        """Capacity less headroom, per host and dimension; raises InvalidInput for a class that no host has."""
        headroom = read.shares(self.settings, "headroom")
        known = {name for host in cloud.snapshot.hosts for name in host.inventories}
        for name in headroom:
            if name not in known:
                raise InvalidInput(
                    f"consolidate: headroom names {name!r}, which no host has; there are: {', '.join(sorted(known))}"
                )
        kept = [headroom.get(name, 0.0) for name in cloud.dimensions]
        return [
            tuple(int(amount * (1 - share)) for amount, share in zip(row, kept, strict=True)) for row in cloud.capacity
        ]

    def _candidates(
        self, cloud: CompiledCloud, within: Reach, counts: Sequence[int]
    ) -> tuple[dict[int, list[int]], list[Leftover], list[int]]:
        """Hosts that may be freed with their instances, what stands in the way elsewhere, and where it is
        something that is not listed."""
        guests: dict[int, list[int]] = {host: [] for host in within.inside if counts[host]}
        leftovers: list[Leftover] = []
        blocked = set(cloud.also_at.values())
        for guest, host in enumerate(cloud.home):
            if host not in guests:
                continue
            guests[host].append(guest)
            if (reason := obstacle(cloud, guest)) is not None:
                blocked.add(host)
                instance = cloud.snapshot.instances[guest]
                leftovers.append(Leftover(instance.uuid, cloud.snapshot.hosts[host].name, reason))
        unlisted = []
        if not self.settings.get("free_unlisted"):
            unlisted = [host for host in guests if host not in blocked and any(cloud.taken[host])]
        blocked.update(unlisted)
        return {host: there for host, there in guests.items() if host not in blocked}, leftovers, unlisted

    def _bound(
        self,
        cloud: CompiledCloud,
        within: Reach,
        limits: Sequence[Vector],
        candidates: Mapping[int, Sequence[int]],
        after: Sequence[int],
    ) -> int:
        """A number of hosts in use that no placement goes below."""
        hosts = cloud.snapshot.hosts
        used = Occupancy(cloud).used
        most: dict[int, list[int]] = {}
        for host in within.inside:
            # what does not receive, or holds more than its limit, can go on holding what it holds
            receives = hosts[host].receives()
            most[host] = [
                max(limit, now) if receives else now for limit, now in zip(limits[host], used[host], strict=True)
            ]
        fixed = [host for host in within.inside if after[host] and host not in candidates]
        listed = [at for at in within.inside if at in candidates or at in fixed]
        return fewest_hosts(most, totals((used[host] for host in listed), len(cloud.dimensions)), fixed)

    def _notes(
        self,
        cloud: CompiledCloud,
        within: Reach,
        bound: int,
        after: Sequence[int],
        unlisted: Sequence[int],
        spares: Spares,
    ) -> list[str]:
        hosts = cloud.snapshot.hosts
        occupied = [host for host in within.inside if after[host]]
        gap = f" (gap {(len(occupied) - bound) / bound:.1%})" if 0 < bound < len(occupied) else ""
        notes = [f"{len(occupied)} hosts in use; no placement of these instances uses less than {bound}{gap}"]
        if spares.shortage:
            notes.append(spares.shortage)
        if unlisted:
            shown = ", ".join(hosts[host].name for host in unlisted[:3]) + (", ..." if len(unlisted) > 3 else "")
            notes.append(
                f"{len(unlisted)} hosts are not freed because something counts as used there that no listed "
                f"instance explains ({shown}); free_unlisted permits it"
            )
        if spares.hosts:
            notes.append(f"kept as spare hosts: {', '.join(hosts[host].name for host in spares.hosts)}")
        return notes


def _price(freeing: Freeing, where: Sequence[int], emptied: Sequence[int]) -> Iterator[str]:
    """How many migrations it takes, beside a number that no way to free as many hosts goes below."""
    if not emptied:
        return
    home = freeing.cloud.home
    moved = [guest for guest, host in enumerate(where) if host not in (home[guest], NOWHERE)]
    least = sum(sorted(len(guests) for guests in freeing.candidates.values())[: len(emptied)])
    if len(moved) > least and freeing.save == "migrations":
        # numpy takes a tenth of a second to import
        from vmpath_service.policies.economy import least_cost

        least = max(least, math.ceil(least_cost(freeing, len(emptied))))
    yield f"{len(moved)} migrations; no way to free {len(emptied)} hosts takes less than {least}"


def _exhausted(
    cloud: CompiledCloud,
    within: Reach,
    limits: Sequence[Vector],
    unlisted: Sequence[int],
    where: Sequence[int],
    save: str,
) -> list[int]:
    """Where everything is with fewer hosts in use, or fewer migrations, if the cloud is small enough to try all."""
    inside = frozenset(within.inside) - frozenset(unlisted)
    free = [guest for guest, home in enumerate(cloud.home) if home in inside and obstacle(cloud, guest) is None]
    if not is_small(cloud, free, within.destinations):
        return list(where)
    instances = cloud.snapshot.instances

    def key(there: Sequence[int]) -> tuple[int, ...]:
        movers = [guest for guest in free if there[guest] != cloud.home[guest]]
        memory = sum(instances[guest].memory_mb() for guest in movers)
        in_use = sum(count > 0 for count in held(cloud, there))
        return (in_use, len(movers), memory) if save == "migrations" else (in_use, memory, len(movers))

    board = Board(cloud, within.destinations, limits)
    put(board, where)
    improve(board, free, key, None)
    return board.accounts.where


def _in_the_way(
    cloud: CompiledCloud,
    within: Reach,
    limits: Sequence[Vector],
    candidates: Mapping[int, Sequence[int]],
    where: Sequence[int],
    after: Sequence[int],
) -> list[str]:
    """Why no more of the hosts are freed on which everything may move: what is missing to free the least filled."""
    staying = [host for host in candidates if after[host]]
    if not staying:
        return []
    board = Board(cloud, (), limits)
    for guest, host in enumerate(where):
        if host not in (cloud.home[guest], NOWHERE):
            board.move(guest, host)
    scale = scales(cloud, within.inside)
    least = min(staying, key=lambda host: (size(board.accounts.used[host], scale), host))
    board.destinations = tuple(host for host in within.destinations if after[host] and host != least)
    largest = sorted(board.guests[least], key=lambda guest: (-size(cloud.demand(guest), scale), guest))
    stuck = next((guest for guest in largest if best_destination(board, guest, pack=True) is None), None)
    why = (
        "each of its instances has a place, but not all of them at once"
        if stuck is None
        else f"{cloud.snapshot.instances[stuck].label()} would have to leave: {why_nowhere(board, stuck)}"
    )
    name = cloud.snapshot.hosts[least].name
    return [f"{len(staying)} hosts whose instances may all move stay in use; to free {name}, the least filled, {why}"]


def _by_host(cloud: CompiledCloud, where: Sequence[int], after: Sequence[int]) -> list[int]:
    """Who moves, host by host: first from hosts that stay, then from those that are freed, the cheapest first."""
    movers: dict[int, list[int]] = {}
    for guest, (home, host) in enumerate(zip(cloud.home, where, strict=True)):
        if host not in (home, NOWHERE):
            movers.setdefault(home, []).append(guest)
    order = sorted(movers, key=lambda host: (not after[host], len(movers[host]), host))
    return [guest for host in order for guest in movers[host]]


def _reasons(cloud: CompiledCloud, where: Sequence[int], after: Sequence[int]) -> dict[str, str]:
    instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
    reasons = {}
    for guest, (home, host) in enumerate(zip(cloud.home, where, strict=True)):
        if host in (home, NOWHERE):
            continue
        name = hosts[home].name
        reasons[instances[guest].uuid] = f"it makes room on {name}" if after[home] else f"{name} is to be freed"
    return reasons


def _carry_out(cloud: CompiledCloud, within: Reach, freed: Freed, limits: Sequence[Vector]) -> list[int]:
    """Where everything is at the end; a host is not freed where a veto keeps one of its instances there."""
    if not cloud.vetoes:
        where = list(cloud.home)
        for guest, host in freed.where.items():
            where[guest] = host
        return where
    before = held(cloud, cloud.home)
    used = set(freed.where.values())
    stay = [host for host in within.destinations if host not in freed.hosts and (before[host] or host in used)]
    board = Board(cloud, stay, limits)
    leaving: dict[int, list[int]] = {host: [] for host in freed.hosts}
    for guest in freed.where:
        leaving[cloud.home[guest]].append(guest)
    for source, guests in leaving.items():
        for guest in guests:
            wish = freed.where[guest]
            dest = wish if board.may_arrive(guest, wish) else best_destination(board, guest, pack=True)
            if dest is None:
                for other in [each for each in guests if each in board.moved]:
                    board.move(other, source)
                break
            board.move(guest, dest)
    after = held(cloud, board.accounts.where)
    # empty hosts may have been taken into use for more than has been freed in the end
    better = sum(count > 0 for count in after) < sum(count > 0 for count in before)
    return board.accounts.where if better else list(cloud.home)
