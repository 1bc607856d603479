"""What differs between two snapshots, in an operator's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vmpath_service.cli.abridged import in_line
from vmpath_service.model.snapshot import Host, Instance, ServerGroup, Snapshot


@dataclass(frozen=True, slots=True)
class Difference:
    """``aspect`` is empty for what has come or gone altogether."""

    what: str
    name: str
    aspect: str
    before: str
    after: str


def differences(before: Snapshot, after: Snapshot, most: int | None = None) -> Iterator[Difference]:
    """Hosts, then instances, then server groups, each in the order of the first snapshot, newcomers last.

    ``most``: of longer lists only as many names, first those that the other snapshot does not have.
    """
    yield from _compare(
        "host",
        {host.name: (host.name, _host(host)) for host in before.hosts},
        {host.name: (host.name, _host(host)) for host in after.hosts},
        most,
    )
    yield from _compare(
        "instance",
        {each.uuid: (each.label(), _instance(each)) for each in before.instances},
        {each.uuid: (each.label(), _instance(each)) for each in after.instances},
        most,
    )
    yield from _compare(
        "server group",
        {group.uuid: (group.name or group.uuid, _group(group)) for group in before.server_groups},
        {group.uuid: (group.name or group.uuid, _group(group)) for group in after.server_groups},
        most,
    )


def _compare(
    what: str,
    old: dict[str, tuple[str, dict[str, Any]]],
    new: dict[str, tuple[str, dict[str, Any]]],
    most: int | None,
) -> Iterator[Difference]:
    for key, (label, aspects) in old.items():
        if key not in new:
            yield Difference(what, label, "", "there", "gone")
            continue
        fresh = new[key][1]
        for aspect in sorted(aspects.keys() | fresh.keys()):
            was, is_now = aspects.get(aspect), fresh.get(aspect)
            if was != is_now:
                yield Difference(what, label, aspect, _text(was, is_now, most), _text(is_now, was, most))
    for key, (label, _) in new.items():
        if key not in old:
            yield Difference(what, label, "", "not there", "new")


def _host(host: Host) -> dict[str, Any]:
    aspects: dict[str, Any] = {
        "state": host.state,
        "status": host.status,
        "availability_zone": host.availability_zone,
        "aggregates": sorted(aggregate.name for aggregate in host.aggregates),
        "hypervisor_version": host.hypervisor_version,
        "traits": sorted(host.traits),
    }
    aspects |= {f"capacity {name}": inventory.limit() for name, inventory in host.inventories.items()}
    aspects |= {f"used by others {name}": amount for name, amount in host.used_by_others.items() if amount}
    return aspects


def _instance(instance: Instance) -> dict[str, Any]:
    aspects: dict[str, Any] = {
        "host": instance.host,
        "status": instance.status,
        "task_state": instance.task_state,
        "movable": instance.movable,
        "locked": instance.locked,
        "why_not": instance.why_not,
    }
    return aspects | dict(instance.resources)


def _group(group: ServerGroup) -> dict[str, Any]:
    return {"policy": group.policy, "max_per_host": group.max_per_host(), "members": sorted(group.members)}


def _text(value: Any, other: Any, most: int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        if most is None or len(value) <= most:
            return ", ".join(map(str, value)) or "-"
        common = frozenset(other or ())
        return in_line(sorted(value, key=lambda name: name in common), most)
    return str(value)
