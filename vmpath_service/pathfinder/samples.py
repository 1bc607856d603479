"""Random pairs of a cloud and a target, for demonstrations, benchmarks and long tests: the same for the same seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.placement import Placement
from vmpath_service.model.snapshot import Host, Instance, Inventory, Rules, ServerGroup, Snapshot

# VCPU, MEMORY_MB and DISK_GB of a flavor, and how common it is: no powers of two.
FLAVORS = (
    ((1, 1900, 11), 18),
    ((1, 3300, 19), 14),
    ((2, 5100, 27), 22),
    ((3, 7300, 37), 16),
    ((5, 9700, 53), 12),
    ((6, 15100, 73), 9),
    ((9, 23500, 97), 6),
    ((13, 37000, 149), 3),
)
CLASSES = ("VCPU", "MEMORY_MB", "DISK_GB")
# How the hosts differ in size, and how full each class is compared with the fill that is asked for.
SHAPES = (1.0, 1.45, 0.7)
SHARES = (0.98, 1.0, 0.7)
RATIOS = (4.0, 1.0, 1.0)
# How many hosts are tried at random before all are gone through, and how often a target is begun anew.
PROBES = 12
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """``fill``: how full the cloud is, of MEMORY_MB, from 0 to 1, VCPU nearly as full; ``moved``: the share of the
    instances that the target puts elsewhere; ``groups``: server groups with anti-affinity, of two to five members;
    ``odd``: some hosts disabled or off, some instances immovable."""

    hosts: int
    instances: int
    fill: float
    moved: float = 1.0
    groups: int = 0
    odd: bool = False
    seed: int = 1


def sample(wanted: Sample) -> tuple[Snapshot, Placement]:
    """A cloud and a target that is legal as a placement; whether a path leads there is another question.

    Raises InvalidInput where no target was found: at very high fill there may be none.
    """
    if wanted.hosts < 2 or wanted.instances < 1 or not 0 < wanted.fill <= 1 or not 0 <= wanted.moved <= 1:
        raise InvalidInput(f"a sample needs two hosts, an instance, and shares from 0 to 1, found {wanted}")
    chance = random.Random(f"vmpath {wanted}")
    kinds = [kind for kind, _ in FLAVORS]
    flavors = chance.choices(kinds, [weight for _, weight in FLAVORS], k=wanted.instances)
    limits = _limits(wanted, flavors)
    group_of = _groups(wanted, chance)
    order = sorted(range(wanted.instances), key=lambda guest: (-flavors[guest][1], chance.random()))
    for _ in range(ATTEMPTS):
        board = _Board(limits, flavors, group_of, chance)
        if not board.place(order, range(wanted.hosts)):
            continue
        start = list(board.where)
        odd_hosts, fixed = _odd(wanted, chance, start)
        closed = set(odd_hosts)
        movers = set(chance.sample(range(wanted.instances), round(wanted.moved * wanted.instances))) - fixed
        for guest in movers:
            board.take(guest)
        receiving = [host for host in range(wanted.hosts) if host not in closed]
        if board.place([guest for guest in order if guest in movers], receiving):
            return _written(wanted, limits, flavors, group_of, start, board.where, odd_hosts, fixed)
    raise InvalidInput(f"no target was found for a cloud that is so full: {wanted}")


def small_samples(seed: int, most_hosts: int = 6) -> Iterator[tuple[Sample, Snapshot, Placement]]:
    """Small and tight pairs without end, some of them without a path, each with what it was made from."""
    number = seed
    while True:
        chance = random.Random(f"vmpath small {number}")
        hosts = chance.randint(2, max(2, most_hosts))
        wanted = Sample(
            hosts=hosts,
            instances=hosts * chance.randint(1, 4),
            fill=chance.choice((0.5, 0.7, 0.8, 0.85, 0.9, 0.95)),
            moved=chance.choice((0.3, 0.6, 1.0)),
            groups=chance.choice((0, 0, 1, 2)),
            odd=chance.random() < 0.3,
            seed=number,
        )
        number += 1
        try:
            snapshot, target = sample(wanted)
        except InvalidInput:
            continue
        yield wanted, snapshot, target


class _Board:
    """Who is where, while placements are made up."""

    def __init__(
        self,
        limits: Sequence[Sequence[int]],
        flavors: Sequence[Sequence[int]],
        group_of: dict[int, int],
        chance: random.Random,
    ) -> None:
        self.where: list[int] = [-1] * len(flavors)
        self._free = [list(row) for row in limits]
        self._flavors, self._group_of, self._chance = flavors, group_of, chance
        self._grouped: set[tuple[int, int]] = set()

    def place(self, guests: Iterable[int], hosts: Sequence[int]) -> bool:
        """Put these somewhere at random; False where one of them fits nowhere."""
        for guest in guests:
            before = self.where[guest]
            tries = [hosts[self._chance.randrange(len(hosts))] for _ in range(min(PROBES, len(hosts)))]
            found = next((host for host in tries if self._fits(guest, host)), None)
            if found is None:
                first = self._chance.randrange(len(hosts))
                around = itertools.chain(hosts[first:], hosts[:first])
                found = next((host for host in around if self._fits(guest, host)), None)
            if found is None and before >= 0 and self._fits(guest, before):
                found = before
            if found is None:
                return False
            self._put(guest, found, -1)
            self.where[guest] = found
        return True

    def take(self, guest: int) -> None:
        """Make room again where it is; ``where`` keeps it in mind."""
        self._put(guest, self.where[guest], 1)

    def _fits(self, guest: int, host: int) -> bool:
        cpus, memory, disk = self._flavors[guest]
        row = self._free[host]
        if memory > row[1] or cpus > row[0] or disk > row[2]:
            return False
        return (self._group_of.get(guest, -1), host) not in self._grouped

    def _put(self, guest: int, host: int, sign: int) -> None:
        row = self._free[host]
        for number, asked in enumerate(self._flavors[guest]):
            row[number] += sign * asked
        if guest in self._group_of:
            key = (self._group_of[guest], host)
            if sign < 0:
                self._grouped.add(key)
            else:
                self._grouped.discard(key)


def _limits(wanted: Sample, flavors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Per host its capacity per class: what fills the cloud as wanted, and room for a flavor at least."""
    sizes = [SHAPES[number % len(SHAPES)] for number in range(wanted.hosts)]
    whole = sum(sizes)
    columns = list(zip(*flavors, strict=True))
    asked = [sum(column) for column in columns]
    biggest = [max(column) for column in columns]
    rows = []
    for size in sizes:
        row = []
        for number, (share, ratio) in enumerate(zip(SHARES, RATIOS, strict=True)):
            amount = asked[number] * size / whole / (share * wanted.fill)
            least = biggest[number] if size == SHAPES[1] or wanted.hosts < 3 else 0
            row.append(int(int(max(amount, least) / ratio + 1) * ratio))
        rows.append(row)
    return rows


def _groups(wanted: Sample, chance: random.Random) -> dict[int, int]:
    pool = list(range(wanted.instances))
    chance.shuffle(pool)
    found: dict[int, int] = {}
    for number in range(wanted.groups):
        size = chance.randint(2, max(2, min(5, wanted.hosts)))
        for guest in pool[:size]:
            found[guest] = number
        pool = pool[size:]
    return found


def _odd(wanted: Sample, chance: random.Random, where: Sequence[int]) -> tuple[dict[int, str], set[int]]:
    """Hosts that are disabled (or off, where nobody is), and instances that cannot be moved."""
    if not wanted.odd:
        return {}, set()
    taken = set(where)
    closed = {
        host: "disabled" if host in taken else "off"
        for host in range(wanted.hosts)
        if chance.random() < (0.1 if host in taken else 0.5)
    }
    if len(closed) >= wanted.hosts - 1:
        closed = {}
    return closed, {guest for guest in range(wanted.instances) if chance.random() < 0.08}


def _written(
    wanted: Sample,
    limits: Sequence[Sequence[int]],
    flavors: Sequence[Sequence[int]],
    group_of: dict[int, int],
    start: Sequence[int],
    end: Sequence[int],
    closed: dict[int, str],
    fixed: set[int],
) -> tuple[Snapshot, Placement]:
    digits = len(str(max(wanted.hosts, wanted.instances) - 1))
    names = [f"host-{number:0{digits}}" for number in range(wanted.hosts)]
    uuids = [f"vm-{number:0{digits}}" for number in range(wanted.instances)]
    hosts = tuple(
        Host(
            name=names[host],
            inventories={
                name: Inventory(total=int(amount / ratio), allocation_ratio=ratio)
                for name, amount, ratio in zip(CLASSES, limits[host], RATIOS, strict=True)
            },
            state="off" if closed.get(host) == "off" else "up",
            status="disabled" if closed.get(host) == "disabled" else "enabled",
        )
        for host in range(wanted.hosts)
    )
    instances = tuple(
        Instance(
            uuid=uuids[guest],
            host=names[start[guest]],
            resources=dict(zip(CLASSES, flavors[guest], strict=True)),
            movable="no" if guest in fixed else "live",
        )
        for guest in range(wanted.instances)
    )
    members: dict[int, list[str]] = {}
    for guest, group in sorted(group_of.items()):
        members.setdefault(group, []).append(uuids[guest])
    groups = tuple(
        ServerGroup(f"apart-{group}", "anti-affinity", tuple(some), rules=Rules()) for group, some in members.items()
    )
    moved = {uuids[g]: names[end[g]] for g in range(wanted.instances) if end[g] != start[g]}
    return Snapshot(hosts=hosts, instances=instances, server_groups=groups), Placement(dict(moved))
