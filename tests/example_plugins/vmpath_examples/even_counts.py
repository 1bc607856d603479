"""A policy that counts heads."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.options import Option
from vmpath_service.policies.base import Decision, Policy, Scope, Score
from vmpath_service.policies.board import Board, held, obstacle, ordered_placement
from vmpath_service.policies.scope import reach


class EvenCountsPolicy(Policy):
    """Moves instances from the host that has the most to the one with the fewest, until they differ by ``difference``.

    The score is the sum of the squared numbers: every such migration lowers it.
    """

    name = "even-counts"
    summary = "Evens out the number of instances."
    options = (Option("difference", "integer", "How many instances more than another a host may have.", 1, minimum=1),)

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        hosts = reach(cloud, scope, self.settings).destinations
        # a board knows what is where, and whether an instance may arrive on a host now
        board = Board(cloud, hosts)
        while move := self._next(board, hosts):
            board.move(*move)
        where = board.accounts.where
        return Decision(
            placement=ordered_placement(cloud, board.moved, where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            reasons={cloud.snapshot.instances[guest].uuid: "its host has the most instances" for guest in board.moved},
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        counts = held(cloud, where)
        there = [counts[host] for host in reach(cloud, scope, self.settings).destinations]
        terms = {"most": float(max(there, default=0)), "fewest": float(min(there, default=0))}
        return Score(float(sum(count * count for count in there)), "squared instances", terms)

    def _next(self, board: Board, hosts: Sequence[int]) -> tuple[int, int] | None:
        """Who goes from the host with the most to that with the fewest, or None."""
        counts = held(board.cloud, board.accounts.where)
        most, fewest = max(hosts, key=counts.__getitem__, default=-1), min(hosts, key=counts.__getitem__, default=-1)
        if not hosts or counts[most] - counts[fewest] <= int(str(self.settings["difference"])):
            return None
        for guest in board.guests[most]:
            if obstacle(board.cloud, guest) is None and board.may_arrive(guest, fewest):
                return guest, fewest
        return None
