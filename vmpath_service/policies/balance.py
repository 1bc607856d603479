"""``balance``: even out how full the hosts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, obstacle, ordered_placement
from vmpath_service.policies.course import Course
from vmpath_service.policies.exhaustive import improve
from vmpath_service.policies.scope import reach

# Per level of aggressiveness: difference between fullest and emptiest host that is good enough, in points, and what a
# migration must gain, in points of one host.
LEVELS: Mapping[int, tuple[float, float]] = {
    1: (30.0, 20.0),
    2: (20.0, 10.0),
    3: (10.0, 5.0),
    4: (5.0, 1.0),
    5: (0.0, 0.001),
}
# A variance that is but rounding.
_NOTHING = 1e-15


@dataclass(frozen=True, slots=True)
class Goal:
    """Which hosts (positions) are to be even, in which dimensions, with weights that add up to one."""

    hosts: tuple[int, ...]
    dimensions: tuple[int, ...]
    weights: tuple[float, ...]


class BalancePolicy(Policy):
    """Evens out how full the hosts are, in the resource classes that ``classes`` names.

    How full a host is: what is allocated there, as a share of its capacity, in points of a hundred. The score is the
    standard deviation of that over the hosts, summed over the classes with their weights, as in Ganeti's cluster
    score. The policy makes the migration, or the exchange of two instances, that lowers the score most, again and
    again.

    ``aggressiveness`` says when to stop. It does when the fullest and the emptiest host differ by no more than a
    threshold in every class, and it makes no migration that gains too little. A gain is told in points of one host:
    what the score falls by, times the number of hosts.

    ======  ==================  =================
    Level   threshold (points)  gain of a migration
    ======  ==================  =================
    1       30                  20
    2       20                  10
    3       10                  5
    4       5                   1
    5       0                   any
    ======  ==================  =================

    Hosts that are down or disabled are left out: nothing is moved to them or from them, they do not count.
    """

    name = "balance"
    summary = "Evens out how full the hosts are."
    options = (
        Option("classes", "list", "Resource classes to even out.", ("MEMORY_MB",)),
        Option("weights", "share", "What each class counts: MEMORY_MB:70%, VCPU:30%; not set: all the same.", {}),
        Option(
            "aggressiveness",
            "integer",
            "From 1, which only mends what is grossly uneven, to 5, which makes every migration that gains anything.",
            4,
            minimum=1,
            maximum=5,
        ),
        Option(
            "threshold",
            "number",
            "Nothing more is moved once fullest and emptiest host differ by this many points or less; not set: as the "
            "level of aggressiveness has it.",
            None,
            minimum=0,
            maximum=100,
        ),
        Option(
            "wake",
            "list",
            "Policies whose freed hosts, where these are disabled since (disable_freed), are enabled first and take "
            "instances in again.",
            (),
        ),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        # numpy takes a tenth of a second to import: only who balances pays for it
        from vmpath_service.policies.descent import Descent

        goal = self._goal(cloud, scope)
        board = Board(cloud, goal.hosts)
        limit = read.whole(self.settings, "max_migrations")
        threshold, least = LEVELS[read.whole(self.settings, "aggressiveness") or 4]
        if self.settings.get("threshold") is not None:
            threshold = read.number(self.settings, "threshold")
        descent = Descent(board, goal, least / 100 / len(goal.hosts), threshold / 100, limit)
        descent.run()
        limited = descent.limited
        if descent.spread() * 100 > threshold + 1e-7 and self._exhaust(board, goal, scope, least, limit):
            descent = Descent(board, goal, least / 100 / len(goal.hosts), threshold / 100, limit)
        where = board.accounts.where
        widest = descent.spread() * 100
        notes: tuple[str, ...] = ()
        leftovers: list[Leftover] = []
        if widest > threshold + 1e-7:
            reason = (
                f"max_migrations = {limit} is used up"
                if limited
                else f"no migration or exchange that is allowed gains {least:g} points of a host or more"
            )
            notes = (f"fullest and emptiest host still differ by {widest:.1f} points: {reason}",)
            leftovers = _in_the_way(cloud, descent.furthest())
        placement = ordered_placement(cloud, board.moved, where)
        return Decision(
            placement=placement,
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(leftovers),
            notes=notes,
            reasons=self._reasons(cloud, goal, placement),
        )

    def _exhaust(self, board: Board, goal: Goal, scope: Scope, least: float, limit: int | None) -> bool:
        """Look for the best state, if all can be tried: each migration costs what it must gain."""
        cloud, inside = board.cloud, frozenset(goal.hosts)
        free = [guest for guest, home in enumerate(cloud.home) if home in inside and obstacle(cloud, guest) is None]

        def key(where: Sequence[int]) -> float:
            moved = sum(where[guest] != cloud.home[guest] for guest in free)
            return round(self.score(cloud, where, scope).value * len(goal.hosts) + least * moved, 6)

        return improve(board, free, key, limit)

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        evenness = _Evenness(cloud, self._goal(cloud, scope))
        for guest, (home, host) in enumerate(zip(cloud.home, where, strict=True)):
            if host not in (home, NOWHERE):
                evenness.move(guest, host)
        return Score(evenness.value(), "points of deviation", evenness.terms())

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        return _Evenness(cloud, self._goal(cloud, scope))

    def _reasons(self, cloud: CompiledCloud, goal: Goal, placement: Mapping[str, str]) -> dict[str, str]:
        start = Occupancy(cloud).used
        names = [cloud.dimensions[at] for at in goal.dimensions]

        def full(host: int) -> str:
            fills = (start[host][at] / cloud.capacity[host][at] for at in goal.dimensions)
            return ", ".join(f"{fill:.0%} {name}" for fill, name in zip(fills, names, strict=True))

        hosts = cloud.snapshot.hosts
        reasons = {}
        for uuid, dest in placement.items():
            source, end = cloud.home[cloud.instance_index[uuid]], cloud.host_index[dest]
            reasons[uuid] = f"{hosts[source].name} is filled to {full(source)}, {dest} to {full(end)}"
        return reasons

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
        total = sum(weights.values()) or len(classes)
        return Goal(
            hosts=tuple(hosts),
            dimensions=tuple(dimensions),
            weights=tuple(weights.get(name, 1.0) / total for name in taken),
        )


class _Evenness:
    """The score, kept up to date while instances move."""

    costly = False

    def __init__(self, cloud: CompiledCloud, goal: Goal) -> None:
        self._cloud = cloud
        self._goal = goal
        self._inside = frozenset(goal.hosts)
        self._accounts = Occupancy(cloud)
        fills = [self._fills(host) for host in goal.hosts]
        self._sums = [sum(column) for column in zip(*fills, strict=True)]
        self._squares = [sum(fill * fill for fill in column) for column in zip(*fills, strict=True)]

    def move(self, guest: int, host: int) -> None:
        ends = [end for end in (self._accounts.where[guest], host) if end in self._inside]
        for end in ends:
            self._add(end, -1)
        self._accounts.move(guest, host)
        for end in ends:
            self._add(end, 1)

    def value(self) -> float:
        number = len(self._goal.hosts)
        total = 0.0
        for weight, one, squared in zip(self._goal.weights, self._sums, self._squares, strict=True):
            variance = squared / number - (one / number) ** 2
            total += weight * (variance**0.5 if variance > _NOTHING else 0.0)
        return round(total * 100, 9)

    def terms(self) -> dict[str, float]:
        """How far apart the fullest and the emptiest host are, per class."""
        fills = [self._fills(host) for host in self._goal.hosts]
        names = (self._cloud.dimensions[at] for at in self._goal.dimensions)
        return {
            f"{name} max - min": (max(column) - min(column)) * 100
            for name, column in zip(names, zip(*fills, strict=True), strict=True)
        }

    def _add(self, host: int, sign: int) -> None:
        for at, fill in enumerate(self._fills(host)):
            self._sums[at] += sign * fill
            self._squares[at] += sign * fill * fill

    def _fills(self, host: int) -> list[float]:
        used, capacity = self._accounts.used[host], self._cloud.capacity[host]
        return [used[at] / capacity[at] for at in self._goal.dimensions]


def _in_the_way(cloud: CompiledCloud, host: int) -> list[Leftover]:
    """What may not leave the host that is furthest off."""
    return [
        Leftover(cloud.snapshot.instances[guest].uuid, cloud.snapshot.hosts[host].name, reason)
        for guest, home in enumerate(cloud.home)
        if home == host and (reason := obstacle(cloud, guest)) is not None
    ]
