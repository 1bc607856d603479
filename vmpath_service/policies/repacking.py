"""Freeing more hosts by packing anew what is on some of those that stay.

Where only the instances of the freed hosts move, what is left over on the others is seldom what they need: here much
memory, there many CPUs. So the instances of the hosts with most left over are taken out as well, as many hosts as it
takes, and all that is loose is packed at once. Instances of one kind are interchangeable: afterwards as many as
possible stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.pathfinder.cp_sat import available
from vmpath_service.policies.board import Board, obstacle
from vmpath_service.policies.freeing import Freed, Freeing
from vmpath_service.policies.homing import send_home
from vmpath_service.policies.neighbourhoods import improve_by_neighbourhoods
from vmpath_service.policies.packing import Packer, Room

# How full a host is preferred beside the proportions, one after the other.
_FULLNESS = (-0.1, 0.001)
_HALVINGS = 6
# How many instances may be packed in all, each time counted.
_EFFORT = 400_000
# How many exchanges the search for fewer migrations makes for each host in use, and in all.
_EXCHANGES_PER_HOST = 80
_EXCHANGES = 40_000
# How many neighbourhoods are improved at most, unless it is said.
_NEIGHBOURHOODS = 400
# How many pairs of instance and host are looked at to send instances home.
_HOMING = 5_000_000


@dataclass(slots=True)
class Effort:
    """How many instances may be packed still: a budget that does not depend on the clock."""

    left: int

    def spend(self, amount: int) -> None:
        self.left -= amount


class Repacking:
    """The search for one cloud.

    ``room``: what is free now on the hosts that may receive. ``fixed``: hosts in use that cannot be freed.
    """

    def __init__(
        self,
        cloud: CompiledCloud,
        room: Room,
        weights: Sequence[float],
        scale: Sequence[float],
        occupied: Iterable[int],
        effort: Effort,
    ) -> None:
        self.cloud = cloud
        self.room = room
        self.scale = scale
        self.effort = effort
        self.occupied = frozenset(occupied)
        self.packers = [Packer(cloud, scale, weights, fullness) for fullness in _FULLNESS]
        self.loose: dict[int, list[int]] = {host: [] for host in room.free}
        for guest, host in enumerate(cloud.home):
            if host in self.occupied and obstacle(cloud, guest) is None:
                self.loose.setdefault(host, []).append(guest)

    def fewest(self, order: Sequence[int], freed: int, bound: int) -> dict[int, int] | None:
        """Where instances go so that more of the hosts in ``order`` are freed than ``freed``, as many as possible.

        ``bound``: how many may be freed at most. None where no more can be. The number is found by halving, then the
        fewest hosts whose instances are taken out for it.
        """
        low, high = freed, min(bound, len(order))
        found: dict[int, int] | None = None
        # the last few are the likeliest to fail: from the bound down in growing steps, then by halves
        while low < high and self.effort.left > 0:
            middle = (low + high + 1) // 2
            where = self._packed(order[:middle], 1.0)
            if where is None:
                high = middle - 1
            else:
                low, found = middle, where
        if found is None:
            return None
        gone = order[:low]
        least, most = 0.0, 1.0
        for _ in range(_HALVINGS):
            if self.effort.left <= 0:
                break
            part = (least + most) / 2
            where = self._packed(gone, part)
            if where is None:
                least = part
            else:
                most, found = part, where
        return found

    def _packed(self, gone: Sequence[int], part: float) -> dict[int, int] | None:
        """Free these hosts with the instances of this part of the others taken out; None if they do not all fit."""
        freed = set(gone)
        stay = [host for host in self.room.free if host not in freed and host in self.occupied]
        ranked = sorted(stay, key=lambda host: (-self._left_over(host), host))
        out = ranked[: round(part * len(ranked))]
        room = self.room.copy(stay)
        guests = [guest for host in gone for guest in self.loose[host]]
        for host in out:
            row = room.free[host]
            for guest in self.loose[host]:
                for at, amount in enumerate(self.cloud.demand(guest)):
                    row[at] += amount
                for counter in self.cloud.counters_of.get(guest, ()):
                    room.counts[counter][host] -= 1
                guests.append(guest)
        for packer in self.packers:
            self.effort.spend(len(guests))
            trial = Room({host: list(row) for host, row in room.free.items()}, [dict(each) for each in room.counts])
            where, unplaced = packer.pack(guests, trial, all_or_nothing=True)
            if not unplaced:
                return self._settled(where)
        return None

    def _left_over(self, host: int) -> float:
        """What is free on the host, and how unevenly."""
        shares = [amount * factor for amount, factor in zip(self.room.free[host], self.scale, strict=True)]
        return max(shares, default=0.0)

    def _settled(self, where: Mapping[int, int]) -> dict[int, int]:
        """The same placement with as many as possible of those that are alike where they are now."""
        cloud = self.cloud
        settled: dict[int, int] = {}
        alike: dict[tuple[int, int], list[int]] = {}
        free_passage = cloud.free_passage()
        for guest, host in where.items():
            if guest in cloud.counters_of or not free_passage or cloud.vetoes:
                settled[guest] = host
            else:
                alike.setdefault((cloud.class_of[guest], 0), []).append(guest)
        for guests in alike.values():
            places: dict[int, int] = {}
            for guest in guests:
                places[where[guest]] = places.get(where[guest], 0) + 1
            movers = []
            for guest in guests:
                home = cloud.home[guest]
                if places.get(home):
                    places[home] -= 1
                else:
                    movers.append(guest)
            ends: Iterator[int] = (host for host, count in places.items() for _ in range(count))
            settled.update(zip(movers, ends, strict=True))
        return {guest: host for guest, host in settled.items() if host != cloud.home[guest]}


def repacked(
    freeing: Freeing, freed: Freed, where: Sequence[int], bound: int, exchanges: int | None, neighbourhoods: int | None
) -> tuple[list[int], str | None]:
    """Where everything is with as many hosts freed as repacking can, and how that was found; ``where`` and None if it
    can free no more.

    ``freed``: what has been found without it; ``bound``: how many hosts must stay in use; ``exchanges``: how many of
    them the search for fewer migrations makes at most; None: eighty for each host in use, up to a limit;
    ``neighbourhoods``: how many of them OR-Tools improves at most, where it is installed; None: twice as many as hosts
    stay in use.
    """
    # numpy takes a tenth of a second to import: only who repacks pays for it
    from vmpath_service.policies.economy import economical

    if freed.in_use <= bound:
        return list(where), None
    steps = min(_EXCHANGES, _EXCHANGES_PER_HOST * bound) if exchanges is None else exchanges
    found = [economical(freeing, bound, bound, steps)]
    if found == [None]:
        found = [constructed := _constructed(freeing, freed, bound)]
        fewest = freed.in_use if constructed is None else _key(freeing, constructed)[0]
        found.append(economical(freeing, fewest, bound + 1, steps))
    boards = [board for board in found if board is not None]
    if not boards:
        return list(where), None
    board = min(boards, key=lambda each: _key(freeing, each))
    if _key(freeing, board) >= (freed.in_use, freeing.cost(freed.where)):
        return list(where), None
    kept = freeing.occupied.intersection(board.accounts.where)
    hosts = [host for host in freeing.room.free if host in kept]
    send_home(board, hosts, _HOMING)
    number = min(_NEIGHBOURHOODS, 2 * len(kept)) if neighbourhoods is None else neighbourhoods
    if improve_by_neighbourhoods(board, hosts, number, freeing.save):
        how = "OR-Tools (CP-SAT) was used to keep their migrations few"
    elif number and not available():
        how = "OR-Tools, which may find targets with fewer migrations, is not installed"
    else:
        how = "OR-Tools was not used"
    return board.accounts.where, f"instances of hosts that stay in use move, too; {how}"


def _constructed(freeing: Freeing, freed: Freed, bound: int) -> Board | None:
    """The best that packing anew, in the orders in which hosts were freed, leads to; None if it frees no more."""
    cloud = freeing.cloud
    best: Board | None = None
    effort = Effort(_EFFORT)
    search = Repacking(cloud, freeing.room, freeing.weights, freeing.scale, freeing.occupied, effort)
    for order, use_empty in freeing.orders():
        if use_empty or effort.left <= 0:
            continue
        found = search.fewest(order, len(freeing.occupied) - freed.in_use, len(freeing.occupied) - bound)
        if found is None:
            continue
        board = Board(cloud, (), freeing.limits)
        for guest, host in found.items():
            board.move(guest, host)
        kept = freeing.occupied.intersection(board.accounts.where)
        send_home(board, [host for host in freeing.room.free if host in kept], 0)
        if best is None or _key(freeing, board) < _key(freeing, best):
            best = board
    return best


def _key(freeing: Freeing, board: Board) -> tuple[int, int]:
    """Hosts in use, and what the migrations cost."""
    return len(freeing.occupied.intersection(board.accounts.where)), freeing.cost(board.moved)
