"""Sending instances home: the same hosts in use with fewer migrations.

After a packing anew, many instances are where others of the same size could be as well. One that has been moved may
stay at home after all if those that came there in its stead go where it went, or anywhere else: they are on the move
anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.policies.board import Board


def send_home(board: Board, hosts: Sequence[int], work: int) -> None:
    """Move instances of the board back to where they started, as many as found; no other comes to be on the move.

    ``hosts``: those that are in use and may receive; only instances on them are touched, and no other host is taken
    into use. ``work``: how many pairs of instance and host are looked at at most; with none, only who has room at home
    goes there. What results has room everywhere, whatever order of migrations leads there.
    """
    search = _Homing(board, hosts, work)
    while search.pass_once():
        pass


class _Homing:
    def __init__(self, board: Board, hosts: Sequence[int], work: int) -> None:
        self.board = board
        self.work = work
        self._hosts = tuple(hosts)
        self._inside = frozenset(hosts)

    def pass_once(self) -> bool:
        """Try everybody who is away once; whether anybody has gone home."""
        board, cloud = self.board, self.board.cloud
        progress = False
        away = [guest for guest in board.moved if cloud.home[guest] in self._inside]
        # the largest are the hardest to find a gap for
        away.sort(key=lambda guest: (-sum(cloud.demand(guest)), guest))
        for guest in away:
            progress = self._try(guest) or progress
        return progress

    def _try(self, guest: int) -> bool:
        board, cloud = self.board, self.board.cloud
        home, here = cloud.home[guest], board.accounts.where[guest]
        if board.may_arrive(guest, home):
            board.move(guest, home)
            return True
        if self.work <= 0 or not board.suits(guest, home):
            return False
        board.move(guest, home)
        steps: list[tuple[int, int]] = [(guest, here)]
        if self._relieve(home, here, steps):
            return True
        for other, back in reversed(steps):
            board.move(other, back)
        return False

    def _relieve(self, host: int, first: int, steps: list[tuple[int, int]]) -> bool:
        """Send strangers away from the host until it is within its limits; what has been done is told in ``steps``."""
        board, cloud = self.board, self.board.cloud
        while excess := [
            (at, used - most)
            for at, (used, most) in enumerate(zip(board.accounts.used[host], board.limits[host], strict=True))
            if used > most
        ]:
            strangers = [each for each in board.guests[host] if each in board.moved]
            # first who alone is enough, the smallest of them; else who takes most of it
            enough = [x for x in strangers if all(cloud.demand(x)[at] >= amount for at, amount in excess)]
            ranked = sorted(enough, key=lambda x: (sum(cloud.demand(x)), x)) or sorted(
                strangers, key=lambda x: (-sum(min(cloud.demand(x)[at], amount) for at, amount in excess), x)
            )
            gone = None
            tried: set[int] = set()
            for other in ranked:
                if cloud.class_of[other] in tried and other not in cloud.counters_of:
                    continue
                tried.add(cloud.class_of[other])
                dest = self._place_for(other, host, first)
                if dest is not None:
                    gone = other, dest
                    break
            if gone is None:
                return False
            board.move(*gone)
            steps.append((gone[0], host))
        return all(
            board.accounts.counts[counter].get(host, 0) <= cloud.counter_limits[counter]
            for counter in cloud.counters_of.get(steps[0][0], ())
        )

    def _place_for(self, guest: int, host: int, first: int) -> int | None:
        """Where the stranger goes: home, to where the other came from, or to the host with least left over."""
        board, cloud = self.board, self.board.cloud
        for dest in (cloud.home[guest], first):
            if dest != host and dest in self._inside and board.may_arrive(guest, dest):
                return dest
        best: tuple[float, int] | None = None
        self.work -= len(self._hosts)
        for dest in self._hosts:
            if dest != host and board.may_arrive(guest, dest):
                key = (-board.fill_after(guest, dest), dest)
                best = key if best is None else min(best, key)
        return best[1] if best else None
