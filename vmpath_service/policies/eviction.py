"""Making room: moving others off a host so that an instance may arrive there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from vmpath_service.policies.board import Board, obstacle

# How many hosts are looked at for one instance, nearest to having room first, and how many others may leave one.
_HOSTS = 64
_MOST = 4
_PAIRED = 8


@dataclass(slots=True)
class Work:
    """How many more pairs of instance and host may be looked at: a budget that does not depend on the clock."""

    left: int

    def spend(self, amount: int) -> None:
        self.left -= amount


@dataclass(frozen=True, slots=True)
class _Eviction:
    cost: int
    host: int
    moves: tuple[tuple[int, int], ...]
    """Who goes where first, in this order."""


def best_destination(
    board: Board, guest: int, *, pack: bool, without: int | None = None, among: Sequence[int] | None = None
) -> int | None:
    """The destination where the instance may arrive now and that is least filled after (``pack``: fullest).

    ``among``: only these destinations; ``without``: not this one.
    """
    best: tuple[float, int] | None = None
    here = board.accounts.where[guest]
    for host in board.destinations if among is None else among:
        if host in (here, without) or not board.may_arrive(guest, host):
            continue
        fill = board.fill_after(guest, host)
        key = (-fill if pack else fill, host)
        if best is None or key < best:
            best = key
    return best[1] if best else None


def make_room(board: Board, guest: int, limit: int | None, work: Work) -> bool:
    """Move a few others away and the instance to where they were, with the least memory moved.

    Each of the others has room where it goes before the instance moves. ``limit``: how many instances may be
    elsewhere than at the start in the end. Changes nothing and returns False where that cannot be done, or not
    within the ``work`` that is left.
    """
    for at, amount in enumerate(board.cloud.demand(guest)):
        free = (board.limits[host][at] - board.accounts.used[host][at] for host in board.destinations)
        if amount and sum(each for each in free if each > 0) < amount:
            return False
    work.spend(len(board.destinations))
    near = sorted(
        (_lack(board, guest, host), host)
        for host in board.destinations
        if host != board.accounts.where[guest] and board.suits(guest, host)
    )
    best: _Eviction | None = None
    for _, host in near[:_HOSTS]:
        if work.left <= 0:
            break
        found = _evict(board, guest, host, limit, best.cost if best else None, work)
        if found is not None:
            best = found
    if best is None:
        return False
    for other, dest in (*best.moves, (guest, best.host)):
        board.move(other, dest)
    return True


def _evict(
    board: Board, guest: int, host: int, limit: int | None, cheaper_than: int | None, work: Work
) -> _Eviction | None:
    """The cheapest set of others found whose leaving makes room on the host; the board is left as it was."""
    others = [other for other in board.guests[host] if obstacle(board.cloud, other) is None]
    others.sort(key=lambda other: (_cost(board, other), other))
    missing = _missing(board, guest, host)
    best: _Eviction | None = None
    # one alone, from the cheapest; then two of the cheaper ones; then as many as it takes, from either end
    trials: list[Sequence[int]] = [(other,) for other in others]
    trials += itertools.combinations(others[:_PAIRED], 2)
    if len(others) > 2:
        trials += [others[:_MOST], others[::-1][:_MOST]]
    for trial in trials:
        bound = best.cost if best else cheaper_than
        if not _frees(board, trial, missing) or (bound is not None and _cost(board, trial[0]) >= bound):
            continue
        work.spend(len(trial) * len(board.destinations))
        found = _try(board, guest, host, trial, limit)
        if found is not None and (bound is None or found.cost < bound):
            best = found
            if len(trial) == 1:
                break
        if work.left <= 0:
            break
    return best


def _frees(board: Board, others: Sequence[int], missing: Sequence[int]) -> bool:
    """Whether as much as is missing is freed if all of them leave."""
    demands = [board.cloud.demand(other) for other in others]
    return all(lack <= 0 or sum(each[at] for each in demands) >= lack for at, lack in enumerate(missing))


def _try(board: Board, guest: int, host: int, others: Sequence[int], limit: int | None) -> _Eviction | None:
    moves: list[tuple[int, int]] = []
    back: list[tuple[int, int]] = []
    cost = 0
    done = False
    for other in others:
        dest = best_destination(board, other, pack=True, without=host)
        if dest is None:
            continue
        cost += _cost(board, other)
        back.append((other, board.accounts.where[other]))
        board.move(other, dest)
        moves.append((other, dest))
        if board.may_arrive(guest, host):
            done = limit is None or len(board.moved) + (guest not in board.moved) <= limit
            break
    for other, source in reversed(back):
        board.move(other, source)
    return _Eviction(cost, host, tuple(moves)) if done else None


def _cost(board: Board, other: int) -> int:
    """The memory that moving it adds to the plan: nothing if it moves anyway."""
    return 0 if other in board.moved else board.cloud.snapshot.instances[other].memory_mb()


def _lack(board: Board, guest: int, host: int) -> float:
    """How much is missing on the host, as the sum of shares of its capacity."""
    return sum(
        max(0, lack) / max(1, most)
        for lack, most in zip(_missing(board, guest, host), board.limits[host], strict=True)
    )


def _missing(board: Board, guest: int, host: int) -> list[int]:
    """Per dimension, how much is missing on the host for the instance; 0 or less where nothing is."""
    return [
        used + amount - most if amount else 0
        for used, amount, most in zip(
            board.accounts.used[host], board.cloud.demand(guest), board.limits[host], strict=True
        )
    ]
