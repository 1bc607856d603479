"""What every constraint must do, as checks that a test suite runs on each of its own; uses no test framework."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Hashable, Iterator, Mapping

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter, Passage
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Host, Instance, Snapshot

Where = Mapping[str, str | None]


class ConstraintContract:
    """``make`` builds the constraint with whatever settings it needs; a failed check raises AssertionError."""

    def __init__(self, make: Callable[[], Constraint]) -> None:
        self.make = make

    def check(self, snapshot: Snapshot) -> CompiledConstraint:
        """All checks on one snapshot of a few hosts and instances (all pairs of them are tried); returns the rule."""
        rule = self.make()
        name = rule.name
        assert name, f"{type(rule).__name__} has no name"
        assert (type(rule).__doc__ or "").strip(), f"{name} has no documentation"
        for option in rule.options:
            assert isinstance(option, Option), f"{name} declares something that is not an option"
        compiled = rule.compile(snapshot)
        copied = pickle.loads(pickle.dumps(self.make())).compile(snapshot)
        for other in (self.make().compile(snapshot), copied):
            assert list(_verdicts(other, snapshot)) == list(_verdicts(compiled, snapshot)), f"{name} differs next time"
        self._amounts(name, compiled, snapshot)
        for each in compiled.filters:
            self._filter(name, each, snapshot)
        for passage in compiled.passages:
            self._passage(name, passage, snapshot)
        self._scope(name, compiled, snapshot)
        return compiled

    def _amounts(self, name: str, compiled: CompiledConstraint, snapshot: Snapshot) -> None:
        for each in compiled.dimensions:
            shape = (len(each.capacity), len(each.taken), len(each.demand))
            wanted = (len(snapshot.hosts), len(snapshot.hosts), len(snapshot.instances))
            assert shape == wanted, f"{name}: {each.name} has {shape} entries, expected {wanted}"
            amounts = (*each.capacity, *each.taken, *each.demand)
            assert all(isinstance(amount, int) and amount >= 0 for amount in amounts), f"{name}: {each.name} below 0"
        uuids = {instance.uuid for instance in snapshot.instances}
        for counter in compiled.counters:
            assert counter.limit >= 0, f"{name}: {counter.name} has a limit below 0"
            assert uuids.issuperset(counter.members), f"{name}: {counter.name} counts somebody who is not there"
            assert len(set(counter.members)) == len(counter.members), f"{name}: {counter.name} counts somebody twice"
        assert uuids.issuperset(compiled.pinned), f"{name} pins somebody who is not there"
        assert all(compiled.pinned.values()), f"{name} pins without a reason"

    def _filter(self, name: str, each: Filter, snapshot: Snapshot) -> None:
        """The answer depends on the keys alone."""
        answers: dict[tuple[Hashable, Hashable], bool] = {}
        for instance, host in itertools.product(snapshot.instances, snapshot.hosts):
            reason = each.refusal(instance, host)
            assert reason is None or reason, f"{name} refuses without a reason"
            key = each.instance_key(instance)
            if key is None:
                assert reason is None, f"{name} refuses {instance.uuid}, for whom it says it has no restriction"
                continue
            pair = (key, each.host_key(host))
            same = answers.setdefault(pair, reason is None)
            assert same == (reason is None), f"{name}: two answers for the same keys {pair}"

    def _passage(self, name: str, each: Passage, snapshot: Snapshot) -> None:
        answers: dict[tuple[Hashable, Hashable], bool] = {}
        for source, dest in itertools.product(snapshot.hosts, repeat=2):
            reason = each.refusal(source, dest)
            pair = (each.host_key(source), each.host_key(dest))
            same = answers.setdefault(pair, reason is None)
            assert same == (reason is None), f"{name}: two answers for the same hosts {pair}"

    def _scope(self, name: str, compiled: CompiledConstraint, snapshot: Snapshot) -> None:
        """Who is on hosts outside its scope makes no difference to a veto."""
        if compiled.veto is None:
            assert compiled.veto_scope is None, f"{name} has the scope of a veto, but no veto"
            return
        hosts = {host.name for host in snapshot.hosts}
        for where in _placements(snapshot):
            for instance, dest in _moves(snapshot, where):
                answer = compiled.veto(instance, dest, where)
                assert answer is None or answer, f"{name} vetoes without a reason"
                scope = None if compiled.veto_scope is None else compiled.veto_scope(instance, dest)
                if scope is None:
                    continue
                assert hosts.issuperset(scope), f"{name} looks at hosts that are not there"
                outside: list[str | None] = [host for host in sorted(hosts) if host not in scope] or [None]
                for place in outside:
                    other = {
                        uuid: host if host in scope or uuid == instance.uuid else place for uuid, host in where.items()
                    }
                    again = compiled.veto(instance, dest, other)
                    assert (again is None) == (answer is None), (
                        f"{name}: whether {instance.uuid} may go to {dest.name} depends on more than its scope"
                    )


def _verdicts(compiled: CompiledConstraint, snapshot: Snapshot) -> Iterator[object]:
    """All that a constraint says, in an order."""
    for each in compiled.dimensions:
        yield each.name, list(each.capacity), list(each.taken), list(each.demand)
    yield compiled.counters
    yield dict(compiled.pinned)
    for instance, host in itertools.product(snapshot.instances, snapshot.hosts):
        yield [each.refusal(instance, host) for each in compiled.filters]
    for source, dest in itertools.product(snapshot.hosts, repeat=2):
        yield [each.refusal(source, dest) for each in compiled.passages]
    if compiled.veto is not None:
        for where in _placements(snapshot):
            yield [compiled.veto(instance, host, where) for instance, host in _moves(snapshot, where)]


def _placements(snapshot: Snapshot) -> Iterator[Where]:
    """The placement of the snapshot, and others in which all have gone on by some hosts."""
    names = [host.name for host in snapshot.hosts]
    yield {each.uuid: each.host for each in snapshot.instances}
    for stride in range(len(names)):
        yield {
            each.uuid: None if each.host is None else names[(names.index(each.host) + number * stride) % len(names)]
            for number, each in enumerate(snapshot.instances)
        }


def _moves(snapshot: Snapshot, where: Where) -> Iterator[tuple[Instance, Host]]:
    for instance, host in itertools.product(snapshot.instances, snapshot.hosts):
        if where[instance.uuid] not in (None, host.name):
            yield instance, host
