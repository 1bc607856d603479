"""The replay's own accounts of who holds what where, kept by name."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType

from vmpath_service.model.constraints import registry
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.snapshot import Instance, Snapshot


class Rulebook:
    """The rules of a snapshot, as its constraints state them."""

    def __init__(self, snapshot: Snapshot, constraints: Sequence[Constraint] | None) -> None:
        self.snapshot = snapshot
        self.hosts = {host.name: host for host in snapshot.hosts}
        self.instances = {instance.uuid: instance for instance in snapshot.instances}
        compiled = [rule.compile(snapshot) for rule in (registry.make() if constraints is None else constraints)]
        dimensions = [each for rule in compiled for each in rule.dimensions]
        self.classes = [each.name for each in dimensions]
        self.capacity = {
            host.name: [each.capacity[position] for each in dimensions] for position, host in enumerate(snapshot.hosts)
        }
        self.taken = {
            host.name: [each.taken[position] for each in dimensions] for position, host in enumerate(snapshot.hosts)
        }
        self.asked: dict[str, list[tuple[int, int]]] = {}
        """Per instance: (class, amount) of all that it asks for."""
        columns = [each.demand for each in dimensions]
        for position, instance in enumerate(snapshot.instances):
            self.asked[instance.uuid] = [
                (number, column[position]) for number, column in enumerate(columns) if column[position]
            ]
        self.groups = [each for rule in compiled for each in rule.counters]
        self.groups_of: dict[str, list[int]] = {}
        for number, group in enumerate(self.groups):
            for member in group.members:
                self.groups_of.setdefault(member, []).append(number)
        self.fixed = {uuid: reason for rule in compiled for uuid, reason in rule.pinned.items()}
        for instance in snapshot.instances:
            if instance.movable == "no":
                self.fixed[instance.uuid] = instance.why_not or "it is not movable"
        for flight in snapshot.in_flight:
            self.fixed[flight.instance] = f"it is being migrated from {flight.source} to {flight.dest}"
        self.vetoes = [rule.veto for rule in compiled if rule.veto is not None]
        self._veto_scopes = [rule.veto_scope for rule in compiled if rule.veto is not None]
        self._filters = [each for rule in compiled for each in rule.filters]
        self._passages = [each for rule in compiled for each in rule.passages]
        self._filtered: dict[tuple[int, Hashable, Hashable], str | None] = {}
        self._passed: dict[tuple[int, Hashable, Hashable], str | None] = {}

    def misfit(self, uuid: str, host: str) -> str | None:
        """Why the instance may not be on the host whatever else is there, or None."""
        instance, place = self.instances[uuid], self.hosts[host]
        for number, rule in enumerate(self._filters):
            wish = rule.instance_key(instance)
            if wish is None:
                continue
            key = (number, wish, rule.host_key(place))
            if key not in self._filtered:
                self._filtered[key] = rule.refusal(instance, place)
            if self._filtered[key]:
                return rule.refusal(instance, place)
        return None

    def barrier(self, source: str, dest: str) -> str | None:
        """Why nothing is migrated from the one host to the other, or None."""
        start, end = self.hosts[source], self.hosts[dest]
        for number, rule in enumerate(self._passages):
            key = (number, rule.host_key(start), rule.host_key(end))
            if key not in self._passed:
                self._passed[key] = rule.refusal(start, end)
            if self._passed[key]:
                return rule.refusal(start, end)
        return None

    def veto_scope(self, uuid: str, dest: str) -> set[str] | None:
        """The hosts whose residents the vetoes of a move may look at; None: all."""
        found: set[str] = set()
        for scope in self._veto_scopes:
            hosts = None if scope is None else scope(self.instances[uuid], self.hosts[dest])
            if hosts is None:
                return None
            found.update(hosts)
        return found

    def label(self, uuid: str) -> str:
        """How messages name an instance."""
        instance: Instance | None = self.instances.get(uuid)
        return instance.label() if instance is not None else uuid


class Accounts:
    """What is held where at one moment. An instance in flight is held at both ends until it is released."""

    def __init__(self, rules: Rulebook, gone: Iterable[str] = ()) -> None:
        self.rules = rules
        absent = set(gone)
        self.used = {host: list(row) for host, row in rules.taken.items()}
        self.members: dict[tuple[int, str], int] = {}
        self.where: dict[str, str | None] = {}
        self.other_end: dict[str, str] = {}
        """Of instances in flight: where they are too."""
        self.awake = {host.name: host.state == "up" for host in rules.snapshot.hosts}
        self.open = {host.name: host.status == "enabled" for host in rules.snapshot.hosts}
        held: dict[str, set[str]] = {}
        for instance in rules.snapshot.instances:
            home = None if instance.uuid in absent else instance.host
            self.where[instance.uuid] = home
            if home is not None:
                self.hold(instance.uuid, home)
                held[instance.uuid] = {home}
        for flight in rules.snapshot.in_flight:
            for end in (flight.source, flight.dest):
                # an instance that has left is let go of where it was; its other end is freed by nobody we know of
                left = flight.instance in absent and end == rules.instances[flight.instance].host
                ends = held.setdefault(flight.instance, set())
                if end not in ends and not left:
                    ends.add(end)
                    self.hold(flight.instance, end)
                    self.other_end[flight.instance] = end

    def hold(self, uuid: str, host: str) -> None:
        """The instance counts there from now on."""
        row = self.used[host]
        for number, amount in self.rules.asked[uuid]:
            row[number] += amount
        for group in self.rules.groups_of.get(uuid, ()):
            self.members[group, host] = self.members.get((group, host), 0) + 1

    def release(self, uuid: str, host: str) -> None:
        """The instance no longer counts there."""
        row = self.used[host]
        for number, amount in self.rules.asked[uuid]:
            row[number] -= amount
        for group in self.rules.groups_of.get(uuid, ()):
            self.members[group, host] -= 1

    def begin(self, uuid: str, source: str, dest: str) -> None:
        """Its migration has started: it counts at both ends."""
        self.hold(uuid, dest)
        self.where[uuid] = dest
        self.other_end[uuid] = source

    def end(self, uuid: str, source: str) -> None:
        """Its migration has ended well."""
        self.release(uuid, source)
        del self.other_end[uuid]

    def excess(self, uuid: str, host: str) -> str | None:
        """What is wrong with the host now that the instance is held there, judged by what the instance asks for."""
        row, limit = self.used[host], self.rules.capacity[host]
        for number, _ in self.rules.asked[uuid]:
            if row[number] > limit[number]:
                return f"{host} would hold {row[number]} {self.rules.classes[number]}, it has {limit[number]}"
        for group in self.rules.groups_of.get(uuid, ()):
            count, most = self.members[group, host], self.rules.groups[group].limit
            if count > most:
                return f"{host} would hold {count} members of {self.rules.groups[group].name}, at most {most} may be"
        return None

    def closed(self, source: str | None, dest: str) -> str | None:
        """Why the hosts as such do not take part now, or None."""
        if source is not None and not self.awake[source]:
            return f"{source} is not up"
        if not self.awake[dest]:
            return f"{dest} is not up"
        if not self.open[dest]:
            return f"{dest} is disabled"
        return None

    def act(self, host: str, action: str) -> None:
        """A host step has been carried out."""
        if action in ("power-on", "power-off"):
            self.awake[host] = action == "power-on"
        else:
            self.open[host] = action == "enable"

    def vetoed(self, uuid: str, dest: str) -> str | None:
        """Why a constraint forbids this move at this moment, or None; who is in flight may be at either end."""
        if not self.rules.vetoes:
            return None
        instance, host = self.rules.instances[uuid], self.rules.hosts[dest]
        readings: list[Mapping[str, str | None]] = [MappingProxyType(self.where)]
        if self.other_end:
            readings.append(ChainMap(self.other_end, self.where))  # type: ignore[arg-type]  # it is only read
        for veto in self.rules.vetoes:
            for reading in readings:
                reason = veto(instance, host, reading)
                if reason:
                    return reason
        return None
