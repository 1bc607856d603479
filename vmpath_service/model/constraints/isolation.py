"""Hosts set apart by the metadata of their aggregates: for projects, flavors, images, traits."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from vmpath_service.model.constraints.base import CompiledConstraint, Constraint, Filter
from vmpath_service.model.constraints.extra_specs import satisfies
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.model.snapshot import Host, Instance, Snapshot

EXTRA_SPECS = "extra_specs"
"""Key in an instance's ``extra``: what of its flavor's extra specs aggregates are asked for."""
IMAGE_PROPERTIES = "image_properties"
"""Key in an instance's ``extra``: the properties of its image that some aggregate names."""

SCOPE = "aggregate_instance_extra_specs:"
_TENANTS = "filter_tenant_id"
_TRAIT = "trait:"

Metadata = Mapping[str, frozenset[str]]
"""Per key, its values in all aggregates of one host."""


def _metadata(host: Host) -> Metadata:
    merged: dict[str, set[str]] = {}
    for aggregate in host.aggregates:
        for key, value in aggregate.metadata.items():
            merged.setdefault(key, set()).update(part.strip() for part in value.split(","))
    return {key: frozenset(values) for key, values in merged.items()}


@dataclass(frozen=True, slots=True)
class _Apart:
    """The rules for one snapshot: metadata per host, and what the cloud knows at all."""

    metadata: Mapping[str, Metadata]
    projects: frozenset[str]
    keys: frozenset[str]

    # Hosts for projects

    def project(self, instance: Instance) -> Hashable:
        return instance.project_id if instance.project_id in self.projects else ""

    def tenants(self, host: Host) -> frozenset[str]:
        found: set[str] = set()
        for key, values in self.metadata[host.name].items():
            if key.startswith(_TENANTS):
                found |= values
        return frozenset(found)

    def stranger(self, instance: Instance, host: Host) -> str | None:
        tenants = self.tenants(host)
        if not tenants or instance.project_id in tenants:
            return None
        return f"{host.name} is kept for other projects by its aggregates ({_TENANTS})"

    def own_project(self, instance: Instance) -> Hashable:
        return instance.project_id if instance.project_id in self.projects else None

    def astray(self, instance: Instance, host: Host) -> str | None:
        if instance.project_id in self.tenants(host):
            return None
        return f"{host.name} is not among the hosts kept for project {instance.project_id} ({_TENANTS})"

    # Hosts for flavors

    def asked(self, instance: Instance) -> Hashable:
        specs = _texts(instance, EXTRA_SPECS)
        # without its scope a key may be meant for another filter: it counts where some aggregate has it
        wanted = [
            (key.removeprefix(SCOPE), value)
            for key, value in specs.items()
            if key.startswith(SCOPE) or (":" not in key and key in self.keys)
        ]
        return tuple(sorted(wanted)) or None

    def known_metadata(self, host: Host) -> Hashable:
        return frozenset(self.metadata[host.name].items())

    def unfit(self, instance: Instance, host: Host) -> str | None:
        wanted = self.asked(instance)
        metadata = self.metadata[host.name]
        for key, requirement in wanted if isinstance(wanted, tuple) else ():
            if not any(satisfies(value, requirement) for value in metadata.get(key, ())):
                return f"no aggregate of {host.name} has {key} = {requirement}, which the flavor asks for"
        return None

    # Hosts for images

    def properties(self, instance: Instance) -> Hashable:
        found = _texts(instance, IMAGE_PROPERTIES)
        return tuple(sorted((key, value) for key, value in found.items() if value and key in self.keys)) or None

    def foreign_image(self, instance: Instance, host: Host) -> str | None:
        metadata = self.metadata[host.name]
        for key, value in _texts(instance, IMAGE_PROPERTIES).items():
            if value and key in metadata and value not in metadata[key]:
                return f"an aggregate of {host.name} wants images with another {key} than {value}"
        return None

    # Hosts for traits

    def required(self, instance: Instance) -> Hashable:
        return frozenset(trait for trait in instance.required_traits if _TRAIT + trait in self.keys)

    def kept_for_traits(self, host: Host) -> frozenset[str]:
        return frozenset(
            key.removeprefix(_TRAIT)
            for aggregate in host.aggregates
            for key, value in aggregate.metadata.items()
            if key.startswith(_TRAIT) and value == "required"
        )

    def undemanding(self, instance: Instance, host: Host) -> str | None:
        missing = sorted(self.kept_for_traits(host).difference(instance.required_traits))
        return f"{host.name} is kept for instances that require the trait {missing[0]}" if missing else None


@dataclass(frozen=True, slots=True)
class _Images:
    """Images that belong on declared hosts."""

    images: frozenset[str]
    hosts: frozenset[str]
    only_these: bool

    def of(self, instance: Instance) -> Hashable:
        return instance.image in self.images

    def at(self, host: Host) -> Hashable:
        return host.name in self.hosts

    def refusal(self, instance: Instance, host: Host) -> str | None:
        if instance.image in self.images and host.name not in self.hosts:
            return f"{host.name} is not among the isolated hosts, to which image {instance.image} is bound"
        if self.only_these and host.name in self.hosts and instance.image not in self.images:
            return f"{host.name} is an isolated host, it takes isolated images only"
        return None


class IsolationConstraint(Constraint):
    """What Nova's isolating filters would say; which of them a cloud runs, its API does not show: all, unless told.

    ``projects``: a host in an aggregate with ``filter_tenant_id`` (or a key that begins so) takes instances of these
    projects only. ``own-hosts``: a project for which there are such hosts stays on them. ``extra-specs``: what a
    flavor asks for as ``aggregate_instance_extra_specs:KEY``, an aggregate of the host must have; a KEY without that
    scope counts only if some aggregate has it. ``image-properties``: what an image says under a key of the host's
    aggregates must be among the values there. ``traits``: a host in an aggregate with ``trait:X`` = required takes
    only what requires X. Isolated images and hosts are in nova.conf: they are declared here.

    An instance's extra specs and image properties are in its ``extra``.
    """

    name = "isolation"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "rules",
            "list",
            "Which rules of Nova's scheduler are in force.",
            ("projects", "own-hosts", "extra-specs", "image-properties", "traits"),
            ("projects", "own-hosts", "extra-specs", "image-properties", "traits"),
        ),
        Option("isolated_images", "list", "Images that run on isolated hosts only (as in nova.conf).", ()),
        Option("isolated_hosts", "list", "Hosts for isolated images (as in nova.conf).", ()),
        Option(
            "restrict_isolated_hosts",
            "boolean",
            "Whether isolated hosts take nothing else (restrict_isolated_hosts_to_isolated_images in nova.conf).",
            True,
        ),
    )

    def compile(self, snapshot: Snapshot) -> CompiledConstraint:
        metadata = {host.name: _metadata(host) for host in snapshot.hosts}
        keys = frozenset(key for each in metadata.values() for key in each)
        named = (values for each in metadata.values() for key, values in each.items() if key.startswith(_TENANTS))
        apart = _Apart(metadata, frozenset().union(*named), keys)
        rules = self._names("rules", ("projects", "own-hosts", "extra-specs", "image-properties", "traits"))
        filters: list[Filter] = []

        def add(
            rule: str,
            needed: bool,
            of_instance: Callable[[Instance], Hashable],
            of_host: Callable[[Host], Hashable],
            refusal: Callable[[Instance, Host], str | None],
        ) -> None:
            if needed and rule in rules:
                filters.append(Filter(of_instance, of_host, refusal))

        add("projects", bool(apart.projects), apart.project, apart.tenants, apart.stranger)
        add("own-hosts", bool(apart.projects), apart.own_project, apart.tenants, apart.astray)
        asks = _has(snapshot.instances, EXTRA_SPECS)
        add("extra-specs", asks, apart.asked, apart.known_metadata, apart.unfit)
        says = _has(snapshot.instances, IMAGE_PROPERTIES)
        add("image-properties", says, apart.properties, apart.known_metadata, apart.foreign_image)
        kept = any(key.startswith(_TRAIT) for key in keys)
        add("traits", kept, apart.required, apart.kept_for_traits, apart.undemanding)
        images = _Images(
            self._names("isolated_images"),
            self._names("isolated_hosts"),
            self.settings.get("restrict_isolated_hosts", True) is True,
        )
        # Nova, too, lets everything through while no host is declared
        if images.hosts:
            filters.append(Filter(images.of, images.at, images.refusal))
        return CompiledConstraint(filters=tuple(filters))

    def _names(self, option: str, default: tuple[str, ...] = ()) -> frozenset[str]:
        given = self.settings.get(option, default)
        return frozenset(given) if isinstance(given, tuple) else frozenset(default)


def _has(instances: Iterable[Instance], key: str) -> bool:
    return any(key in instance.extra for instance in instances if instance.extra)


def _texts(instance: Instance, key: str) -> Mapping[str, str]:
    """A mapping of texts to texts from ``extra``; raises InvalidInput where it is anything else."""
    found = instance.extra.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidInput(f"extra.{key} of instance {instance.label()}: expected texts by name")
    return found
