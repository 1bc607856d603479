"""Finding places for instances that are to leave where they are; others are evicted where that is the only way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.policies import shortage
from vmpath_service.policies.base import Leftover
from vmpath_service.policies.board import Board, obstacle, scales, size
from vmpath_service.policies.eviction import Work, best_destination, make_room
from vmpath_service.policies.exhaustive import improve

# How many pairs of instance and host are looked at before the search for a way to fit all ends.
_WORK = 2_000_000


@dataclass(frozen=True, slots=True)
class Emptied:
    """The board after all moves, who found no place, and whom the limit on migrations held back."""

    board: Board
    unplaced: Sequence[int]
    postponed: Sequence[int]

    def leftovers(self, limit: int | None) -> list[Leftover]:
        """Those who stay, each with the reason."""
        cloud = self.board.cloud
        reasons: dict[tuple[object, ...], str] = {}
        found = []
        for guest in self.unplaced:
            source = None if cloud.free_passage() else cloud.home[guest]
            key = (cloud.class_of[guest], source, cloud.counters_of.get(guest))
            if key not in reasons:
                reasons[key] = shortage.why_nowhere(self.board, guest)
            found.append(leftover(cloud, guest, reasons[key]))
        return found + [leftover(cloud, guest, f"max_migrations = {limit} is used up") for guest in self.postponed]

    def shortage(self, movers: Sequence[int], sources: Sequence[int], limit: int | None) -> str | None:
        """What is missing so that all can leave, and what would help; None where all do."""
        short = [shortage.sentence(self.board, movers, self.unplaced, sources)] if self.unplaced else []
        short += [shortage.limited(len(self.postponed), limit)] if self.postponed and limit else []
        return "; ".join(short) or None


class CountedCourse:
    """How many instances are on some hosts, while they move; one in flight is on them while either end is."""

    costly = False

    def __init__(self, cloud: CompiledCloud, hosts: Sequence[int]) -> None:
        self._hosts = frozenset(hosts)
        self._where = list(cloud.home)
        self._also_at = cloud.also_at
        self._there = sum(self._on(guest) for guest in range(len(self._where)))

    def move(self, guest: int, host: int) -> None:
        before = self._on(guest)
        self._where[guest] = host
        self._there += self._on(guest) - before

    def value(self) -> float:
        return float(self._there)

    def _on(self, guest: int) -> bool:
        return self._where[guest] in self._hosts or self._also_at.get(guest) in self._hosts


def place(
    cloud: CompiledCloud,
    destinations: Sequence[int],
    movers: Sequence[int],
    limit: int | None,
    *,
    wished: str = "spread",
    evict: bool = True,
    limits: Sequence[Sequence[int]] | None = None,
    avoid: Collection[int] = (),
) -> Emptied:
    """Move all of ``movers`` to ``destinations``, or as many as possible.

    ``wished``: ``spread`` or ``pack``. ``limit``: how many instances may be elsewhere than at the start. ``limits``:
    as for ``Board``. ``avoid``: destinations that take only what has no place on another one.
    """
    found = _placed(cloud, destinations, movers, limit, wished, evict, limits, avoid)
    if found.postponed or (not found.unplaced and len(found.board.moved) <= len(movers)):
        return found
    board, leaving = found.board, frozenset(movers)
    ends = frozenset(destinations)
    others = [
        guest
        for guest, home in enumerate(cloud.home)
        if evict and home in ends and guest not in leaving and obstacle(cloud, guest) is None
    ]
    free = [*movers, *others]

    def key(where: Sequence[int]) -> tuple[int, int, int]:
        moved = [guest for guest in free if where[guest] != cloud.home[guest]]
        memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in moved)
        return (
            sum(where[guest] == cloud.home[guest] for guest in movers),
            memory,
            sum(where[guest] in avoid for guest in moved),
        )

    if improve(board, free, key, limit):
        return Emptied(board, [guest for guest in movers if guest not in board.moved], ())
    return found


def _placed(
    cloud: CompiledCloud,
    destinations: Sequence[int],
    movers: Sequence[int],
    limit: int | None,
    wished: str,
    evict: bool,
    limits: Sequence[Sequence[int]] | None,
    avoid: Collection[int],
) -> Emptied:
    """Step by step: the largest first, others moved away where that is the only way, whoever was left first."""
    scale = scales(cloud, destinations)
    first = [host for host in destinations if host not in avoid]
    tiers = [first, [host for host in destinations if host in avoid]] if len(first) < len(destinations) else [first]
    order = sorted(movers, key=lambda guest: (-size(cloud.demand(guest), scale), guest))
    # an even spread may leave no gap that is large enough: pack then
    ways = [way == "pack" for way in dict.fromkeys((wished, "pack"))]
    work = Work(_WORK)
    outcomes: list[Emptied] = []

    def complete(order: Sequence[int], evict: bool) -> Emptied | None:
        """The first way in which all find a place, or, if that puts some where they should rather not be, the way
        that does so with the fewest."""
        fewest: tuple[int, Emptied] | None = None
        for pack in ways:
            work.spend(1 + len(order) * len(destinations))
            found = _direct(Board(cloud, destinations, limits), order, limit, tiers, pack=pack)
            if evict and not found.postponed:
                left = [guest for guest in found.unplaced if not make_room(found.board, guest, limit, work)]
                found = Emptied(found.board, left, ())
            outcomes.append(found)
            if not found.unplaced:
                where = found.board.accounts.where
                amiss = sum(where[guest] in avoid for guest in found.board.moved)
                if fewest is None or amiss < fewest[0]:
                    fewest = (amiss, found)
                if not amiss or not first:
                    break
        return fewest[1] if fewest else None

    if all_placed := complete(order, False):
        return all_placed
    smallest_first = order[::-1]
    tried: list[list[int]] = []
    while order not in tried and work.left > 0:
        tried.append(order)
        if all_placed := complete(order, evict):
            return all_placed
        # who found no place is placed first the next time
        left = dict.fromkeys(outcomes[-1].unplaced)
        order = [*left, *(guest for guest in order if guest not in left)]
    # all cannot be placed: of the small ones more can
    complete(smallest_first, evict)
    return min(outcomes, key=lambda outcome: len(outcome.unplaced))


def reasons_to_leave(
    cloud: CompiledCloud, board: Board, emptying: Collection[int], why: Callable[[str], str]
) -> dict[str, str]:
    """Why each instance moves: its host is one of those to be left, or it makes room for one that leaves them."""
    instances, hosts = cloud.snapshot.instances, cloud.snapshot.hosts
    reasons = {}
    for guest in board.moved:
        home = cloud.home[guest]
        text = why(hosts[home].name) if home in emptying else f"it makes room on {hosts[home].name}"
        reasons[instances[guest].uuid] = text
    return reasons


def leftover(cloud: CompiledCloud, guest: int, reason: str, host: int | None = None) -> Leftover:
    """The instance stays on the host (default: where it is)."""
    at = cloud.home[guest] if host is None else host
    return Leftover(cloud.snapshot.instances[guest].uuid, cloud.snapshot.hosts[at].name, reason)


def _direct(
    board: Board, order: Sequence[int], limit: int | None, tiers: Sequence[Sequence[int]], *, pack: bool
) -> Emptied:
    unplaced: list[int] = []
    for at, guest in enumerate(order):
        if limit is not None and len(board.moved) >= limit:
            return Emptied(board, unplaced, list(order[at:]))
        found = (best_destination(board, guest, pack=pack, among=tier) for tier in tiers)
        dest = next((each for each in found if each is not None), None)
        if dest is None:
            unplaced.append(guest)
        else:
            board.move(guest, dest)
    return Emptied(board, unplaced, ())
