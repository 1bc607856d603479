"""What a lab's Nova, Placement and hypervisors say, read without vmpath's help."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from tests.lab.nova_lab import NovaLab, call, until

IN_PROGRESS = frozenset(
    ("queued", "accepted", "preparing", "pre-migrating", "running", "post-migrating")
)


def servers(lab: NovaLab) -> dict[str, dict[str, Any]]:
    """Every server of every project by its id, in Nova's own words."""
    found: dict[str, dict[str, Any]] = {}
    path = "/servers/detail?all_tenants=1"
    while True:
        page = call(lab.compute, "GET", path)
        found.update({server["id"]: server for server in page["servers"]})
        if not page.get("servers_links"):
            return found
        path = page["servers_links"][0]["href"]


def host_of(server: dict[str, Any]) -> str:
    """The service host that Nova says the server is on."""
    return str(server["OS-EXT-SRV-ATTR:host"])


def servers_by_host(lab: NovaLab) -> dict[str, set[str]]:
    """The ids of the servers on each host, also of hosts that are empty."""
    found: dict[str, set[str]] = {host: set() for host in lab.hosts}
    for identifier, server in servers(lab).items():
        found.setdefault(host_of(server), set()).add(identifier)
    return found


def guests_by_host(lab: NovaLab) -> dict[str, set[str]]:
    """The ids of the guests that each hypervisor itself holds."""
    found: dict[str, set[str]] = {}
    for host in lab.hosts:
        file = lab.directory / "run" / "nova" / host / "guests.json"
        found[host] = set(json.loads(file.read_text())) if file.exists() else set()
    return found


def providers(lab: NovaLab) -> dict[str, str]:
    """The uuid of each resource provider by its name."""
    body = call(lab.placement, "GET", "/resource_providers")
    return {provider["name"]: provider["uuid"] for provider in body["resource_providers"]}


def allocations_by_provider(lab: NovaLab) -> dict[str, dict[str, dict[str, int]]]:
    """What each consumer holds of each provider: provider name, consumer, class, amount."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for name, uuid in providers(lab).items():
        body = call(lab.placement, "GET", f"/resource_providers/{uuid}/allocations")
        found[name] = {
            consumer: held["resources"] for consumer, held in body["allocations"].items()
        }
    return found


def memory_fraction_by_host(lab: NovaLab) -> dict[str, float]:
    """The part of each host's memory that Placement says is taken."""
    found: dict[str, float] = {}
    for name, uuid in providers(lab).items():
        usages = call(lab.placement, "GET", f"/resource_providers/{uuid}/usages")["usages"]
        inventory = call(lab.placement, "GET", f"/resource_providers/{uuid}/inventories")
        memory = inventory["inventories"]["MEMORY_MB"]
        capacity = (memory["total"] - memory["reserved"]) * memory["allocation_ratio"]
        found[name] = usages["MEMORY_MB"] / capacity
    return found


def migrations(lab: NovaLab, **filters: str) -> list[dict[str, Any]]:
    """Migration records of the servers that exist, oldest first.

    The *filters* are those of Nova: instance_uuid, status, migration_type, changes-since...
    Records of servers deleted since, as by a reset, are left out.
    """
    present = servers(lab)
    query = "&".join(f"{name.replace('_since', '-since')}={value}" for name, value in
                     filters.items())
    found: dict[int, dict[str, Any]] = {}
    path = f"/os-migrations?{query}"
    while path:
        page = call(lab.compute, "GET", path)
        found.update({migration["id"]: migration for migration in page["migrations"]})
        links = page.get("migrations_links")
        path = links[0]["href"] if links else ""
    mine = [migration for migration in found.values() if migration["instance_uuid"] in present]
    return sorted(mine, key=lambda migration: int(migration["id"]))


def migrations_in_progress(lab: NovaLab) -> list[dict[str, Any]]:
    """Those that have neither ended nor failed."""
    return [entry for entry in migrations(lab) if entry["status"] in IN_PROGRESS]


def scheduler_refusals(lab: NovaLab) -> list[dict[str, Any]]:
    """Migrations that Nova accepted and then refused: status error."""
    return [entry for entry in migrations(lab) if entry["status"] == "error"]


def assert_groups_intact(lab: NovaLab) -> None:
    """No host holds more members of an anti-affinity group than its rule permits."""
    present = servers(lab)
    groups = call(lab.compute, "GET", "/os-server-groups?all_projects=True")["server_groups"]
    for group in groups:
        hosts = [host_of(present[member]) for member in group["members"] if member in present]
        if group["policy"] == "anti-affinity":
            permitted = group["rules"].get("max_server_per_host", 1)
            crowded = sorted(host for host in set(hosts) if hosts.count(host) > permitted)
            assert not crowded, f"anti-affinity group {group['name']} is broken on {crowded}"
        if group["policy"] == "affinity":
            assert len(set(hosts)) <= 1, f"affinity group {group['name']} is on {sorted(hosts)}"


def assert_allocations_match_hosts(lab: NovaLab, seconds: float = 60) -> None:
    """Each server holds its flavor's share of its own host and nobody else holds anything.

    So nothing is held under the uuid of a migration, and nothing has leaked. Nova frees the source a moment after it
    has called a migration completed: it is given so many *seconds*.
    """
    with contextlib.suppress(AssertionError):  # said below, by what differs
        until(lambda: allocations_by_provider(lab) == allocations_by_servers(lab), "the books are right", seconds)
    expected, actual = allocations_by_servers(lab), allocations_by_provider(lab)
    for provider in sorted(expected.keys() | actual.keys()):
        assert actual.get(provider) == expected.get(provider), (
            f"Placement's allocations on {provider} are not those of the servers there"
        )


def allocations_by_servers(lab: NovaLab) -> dict[str, dict[str, dict[str, int]]]:
    """As allocations_by_provider, if each server holds what its flavor takes of its host, and nobody else anything."""
    expected: dict[str, dict[str, dict[str, int]]] = {name: {} for name in providers(lab)}
    for identifier, server in servers(lab).items():
        flavor = server["flavor"]
        wanted = {
            "VCPU": flavor["vcpus"],
            "MEMORY_MB": flavor["ram"],
            "DISK_GB": flavor["disk"] + flavor["ephemeral"] + -(-flavor["swap"] // 1024),
        }
        held = {name: amount for name, amount in wanted.items() if amount}
        expected[server["OS-EXT-SRV-ATTR:hypervisor_hostname"]][identifier] = held
    return expected


def assert_guests_match_hosts(lab: NovaLab) -> None:
    """Each server's guest is on exactly the hypervisor Nova says, and no other guest exists."""
    assert guests_by_host(lab) == servers_by_host(lab)
