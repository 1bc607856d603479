"""Where an instance that is in the way can be put for a while."""

from __future__ import annotations

from collections.abc import Collection

from vmpath_service.pathfinder.greedy import Rehearsal
from vmpath_service.pathfinder.problem import Problem

# How many hosts are remembered per class of instances and kind of place.
KEPT = 12


class Parking:
    """Places at one moment of a rehearsal; ``Room`` may change under it, so each place is looked at again.

    Best is a host where the instance is in nobody's way, even when all who are still to come have come; there,
    the tightest, so that big holes stay. Else where it leaves most to those who are to come. ``spare``: whether
    hosts that are off and would not be needed otherwise count too.
    """

    def __init__(self, problem: Problem, rehearsal: Rehearsal, spare: bool) -> None:
        self.problem, self.room = problem, rehearsal.room
        self._final, self._slack = rehearsal.final, list(rehearsal.room.free)
        needed = {problem.goal[guest] for guest in (*problem.movers, *problem.arrivals)}
        for guest in rehearsal.pending:
            if guest not in rehearsal.claims:
                self._slack[rehearsal.final[guest]] -= rehearsal.room.need[guest]
        self._hosts = [
            host
            for host, receives in enumerate(problem.receives)
            if receives and (host not in problem.boots or spare or host in needed)
        ]
        self._known: dict[int, tuple[list[int], list[int]]] = {}
        self._scores: dict[int, float] = {}

    def place(self, guest: int, source: int, banned: Collection[int]) -> tuple[int, bool] | None:
        """A host for the instance now, and whether it is in nobody's way there; None if there is none."""
        quiet, others = self._candidates(guest)
        for hosts, harmless in ((quiet, True), (others, False)):
            for host in hosts:
                if host != source and host not in banned and self.admits(guest, source, host):
                    return host, harmless
        return None

    def admits(self, guest: int, source: int, host: int) -> bool:
        """Whether the instance may go there now, and on to where it is to end afterwards."""
        cloud = self.problem.cloud
        if not self.room.fits(guest, host) or not cloud.admits(guest, host):
            return False
        return cloud.free_passage() or (cloud.may_pass(source, host) and cloud.may_pass(host, self._final[guest]))

    def roomiest(self, guest: int, source: int, banned: Collection[int], most: int) -> list[int]:
        """Hosts that would take the instance if they had room, those with most slack first."""
        cloud = self.problem.cloud
        found = [
            host
            for host in self._hosts
            if host != source
            and host not in banned
            and cloud.admits(guest, host)
            and cloud.may_pass(source, host)
            and cloud.may_pass(host, self._final[guest])
        ]
        found.sort(key=lambda host: (-self._score(host), host))
        return found[:most]

    def _candidates(self, guest: int) -> tuple[list[int], list[int]]:
        number = self.problem.cloud.class_of[guest]
        counted = guest in self.room.counters_of
        plain = not counted and self.problem.cloud.free_passage()
        if plain and number in self._known:
            return self._known[number]
        need, mask, slack = self.room.need[guest], self.room.mask[guest], self._slack
        allowed = self.problem.cloud.mask(guest)
        free = self.room.free
        fitting = [
            host for host in self._hosts if (free[host] - need) & mask == mask and (allowed is None or allowed[host])
        ]
        quiet = [host for host in fitting if (slack[host] - need) & mask == mask]
        quiet.sort(key=lambda host: (self._score(host), host))
        others: list[int] = []
        if len(quiet) < KEPT:
            known = set(quiet)
            others = [host for host in fitting if host not in known]
            others.sort(key=lambda host: (-self._score(host), host))
        # whoever is counted or bound to a passage may need to look further
        found = (quiet[:KEPT], others[:KEPT]) if plain else (quiet, others)
        if plain:
            self._known[number] = found
        return found

    def _score(self, host: int) -> float:
        """How much is left on the host when all have come, in the scarcest dimension, as a share of it."""
        score = self._scores.get(host)
        if score is None:
            amounts = self.room.amounts(self._slack[host])
            limits = self.problem.cloud.capacity[host]
            score = min((amount / limit for amount, limit in zip(amounts, limits, strict=True) if limit), default=0.0)
            self._scores[host] = score
        return score
