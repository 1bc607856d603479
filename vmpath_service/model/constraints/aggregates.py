"""Aggregates that an instance needs its host to be in."""

from __future__ import annotations

from collections.abc import Hashable

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def _required(instance: Instance) -> Hashable:
    return frozenset(instance.required_aggregates) if instance.required_aggregates else None


def _aggregates(host: Host) -> Hashable:
    return frozenset(aggregate.name for aggregate in host.aggregates)


def _refusal(instance: Instance, host: Host) -> str | None:
    missing = sorted(set(instance.required_aggregates).difference(aggregate.name for aggregate in host.aggregates))
    return f"{host.name} is not in the aggregate {missing[0]}" if missing else None


class AggregatesConstraint(Constraint):
    """An instance is only on hosts that are in all its required aggregates."""

    name = "aggregates"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        return CompiledConstraint(filters=(Filter(_required, _aggregates, _refusal),))
