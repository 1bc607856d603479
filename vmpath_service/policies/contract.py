"""What every policy must do, as checks that a test suite runs on each of its policies.

Uses no test framework: a check raises AssertionError with a sentence. A third party's tests call
``PolicyContract(lambda cloud: MyPolicy(...)).check(cloud, scope)`` with clouds of their own, and ``run`` for
the example clouds that come with it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

from vmpath_service.model.compiled import NOWHERE, CompiledCloud, compile_cloud
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Host, InFlight, Instance, Inventory, ServerGroup, Snapshot
from vmpath_service.policies.base import Decision, Policy, Scope
from vmpath_service.policies.deciding import as_if, decide
from vmpath_service.policies.guards import GUARDS, guarded
from vmpath_service.policies.legality import problems

Maker = Callable[[CompiledCloud], Policy]


class PolicyContract:
    """``make`` builds the policy for a cloud, with whatever settings it needs (guards included)."""

    def __init__(self, make: Maker) -> None:
        self.make = make

    def run(self, scope: Callable[[CompiledCloud], Scope] = lambda cloud: Scope()) -> None:
        """All checks on all example clouds."""
        for snapshot in example_clouds():
            cloud = compile_cloud(snapshot)
            self.check(cloud, scope(cloud))

    def check(self, cloud: CompiledCloud, scope: Scope) -> Decision:
        """All checks on one cloud; returns the decision."""
        policy = self.make(cloud)
        self.check_declaration(policy)
        before = copy.deepcopy((list(cloud.home), dict(cloud.pinned)))
        decision = decide(policy, cloud, scope)
        assert before == (list(cloud.home), dict(cloud.pinned)), f"{policy.name} changed the cloud that it was given"
        assert decision == decide(policy, cloud, scope), f"{policy.name} decides differently the second time"
        fresh = compile_cloud(cloud.snapshot)
        again = decide(self.make(fresh), fresh, scope)
        assert decision == again, f"{policy.name} decides differently from a fresh start"
        where = self.check_placement(policy, cloud, scope, decision)
        self.check_scores(policy, cloud, scope, decision, where)
        self.check_report(policy, cloud, decision, where)
        self.check_curve(policy, cloud, decision)
        self.check_again(cloud, scope, decision, where)
        return decision

    def check_declaration(self, policy: Policy) -> None:
        """Name, summary and documentation are there; options have help and names of their own."""
        assert policy.name, f"{type(policy).__name__} has no name"
        assert policy.summary, f"{policy.name} has no summary"
        assert (type(policy).__doc__ or "").strip(), f"{policy.name} has no documentation"
        names = [option.name for option in policy.declared()]
        assert len(names) == len(set(names)), f"{policy.name} declares an option twice"
        assert names[-len(GUARDS) :] == [option.name for option in GUARDS], f"{policy.name} leaves out guards"
        for option in policy.options:
            assert isinstance(option, Option), f"{policy.name} declares something that is not an option"
            assert option.help, f"{policy.name}: option {option.name} has no help"

    def check_placement(self, policy: Policy, cloud: CompiledCloud, scope: Scope, decision: Decision) -> list[int]:
        """Who moves may, to where it may; returns where everything is then."""
        where = list(cloud.home)
        for uuid, name in decision.placement.items():
            assert uuid in cloud.instance_index, f"{policy.name} moves {uuid}, which is not there"
            assert name in cloud.host_index, f"{policy.name} moves {uuid} to {name}, which is not there"
            guest, host = cloud.instance_index[uuid], cloud.host_index[name]
            home = cloud.home[guest]
            assert home != NOWHERE, f"{policy.name} moves {uuid}, which is not placed"
            assert host != home, f"{policy.name} moves {uuid} to where it is"
            source, dest = cloud.snapshot.hosts[home], cloud.snapshot.hosts[host]
            assert source.state == "up", f"{policy.name} moves {uuid} from {source.name}, which is {source.state}"
            for end in (source, dest):
                assert inside(policy, end, scope), f"{policy.name} touches {end.name}, which is outside the scope"
            where[guest] = host
        wrong = list(problems(cloud, where))
        assert not wrong, f"{policy.name}: {wrong[0]}"
        self.check_guards(policy, cloud, decision)
        return where

    def check_guards(self, policy: Policy, cloud: CompiledCloud, decision: Decision) -> None:
        """No more is moved than the limits allow, and nobody whom the guards leave alone."""
        moved = [cloud.snapshot.instances[cloud.instance_index[uuid]] for uuid in decision.placement]
        amounts = {
            "max_migrations": len(moved),
            "max_memory": sum(each.memory_mb() for each in moved),
            "max_hosts_touched": len({*decision.placement.values(), *(each.host for each in moved)}),
        }
        for name, amount in amounts.items():
            limit = policy.settings[name]
            assert not isinstance(limit, int) or amount <= limit, f"{policy.name} moves more than {name} allows"
        left_alone = guarded(cloud, policy.settings).pinned
        for uuid in decision.placement:
            guest = cloud.instance_index[uuid]
            assert guest not in left_alone, f"{policy.name} moves {uuid}: {left_alone[guest]}"

    def check_scores(
        self, policy: Policy, cloud: CompiledCloud, scope: Scope, decision: Decision, where: list[int]
    ) -> None:
        """The scores are those of the placements, and the second is no worse."""
        assert decision.before == policy.score(cloud, cloud.home, scope), f"{policy.name}: wrong score before"
        assert decision.after == policy.score(cloud, where, scope), f"{policy.name}: wrong score after"
        assert decision.after.value <= decision.before.value, f"{policy.name} makes its score worse"
        assert not decision.placement or decision.after.value < decision.before.value, (
            f"{policy.name} moves instances without making its score better"
        )

    def check_report(self, policy: Policy, cloud: CompiledCloud, decision: Decision, where: list[int]) -> None:
        """What is said to be empty is empty; what is said to be left is where it was."""
        held = {host for host in where if host != NOWHERE}
        held.update(host for host in cloud.also_at.values())
        for name in decision.emptied:
            assert cloud.host_index[name] not in held, f"{policy.name} calls {name} emptied, but it is not"
        for name, reason in decision.in_use.items():
            assert cloud.host_index[name] in held, f"{policy.name} calls {name} in use, but it is empty"
            assert reason, f"{policy.name} does not say why {name} stays in use"
        for name in decision.disable:
            assert name in cloud.host_index, f"{policy.name} disables {name}, which is not there"
            assert name not in decision.placement.values(), f"{policy.name} disables {name} and moves instances there"
        for leftover in decision.leftovers:
            assert leftover.instance not in decision.placement, f"{policy.name} moves a leftover"
            assert leftover.reason, f"{policy.name} gives no reason for the leftover {leftover.instance}"

    def check_curve(self, policy: Policy, cloud: CompiledCloud, decision: Decision) -> None:
        """It begins with the score before and ends with the score after, and counts what is moved."""
        first, last = decision.curve[0], decision.curve[-1]
        assert first.migrations == 0, f"{policy.name}: the curve does not begin before the first migration"
        assert last.migrations == len(decision.placement), f"{policy.name}: the curve ends too early or too late"
        memory = sum(cloud.snapshot.instances[cloud.instance_index[uuid]].memory_mb() for uuid in decision.placement)
        assert last.memory_mb == memory, f"{policy.name}: the curve counts another amount of memory"
        for point, score in ((first, decision.before), (last, decision.after)):
            assert math.isclose(point.score, score.value, rel_tol=1e-6, abs_tol=1e-6), (
                f"{policy.name}: the curve has {point.score} after {point.migrations} migrations, not {score.value}"
            )

    def check_again(self, cloud: CompiledCloud, scope: Scope, decision: Decision, where: list[int]) -> None:
        """Applied to its own target it moves nothing, unless something cut it short."""
        policy = self.make(cloud)
        limits = ("max_migrations", "max_memory", "max_hosts_touched")
        if decision.shortage or any(policy.settings[name] is not None for name in limits):
            return
        again = decide(policy, as_if(cloud, where, decision.disable), scope)
        assert not again.placement, f"{policy.name} moves {', '.join(again.placement)} when applied again"


def inside(policy: Policy, host: Host, scope: Scope) -> bool:
    """Whether the scope and the policy's guards leave the host to be touched."""
    wanted_zones = (scope.zones, policy.settings["availability_zones"])
    excluded = policy.settings["exclude_hosts"], policy.settings["exclude_availability_zones"]
    for value, names in zip((host.name, host.availability_zone), excluded, strict=True):
        if isinstance(names, tuple) and value in names:
            return False
    wanted_aggregates = (scope.aggregates, policy.settings["aggregates"])
    mine = {aggregate.name for aggregate in host.aggregates}
    banned = policy.settings["exclude_aggregates"]
    if isinstance(banned, tuple) and mine & set(banned):
        return False
    for zones in wanted_zones:
        if isinstance(zones, tuple) and zones and host.availability_zone not in zones:
            return False
    return all(mine & set(names) for names in wanted_aggregates if isinstance(names, tuple) and names)


def example_clouds() -> Iterator[Snapshot]:
    """Small clouds with what policies stumble over."""
    yield _cloud({"a": 8192, "b": 8192, "c": 8192}, {"x": ("a", 1024), "y": ("b", 1024), "z": ("c", 2048)})
    # full to the brim, nothing can move
    yield _cloud({"a": 2048, "b": 2048}, {"x": ("a", 2048), "y": ("b", 2048)})
    # no instance at all
    yield _cloud({"a": 2048, "b": 2048}, {})
    hosts = dict.fromkeys("abcdef", 16384)
    guests = {f"{name}{number}": (name, 1024 * (1 + number % 3)) for name in hosts for number in range(4)}
    rest = _cloud(hosts, guests)
    yield rest
    instances = tuple(
        Instance(
            each.uuid,
            each.host,
            each.resources,
            movable="no" if each.uuid == "a1" else "live",
            why_not="it is locked" if each.uuid == "a1" else None,
        )
        for each in rest.instances
    )
    groups = (
        ServerGroup("g", "anti-affinity", ("a0", "b0", "c0")),
        ServerGroup("h", "affinity", ("d0", "d1")),
    )
    flights = (InFlight("e0", "e", "f"),)
    yield Snapshot(hosts=rest.hosts, instances=instances, server_groups=groups, in_flight=flights)
    # one host is down, one disabled, one over its capacity
    troubled = tuple(
        Host(
            name,
            {"MEMORY_MB": Inventory(capacity=2048 if name == "c" else 16384)},
            state="down" if name == "a" else "up",
            status="disabled" if name == "b" else "enabled",
        )
        for name in hosts
    )
    yield Snapshot(hosts=troubled, instances=rest.instances)


def _cloud(hosts: dict[str, int], guests: dict[str, tuple[str, int]]) -> Snapshot:
    return Snapshot(
        hosts=tuple(Host(name, {"MEMORY_MB": Inventory(capacity=amount)}) for name, amount in hosts.items()),
        instances=tuple(Instance(uuid, host, {"MEMORY_MB": amount}) for uuid, (host, amount) in guests.items()),
    )
