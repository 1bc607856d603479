"""Small clouds that a reader takes in at a glance.

``cloud({"a": 10, "b": 10}, {"x": ("a", 4)})`` is two hosts with 10 MiB of memory each and an instance of 4 MiB
on the first. A mapping instead of a number names resource classes: ``{"MEMORY_MB": 10, "DISK_GB": 5}``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from vmpath_service.model import semantics
from vmpath_service.model.placement import Placement
from vmpath_service.model.snapshot import Snapshot

Amounts = int | Mapping[str, int]


def _amounts(given: Amounts) -> dict[str, int]:
    return {"MEMORY_MB": given} if isinstance(given, int) else dict(given)


def cloud(
    hosts: Mapping[str, Amounts],
    instances: Mapping[str, tuple[str | None, Amounts]],
    *,
    apart: Mapping[str, Sequence[str]] | None = None,
    together: Mapping[str, Sequence[str]] | None = None,
    at_most: Mapping[str, int] | None = None,
    immovable: Collection[str] = (),
    cold: Collection[str] = (),
    off: Collection[str] = (),
    down: Collection[str] = (),
    disabled: Collection[str] = (),
    in_flight: Mapping[str, tuple[str, str]] | None = None,
    links: Mapping[str, float] | None = None,
    of_host: Mapping[str, Mapping[str, Any]] | None = None,
    of_instance: Mapping[str, Mapping[str, Any]] | None = None,
) -> Snapshot:
    """A snapshot in which instance uuids and host names are the keys.

    ``apart``, ``together``: strict anti-affinity and affinity groups; ``at_most``: members per host of a group of
    ``apart`` (else 1). ``in_flight``: instance to (source, dest). ``of_host`` and ``of_instance``: any further
    keys of the file format.
    """
    document: dict[str, Any] = {
        "hosts": [
            {
                "name": name,
                "inventories": {key: {"capacity": amount} for key, amount in _amounts(given).items()},
                "state": "off" if name in off else "down" if name in down else "up",
                "status": "disabled" if name in disabled else "enabled",
                **(of_host or {}).get(name, {}),
            }
            for name, given in hosts.items()
        ],
        "instances": [
            {
                "uuid": uuid,
                "host": host,
                "resources": _amounts(given),
                "movable": "no" if uuid in immovable else "cold" if uuid in cold else "live",
                **(of_instance or {}).get(uuid, {}),
            }
            for uuid, (host, given) in instances.items()
        ],
        "in_flight": [
            {"instance": uuid, "source": source, "dest": dest} for uuid, (source, dest) in (in_flight or {}).items()
        ],
        "server_groups": [
            {
                "uuid": name,
                "policy": "anti-affinity",
                "members": list(members),
                "rules": {"max_server_per_host": (at_most or {}).get(name, 1)},
            }
            for name, members in (apart or {}).items()
        ]
        + [
            {"uuid": name, "policy": "affinity", "members": list(members)}
            for name, members in (together or {}).items()
        ],
    }
    if links is not None:
        document["network"] = {"links": dict(links)}
    snapshot = msgspec.convert(document, Snapshot)
    for problem in semantics.snapshot_problems(snapshot):
        raise AssertionError(f"the cloud of this test is wrong at {problem.pointer}: {problem.text}")
    return snapshot


def target(**hosts: str | None) -> Placement:
    """A target placement: instance to host, None for one that is to be gone."""
    return Placement(dict(hosts))
