"""What a server asks of its host besides amounts and traits: what only Nova's scheduler can judge, what aggregates are
asked for. Pure mapping."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from vmpath_service.cloud import flavors
from vmpath_service.cloud.neutron import DevicePort
from vmpath_service.cloud.wire import Aggregate, Server
from vmpath_service.model.constraints.isolation import EXTRA_SPECS, IMAGE_PROPERTIES, SCOPE
from vmpath_service.model.extras import FLAVOR_WISHES, HELD_BY_CAUTION, SCHEDULER_DECIDES


def undecided(server: Server) -> tuple[str, ...]:
    """What the server needs that Placement does not account for, in words.

    Unknown, because a server does not show it: whether a destination has every CPU feature that the guest was given.
    """
    image = server.image_properties()

    def said(key: str) -> str:
        """By the flavor, else by the image, which writes an underscore for the colon."""
        value = server.flavor.extra_specs.get(key, image.get(key.replace(":", "_", 1)))
        return "" if value is None else str(value).strip()

    found = []
    if said("hw:numa_nodes"):
        found.append(f"{said('hw:numa_nodes')} NUMA nodes")
    if said("hw:pmem"):
        found.append("persistent memory")
    policy = flavors.processor_policy(server)
    if policy in ("dedicated", "mixed") or said("resources:PCPU") not in ("", "0"):
        found.append("pinned CPUs")
    pages = said("hw:mem_page_size")
    if pages not in ("", "small"):
        found.append(f"huge pages ({pages})")
    if said("hw:cpu_realtime").lower() in ("yes", "true", "1", "on"):
        found.append("real-time CPUs")
    device = flavors.device_of(server.flavor)
    if device is not None:
        found.append(device)
    return tuple(found)


def keys_of(aggregates: Iterable[Aggregate]) -> frozenset[str]:
    """All keys in the metadata of the cloud's aggregates."""
    return frozenset(key for aggregate in aggregates for key in aggregate.metadata)


def extra(
    server: Server,
    aggregate_keys: Collection[str],
    shared: Collection[str] = (),
    ports: Iterable[DevicePort] = (),
    scope: str = "vmpath:",
    unknown: Iterable[str] = (),
    by_caution: bool = False,
) -> dict[str, Any]:
    """An instance's ``extra``: what there is to say, else nothing.

    Of extra specs what is meant for aggregates, of image properties what some aggregate names (``aggregate_keys``).
    ``shared``: resource classes that it has from a provider that several hosts share, but not all; ``ports``: those of
    its ports that have a device of its host behind them; ``scope``: how keys begin by which a flavor says something to
    vmpath; ``unknown``: what else may keep Nova from migrating it, in words; ``by_caution``: it is not movable for
    want of knowledge only.
    """
    found: dict[str, Any] = {}
    specs = {
        key: value
        for key, value in server.flavor.extra_specs.items()
        if key.startswith(SCOPE) or (":" not in key and key in aggregate_keys)
    }
    if specs:
        found[EXTRA_SPECS] = specs
    wishes = {key: value for key, value in server.flavor.extra_specs.items() if key.startswith(scope)}
    if wishes:
        found[FLAVOR_WISHES] = wishes
    if aggregate_keys:
        properties = {
            key: str(value)
            for key, value in server.image_properties().items()
            if key in aggregate_keys and value is not None
        }
        if properties:
            found[IMAGE_PROPERTIES] = properties
    reasons = [*undecided(server), *(f"{name} of a provider that hosts share" for name in shared)]
    reasons += dict.fromkeys(port.described() for port in ports)
    reasons += unknown
    if reasons:
        found[SCHEDULER_DECIDES] = reasons
    if by_caution:
        found[HELD_BY_CAUTION] = True
    return found
