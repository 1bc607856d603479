"""Where an instance can be put for a while during a walk."""

from __future__ import annotations

from collections.abc import Collection

from vmpath_service.pathfinder.serial.ledger import Ledger

# How many hosts are remembered per class of instances: quiet ones, and others.
KEPT = 24
# Hosts looked through for each time that nobody could go, spread over the classes: beyond, what is known gets older.
LOOK = 2000


class Places:
    """Places for instances to stop at. What is remembered gets old while moves are made: each is looked at again.

    Best is a host where the instance is in nobody's way, even when all who are still to come have come; there, the
    tightest, so that big holes stay. Else where it leaves most to those who are to come. ``spare``: whether hosts
    that are off and would not be needed otherwise count too.
    """

    def __init__(self, ledger: Ledger, spare: bool) -> None:
        self._ledger, self._task = ledger, ledger.task
        problem = ledger.task.problem
        needed = {problem.goal[guest] for guest in (*problem.movers, *problem.arrivals)}
        self._hosts = [
            host
            for host, receives in enumerate(problem.receives)
            if receives and (host not in problem.boots or spare or host in needed)
        ]
        self._known: dict[int, tuple[list[int], list[int]]] = {}
        self._looked: dict[int, int] = {}
        self._age = max(1, len(self._hosts) * len(ledger.task.cloud.classes) // LOOK)
        self._round = 0

    def forget(self) -> None:
        """Look at all hosts again."""
        self._known.clear()
        self._looked.clear()

    def next_round(self) -> None:
        """Moves were made for good: forget what is too old."""
        self._round += 1
        for number, looked in list(self._looked.items()):
            if self._round - looked >= self._age:
                del self._looked[number], self._known[number]

    def find(self, guest: int, banned: Collection[int]) -> tuple[int, bool] | None:
        """A host for the instance now, and whether it is in nobody's way there; None if there is none."""
        for again in (False, True):
            number = self._task.cloud.class_of[guest]
            if again:
                if number in self._looked and self._round - self._looked[number] < self._age:
                    return None
                self._known.pop(number, None)
            quiet, others = self._candidates(guest)
            for hosts, harmless in ((quiet, True), (others, False)):
                for host in hosts:
                    if host not in banned and self.admits(guest, host):
                        return host, harmless
        return None

    def admits(self, guest: int, host: int) -> bool:
        """Whether the instance may go there now, and on to where it is to end afterwards."""
        source = self._ledger.where[guest]
        return (
            host != source
            and host != self._ledger.goal[guest]
            and self._ledger.room.fits(guest, host)
            and self._task.may_stop(guest, source, host)
        )

    def roomiest(self, guest: int, banned: int, most: int) -> list[int]:
        """Hosts that would take the instance if they had room, those with most to spare first."""
        source, goal = self._ledger.where[guest], self._ledger.goal[guest]
        found = [
            host
            for host in self._hosts
            if host not in (source, goal, banned) and self._task.may_stop(guest, source, host)
        ]
        found.sort(key=lambda host: (-self._left(host), host))
        return found[:most]

    def _candidates(self, guest: int) -> tuple[list[int], list[int]]:
        cloud, room = self._task.cloud, self._ledger.room
        number = cloud.class_of[guest]
        known = self._known.get(number)
        if known is not None:
            return known
        need, mask, surplus, free = room.need[guest], room.mask[guest], self._ledger.surplus, room.free
        allowed = cloud.mask(guest)
        fitting = [
            host for host in self._hosts if (free[host] - need) & mask == mask and (allowed is None or allowed[host])
        ]
        quiet = [host for host in fitting if (surplus[host] - need) & mask == mask]
        quiet.sort(key=lambda host: (self._left(host), host))
        peaceful = set(quiet)
        others = [host for host in fitting if host not in peaceful]
        others.sort(key=lambda host: (-self._left(host), host))
        # whoever is counted or bound to a passage may need to look further
        if cloud.free_passage() and not cloud.counters_of:
            quiet, others = quiet[:KEPT], others[:KEPT]
        self._looked[number] = self._round
        self._known[number] = (quiet, others)
        return quiet, others

    def _left(self, host: int) -> float:
        """How much is left on the host when all have come, in the scarcest dimension, as a share of it."""
        amounts = self._ledger.room.amounts(self._ledger.surplus[host])
        limits = self._task.cloud.capacity[host]
        return min((amount / limit for amount, limit in zip(amounts, limits, strict=True) if limit), default=0.0)
