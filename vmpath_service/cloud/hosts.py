"""Hosts: compute services, hypervisors, aggregates and Placement put together. Pure mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from vmpath_service.cloud import wire
from vmpath_service.cloud.declared import cell_of
from vmpath_service.cloud.placement import Tree
from vmpath_service.model.declarations import UNDECLARED, Declaration, extra_of
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.snapshot import Aggregate, Host

COMPUTE = "nova-compute"
# Nova gives and takes the trait with the status of the service; when that fails, the scheduler goes by the trait.
_LEFT_DISABLED = "Placement has it as disabled (trait COMPUTE_STATUS_DISABLED), though its service is enabled"
# Guests of these cannot be live-migrated at all.
_FIXED_TYPES = frozenset(("ironic", "lxc", "uml", "zvm"))


@dataclass(frozen=True, slots=True)
class Node:
    """A compute service with its hypervisor and the uuid of its resource provider.

    Three names: the service's host (which os-migrateLive wants), the hypervisor's host name (which Placement
    calls the provider), and the uuid of both.
    """

    service: wire.Service
    hypervisor: wire.Hypervisor
    provider: str


@dataclass(frozen=True, slots=True)
class Nodes:
    """``usable`` by service host; ``left_out``: service hosts with a hypervisor that cannot live-migrate;
    ``bare``: service hosts without any hypervisor."""

    usable: Mapping[str, Node]
    left_out: frozenset[str]
    bare: frozenset[str]


def check_cells(services: Iterable[wire.Service]) -> None:
    """Raises NoDecision when a cell did not answer: its servers would be missing without a word."""
    silent = sorted({each.host for each in services if "UNKNOWN" in (each.state, each.status)})
    if silent:
        raise NoDecision(
            f"a cell of the cloud does not answer: the state of {len(silent)} hosts is unknown, the first is"
            f" {silent[0]}; what runs there cannot be seen"
        )


def moment_of(services: Iterable[wire.Service]) -> float:
    """The present by the clocks of Nova's services, in seconds since the epoch: the newest report of any of them.

    They report every ten seconds or so; a change of a server is stamped by the same clocks.
    """
    reports = [datetime.fromisoformat(each.updated_at) for each in services if each.updated_at]
    newest = max((each.replace(tzinfo=each.tzinfo or UTC) for each in reports), default=datetime.now(UTC))
    return newest.timestamp()


def nodes(
    services: Iterable[wire.Service], hypervisors: Iterable[wire.Hypervisor], providers: Mapping[str, wire.Provider]
) -> Nodes:
    """Relate services, hypervisors and providers.

    Raises NoDecision when a hypervisor that could take part is unknown to Placement, or a service has several.
    """
    of_host: dict[str, list[wire.Hypervisor]] = {}
    for hypervisor in hypervisors:
        of_host.setdefault(hypervisor.service.host, []).append(hypervisor)
    by_name = {provider.name: provider.uuid for provider in providers.values()}
    usable: dict[str, Node] = {}
    left_out: set[str] = set()
    bare: set[str] = set()
    for service in services:
        if service.binary != COMPUTE:
            continue
        found = of_host.get(service.host, [])
        if not found:
            bare.add(service.host)
            continue
        if any((each.hypervisor_type or "").lower() in _FIXED_TYPES for each in found):
            left_out.add(service.host)
            continue
        if len(found) > 1:
            raise NoDecision(f"compute service {service.host} has {len(found)} hypervisors, expected one")
        # below 2.53 the id is a number
        provider = str(found[0].id) if str(found[0].id) in providers else by_name.get(found[0].hypervisor_hostname)
        if provider is None:
            raise NoDecision(f"Placement has no resource provider for {found[0].hypervisor_hostname}")
        usable[service.host] = Node(service, found[0], provider)
    return Nodes(usable, frozenset(left_out), frozenset(bare))


def refreshed(known: Nodes, services: Iterable[wire.Service]) -> Nodes:
    """The same hosts with their services as they are now; a service that is gone keeps its host as it was."""
    now = {service.host: service for service in services if service.binary == COMPUTE}
    usable = {name: replace(node, service=now.get(name, node.service)) for name, node in known.usable.items()}
    return replace(known, usable=usable)


def aggregates_of(aggregates: Iterable[wire.Aggregate]) -> Mapping[str, tuple[Aggregate, ...]]:
    """The aggregates of each service host, sorted by name."""
    found: dict[str, list[Aggregate]] = {}
    for each in sorted(aggregates, key=lambda aggregate: aggregate.name):
        shared = Aggregate(each.name, each.metadata)
        for host in each.hosts:
            found.setdefault(host, []).append(shared)
    return {host: tuple(listed) for host, listed in found.items()}


def host(
    node: Node,
    tree: Tree,
    aggregates: tuple[Aggregate, ...],
    others: Mapping[str, int],
    cell_key: str,
    declared: Declaration = UNDECLARED,
) -> Host:
    """The snapshot's value of one host; ``others`` is what no listed server explains.

    Raises NoDecision where it would be in two cells.
    """
    service = node.service
    disabled, reason = service.status == "disabled", service.disabled_reason
    if not disabled:
        disabled = tree.disabled and state_of(service) == "up"
        reason = _LEFT_DISABLED if disabled else None
    return Host(
        name=service.host,
        uuid=node.provider,
        inventories=dict(tree.inventories),
        state=state_of(service),
        status="disabled" if disabled else "enabled",
        disabled_reason=reason,
        used_by_others=dict(sorted(others.items())),
        availability_zone=service.zone,
        cell=cell_of(service.host, aggregates, cell_key, declared),
        aggregates=aggregates,
        traits=tree.traits,
        hypervisor_type=node.hypervisor.hypervisor_type,
        hypervisor_version=node.hypervisor.hypervisor_version,
        extra=extra_of(declared),
    )


def bare_host(service: wire.Service, aggregates: tuple[Aggregate, ...]) -> Host:
    """A service that shows no hypervisor but has servers: nothing fits there, and nothing leaves it."""
    return Host(
        name=service.host,
        inventories={},
        state="down",
        status="disabled" if service.status == "disabled" else "enabled",
        availability_zone=service.zone,
        aggregates=aggregates,
    )


def state_of(service: wire.Service) -> Literal["up", "down"]:
    """Forced down counts as down, whatever the service reports of itself."""
    return "up" if service.state == "up" and not service.forced_down else "down"


def compute_services(services: Iterable[wire.Service], names: Collection[str]) -> Mapping[str, wire.Service]:
    """Those of the named hosts."""
    return {each.host: each for each in services if each.binary == COMPUTE and each.host in names}
