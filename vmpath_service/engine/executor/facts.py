"""What the executor has to know of instances and hosts beside the plan: gathered from the snapshot it was made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from vmpath_service.model.compiled import CompiledCloud
from vmpath_service.model.declarations import UNDECLARED, Declaration, declaration_of
from vmpath_service.model.decoding import learn
from vmpath_service.model.extras import undecided, wish
from vmpath_service.model.snapshot import Host

Mode = Literal["pre-copy", "post-copy", "auto"]
MODES: tuple[Mode, ...] = ("pre-copy", "post-copy", "auto")


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of the metadata, or extra specs of flavors, in which instances say what they want: the mode of their
    migrations, windows in which they are not to be moved, and groups of which few are to be moved at a time."""

    mode: str = "vmpath:mode"
    no_go: str = "vmpath:no_go"
    groups: tuple[str, ...] = ("vmpath:keep_with", "vmpath:keep_from")


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """``resources``: what it takes. ``kind``: the same for instances that ask the same of a host. ``mode`` and
    ``no_go``: as its metadata or its flavor says, unread. ``undecided``: whether only Nova's scheduler can tell where
    it fits. ``name``: what people call it."""

    resources: Mapping[str, int]
    kind: str = ""
    project: str | None = None
    groups: tuple[str, ...] = ()
    mode: str | None = None
    no_go: str | None = None
    undecided: bool = False
    name: str | None = None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """``links``: the shared links of the network that it hangs on, by the snapshot and as declared."""

    zone: str | None = None
    links: tuple[str, ...] = ()
    declared: Declaration = UNDECLARED


@dataclass(frozen=True, slots=True)
class Facts:
    """``groups``: of all instances that share a group with one of ``instances``, the groups they are in."""

    instances: Mapping[str, InstanceFacts] = field(default_factory=dict)
    hosts: Mapping[str, HostFacts] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def updated(self, newer: Facts) -> Facts:
        """These and newer ones, which count."""
        return Facts(
            {**self.instances, **newer.instances}, {**self.hosts, **newer.hosts}, {**self.groups, **newer.groups}
        )

    def name_of(self, uuid: str) -> str | None:
        """What people call an instance, as far as that is known."""
        known = self.instances.get(uuid)
        return None if known is None else known.name

    def plain(self) -> dict[str, Any]:
        """As plain data, for ``plan.extra``."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def of(cls, content: object) -> Facts:
        """From plain data."""
        return msgspec.convert(content, cls)


learn(Facts)


def gather(cloud: CompiledCloud, moved: Collection[str], hosts: Collection[str], keys: Keys) -> Facts:
    """The facts of these instances and hosts; what the cloud does not have is left out."""
    snapshot = cloud.snapshot
    groups: dict[str, tuple[str, ...]] = {}
    for group in snapshot.server_groups:
        for member in group.members:
            groups[member] = (*groups.get(member, ()), group.uuid)
    for instance in snapshot.instances:
        own = tuple(f"{key}={said}" for key in keys.groups if (said := wish(instance, key)) is not None)
        if own:
            groups[instance.uuid] = (*groups.get(instance.uuid, ()), *own)
    wanted = {group for uuid in moved for group in groups.get(uuid, ())}
    instances = {
        uuid: _instance(cloud, cloud.instance_index[uuid], groups.get(uuid, ()), keys)
        for uuid in sorted(moved)
        if uuid in cloud.instance_index
    }
    return Facts(
        instances,
        {host.name: _host(host) for host in snapshot.hosts if host.name in hosts},
        {uuid: found for uuid, found in sorted(groups.items()) if wanted.intersection(found)},
    )


def _host(host: Host) -> HostFacts:
    declared = declaration_of(host)
    links = host.links if declared.link is None else (*host.links, declared.link)
    return HostFacts(host.availability_zone, links, declared)


def _instance(cloud: CompiledCloud, position: int, groups: Sequence[str], keys: Keys) -> InstanceFacts:
    instance = cloud.snapshot.instances[position]
    return InstanceFacts(
        resources=instance.resources,
        kind=f"{cloud.class_of[position]}",
        project=instance.project_id,
        groups=tuple(groups),
        mode=wish(instance, keys.mode),
        no_go=wish(instance, keys.no_go),
        undecided=bool(undecided(instance)),
        name=instance.name,
    )
