"""Which constraints are in force: by name, from the stevedore group ``vmpath.constraints``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmpath_service.model.constraints.aggregates import AggregatesConstraint
from vmpath_service.model.constraints.availability_zones import AvailabilityZonesConstraint
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.constraints.capacity import CapacityConstraint
from vmpath_service.model.constraints.hypervisor import HypervisorConstraint
from vmpath_service.model.constraints.isolation import IsolationConstraint
from vmpath_service.model.constraints.server_groups import ServerGroupsConstraint
from vmpath_service.model.constraints.traits import TraitsConstraint
from vmpath_service.model.options import OptionValue
from vmpath_service.model.plugins import Registry

_REGISTRY: Registry[Constraint] = Registry(
    "vmpath.constraints",
    "constraint",
    Constraint,
    (
        CapacityConstraint,
        ServerGroupsConstraint,
        AvailabilityZonesConstraint,
        AggregatesConstraint,
        TraitsConstraint,
        HypervisorConstraint,
        IsolationConstraint,
    ),
)
DEFAULT = tuple(_REGISTRY.own)


def find(name: str) -> type[Constraint]:
    """The class of the constraint with this name; raises InvalidInput with a hint if there is none."""
    return _REGISTRY.find(name)


def available() -> tuple[str, ...]:
    """Names of all constraints, our own and installed ones, sorted."""
    return _REGISTRY.available()


def make(
    names: Sequence[str] = DEFAULT, settings: Mapping[str, Mapping[str, OptionValue]] | None = None
) -> tuple[Constraint, ...]:
    """The constraints with these names; ``settings`` by name. Raises InvalidInput for an unknown name."""
    given = settings or {}
    return tuple(find(name)(given.get(name)) for name in names)
