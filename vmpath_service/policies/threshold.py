"""``threshold``: relieve hosts that are too full."""

from __future__ import annotations

from collections.abc import Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, obstacle, ordered_placement
from vmpath_service.policies.emptying import leftover
from vmpath_service.policies.eviction import best_destination
from vmpath_service.policies.scope import Reach, reach

# Looked at unless others are named; one of them may be missing on all hosts.
_CLASSES = ("MEMORY_MB", "VCPU")


class ThresholdPolicy(Policy):
    """While a host is filled to more than ``threshold``, moves its hungriest instance that fits elsewhere; then the
    next host.

    How full a host is: what is allocated there as a share of its capacity, in the fullest of ``classes``. Hosts come
    fullest first; the hungriest instance is the one that takes most of the class in which its host is fullest. It goes
    to the least filled host that it does not bring above the threshold. A host above the threshold from which nothing
    can go stays as it is, and the answer says so.

    The score is the number of points by which hosts are above the threshold, added up.
    """

    name = "threshold"
    summary = "Relieves hosts that are too full, the hungriest instance first."
    options = (
        Option("threshold", "number", "How full a host may be, in points.", 75.0, minimum=1, maximum=100),
        Option("classes", "list", "Resource classes that are looked at.", _CLASSES),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        within = reach(cloud, scope, self.settings)
        dimensions = self._dimensions(cloud)
        share = read.number(self.settings, "threshold") / 100
        limits = [
            tuple(int(most * share) if at in dimensions else most for at, most in enumerate(row))
            for row in cloud.capacity
        ]
        board = Board(cloud, within.destinations, limits)
        most = read.whole(self.settings, "max_migrations")
        reasons: dict[str, str] = {}
        leftovers: list[Leftover] = []
        stuck: list[str] = []
        hosts = cloud.snapshot.hosts

        def fill(host: int, at: int) -> float:
            used, limit = board.accounts.used[host][at], cloud.capacity[host][at]
            return used / limit if limit else float(used > 0)

        def fullest(host: int) -> tuple[float, int]:
            return max((fill(host, at), -at) for at in dimensions)

        full = [host for host in within.inside if hosts[host].state == "up"] if dimensions else []
        for host in sorted(full, key=lambda host: (-fullest(host)[0], host)):
            while board.accounts.used[host] and fullest(host)[0] > share + 1e-12:
                if most is not None and len(board.moved) >= most:
                    break
                level, at = fullest(host)
                chosen = self._next(board, host, -at)
                if chosen is None:
                    stuck.append(f"{hosts[host].name} ({level:.0%} {cloud.dimensions[-at]})")
                    leftovers += [
                        leftover(cloud, guest, obstacle(cloud, guest) or "no host below the threshold takes it")
                        for guest in board.guests[host]
                    ]
                    break
                guest, dest = chosen
                board.move(guest, dest)
                reasons[cloud.snapshot.instances[guest].uuid] = (
                    f"{hosts[host].name} is filled to {level:.0%} {cloud.dimensions[-at]}"
                )
        where = board.accounts.where
        notes = [f"still above the threshold: {', '.join(stuck)}"] if stuck else []
        return Decision(
            placement=ordered_placement(cloud, board.moved, where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(leftovers),
            notes=tuple(notes),
            reasons=reasons,
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        within: Reach = reach(cloud, scope, self.settings)
        dimensions = self._dimensions(cloud)
        threshold = read.number(self.settings, "threshold")
        accounts = Occupancy(cloud)
        for guest, host in enumerate(where):
            if host not in (accounts.where[guest], NOWHERE):
                accounts.move(guest, host)
        above = points = 0.0
        for host in within.inside:
            over = [
                100 * used / most - threshold
                for at in dimensions
                if (most := cloud.capacity[host][at]) and (used := accounts.used[host][at])
            ]
            worst = sum(each for each in over if each > 1e-9)
            above += worst > 0
            points += worst
        return Score(round(points, 6), "points above the threshold", {"hosts": above})

    def _dimensions(self, cloud: CompiledCloud) -> list[int]:
        classes = read.names(self.settings, "classes")
        if not classes:
            raise InvalidInput("threshold: classes is empty; name at least one resource class, such as MEMORY_MB")
        known = {name for host in cloud.snapshot.hosts for name in host.inventories}
        for name in classes:
            if name not in known and (name not in _CLASSES or not known.intersection(classes)):
                raise InvalidInput(
                    f"threshold: classes names {name!r}, which no host has; there are: {', '.join(sorted(known))}"
                )
        # what no instance takes fills no host
        return [cloud.dimensions.index(name) for name in dict.fromkeys(classes) if name in cloud.dimensions]

    def _next(self, board: Board, host: int, at: int) -> tuple[int, int] | None:
        """The hungriest instance of the host that fits elsewhere, and where."""
        cloud = board.cloud
        hungry = [
            guest
            for guest in board.guests[host]
            if guest not in board.moved and cloud.demand(guest)[at] and obstacle(cloud, guest) is None
        ]
        tried: set[int] = set()
        for guest in sorted(hungry, key=lambda guest: (-cloud.demand(guest)[at], guest)):
            if guest not in cloud.counters_of:
                if cloud.class_of[guest] in tried:
                    continue
                tried.add(cloud.class_of[guest])
            dest = best_destination(board, guest, pack=False)
            if dest is not None:
                return guest, dest
        return None
