"""Which constraints are in force: by name, from the stevedore group ``vmpath.constraints``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmpath_service.model import plugins
from vmpath_service.model.constraints.aggregates import AggregatesConstraint
from vmpath_service.model.constraints.availability_zones import AvailabilityZonesConstraint
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.constraints.capacity import CapacityConstraint
from vmpath_service.model.constraints.hypervisor import HypervisorConstraint
from vmpath_service.model.constraints.isolation import IsolationConstraint
from vmpath_service.model.constraints.server_groups import ServerGroupsConstraint
from vmpath_service.model.constraints.traits import TraitsConstraint
from vmpath_service.model.options import OptionValue

GROUP = "vmpath.constraints"

# Our own are found without a scan of all installed packages: offline commands start in a blink.
_OWN: dict[str, type[Constraint]] = {
    own.name: own
    for own in (
        CapacityConstraint,
        ServerGroupsConstraint,
        AvailabilityZonesConstraint,
        AggregatesConstraint,
        TraitsConstraint,
        HypervisorConstraint,
        IsolationConstraint,
    )
}
DEFAULT = tuple(_OWN)


def make(
    names: Sequence[str] = DEFAULT, settings: Mapping[str, Mapping[str, OptionValue]] | None = None
) -> tuple[Constraint, ...]:
    """The constraints with these names; ``settings`` by name. Raises InvalidInput for an unknown name."""
    given = settings or {}
    return tuple((_OWN.get(name) or plugins.load(GROUP, name, Constraint))(given.get(name)) for name in names)
