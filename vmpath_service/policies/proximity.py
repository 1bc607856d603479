"""``spread`` and ``gather``: what belongs together apart, or close."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from vmpath_service.model.compiled import NOWHERE, CompiledCloud
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Host
from vmpath_service.policies import settings as read
from vmpath_service.policies.base import Decision, Leftover, Policy, Scope, Score
from vmpath_service.policies.board import Board, obstacle, ordered_placement
from vmpath_service.policies.course import Course
from vmpath_service.policies.emptying import leftover
from vmpath_service.policies.eviction import best_destination
from vmpath_service.policies.exhaustive import improve
from vmpath_service.policies.scope import reach
from vmpath_service.policies.shortage import why_nowhere

_ROUNDS = 50
# How many pairs of instance and host are looked at to say why instances stay.
_EXPLAINED = 500_000

Sets = Mapping[str, Sequence[int]]


class _Proximity(Policy, abc.ABC):
    """What both have in common: sets of instances, places of hosts, and pairs that count."""

    options = (
        Option(
            "of",
            "string",
            "What makes instances belong together: the same server group (soft or strict), project, tag, or value of "
            "a metadata key.",
            "group",
            choices=("group", "project", "tag", "metadata"),
        ),
        Option("key", "string", "The metadata key, for of = metadata.", None),
        Option(
            "names",
            "list",
            "Only these groups (names or uuids), projects, tags or metadata values; empty: all.",
            (),
        ),
        Option(
            "level",
            "string",
            "Where they are to be apart or close: host, rack or availability zone.",
            "host",
            choices=("host", "rack", "zone"),
        ),
        Option(
            "rack_key",
            "string",
            "Key in the metadata of aggregates that names a host's rack; a host without one is in the rack of its "
            "second network link (links), else alone.",
            "rack",
        ),
    )

    def decide(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        within = reach(cloud, scope, self.settings)
        pairs = _Pairs(cloud, self._sets(cloud), self._places(cloud), self._sign())
        inside, destinations = frozenset(within.inside), within.destinations
        board = Board(cloud, destinations)
        limit = read.whole(self.settings, "max_migrations")
        free = [
            guest for guest in sorted(pairs.sets_of) if cloud.home[guest] in inside and obstacle(cloud, guest) is None
        ]
        # the smallest move rather than the others
        free.sort(key=lambda guest: (cloud.snapshot.instances[guest].memory_mb(), guest))
        at_place: dict[str, list[int]] = {}
        for host in destinations:
            at_place.setdefault(pairs.places[host], []).append(host)
        for _ in range(_ROUNDS):
            progress = False
            for guest in free:
                if limit is not None and guest not in board.moved and len(board.moved) >= limit:
                    continue
                dest = self._better(board, pairs, guest, at_place)
                if dest is not None:
                    board.move(guest, dest)
                    pairs.move(guest, dest)
                    progress = True
            if not progress and not self._whole(board, pairs, free, at_place, limit):
                break
        # hosts that take nothing in may go on holding what they hold
        there = {pairs.places[home] for guest in pairs.sets_of if (home := cloud.home[guest]) != NOWHERE}
        lowest = pairs.lowest(len(there | at_place.keys()))
        if pairs.value() > lowest or len(board.moved) > 1:
            improve(board, free, self._key(cloud, free), limit)
        where = board.accounts.where
        placement = ordered_placement(cloud, board.moved, where)
        after = self.score(cloud, where, scope)
        notes: tuple[str, ...] = ()
        if after.value > 0 and not limit:
            notes = (f"{after.value:g} {after.unit}; with the places there are no fewer than {lowest}",)
        return Decision(
            placement=placement,
            before=self.score(cloud, cloud.home, scope),
            after=after,
            leftovers=tuple(self._left(board, inside, at_place, limit)),
            notes=notes,
            reasons={uuid: self._why(pairs, cloud.instance_index[uuid]) for uuid in placement},
        )

    def score(self, cloud: CompiledCloud, where: Sequence[int], scope: Scope) -> Score:
        reach(cloud, scope, self.settings)
        pairs = _Pairs(cloud, self._sets(cloud), self._places(cloud), self._sign(), where)
        return Score(pairs.value(), self._unit(), {"sets": float(len(pairs.sets))})

    def course(self, cloud: CompiledCloud, scope: Scope) -> Course:
        return _Pairs(cloud, self._sets(cloud), self._places(cloud), self._sign())

    def _key(self, cloud: CompiledCloud, free: Sequence[int]) -> Callable[[Sequence[int]], tuple[float, int, int]]:
        """The fewest pairs, then the fewest migrations, then the least memory."""
        sets, places, sign = self._sets(cloud), self._places(cloud), self._sign()

        def key(where: Sequence[int]) -> tuple[float, int, int]:
            movers = [guest for guest in free if where[guest] != cloud.home[guest]]
            memory = sum(cloud.snapshot.instances[guest].memory_mb() for guest in movers)
            return _Pairs(cloud, sets, places, sign, where).value(), len(movers), memory

        return key

    @abc.abstractmethod
    def _sign(self) -> int:
        """1 where pairs at one place count, -1 where pairs at different places do."""

    @abc.abstractmethod
    def _unit(self) -> str:
        """What is counted."""

    @abc.abstractmethod
    def _why(self, pairs: _Pairs, guest: int) -> str:
        """Why the instance moves."""

    def _better(self, board: Board, pairs: _Pairs, guest: int, at_place: Mapping[str, Sequence[int]]) -> int | None:
        """The host that is least filled at the place that leaves the fewest pairs, if it is better than now."""
        here = pairs.places[board.accounts.where[guest]]
        now = pairs.cost(guest, here)
        ranked = sorted((pairs.cost(guest, place), place) for place in at_place if place != here)
        for cost, place in ranked:
            if cost >= now:
                return None
            dest = best_destination(board, guest, pack=False, among=at_place[place])
            if dest is not None:
                return dest
        return None

    def _whole(
        self,
        board: Board,
        pairs: _Pairs,
        free: Sequence[int],
        at_place: Mapping[str, Sequence[int]],
        limit: int | None,
    ) -> bool:
        """Move all of a set to one place where no single migration helps; whether anything was moved."""
        return False

    def _left(
        self, board: Board, inside: Collection[int], at_place: Mapping[str, Sequence[int]], limit: int | None
    ) -> Iterator[Leftover]:
        """Who would be better off at another place and stays, each with the reason."""
        cloud, where = board.cloud, board.accounts.where
        pairs = _Pairs(cloud, self._sets(cloud), self._places(cloud), self._sign(), where)
        reasons: dict[tuple[object, ...], str] = {}
        work = _EXPLAINED
        for guest in sorted(pairs.sets_of):
            if where[guest] not in inside or guest in board.moved:
                continue
            now = pairs.cost(guest, pairs.places[where[guest]])
            better = tuple(place for place in at_place if pairs.cost(guest, place) < now)
            if not better:
                continue
            reason = obstacle(cloud, guest)
            if reason is None and limit is not None and len(board.moved) >= limit:
                reason = f"max_migrations = {limit} is used up"
            if reason is None:
                source = None if cloud.free_passage() else cloud.home[guest]
                key = (cloud.class_of[guest], source, cloud.counters_of.get(guest), better)
                if key not in reasons:
                    board.destinations = tuple(host for place in better for host in at_place[place])
                    work -= len(board.destinations)
                    reasons[key] = (
                        why_nowhere(board, guest)
                        if work > 0
                        else f"none of the {len(board.destinations)} hosts where it had better be takes it"
                    )
                reason = reasons[key]
            yield leftover(cloud, guest, reason)

    def _places(self, cloud: CompiledCloud) -> list[str]:
        level, key = read.text(self.settings, "level"), read.text(self.settings, "rack_key") or ""
        return [_place(host, level or "host", key) for host in cloud.snapshot.hosts]

    def _sets(self, cloud: CompiledCloud) -> Sets:
        of = read.text(self.settings, "of") or "group"
        key = read.text(self.settings, "key")
        if (of == "metadata") != (key is not None):
            raise InvalidInput(f"{self.name}: key goes with of = metadata, and of = metadata needs a key")
        names = read.names(self.settings, "names")
        found: dict[str, list[int]] = {}
        if of == "group":
            for group in cloud.snapshot.server_groups:
                if not names or group.uuid in names or group.name in names:
                    found[group.uuid] = [cloud.instance_index[member] for member in group.members]
        else:
            for guest, instance in enumerate(cloud.snapshot.instances):
                if of == "tag":
                    values: Sequence[str | None] = instance.tags
                else:
                    values = (instance.project_id if of == "project" else instance.metadata.get(key or ""),)
                for value in values:
                    if value is not None and (not names or value in names):
                        found.setdefault(value, []).append(guest)
        if names and not found:
            raise InvalidInput(f"{self.name}: no instance belongs to {', '.join(names)} (of = {of})")
        return {name: members for name, members in found.items() if len(members) > 1}


class SpreadPolicy(_Proximity):
    """Keeps instances that belong together apart: members of a server group, instances of a project, with a tag or
    with the same value of a metadata key, on different hosts, racks or availability zones.

    The score is the number of pairs that belong together and share a place. An instance moves to the place where that
    lowers the score most, to the least filled host there, until no single migration lowers it; those with least memory
    move rather than the others.
    """

    name = "spread"
    summary = "Keeps instances of a group, project, tag or metadata value apart."

    def _sign(self) -> int:
        return 1

    def _unit(self) -> str:
        return "pairs at one place"

    def _why(self, pairs: _Pairs, guest: int) -> str:
        return f"others of {', '.join(pairs.sets_of[guest])} are at {pairs.places[pairs.cloud.home[guest]]}"


class GatherPolicy(_Proximity):
    """Brings instances that belong together close: members of a server group, instances of a project, with a tag or
    with the same value of a metadata key, onto one host, rack or availability zone.

    The score is the number of pairs that belong together and are at different places. An instance moves to the place
    where that lowers the score most, to the least filled host there; where no single migration lowers it, a whole set
    goes.
    """

    name = "gather"
    summary = "Brings instances of a group, project, tag or metadata value close."

    def _sign(self) -> int:
        return -1

    def _whole(
        self,
        board: Board,
        pairs: _Pairs,
        free: Sequence[int],
        at_place: Mapping[str, Sequence[int]],
        limit: int | None,
    ) -> bool:
        movable = frozenset(free)
        for members in pairs.sets.values():
            here = [guest for guest in members if board.accounts.where[guest] != NOWHERE]
            counts = Counter(pairs.places[board.accounts.where[guest]] for guest in here)
            for place in sorted(at_place, key=lambda place: (-counts[place], place)) if len(counts) > 1 else ():
                before = pairs.value()
                done: list[tuple[int, int]] = []
                for guest in here:
                    source = board.accounts.where[guest]
                    if guest not in movable or pairs.places[source] == place:
                        continue
                    dest = best_destination(board, guest, pack=False, among=at_place[place])
                    if dest is not None:
                        board.move(guest, dest)
                        pairs.move(guest, dest)
                        done.append((guest, source))
                if done and pairs.value() < before and (limit is None or len(board.moved) <= limit):
                    return True
                for guest, source in reversed(done):
                    board.move(guest, source)
                    pairs.move(guest, source)
        return False

    def _unit(self) -> str:
        return "pairs at different places"

    def _why(self, pairs: _Pairs, guest: int) -> str:
        return f"others of {', '.join(pairs.sets_of[guest])} are where it goes"


class _Pairs:
    """How many members of each set are at each place, and how many pairs count for that."""

    costly = False

    def __init__(
        self,
        cloud: CompiledCloud,
        sets: Sets,
        places: Sequence[str],
        sign: int,
        where: Sequence[int] | None = None,
    ) -> None:
        self.cloud = cloud
        self.sets = sets
        self.places = places
        self.sets_of: dict[int, list[str]] = {}
        self._sign = sign
        self._at: dict[int, str] = {}
        self._counts: dict[str, dict[str, int]] = {name: {} for name in sets}
        homes = cloud.home if where is None else where
        for name, members in sets.items():
            for guest in members:
                self.sets_of.setdefault(guest, []).append(name)
                if homes[guest] != NOWHERE:
                    self._at[guest] = places[homes[guest]]
                    self._count(name, places[homes[guest]], 1)
        self._together = sum(count * (count - 1) // 2 for counts in self._counts.values() for count in counts.values())
        self._pairs = sum(
            placed * (placed - 1) // 2 for counts in self._counts.values() if (placed := sum(counts.values()))
        )

    def cost(self, guest: int, place: str) -> int:
        """How many more pairs count with the instance at the place than with it nowhere; negative for fewer."""
        own = self._at[guest] == place
        return self._sign * sum(self._counts[name].get(place, 0) - own for name in self.sets_of[guest])

    def move(self, guest: int, host: int) -> None:
        place, here = self.places[host], self._at.get(guest)
        if here is None or here == place:
            return
        for name in self.sets_of.get(guest, ()):
            counts = self._counts[name]
            self._together += counts.get(place, 0) - (counts[here] - 1)
            self._count(name, here, -1)
            self._count(name, place, 1)
        self._at[guest] = place

    def value(self) -> float:
        return float(self._together if self._sign > 0 else self._pairs - self._together)

    def lowest(self, places: int) -> int:
        """A lower bound on the value with so many places."""
        if self._sign < 0 or not places:
            return 0
        total = 0
        for counts in self._counts.values():
            each, more = divmod(sum(counts.values()), places)
            total += (places - more) * (each * (each - 1) // 2) + more * (each * (each + 1) // 2)
        return total

    def _count(self, name: str, place: str, step: int) -> None:
        counts = self._counts[name]
        counts[place] = counts.get(place, 0) + step


def _place(host: Host, level: str, rack_key: str) -> str:
    if level == "host":
        return host.name
    if level == "zone":
        return host.availability_zone or f"no zone ({host.name})"
    named = [each.metadata[rack_key] for each in host.aggregates if rack_key in each.metadata]
    if named:
        return named[0]
    return host.links[1] if len(host.links) > 1 else host.name
