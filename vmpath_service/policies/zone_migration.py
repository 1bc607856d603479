"""``zone-migration``: everything from some hosts to others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, held, obstacle, ordered_placement
from vmpath_service.policies.course import Course
from vmpath_service.policies.emptying import CountedCourse, Emptied, leftover, place, reasons_to_leave
from vmpath_service.policies.scope import among, reach


class ZoneMigrationPolicy(Policy):
    """Moves everything from one set of hosts to another: from one availability zone, aggregate or list of hosts to
    another.

    The sources are all hosts that ``from_zones``, ``from_aggregates`` or ``from_hosts`` name, the destinations those
    that ``to_zones``, ``to_aggregates`` or ``to_hosts`` name and that are no sources. ``order`` says who goes first,
    ``max_migrations`` how many go at a time: applied again, the policy goes on with the rest, until nothing is left to
    do. Who finds no place costs nobody else his turn. Unless ``disable_sources`` is off, the sources are disabled
    before the first migration.

    An instance that is pinned to its availability zone stays, since Nova refuses to move it out of there; it is listed
    with the reason, like everything else that stays. The score is the number of instances on the sources.
    """

    name = "zone-migration"
    summary = "Moves everything from one zone, aggregate or set of hosts to another."
    options = (
        Option("from_zones", "list", "Availability zones to leave.", ()),
        Option("from_aggregates", "list", "Aggregates to leave.", ()),
        Option("from_hosts", "list", "Hosts to leave.", ()),
        Option("to_zones", "list", "Availability zones to go to.", ()),
        Option("to_aggregates", "list", "Aggregates to go to.", ()),
        Option("to_hosts", "list", "Hosts to go to.", ()),
        Option(
            "order",
            "string",
            "Who goes first: the instances with most memory, with least, those created first, or one project after "
            "the other.",
            "largest",
            choices=("largest", "smallest", "oldest", "project"),
        ),
        Option(
            "destinations",
            "string",
            "Which of the hosts that have room take an instance: the least filled (spread) or the fullest (pack).",
            "spread",
            choices=("spread", "pack"),
        ),
        Option("disable_sources", "boolean", "Whether the sources are disabled before the first migration.", True),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        sources, destinations = self._ends(cloud, scope)
        leaving = set(sources)
        movers: list[int] = []
        leftovers: list[Leftover] = []
        for guest, host in enumerate(cloud.home):
            if host in leaving:
                reason = obstacle(cloud, guest)
                if reason is None:
                    movers.append(guest)
                else:
                    leftovers.append(leftover(cloud, guest, reason))
        movers.sort(key=_ORDERS[read.text(self.settings, "order") or "largest"](cloud))
        limit = read.whole(self.settings, "max_migrations")
        wished = read.text(self.settings, "destinations") or "spread"
        emptied, late = _in_turn(cloud, destinations, movers, limit, wished)
        leftovers += emptied.leftovers(limit)
        leftovers += [leftover(cloud, guest, f"max_migrations = {limit} is used up") for guest in late]
        board = emptied.board
        where = board.accounts.where
        staying = held(cloud, where)
        hosts = cloud.snapshot.hosts
        more = f"{len(late)} more instances follow when it is applied again (max_migrations = {limit})"
        in_order = [guest for guest in movers if guest in board.moved]
        return Decision(
            placement=ordered_placement(cloud, in_order, where),
            before=self.score(cloud, cloud.home, scope),
            after=self.score(cloud, where, scope),
            leftovers=tuple(leftovers),
            disable=tuple(hosts[host].name for host in sources) if self.settings.get("disable_sources") else (),
            emptied=tuple(hosts[host].name for host in sources if not staying[host]),
            shortage=emptied.shortage(movers, sources, limit),
            notes=(more,) if late else (),
            reasons=reasons_to_leave(cloud, board, leaving, lambda host: f"{host} is to be left"),
        )

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        return CountedCourse(cloud, self._ends(cloud, scope)[0])

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        leaving = set(self._ends(cloud, scope)[0])
        there = [guest for guest, host in enumerate(where) if host in leaving]
        there += [guest for guest, host in cloud.also_at.items() if host in leaving and where[guest] not in leaving]
        memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in there)
        value = float(len(there))
        return Score(value, "instances on the hosts to leave", {"instances": value, "memory_mb": float(memory)})

    def _ends(self, cloud: CompiledCloud, scope: Scope) -> tuple[list[int], list[int]]:
        """Hosts to leave, and hosts that may receive; raises NotFound, InvalidInput."""
        within = reach(cloud, scope, self.settings)
        names = {option.name: read.names(self.settings, option.name) for option in self.options}
        ends = []
        for way in ("from", "to"):
            wanted = [names[f"{way}_{kind}"] for kind in ("zones", "aggregates", "hosts")]
            if not any(wanted):
                raise InvalidInput(
                    f"zone-migration: it is not said where {way}: name {way}_zones, {way}_aggregates or {way}_hosts"
                )
            ends.append(among(cloud, *wanted))
        sources = [host for host in within.inside if host in ends[0]]
        if not sources:
            raise InvalidInput("zone-migration: no host to leave is within the scope")
        destinations = [host for host in within.destinations if host in ends[1] and host not in ends[0]]
        if not destinations:
            raise InvalidInput("zone-migration: no host to go to is up and enabled within the scope")
        return sources, destinations


def _in_turn(
    cloud: CompiledCloud, destinations: Sequence[int], movers: Sequence[int], limit: int | None, wished: str
) -> tuple[Emptied, list[int]]:
    """The first ``limit`` who find a place, with all before them who found none; and whose turn comes later."""
    board = Board(cloud, destinations)
    able = [guest for guest in movers if any(board.suits(guest, host) for host in destinations)]
    unplaced = sorted(set(movers) - set(able))
    turn, late = (able, []) if limit is None else (able[:limit], able[limit:])
    emptied = place(cloud, destinations, turn, limit, wished=wished, evict=False)
    while emptied.unplaced and late:
        failed = frozenset(emptied.unplaced)
        unplaced += emptied.unplaced
        turn = [guest for guest in turn if guest not in failed] + late[: len(failed)]
        late = late[len(failed) :]
        emptied = place(cloud, destinations, turn, limit, wished=wished, evict=False)
    return Emptied(emptied.board, [*unplaced, *emptied.unplaced], ()), late


_Key = Callable[[int], tuple[object, ...]]


def _by_memory(sign: int) -> Callable[[CompiledCloud], _Key]:
    return lambda cloud: lambda guest: (sign * cloud.snapshot.instances[guest].memory_mb(), guest)


_ORDERS: dict[str, Callable[[CompiledCloud], _Key]] = {
    "largest": _by_memory(-1),
    "smallest": _by_memory(1),
    # who does not say when it was created comes last
    "oldest": lambda cloud: lambda guest: (cloud.snapshot.instances[guest].created_at or "~", guest),
    "project": lambda cloud: lambda guest: (cloud.snapshot.instances[guest].project_id or "", guest),
}
