"""Required and forbidden traits."""

from __future__ import annotations

from collections.abc import Hashable

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter
from vmpath_service.model.snapshot import Host, Instance, Snapshot


def _asked(instance: Instance) -> Hashable:
    if not instance.required_traits and not instance.forbidden_traits:
        return None
    return (frozenset(instance.required_traits), frozenset(instance.forbidden_traits))


def _traits(host: Host) -> Hashable:
    return frozenset(host.traits)


def _refusal(instance: Instance, host: Host) -> str | None:
    missing = sorted(set(instance.required_traits).difference(host.traits))
    if missing:
        return f"{host.name} lacks the trait {missing[0]}"
    unwanted = sorted(set(instance.forbidden_traits).intersection(host.traits))
    if unwanted:
        return f"{host.name} has the forbidden trait {unwanted[0]}"
    return None


class TraitsConstraint(Constraint):
    """An instance is only on hosts with all its required and none of its forbidden traits."""

    name = "traits"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        return CompiledConstraint(filters=(Filter(_asked, _traits, _refusal),))
