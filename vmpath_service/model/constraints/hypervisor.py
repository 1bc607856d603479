"""Hypervisor type, version and cell: what a guest can be migrated between."""

from __future__ import annotations

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Passage
from vmpath_service.model.snapshot import Host, Snapshot


def _nature(host: Host) -> tuple[str | None, int | None, str | None]:
    return (host.hypervisor_type, host.hypervisor_version, host.cell)


def _refusal(source: Host, dest: Host) -> str | None:
    if source.hypervisor_type and dest.hypervisor_type and source.hypervisor_type != dest.hypervisor_type:
        return f"{dest.name} runs {dest.hypervisor_type}, {source.name} runs {source.hypervisor_type}"
    if (
        source.hypervisor_version is not None
        and dest.hypervisor_version is not None
        and dest.hypervisor_version < source.hypervisor_version
    ):
        return f"{dest.name} has an older hypervisor than {source.name}"
    if source.cell and dest.cell and source.cell != dest.cell:
        return f"{dest.name} is in cell {dest.cell}, {source.name} in cell {source.cell}"
    return None


class HypervisorConstraint(Constraint):
    """A guest goes only to a hypervisor of the same type, of at least the version it runs on at that moment,
    in the same cell; what a host does not say of itself restricts nothing.
    """

    name = "hypervisor"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        return CompiledConstraint(passages=(Passage(_nature, _refusal),))
