"""Fills the lab with servers, by name of the host, in parallel."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from tests.lab import observe
from tests.lab.nova_lab import NovaLab, call, until

#: name, MiB of memory, VCPUs, GiB of disk
FLAVORS = (
    ("vmpath.small", 1024, 1, 5),
    ("vmpath.medium", 2048, 2, 10),
    ("vmpath.large", 4096, 4, 20),
    ("vmpath.xlarge", 8192, 8, 40),
)

#: how many servers of each flavor, in the order of FLAVORS, the acceptance scenario has where;
#: of the 32 GiB of each host taken: 27, 24, 21, 17, 13, 10, together 58 %
ACCEPTANCE = MappingProxyType(
    {
        "compute1": (1, 3, 3, 1),
        "compute2": (2, 3, 2, 1),
        "compute3": (3, 1, 2, 1),
        "compute4": (1, 2, 1, 1),
        "compute5": (3, 3, 1, 0),
        "compute6": (2, 2, 1, 0),
    }
)
#: anti-affinity groups: flavor and hosts of the members
GROUPS = MappingProxyType(
    {
        "web": ("vmpath.medium", ("compute1", "compute2", "compute4")),
        "db": ("vmpath.large", ("compute1", "compute3", "compute5")),
    }
)
LOCKED_ON = "compute3"
STOPPED_ON = "compute2"
WORKERS = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One server that is to exist."""

    name: str
    flavor: str
    host: str
    group: str | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """What was built: everything by id, names only for people."""

    servers: Mapping[str, str]
    """Server ids by name."""
    homes: Mapping[str, str]
    """The host of each server id at the beginning."""
    groups: Mapping[str, str]
    """Server group ids by name."""
    members: Mapping[str, frozenset[str]]
    """Server ids by the name of their group."""
    locked: str | None = None
    stopped: str | None = None


def ensure_flavors(lab: NovaLab) -> dict[str, str]:
    """Flavor ids by name; those of this module are made when they do not exist."""
    listed = call(lab.compute, "GET", "/flavors?is_public=None")["flavors"]
    found = {flavor["name"]: flavor["id"] for flavor in listed}
    for name, memory, vcpus, disk in FLAVORS:
        if name not in found:
            body = {"flavor": {"name": name, "ram": memory, "vcpus": vcpus, "disk": disk}}
            found[name] = call(lab.compute, "POST", "/flavors", body)["flavor"]["id"]
    return found


def create_group(lab: NovaLab, name: str, policy: str = "anti-affinity") -> str:
    """The id of a new server group."""
    body = {"server_group": {"name": name, "policy": policy}}
    return str(call(lab.compute, "POST", "/os-server-groups", body)["server_group"]["id"])


def boot(lab: NovaLab, wishes: Iterable[Wish], seconds: float = 180) -> dict[str, str]:
    """Boot servers, each on the host wished for, and wait until all are ACTIVE there.

    Returns their ids by name. A wish's *group* is the id of a server group.
    """
    wanted = list(wishes)
    flavors = ensure_flavors(lab)
    image = call(lab.adapter("image", "2"), "GET", "/v2/images?name=lab")["images"][0]["id"]

    def request(wish: Wish) -> str:
        body: dict[str, Any] = {
            "server": {
                "name": wish.name,
                "flavorRef": flavors[wish.flavor],
                "imageRef": image,
                "networks": "none",
                "host": wish.host,
                "metadata": dict(wish.metadata),
            }
        }
        if wish.group:
            body["os:scheduler_hints"] = {"group": wish.group}
        return str(call(lab.compute, "POST", "/servers", body)["server"]["id"])

    lab.compute.get_endpoint()  # one look at the catalog, not one for each thread
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        identifiers = list(pool.map(request, wanted))
    wait_for_status(lab, identifiers, "ACTIVE", seconds)
    present = observe.servers(lab)
    for wish, identifier in zip(wanted, identifiers, strict=True):
        actual = observe.host_of(present[identifier])
        assert actual == wish.host, f"{wish.name} is on {actual}, not on {wish.host}"
    return {wish.name: uuid for wish, uuid in zip(wanted, identifiers, strict=True)}


def wait_for_status(
    lab: NovaLab, identifiers: Iterable[str], status: str, seconds: float = 120
) -> None:
    """Return when all have *status* and no task; AssertionError when one is in ERROR."""
    wanted = set(identifiers)

    def with_status(one: str) -> set[str]:
        # the short list: it is asked for again and again, and each detail costs Nova time that it has to share
        listed = call(lab.compute, "GET", f"/servers?all_tenants=1&status={one}")["servers"]
        return wanted & {server["id"] for server in listed}

    def all_there() -> bool:
        if with_status(status) != wanted:
            broken = set() if status == "ERROR" else with_status("ERROR")
            faults = [call(lab.compute, "GET", f"/servers/{uuid}")["server"].get("fault") for uuid in broken]
            assert not faults, f"servers in ERROR: {faults}"
            return False
        present = observe.servers(lab)
        return all(
            present[uuid]["status"] == status and present[uuid]["OS-EXT-STS:task_state"] is None for uuid in wanted
        )

    until(all_there, f"{len(wanted)} servers {status}", seconds)


def stop(lab: NovaLab, identifier: str) -> None:
    """Shut one server off and wait until it is."""
    call(lab.compute, "POST", f"/servers/{identifier}/action", {"os-stop": None})
    wait_for_status(lab, [identifier], "SHUTOFF")


def lock(lab: NovaLab, identifier: str, reason: str = "not to be touched") -> None:
    """Lock one server."""
    body = {"lock": {"locked_reason": reason}}
    call(lab.compute, "POST", f"/servers/{identifier}/action", body)


def live_migrate(lab: NovaLab, identifier: str, host: str) -> None:
    """Ask Nova for a live migration; what becomes of it is in the migration records."""
    body = {"os-migrateLive": {"host": host, "block_migration": "auto"}}
    call(lab.compute, "POST", f"/servers/{identifier}/action", body)


def acceptance_wishes(metadata: Mapping[str, str]) -> list[Wish]:
    """The forty servers of the acceptance scenario; a group is given by its name here."""
    wishes: list[Wish] = []
    open_places = {(group, host) for group, (_, hosts) in GROUPS.items() for host in hosts}
    for host, counts in ACCEPTANCE.items():
        for (flavor, *_), count in zip(FLAVORS, counts, strict=True):
            for _ in range(count):
                group = next(
                    (name for name, (kind, _) in GROUPS.items()
                     if kind == flavor and (name, host) in open_places),
                    None,
                )
                open_places.discard((group or "", host))
                name = f"vm-{len(wishes) + 1:02d}"
                wishes.append(Wish(name, flavor, host, group, metadata))
    assert not open_places, f"no server for {sorted(open_places)}"
    return wishes


def build_movable(lab: NovaLab, metadata: Mapping[str, str] | None = None) -> Scenario:
    """Six hosts, forty servers of four sizes, 58 % of the memory taken, unevenly; two anti-affinity groups of three.

    The *metadata*, of every server, may steer its migrations: see tools/nova_lab/README.rst.
    """
    wishes = acceptance_wishes(metadata or {})
    groups = {name: create_group(lab, name) for name in GROUPS}
    servers = boot(
        lab,
        [dataclasses.replace(wish, group=groups[wish.group]) if wish.group else wish
         for wish in wishes],
    )
    return Scenario(
        servers=MappingProxyType(servers),
        homes=MappingProxyType({servers[wish.name]: wish.host for wish in wishes}),
        groups=MappingProxyType(groups),
        members=MappingProxyType(
            {
                name: frozenset(servers[wish.name] for wish in wishes if wish.group == name)
                for name in GROUPS
            }
        ),
    )


def build_acceptance(lab: NovaLab, metadata: Mapping[str, str] | None = None) -> Scenario:
    """As ``build_movable``, with one server locked and one stopped, both in no group."""
    built = build_movable(lab, metadata)
    grouped = frozenset().union(*built.members.values())
    free = {host: server for server, host in reversed(built.homes.items()) if server not in grouped}
    lock(lab, free[LOCKED_ON])
    stop(lab, free[STOPPED_ON])
    return dataclasses.replace(built, locked=free[LOCKED_ON], stopped=free[STOPPED_ON])
