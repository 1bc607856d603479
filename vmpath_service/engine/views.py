"""The cloud and the policies as plain data for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.constraints.base import Constraint
from vmpath_service.model.options import Option, OptionValue, read_options
from vmpath_service.model.records import HostTrouble
from vmpath_service.model.snapshot import Host, Snapshot
from vmpath_service.policies import registry


class Section(Protocol):
    """A policy as configured."""

    @property
    def driver(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, OptionValue]: ...


def hosts(snapshot: Snapshot, quarantined: Mapping[str, HostTrouble] | None = None) -> list[dict[str, Any]]:
    """All hosts: what they have, what is taken (by migrations under way at both ends), what is here, and why
    nothing can arrive; ``quarantined``: those that vmpath leaves alone as migrations have failed."""
    used = {host.name: Counter(host.used_by_others) for host in snapshot.hosts}
    here: Counter[str] = Counter()
    home: dict[str, tuple[str | None, Mapping[str, int]]] = {}
    for instance in snapshot.instances:
        home[instance.uuid] = (instance.host, instance.resources)
        if instance.host is not None:
            used[instance.host].update(instance.resources)
            here[instance.host] += 1
    for flight in snapshot.in_flight:
        at, resources = home[flight.instance]
        used[flight.dest if at == flight.source else flight.source].update(resources)
    return [
        {
            "name": host.name,
            "state": host.state,
            "status": host.status,
            "disabled_reason": host.disabled_reason,
            "availability_zone": host.availability_zone,
            "aggregates": [aggregate.name for aggregate in host.aggregates],
            "instances": here[host.name],
            "capacity": {kind: inventory.limit() for kind, inventory in host.inventories.items()},
            "used": dict(used[host.name]),
            "why_not": _why_not(host) or _quarantine((quarantined or {}).get(host.name)),
        }
        for host in snapshot.hosts
    ]


def _why_not(host: Host) -> str | None:
    """Why nothing can arrive on a host."""
    if host.state != "up":
        return f"it is {host.state}"
    if host.status == "disabled":
        return f"it is disabled: {host.disabled_reason}" if host.disabled_reason else "it is disabled"
    return None


def _quarantine(trouble: HostTrouble | None) -> str | None:
    """Why vmpath leaves a host alone that could take something in."""
    if trouble is None:
        return None
    return f"it is in quarantine: {trouble.failures} migrations failed in a row, the last: {trouble.reason}"


def instances(snapshot: Snapshot, constraints: Sequence[Constraint]) -> list[dict[str, Any]]:
    """All instances: where they are, what they take, and why they cannot be moved, by any constraint."""
    cloud = compile_cloud(snapshot, constraints)
    return [
        {
            "uuid": instance.uuid,
            "name": instance.name,
            "host": instance.host,
            "status": instance.status,
            "task_state": instance.task_state,
            "project_id": instance.project_id,
            "flavor": instance.flavor,
            "locked": instance.locked,
            "resources": dict(instance.resources),
            "movable": "no" if position in cloud.pinned else instance.movable,
            "why_not": cloud.pinned.get(position),
        }
        for position, instance in enumerate(snapshot.instances)
    ]


def policies(sections: Mapping[str, Section]) -> list[dict[str, Any]]:
    """All policies by name, with the options of their drivers and the values that hold for them."""
    return [policy(name, sections[name]) for name in sorted(sections)]


def policy(name: str, section: Section) -> dict[str, Any]:
    """A policy with the options of its driver and the values that hold for it."""
    kind = registry.find(section.driver)
    settings = read_options(kind.declared(), section.settings, texts=False, where=f"policy {name}")
    return {
        "name": name,
        "driver": section.driver,
        "summary": kind.summary,
        "approval": settings["approval"],
        "options": [_described(option) for option in kind.declared()],
        "settings": msgspec.to_builtins(settings, enc_hook=dict),
    }


def _described(option: Option) -> dict[str, Any]:
    """What a client needs to know to give an option a value; the rest is checked here."""
    told = ("name", "kind", "help", "default", "choices", "minimum", "maximum", "form")
    described: dict[str, Any] = msgspec.to_builtins({name: getattr(option, name) for name in told}, enc_hook=dict)
    return described
