"""Hosts that their aggregates set apart, as Nova's filters and Placement's requests see it.

All of it is in force: ``AggregateMultiTenancyIsolation``, ``AggregateInstanceExtraSpecsFilter`` (keys with its scope
only), ``AggregateImagePropertiesIsolation``, and ``[scheduler] enable_isolated_aggregate_filtering``.
"""

from __future__ import annotations

from collections.abc import Iterator

from vmpath_service.model.constraints.extra_specs import satisfies
from vmpath_service.model.constraints.isolation import SCOPE
from vmpath_service.simulator.records import Host, Server

TENANTS = "filter_tenant_id"
TRAIT = "trait:"


def refusal(server: Server, target: Host) -> str | None:
    """Why the aggregates of `target` keep the server away; None when they do not."""
    metadata: dict[str, set[str]] = {}
    for aggregate in target.aggregates:
        for key, value in aggregate.metadata.items():
            metadata.setdefault(key, set()).update(part.strip() for part in value.split(","))
    return next(_objections(server, target, metadata), None)


def _objections(server: Server, target: Host, metadata: dict[str, set[str]]) -> Iterator[str]:
    tenants = {tenant for key, values in metadata.items() if key.startswith(TENANTS) for tenant in values}
    if tenants and server.project_id not in tenants:
        yield f"{target.name} is reserved for other projects"
    for key, wanted in server.flavor.extra_specs.items():
        if key.startswith(SCOPE):
            name = key.removeprefix(SCOPE)
            if not any(satisfies(value, wanted) for value in metadata.get(name, ())):
                yield f"no aggregate of {target.name} has {name} = {wanted}"
    for key, value in server.image_properties.items():
        if key in metadata and value not in metadata[key]:
            yield f"an aggregate of {target.name} wants another {key} than {value}"
    for key, values in metadata.items():
        if key.startswith(TRAIT) and "required" in values and key.removeprefix(TRAIT) not in server.required_traits:
            yield f"{target.name} is kept for servers that require {key.removeprefix(TRAIT)}"
