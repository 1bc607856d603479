"""``drain``: empty the hosts that the request names."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies import shortage
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, held, named_placement, obstacle, scales, size
from vmpath_service.policies.eviction import Work, best_destination, make_room
from vmpath_service.policies.scope import Reach, hosts_named, reach

# How many pairs of instance and host are looked at before the search for a way to fit all ends.
_WORK = 2_000_000

_Outcome = tuple[Board, list[int], list[int]]


class DrainPolicy(Policy):
    """Empties hosts by live migration, for maintenance.

    Every instance that may be migrated leaves the named hosts (``--host``, at least one); each goes to a host
    that is up, enabled, within the scope, admits it and has room for it now, so that a path exists. Only what
    must move is moved; where an instance finds no place, others are moved off a host to make room for it. The
    named hosts are disabled before the first migration, so that nothing new arrives.

    What cannot be migrated (locked, in a strict affinity group, a device passed through, ...) stays, and is
    listed with the reason. If there is not enough room, as many instances as possible leave, and the answer
    says how much is missing. The score is the number of instances on the named hosts.
    """

    name = "drain"
    summary = "Empties the named hosts, moving as little as possible."
    asks_for_all = True
    options = (
        Option(
            "destinations",
            "string",
            "Which of the hosts that have room take an instance: the least filled (spread) or the fullest (pack).",
            "spread",
            choices=("spread", "pack"),
        ),
        Option("evict", "boolean", "Whether other instances may be moved to make room where that is needed.", True),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        if not scope.hosts:
            raise InvalidInput("drain: no host is named; name at least one with --host")
        within = reach(cloud, scope, self.settings, hosts_are_sources=True)
        sources = hosts_named(cloud, scope.hosts)
        emptying = set(sources)
        movers: list[int] = []
        leftovers: list[Leftover] = []
        for guest, host in enumerate(cloud.home):
            if host not in emptying:
                continue
            reason = obstacle(cloud, guest)
            if reason is None:
                movers.append(guest)
            else:
                leftovers.append(_leftover(cloud, guest, reason))
        for guest, host in cloud.also_at.items():
            if host in emptying and cloud.home[guest] not in emptying:
                leftovers.append(_leftover(cloud, guest, cloud.pinned[guest], host))

        limit = read.whole(self.settings, "max_migrations")
        board, unplaced, postponed = self._place(cloud, within, sources, movers, limit)
        reasons: dict[tuple[object, ...], str] = {}
        for guest in unplaced:
            source = None if cloud.free_passage() else cloud.home[guest]
            key = (cloud.class_of[guest], source, cloud.counters_of.get(guest))
            if key not in reasons:
                reasons[key] = shortage.why_nowhere(board, guest)
            leftovers.append(_leftover(cloud, guest, reasons[key]))
        leftovers += [_leftover(cloud, guest, f"max_migrations = {limit} is used up") for guest in postponed]
        short = [shortage.sentence(board, movers, unplaced, sources)] if unplaced else []
        short += [shortage.limited(len(postponed), limit)] if postponed and limit else []
        where = board.accounts.where
        staying = held(cloud, where)
        hosts = cloud.snapshot.hosts
        return Decision(
            placement=named_placement(cloud, where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(leftovers),
            disable=tuple(hosts[host].name for host in sources),
            emptied=tuple(hosts[host].name for host in sources if not staying[host]),
            shortage="; ".join(short) or None,
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        emptying = set(hosts_named(cloud, scope.hosts))
        there = [guest for guest, host in enumerate(where) if host in emptying]
        arriving = sum(host in emptying and where[guest] not in emptying for guest, host in cloud.also_at.items())
        memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in there)
        value = float(len(there) + arriving)
        return Score(value, "instances on the hosts to empty", {"instances": value, "memory_mb": float(memory)})

    def _place(
        self, cloud: CompiledCloud, within: Reach, sources: Sequence[int], movers: Sequence[int], limit: int | None
    ) -> _Outcome:
        """The board after all moves, who found no place, and whom the limit on migrations held back."""
        destinations = [host for host in within.destinations if host not in sources]
        scale = scales(cloud, destinations)
        order = sorted(movers, key=lambda guest: (-size(cloud.demand(guest), scale), guest))
        wished = read.text(self.settings, "destinations") or "spread"
        # an even spread may leave no gap that is large enough: pack then
        ways = [way == "pack" for way in dict.fromkeys((wished, "pack"))]
        work = Work(_WORK)
        outcomes: list[_Outcome] = []

        def complete(order: Sequence[int], evict: bool) -> bool:
            for pack in ways:
                outcomes.append(_attempt(cloud, destinations, order, limit, work, pack=pack, evict=evict))
                if not outcomes[-1][1]:
                    return True
            return False

        if complete(order, False):
            return outcomes[-1]
        evict = bool(self.settings.get("evict"))
        smallest_first = order[::-1]
        tried: list[list[int]] = []
        while order not in tried and work.left > 0:
            tried.append(order)
            if complete(order, evict):
                return outcomes[-1]
            # who found no place is placed first the next time
            left = dict.fromkeys(outcomes[-1][1])
            order = [*left, *(guest for guest in order if guest not in left)]
        # all cannot be placed: of the small ones more can
        complete(smallest_first, evict)
        return min(outcomes, key=lambda outcome: len(outcome[1]))


def _attempt(
    cloud: CompiledCloud,
    destinations: Sequence[int],
    order: Sequence[int],
    limit: int | None,
    work: Work,
    *,
    pack: bool,
    evict: bool,
) -> _Outcome:
    work.spend(1 + len(order) * len(destinations))
    board, unplaced, postponed = _direct(cloud, destinations, order, limit, pack=pack)
    if evict and not postponed:
        unplaced = [guest for guest in unplaced if not make_room(board, guest, limit, work)]
    return board, unplaced, postponed


def _direct(
    cloud: CompiledCloud, destinations: Sequence[int], order: Sequence[int], limit: int | None, *, pack: bool
) -> _Outcome:
    board = Board(cloud, destinations)
    unplaced: list[int] = []
    for at, guest in enumerate(order):
        if limit is not None and len(board.moved) >= limit:
            return board, unplaced, list(order[at:])
        dest = best_destination(board, guest, pack=pack)
        if dest is None:
            unplaced.append(guest)
        else:
            board.move(guest, dest)
    return board, unplaced, []


def _leftover(cloud: CompiledCloud, guest: int, reason: str, host: int | None = None) -> Leftover:
    at = cloud.home[guest] if host is None else host
    return Leftover(cloud.snapshot.instances[guest].uuid, cloud.snapshot.hosts[at].name, reason)
