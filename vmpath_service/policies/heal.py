"""``heal``: repair what is broken now."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies import shortage
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, obstacle, ordered_placement
from vmpath_service.policies.emptying import leftover
from vmpath_service.policies.eviction import Work, best_destination, make_room
from vmpath_service.policies.exhaustive import improve
from vmpath_service.policies.scope import reach

_WORK = 1_000_000
# How many instances may leave an overfull host together for the smallest set to be looked for among all.
_TOGETHER = 3
_SETS = 2_000


class HealPolicy(Policy):
    """Repairs what is broken now, with few migrations.

    Broken is: an instance on a host that the rules refuse it (another availability zone, aggregate, trait, ... than it
    must have) or, unless ``disabled_hosts`` is off, on one that is disabled; more members of a strict anti-affinity
    group on a host than may be; a host over its capacity in a resource class. Misplaced instances go first, then
    members of groups, then the fewest instances whose leaving brings an overfull host back within its capacity.
    Others are moved only where that is the only way to make room.

    What cannot be repaired by live migration is listed with the reason: on a host that is down the guests are rebuilt,
    not migrated; the members of a strict affinity group that are on several hosts cannot be moved at all.

    The score counts misplaced instances, members too many, and for each host and class that is over its capacity one
    and the share that it is over.
    """

    name = "heal"
    summary = "Repairs overfull hosts, violated groups and misplaced instances, moving as few as possible."
    asks_for_all = True
    options = (
        Option("disabled_hosts", "boolean", "Whether an instance on a disabled host is misplaced.", True),
        Option("evict", "boolean", "Whether other instances may be moved to make room where that is needed.", True),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        within = reach(cloud, scope, self.settings)
        inside = frozenset(within.inside)
        board = Board(cloud, within.destinations)
        work = Work(_WORK)
        limit = read.whole(self.settings, "max_migrations")
        reasons: dict[str, str] = {}
        left: dict[int, str] = {}

        def leave(guest: int, why: str) -> bool:
            if limit is not None and len(board.moved) >= limit:
                left.setdefault(guest, f"max_migrations = {limit} is used up")
                return False
            reasons.setdefault(cloud.snapshot.instances[guest].uuid, why)
            dest = best_destination(board, guest, pack=False)
            if dest is not None:
                board.move(guest, dest)
            elif not (self.settings.get("evict") and make_room(board, guest, limit, work)):
                left[guest] = shortage.why_nowhere(board, guest)
                return False
            return True

        wrong = {guest: why for guest, why in self._misplaced(cloud, cloud.home) if cloud.home[guest] in inside}
        # the largest find a place while there is most room
        for guest in sorted(wrong, key=lambda guest: (-cloud.snapshot.instances[guest].memory_mb(), guest)):
            if (reason := obstacle(cloud, guest)) is not None:
                left[guest] = f"{wrong[guest]}; {reason}"
            else:
                leave(guest, wrong[guest])
        for counter, host in list(_crowded(board.accounts)):
            if host not in inside:
                continue
            members = [guest for guest in board.guests[host] if counter in cloud.counters_of.get(guest, ())]
            why = f"{cloud.snapshot.hosts[host].name} holds too many of {cloud.counter_names[counter]}"
            over = [at for at, most in enumerate(cloud.capacity[host]) if board.accounts.used[host][at] > most]
            # who takes most of what the host has too little of goes first, else the one with least memory
            members.sort(
                key=lambda guest: (
                    -sum(cloud.demand(guest)[at] / max(1, cloud.capacity[host][at]) for at in over),
                    cloud.snapshot.instances[guest].memory_mb(),
                    guest,
                )
            )
            for guest in members:
                if board.accounts.counts[counter].get(host, 0) <= cloud.counter_limits[counter]:
                    break
                if (reason := obstacle(cloud, guest)) is not None:
                    left.setdefault(guest, f"{why}; {reason}")
                else:
                    leave(guest, why)
        for host in within.inside:
            _relieve(board, host, leave, left)
        if self.settings.get("evict"):
            self._exhaust(board, scope, inside, limit)
        for guest, why in wrong.items():
            if guest not in board.moved and guest not in left:
                left[guest] = f"{why}; {shortage.why_nowhere(board, guest)}"
        where = board.accounts.where
        broken = _remaining(cloud, board.accounts, self._misplaced(cloud, where))
        placement = ordered_placement(cloud, board.moved, where)
        notes = tuple(_split_groups(cloud))
        before, after = self.score(cloud, cloud.home, scope), self.score(cloud, where, scope)
        if after.value >= before.value:
            # what was moved made room for nothing in the end
            placement, after = {}, before
        leftovers: list[Leftover] = [
            leftover(cloud, guest, reason)
            for guest, reason in sorted(left.items())
            if cloud.snapshot.instances[guest].uuid not in placement
        ]
        return Decision(
            placement=placement,
            before=before,
            after=after,
            leftovers=tuple(leftovers),
            notes=notes,
            shortage=f"not all can be repaired by migration: {broken}" if after.value > 0 and broken else None,
            reasons={uuid: reasons.get(uuid) or _why(cloud, cloud.instance_index[uuid]) for uuid in placement},
        )

    def _exhaust(self, board: Board, scope: Scope, inside: frozenset[int], limit: int | None) -> None:
        """Look for a better state in a cloud that is small enough to try all."""
        cloud = board.cloud
        free = [guest for guest, home in enumerate(cloud.home) if home in inside and obstacle(cloud, guest) is None]
        if len(board.moved) < 2 and not self.score(cloud, board.accounts.where, scope).value:
            return

        def key(where: Sequence[int]) -> tuple[float, int, int]:
            movers = [guest for guest in free if where[guest] != cloud.home[guest]]
            memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in movers)
            return self.score(cloud, where, scope).value, len(movers), memory

        improve(board, free, key, limit)

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        inside = frozenset(reach(cloud, scope, self.settings).inside)
        accounts = Occupancy(cloud)
        for guest, host in enumerate(where):
            if host not in (accounts.where[guest], NOWHERE):
                accounts.move(guest, host)
        misplaced = sum(where[guest] in inside for guest, _ in self._misplaced(cloud, where))
        members = sum(
            accounts.counts[counter][host] - cloud.counter_limits[counter]
            for counter, host in _crowded(accounts)
            if host in inside
        )
        classes = 0
        over = 0.0
        for host in sorted(inside):
            for used, most in zip(accounts.used[host], cloud.capacity[host], strict=True):
                if used > most:
                    classes += 1
                    over += (used - most) / max(1, most)
        terms = {"misplaced": float(misplaced), "members too many": float(members), "classes overfull": float(classes)}
        return Score(round(misplaced + members + classes + over, 9), "things broken", terms)

    def _misplaced(self, cloud: CompiledCloud, where: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Instances on hosts where they may not be, with the reason."""
        hosts = cloud.snapshot.hosts
        for guest, host in enumerate(where):
            if host == NOWHERE:
                continue
            if not cloud.admits(guest, host):
                yield guest, cloud.refusal(guest, host) or f"{hosts[host].name} does not admit it"
            elif hosts[host].state != "up":
                yield guest, f"{hosts[host].name} is {hosts[host].state}"
            elif hosts[host].status == "disabled" and self.settings.get("disabled_hosts"):
                yield guest, f"{hosts[host].name} is disabled"


def _why(cloud: CompiledCloud, guest: int) -> str:
    """Why an instance that is not itself wrong leaves its host."""
    home = cloud.home[guest]
    used = Occupancy(cloud).used[home]
    if any(now > most for now, most in zip(used, cloud.capacity[home], strict=True)):
        return f"{cloud.snapshot.hosts[home].name} is over its capacity"
    return "it makes room for another"


def _crowded(accounts: Occupancy) -> Iterator[tuple[int, int]]:
    """Counters, each with a host where more are counted than may be."""
    for counter, limit in enumerate(accounts.cloud.counter_limits):
        for host, count in sorted(accounts.counts[counter].items()):
            if count > limit:
                yield counter, host


def _relieve(board: Board, host: int, leave: Callable[[int, str], bool], left: dict[int, str]) -> None:
    """Move the fewest instances whose leaving brings the host within its capacity, with the least memory.

    ``leave`` moves one, or puts it into ``left``: so it ends.
    """
    cloud = board.cloud
    name = cloud.snapshot.hosts[host].name
    while excess := [
        (at, used - most)
        for at, (used, most) in enumerate(zip(board.accounts.used[host], cloud.capacity[host], strict=True))
        if used > most
    ]:
        at, amount = excess[0]
        why = f"{name} is {amount} {cloud.dimensions[at]} over its capacity"
        useful = [
            guest
            for guest in board.guests[host]
            if guest not in left and any(cloud.demand(guest)[each] for each, _ in excess)
        ]
        movable = []
        for guest in useful:
            if (reason := obstacle(cloud, guest)) is None:
                movable.append(guest)
            else:
                left[guest] = f"{why}; {reason}"
        chosen = next(_sets(board, movable, excess), None) or _greedy(board, movable, excess)
        if not chosen:
            return
        for guest in chosen:
            leave(guest, why)


def _sets(board: Board, guests: Sequence[int], excess: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Sets of instances whose leaving is enough, the fewest first, then those with the least memory."""
    cloud = board.cloud
    for number in range(1, _TOGETHER + 1):
        found = []
        for trial in itertools.islice(itertools.combinations(guests, number), _SETS):
            if all(sum(cloud.demand(guest)[at] for guest in trial) >= amount for at, amount in excess):
                nowhere = sum(best_destination(board, guest, pack=False) is None for guest in trial)
                memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in trial)
                found.append((nowhere, memory, trial))
        if found:
            yield from (trial for _, _, trial in sorted(found))
            return


def _greedy(board: Board, guests: Sequence[int], excess: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The instance that takes most of what there is too little of."""
    cloud = board.cloud
    ranked = sorted(
        guests, key=lambda guest: (-sum(min(cloud.demand(guest)[at], much) / much for at, much in excess), guest)
    )
    fitting = (guest for guest in ranked if best_destination(board, guest, pack=False) is not None)
    first = next(fitting, ranked[0] if ranked else None)
    return () if first is None else (first,)


def _remaining(cloud: CompiledCloud, accounts: Occupancy, misplaced: Iterator[tuple[int, str]]) -> str:
    """What is broken still, in words."""
    hosts = cloud.snapshot.hosts
    parts = []
    wrong = sum(1 for _ in misplaced)
    if wrong:
        parts.append(f"{wrong} instances misplaced")
    over = [
        hosts[host].name
        for host, (row, most) in enumerate(zip(accounts.used, cloud.capacity, strict=True))
        if any(used > limit for used, limit in zip(row, most, strict=True))
    ]
    if over:
        parts.append(f"overfull: {', '.join(over[:3])}{', ...' if len(over) > 3 else ''}")
    groups = sorted({cloud.counter_names[counter] for counter, _ in _crowded(accounts)})
    if groups:
        parts.append(f"violated: {', '.join(groups[:3])}{', ...' if len(groups) > 3 else ''}")
    return "; ".join(parts)


def _split_groups(cloud: CompiledCloud) -> Iterator[str]:
    """Strict affinity groups that are on several hosts."""
    for group in cloud.snapshot.server_groups:
        if group.policy != "affinity":
            continue
        homes = {cloud.home[cloud.instance_index[member]] for member in group.members} - {NOWHERE}
        if len(homes) > 1:
            yield (
                f"the strict affinity server group {group.name or group.uuid} is on {len(homes)} hosts: Nova migrates "
                "none of its members"
            )
