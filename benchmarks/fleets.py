"""Made-up clouds that the benchmarks of policies run on; each depends on nothing but its arguments."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from vmpath_service.model.snapshot import Host, Instance, Inventory, Rules, ServerGroup, Snapshot

# VCPU, MEMORY_MB, DISK_GB, how common
FLAVORS = ((1, 2048, 20, 30), (2, 4096, 40, 50), (4, 8192, 80, 20))


def even_fleet(hosts: int, instances: int, seed: int = 1, zones: int = 3, fill: float = 0.33) -> Snapshot:
    """Equal hosts, memory scarce alone: what Watcher's consolidation was measured on.

    Three availability zones, a tenth of the instances pinned to theirs, a twentieth in anti-affinity groups of three.
    """
    chance = random.Random(f"even:{seed}")
    mean = sum(flavor[1] * flavor[3] for flavor in FLAVORS) / sum(flavor[3] for flavor in FLAVORS)
    memory = 8192 * round(mean * instances / hosts / fill / 8192)
    room = {"VCPU": 1024, "MEMORY_MB": memory, "DISK_GB": 100_000}
    made = _hosts([room] * hosts, zones)
    used = [0] * hosts
    guests = []
    for number in range(instances):
        cpus, mem, disk, _ = chance.choices(FLAVORS, [flavor[3] for flavor in FLAVORS])[0]
        host = next(at for at in iter(lambda: chance.randrange(hosts), -1) if used[at] + mem <= memory)
        used[host] += mem
        guests.append((number, host, {"VCPU": cpus, "MEMORY_MB": mem, "DISK_GB": disk}))
    return _cloud(made, guests, chance, pinned=0.1, grouped=0.05)


def mixed_fleet(hosts: int, seed: int = 1, fill: float = 0.86, zones: int = 3) -> Snapshot:
    """Hosts of three sizes, memory and CPUs both scarce, filled to 70 to 85 %, groups and zones."""
    chance = random.Random(f"mixed:{seed}")
    kinds = ((64, 262144), (96, 262144), (96, 524288))
    rooms = [
        {"VCPU": int(cpus * 2.5), "MEMORY_MB": mem, "DISK_GB": 100_000}
        for cpus, mem in chance.choices(kinds, (4, 3, 3), k=hosts)
    ]
    shapes = ((4, 2048), (4, 4096), (8, 8192), (4, 8192), (8, 16384), (16, 16384), (8, 32768), (16, 65536))
    guests = []
    number = 0
    for at, room in enumerate(rooms):
        free = {name: amount * min(0.97, chance.gauss(fill, 0.08)) for name, amount in room.items()}
        misses = 0
        while misses < 12:
            cpus, mem = chance.choices(shapes, (14, 20, 18, 18, 12, 8, 7, 3))[0]
            if cpus <= free["VCPU"] and mem <= free["MEMORY_MB"]:
                free["VCPU"] -= cpus
                free["MEMORY_MB"] -= mem
                guests.append((number, at, {"VCPU": cpus, "MEMORY_MB": mem, "DISK_GB": 20}))
                number += 1
            else:
                misses += 1
    return _cloud(_hosts(rooms, zones), guests, chance, pinned=0.3, grouped=0.1)


def broken_fleet(hosts: int, seed: int = 1, fill: float = 0.72) -> Snapshot:
    """A mixed cloud in which much is wrong.

    A twentieth of the hosts is disabled, a tenth is over its capacity (they have lost memory), on a twentieth there
    are two members of a group, and one instance in two hundred is in a zone that it is not pinned to.
    """
    chance = random.Random(f"broken:{seed}")
    whole = mixed_fleet(hosts, seed, fill)
    names = [host.name for host in whole.hosts]
    zone_of = {host.name: host.availability_zone for host in whole.hosts}
    disabled = frozenset(chance.sample(names, hosts // 20))
    used = dict.fromkeys(names, 0)
    for each in whole.instances:
        used[str(each.host)] += each.resources["MEMORY_MB"]
    shrunk = chance.sample([name for name in names if name not in disabled], hosts // 10)
    less = {name: int(used[name] * chance.uniform(0.85, 0.99)) for name in shrunk}
    made = tuple(
        msgspec.structs.replace(
            host,
            status="disabled" if host.name in disabled else "enabled",
            inventories={**host.inventories, "MEMORY_MB": Inventory(capacity=less[host.name])}
            if host.name in less
            else host.inventories,
        )
        for host in whole.hosts
    )
    strays = set(chance.sample(range(len(whole.instances)), len(whole.instances) // 200))
    zones = sorted({str(zone) for zone in zone_of.values()})
    instances = tuple(
        msgspec.structs.replace(
            each,
            pinned_availability_zone=chance.choice([zone for zone in zones if zone != zone_of[str(each.host)]]),
        )
        if at in strays
        else each
        for at, each in enumerate(whole.instances)
    )
    grouped = {member for group in whole.server_groups for member in group.members}
    alone: dict[str, list[str]] = {}
    for each in instances:
        if each.uuid not in grouped:
            alone.setdefault(str(each.host), []).append(each.uuid)
    crowded = chance.sample([name for name in names if len(alone.get(name, ())) > 1], hosts // 20)
    groups = [
        ServerGroup(f"crowded-{name}", "anti-affinity", tuple(chance.sample(alone[name], 2)), rules=Rules(1))
        for name in crowded
    ]
    return Snapshot(hosts=made, instances=instances, server_groups=(*whole.server_groups, *groups))


def _hosts(rooms: Sequence[dict[str, int]], zones: int) -> list[Host]:
    return [
        Host(
            name=f"node-{at:05}",
            inventories={name: Inventory(capacity=amount) for name, amount in room.items()},
            availability_zone=f"az{at % zones}",
        )
        for at, room in enumerate(rooms)
    ]


def _cloud(
    hosts: list[Host],
    guests: list[tuple[int, int, dict[str, int]]],
    chance: random.Random,
    *,
    pinned: float,
    grouped: float,
) -> Snapshot:
    instances = tuple(
        Instance(
            uuid=f"vm-{number:06}",
            host=hosts[host].name,
            resources=resources,
            pinned_availability_zone=hosts[host].availability_zone if chance.random() < pinned else None,
        )
        for number, host, resources in guests
    )
    members = chance.sample(range(len(guests)), int(len(guests) * grouped))
    groups = []
    for at in range(0, len(members) - 2, 3):
        three = members[at : at + 3]
        if len({guests[each][1] for each in three}) == 3:
            uuids = tuple(instances[each].uuid for each in three)
            groups.append(ServerGroup(f"g-{at}", "anti-affinity", uuids, rules=Rules(1)))
    return Snapshot(hosts=tuple(hosts), instances=instances, server_groups=tuple(groups))


# os, distribution, version, how common: what images of a private cloud run.
_SYSTEMS = (
    ("linux", "ubuntu", "22.04", 24),
    ("linux", "ubuntu", "24.04", 20),
    ("linux", "debian", "12", 14),
    ("linux", "rocky", "9", 14),
    ("windows", "windows-server", "2022", 18),
    ("windows", "windows-server", "2019", 10),
)
_APPLICATIONS = ("postgresql", "nginx", "java", "kubernetes", "mssql", None)


def image_fleet(hosts: int, seed: int = 1, fill: float = 0.55) -> Snapshot:
    """Instances of six systems and five applications, so many of each as a private cloud has; memory may be counted
    twice by Placement (ram_allocation_ratio 2), and a tenth is spare on each host."""
    chance = random.Random(f"images:{seed}")
    memory = 262144
    made = [
        Host(
            name=f"node-{at:05}",
            inventories={
                "VCPU": Inventory(capacity=512),
                "MEMORY_MB": Inventory(total=memory, allocation_ratio=2.0),
                "DISK_GB": Inventory(capacity=100_000),
            },
        )
        for at in range(hosts)
    ]
    instances: list[Instance] = []
    for host in made:
        free = memory * chance.uniform(fill - 0.25, fill + 0.25)
        while free > 0:
            system, distribution, version, _ = chance.choices(_SYSTEMS, [each[3] for each in _SYSTEMS])[0]
            application = chance.choice(_APPLICATIONS)
            cpus, mem, disk, _ = chance.choices(FLAVORS, [flavor[3] for flavor in FLAVORS])[0]
            metadata = {"os_type": system, "os_distro": distribution, "os_version": version}
            instances.append(
                Instance(
                    uuid=f"vm-{len(instances):06}",
                    host=host.name,
                    resources={"VCPU": cpus, "MEMORY_MB": mem, "DISK_GB": disk},
                    image=f"{distribution}-{version}",
                    metadata=metadata if application is None else {**metadata, "application": application},
                )
            )
            free -= mem
    return Snapshot(hosts=tuple(made), instances=tuple(instances))


def random_fleet(hosts: int, instances: int, seed: int = 1) -> Snapshot:
    """Equal hosts, instances of five flavors anywhere: what Ganeti's hbal was measured on."""
    chance = random.Random(seed)
    flavors = ((1, 2048, 20, 30), (2, 4096, 40, 34), (4, 8192, 80, 20), (2, 16384, 40, 10), (8, 16384, 80, 6))
    room = {"VCPU": 64, "MEMORY_MB": 262144, "DISK_GB": 4000}
    made = _hosts([room] * hosts, 1)
    guests = []
    for number in range(instances):
        cpus, mem, disk, _ = chance.choices(flavors, [flavor[3] for flavor in flavors])[0]
        guests.append((number, chance.randrange(hosts), {"VCPU": cpus, "MEMORY_MB": mem, "DISK_GB": disk}))
    return _cloud(made, guests, chance, pinned=0.0, grouped=0.0)
