"""A snapshot and its constraints as indexed arrays: what the path finder and the policies compute on.

Hosts and instances are positions (``int``) in the snapshot's order. Instances are grouped into classes of
equal requirement; what they take is an integer vector; which hosts they may be on is a mask of one byte a host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import Constraint, Filter, Passage
from vmpath_service.model.snapshot import Host, Instance, Snapshot

Vector = tuple[int, ...]
Veto = Callable[[Instance, Host, Mapping[str, str | None]], str | None]
VetoScope = Callable[[Instance, Host], Collection[str] | None]
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class InstanceClass:
    """Instances that ask for the same: ``demand`` per dimension, ``keys`` per filter, one ``example``."""

    demand: Vector
    keys: tuple[Hashable, ...]
    example: int


@dataclass(frozen=True, slots=True)
class _GroupedFilter:
    """A filter with the hosts grouped by its host key: ``group[host]``, one example host a group."""

    filter: Filter
    group: Sequence[int]
    examples: Sequence[int]


@dataclass(frozen=True, slots=True)
class _GroupedPassage:
    passage: Passage
    group: Sequence[int]
    allowed: Sequence[Sequence[bool]]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledCloud:
    """Immutable, but for the masks, which are worked out when first asked for."""

    snapshot: Snapshot
    host_index: Mapping[str, int]
    instance_index: Mapping[str, int]
    dimensions: tuple[str, ...]
    capacity: tuple[Vector, ...]
    """Per host, per dimension."""
    taken: tuple[Vector, ...]
    """Per host, per dimension: by what no listed instance explains; constant along a path."""
    classes: tuple[InstanceClass, ...]
    class_of: Sequence[int]
    """Per instance."""
    home: Sequence[int]
    """Per instance: the host it is on, or NOWHERE for one that is yet to be placed."""
    also_at: Mapping[int, int]
    """Instances in flight: the other end, where they count too until the migration ends."""
    counter_names: tuple[str, ...]
    counter_limits: tuple[int, ...]
    counters_of: Mapping[int, tuple[int, ...]]
    """Instances that are counted, with the counters (positions in ``counter_limits``)."""
    pinned: Mapping[int, str]
    """Instances that may not be migrated, with the reason: immovable, pinned by a constraint, in flight."""
    vetoes: tuple[Veto, ...]
    veto_scopes: tuple[VetoScope | None, ...]
    """Per veto."""
    _filters: tuple[_GroupedFilter, ...]
    _passages: tuple[_GroupedPassage, ...]
    _masks: dict[int, bytes | None] = field(default_factory=dict)

    def demand(self, instance: int) -> Vector:
        """What the instance takes, per dimension."""
        return self.classes[self.class_of[instance]].demand

    def mask(self, instance: int) -> bytes | None:
        """One byte a host: 1 where the filters admit the instance; None where they admit it everywhere.

        Says nothing of room, counters, or whether the host is up.
        """
        number = self.class_of[instance]
        if number not in self._masks:
            self._masks[number] = self._work_out(self.classes[number])
        return self._masks[number]

    def admits(self, instance: int, host: int) -> bool:
        """Whether the filters admit the instance on the host."""
        mask = self.mask(instance)
        return mask is None or mask[host] == 1

    def may_pass(self, source: int, dest: int) -> bool:
        """Whether an instance may be migrated from the one host to the other, hypervisors considered."""
        return all(p.allowed[p.group[source]][p.group[dest]] for p in self._passages)

    def free_passage(self) -> bool:
        """Whether ``may_pass`` is true for every pair of hosts."""
        return not self._passages

    def refusal(self, instance: int, host: int) -> str | None:
        """Why the filters refuse the instance on the host, or None if they do not."""
        guest, place = self.snapshot.instances[instance], self.snapshot.hosts[host]
        keys = self.classes[self.class_of[instance]].keys
        for grouped, key in zip(self._filters, keys, strict=True):
            if key is not None and (reason := grouped.filter.refusal(guest, place)):
                return reason
        return None

    def passage_refusal(self, source: int, dest: int) -> str | None:
        """Why nothing is migrated from the one host to the other, or None."""
        start, end = self.snapshot.hosts[source], self.snapshot.hosts[dest]
        return next((reason for p in self._passages if (reason := p.passage.refusal(start, end))), None)

    def _work_out(self, kind: InstanceClass) -> bytes | None:
        example = self.snapshot.instances[kind.example]
        result: bytes | None = None
        for grouped, key in zip(self._filters, kind.keys, strict=True):
            if key is None:
                continue
            allowed = [grouped.filter.refusal(example, self.snapshot.hosts[host]) is None for host in grouped.examples]
            if all(allowed):
                continue
            row = bytes([allowed[group] for group in grouped.group])
            result = row if result is None else bytes(map(int.__and__, result, row))
        return result


def compile_cloud(snapshot: Snapshot, constraints: Sequence[Constraint] | None = None) -> CompiledCloud:
    """Compile a snapshot under these constraints (default: all of vmpath's own).

    The snapshot is one that ``files`` or ``cloud`` vouches for: its references resolve. Raises what the
    constraints raise (InvalidInput).
    """
    compiled = [rule.compile(snapshot) for rule in (registry.make() if constraints is None else constraints)]
    hosts, instances = snapshot.hosts, snapshot.instances
    host_index = {host.name: position for position, host in enumerate(hosts)}
    instance_index = {instance.uuid: position for position, instance in enumerate(instances)}
    dimensions = [dimension for rule in compiled for dimension in rule.dimensions]
    filters = [each for rule in compiled for each in rule.filters]

    columns = [list(map(each.instance_key, instances)) for each in filters]
    demands = list(zip(*(each.demand for each in dimensions), strict=True)) or [()] * len(instances)
    keys = list(zip(*columns, strict=True)) or [()] * len(instances)
    numbers: dict[tuple[Hashable, Hashable], int] = {}
    classes: list[InstanceClass] = []
    class_of: list[int] = []
    for position, pair in enumerate(zip(demands, keys, strict=True)):
        number = numbers.get(pair)
        if number is None:
            number = numbers[pair] = len(classes)
            classes.append(InstanceClass(pair[0], pair[1], position))
        class_of.append(number)

    pinned = {
        position: instance.why_not or "it is not movable"
        for position, instance in enumerate(instances)
        if instance.movable == "no"
    }
    for rule in compiled:
        for uuid, reason in rule.pinned.items():
            pinned.setdefault(instance_index[uuid], reason)
    home = [NOWHERE if instance.host is None else host_index[instance.host] for instance in instances]
    also_at: dict[int, int] = {}
    for flight in snapshot.in_flight:
        guest = instance_index[flight.instance]
        source, dest = host_index[flight.source], host_index[flight.dest]
        if dest != source:  # a resize may stay on its host
            also_at[guest] = dest if home[guest] == source else source
        pinned.setdefault(guest, f"it is being migrated from {flight.source} to {flight.dest}")

    counters = [counter for rule in compiled for counter in rule.counters]
    counters_of: dict[int, tuple[int, ...]] = {}
    for number, counter in enumerate(counters):
        for member in counter.members:
            guest = instance_index[member]
            counters_of[guest] = (*counters_of.get(guest, ()), number)

    return CompiledCloud(
        snapshot=snapshot,
        host_index=host_index,
        instance_index=instance_index,
        dimensions=tuple(dimension.name for dimension in dimensions),
        capacity=tuple(zip(*(each.capacity for each in dimensions), strict=True)) or ((),) * len(hosts),
        taken=tuple(zip(*(each.taken for each in dimensions), strict=True)) or ((),) * len(hosts),
        classes=tuple(classes),
        class_of=class_of,
        home=home,
        also_at=also_at,
        counter_names=tuple(counter.name for counter in counters),
        counter_limits=tuple(counter.limit for counter in counters),
        counters_of=counters_of,
        pinned=pinned,
        vetoes=tuple(rule.veto for rule in compiled if rule.veto is not None),
        veto_scopes=tuple(rule.veto_scope for rule in compiled if rule.veto is not None),
        _filters=tuple(_group_filter(each, hosts) for each in filters),
        _passages=tuple(
            grouped for rule in compiled for each in rule.passages if (grouped := _group_passage(each, hosts))
        ),
    )


def _group(key: Callable[[Host], Hashable], hosts: Sequence[Host]) -> tuple[list[int], list[int]]:
    """Hosts of equal key share a group: the group of each host, and one example host of each group."""
    numbers: dict[Hashable, int] = {}
    groups: list[int] = []
    examples: list[int] = []
    for position, host in enumerate(hosts):
        value = key(host)
        if value not in numbers:
            numbers[value] = len(examples)
            examples.append(position)
        groups.append(numbers[value])
    return groups, examples


def _group_filter(each: Filter, hosts: Sequence[Host]) -> _GroupedFilter:
    groups, examples = _group(each.host_key, hosts)
    return _GroupedFilter(each, groups, examples)


def _group_passage(each: Passage, hosts: Sequence[Host]) -> _GroupedPassage | None:
    groups, examples = _group(each.host_key, hosts)
    allowed = [[each.refusal(hosts[a], hosts[b]) is None for b in examples] for a in examples]
    if all(map(all, allowed)):
        return None
    return _GroupedPassage(each, groups, allowed)
