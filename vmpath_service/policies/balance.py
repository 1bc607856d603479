"""``balance``: even out how full the hosts are."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, named_placement, obstacle
from vmpath_service.policies.descent import Descent, Goal
from vmpath_service.policies.scope import reach


class BalancePolicy(Policy):
    """Evens out how full the hosts are, in the resource classes that ``classes`` names.

    How full a host is: what is allocated there, as a share of its capacity, in points of a hundred. The aim is
    that every host is as full as the hosts are together. The policy moves the instance, or exchanges the two,
    that lower the sum of squared distances to the aim most, beginning with the hosts that are furthest off. It
    stops when the fullest and the emptiest host differ by no more than ``threshold`` in every class, and does
    not make a migration that lowers the sum by less than ``min_gain``.

    Hosts that are down or disabled are left out: nothing is moved to them or from them, they do not count.
    The score is the root mean square distance to the aim, in points.
    """

    name = "balance"
    summary = "Evens out how full the hosts are."
    options = (
        Option("classes", "list", "Resource classes to even out.", ("MEMORY_MB",)),
        Option("weights", "share", "What each class counts: MEMORY_MB:70%, VCPU:30%; not set: all the same.", {}),
        Option(
            "threshold",
            "number",
            "Nothing more is moved once fullest and emptiest host differ by this many points or less.",
            5.0,
            minimum=0,
            maximum=100,
        ),
        Option(
            "min_gain",
            "number",
            "How much a migration must lower the sum of squared distances, in points squared: 1 is what it is worth "
            "to bring one host from 1 point off to none.",
            1.0,
            minimum=0.001,
        ),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        goal = self._goal(cloud, scope)
        board = Board(cloud, goal.hosts)
        limit = read.whole(self.settings, "max_migrations")
        threshold = read.number(self.settings, "threshold") / 100
        descent = Descent(board, goal, read.number(self.settings, "min_gain") / 10_000, threshold, limit)
        descent.run()
        where = board.accounts.where
        before = self.score(cloud, cloud.home, scope)
        after = self.score(cloud, where, scope)
        widest = descent.spread()
        notes: tuple[str, ...] = ()
        leftovers: list[Leftover] = []
        if widest > threshold + 1e-9:
            reason = (
                f"max_migrations = {limit} is used up"
                if descent.limited
                else "no migration or exchange that is allowed gains as much as min_gain"
            )
            notes = (f"fullest and emptiest host still differ by {widest * 100:.1f} points: {reason}",)
            leftovers = _in_the_way(cloud, descent.furthest())
        return Decision(
            placement=named_placement(cloud, where),
            before=before,
            after=after,
            leftovers=tuple(leftovers),
            notes=notes,
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        goal = self._goal(cloud, scope)
        accounts = Occupancy(cloud)
        for guest, host in enumerate(where):
            if host not in (accounts.where[guest], NOWHERE):
                accounts.move(guest, host)
        total = 0.0
        terms: dict[str, float] = {}
        for at, weight in zip(goal.dimensions, goal.weights, strict=True):
            fills = [accounts.used[host][at] / cloud.capacity[host][at] for host in goal.hosts]
            terms[f"{cloud.dimensions[at]} max - min"] = (max(fills) - min(fills)) * 100
            aim = goal.aims[goal.dimensions.index(at)]
            total += weight * sum((fill - aim) ** 2 for fill in fills)
        return Score((total / len(goal.hosts)) ** 0.5 * 100, "points from even", terms)

    def _goal(self, cloud: CompiledCloud, scope: Scope) -> Goal:
        """What is to be even; raises InvalidInput for classes or weights that make no sense."""
        classes = tuple(dict.fromkeys(read.names(self.settings, "classes")))
        weights = read.shares(self.settings, "weights")
        if not classes:
            raise InvalidInput("balance: classes is empty; name at least one resource class, such as MEMORY_MB")
        known = {name for host in cloud.snapshot.hosts for name in host.inventories}
        for name in classes:
            if name not in known:
                raise InvalidInput(
                    f"balance: classes names {name!r}, which no host has; there are: {', '.join(sorted(known))}"
                )
        strange = sorted(set(weights) ^ set(classes)) if weights else []
        if strange or (weights and not all(weights.values())):
            raise InvalidInput(
                "balance: weights must give every one of classes a share above 0 and nothing else; "
                f"classes are {', '.join(classes)}, weights are for {', '.join(weights)}"
            )
        within = reach(cloud, scope, self.settings)
        if not within.destinations:
            raise InvalidInput("balance: no host within the scope is up and enabled")
        # what no instance takes is even
        taken = [name for name in classes if name in cloud.dimensions]
        dimensions = [cloud.dimensions.index(name) for name in taken]
        hosts = [at for at in within.destinations if all(cloud.capacity[at][each] for each in dimensions)]
        if not hosts:
            raise InvalidInput(f"balance: no host within the scope has capacity of {', '.join(classes)}")
        used = Occupancy(cloud).used
        total = sum(weights.values()) or len(classes)
        return Goal(
            hosts=tuple(hosts),
            dimensions=tuple(dimensions),
            weights=tuple(weights.get(name, 1.0) / total for name in taken),
            aims=tuple(
                sum(used[host][at] for host in hosts) / sum(cloud.capacity[host][at] for host in hosts)
                for at in dimensions
            ),
        )


def _in_the_way(cloud: CompiledCloud, host: int) -> list[Leftover]:
    """What may not leave the host that is furthest off."""
    return [
        Leftover(cloud.snapshot.instances[guest].uuid, cloud.snapshot.hosts[host].name, reason)
        for guest, home in enumerate(cloud.home)
        if home == host and (reason := obstacle(cloud, guest)) is not None
    ]
