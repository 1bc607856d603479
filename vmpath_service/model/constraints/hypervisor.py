"""Hypervisor type, version and cell, and post-copy: what a guest can be migrated between."""

from __future__ import annotations

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter, Passage
from vmpath_service.model.declarations import UNDECLARED, declaration_of
from vmpath_service.model.snapshot import Host, Instance, Snapshot


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


def _forbids_post_copy(instance: Instance) -> bool | None:
    return True if instance.post_copy == "forbidden" else None


def _keeps_by_post_copy(host: Host) -> bool:
    return declaration_of(host).may_time_out_into_post_copy()


def _trapped(instance: Instance, host: Host) -> str | None:
    if instance.post_copy == "allowed" or not _keeps_by_post_copy(host):
        return None
    return f"Nova may switch what leaves {host.name} to post-copy, which it forbids: it could not leave again"


class HypervisorConstraint(Constraint):
    """A guest goes only to a hypervisor of the same type, of at least the version it runs on at that moment,
    in the same cell; what a host does not say of itself restricts nothing.

    Where something is declared of hosts, a guest that forbids post-copy goes only to hosts that it may leave again.
    """

    name = "hypervisor"

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        filters: tuple[Filter, ...] = ()
        if any(each.post_copy == "forbidden" for each in snapshot.instances) and any(
            declaration_of(host) != UNDECLARED for host in snapshot.hosts
        ):
            filters = (Filter(_forbids_post_copy, _keeps_by_post_copy, _trapped),)
        return CompiledConstraint(filters=filters, passages=(Passage(_nature, _refusal),))
