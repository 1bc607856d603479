"""Pinned availability zones."""

from __future__ import annotations

from collections.abc import Hashable

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def _pinned(instance: Instance) -> Hashable:
    return instance.pinned_availability_zone


def _zone(host: Host) -> Hashable:
    return host.availability_zone


def _refusal(instance: Instance, host: Host) -> str | None:
    if instance.pinned_availability_zone == host.availability_zone:
        return None
    where = f"in zone {host.availability_zone}" if host.availability_zone else "in no zone"
    return f"{host.name} is {where}, the instance is pinned to {instance.pinned_availability_zone}"


class AvailabilityZonesConstraint(Constraint):
    """An instance that was created in a named zone stays in that zone."""

    name = "availability-zones"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        return CompiledConstraint(filters=(Filter(_pinned, _zone, _refusal),))
