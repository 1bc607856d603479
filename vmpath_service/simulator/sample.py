"""A made-up cloud: mixed flavors, two shapes of host, server groups, unevenly filled."""

from __future__ import annotations

import random
import uuid

from vmpath_service.model.snapshot import (
    Host,
    Instance,
    Inventory,
    Memory,
    Rules,
    ServerGroup,
    Snapshot,
)

# name, VCPU, MEMORY_MB, DISK_GB, how common
FLAVORS = (
    ("m1.small", 1, 2048, 20, 30),
    ("m1.medium", 2, 4096, 40, 34),
    ("m1.large", 4, 8192, 80, 20),
    ("r1.large", 2, 16384, 40, 10),
    ("c1.xlarge", 8, 16384, 80, 6),
)
# Hosts among which each instance chooses, so that large samples are made quickly.
LOTS = 24
MIX = sum(memory * common for _, _, memory, _, common in FLAVORS) / sum(f[4] for f in FLAVORS)


def make_sample(
    hosts: int,
    instances: int,
    seed: int = 1,
    fill: float = 0.55,
    zones: int = 1,
) -> Snapshot:
    """A snapshot that depends on nothing but the arguments.

    fill: the share of all memory that the instances take; host sizes follow from it. Hosts are
    filled unevenly, so that several can be emptied. zones: availability zones, hosts dealt out in
    turn; with 1 there are none but Nova's default. Raises ValueError where the instances cannot
    fit.
    """
    if hosts < 1 or instances < 0 or zones < 1 or not 0 < fill < 1:
        raise ValueError("hosts and zones must be at least 1, instances 0, fill between 0 and 1")
    chance = random.Random(f"vmpath-sample:{seed}")
    made_hosts = _hosts(hosts, instances, fill, zones, chance)
    wishes = _wishes(instances, chance)
    free = {h.name: {n: i.limit() for n, i in h.inventories.items()} for h in made_hosts}
    names = list(free)
    size = {name: left["MEMORY_MB"] for name, left in free.items()}
    appetite = {h.name: chance.uniform(0.4, 1.0) for h in made_hosts}
    groups: dict[int, list[str]] = {}
    seated: dict[int, set[str]] = {}
    made: list[Instance] = []
    for number, (flavor, group) in enumerate(wishes):
        _, cpus, memory, disk, _ = flavor
        resources = {"VCPU": cpus, "MEMORY_MB": memory, "DISK_GB": disk}
        taken = seated.get(group, set()) if group is not None and group >= 0 else set()
        chosen = _seat(resources, names, taken, free, size, appetite, chance)
        if chosen is None:
            raise ValueError(f"{instances} instances do not fit on {hosts} hosts")
        for name, amount in resources.items():
            free[chosen][name] -= amount
        identity = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        if group is not None:
            groups.setdefault(group, []).append(identity)
            seated.setdefault(group, set()).add(chosen)
        made.append(_instance(number, identity, flavor, chosen, resources, chance))
    return Snapshot(
        hosts=tuple(made_hosts),
        instances=tuple(made),
        taken_at="2026-01-01T00:00:00Z",
        region="RegionOne",
        server_groups=tuple(_group(key, members, chance) for key, members in groups.items()),
    )


def _hosts(count: int, instances: int, fill: float, zones: int, chance: random.Random) -> list[Host]:
    """Two shapes, the larger with half as much again; memory so that `fill` comes out."""
    larger = max(1, count // 4) if count > 1 else 0
    total = instances * MIX / fill
    unit = max(32768, int(total / (count + larger * 0.5) / 1024) * 1024)
    shapes = [1.5] * larger + [1.0] * (count - larger)
    chance.shuffle(shapes)
    made = []
    for number, share in enumerate(shapes):
        memory = int(unit * share) + 2048
        cpus = max(16, int(unit * share) // 8192 * 4)
        made.append(
            Host(
                name=f"compute-{number + 1:03d}",
                uuid=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                inventories={
                    "VCPU": Inventory(total=cpus, allocation_ratio=4.0, max_unit=cpus),
                    "MEMORY_MB": Inventory(total=memory, reserved=2048, max_unit=memory),
                    "DISK_GB": Inventory(total=max(2000, memory // 32), max_unit=100000),
                },
                availability_zone=f"az{number % zones + 1}" if zones > 1 else None,
                traits=("HW_CPU_X86_AVX2",),
                hypervisor_type="QEMU",
                hypervisor_version=8002002,
            )
        )
    return made


def _wishes(count: int, chance: random.Random) -> list[tuple[tuple[str, int, int, int, int], int | None]]:
    """A flavor for each, and the group for some: -1 is the soft one, others keep apart."""
    weights = [flavor[4] for flavor in FLAVORS]
    groups: list[int | None] = []
    for number in range(max(1, count // 50) if count >= 6 else 0):
        groups += [number] * 3
    groups += [-1] * (4 if count >= 20 else 0)
    groups += [None] * (count - len(groups))
    chance.shuffle(groups)
    return [(chance.choices(FLAVORS, weights)[0], group) for group in groups[:count]]


def _seat(
    resources: dict[str, int],
    names: list[str],
    taken: set[str],
    free: dict[str, dict[str, int]],
    size: dict[str, int],
    appetite: dict[str, float],
    chance: random.Random,
) -> str | None:
    """The host that wants it most: of some drawn by lot, or of all where none of those has room."""

    def admits(name: str) -> bool:
        left = free[name]
        return name not in taken and all(left[n] >= a for n, a in resources.items())

    def wish(name: str) -> float:
        filled = 1 - free[name]["MEMORY_MB"] / size[name]
        return appetite[name] - filled + chance.random() * 0.2

    drawn = chance.sample(names, min(LOTS, len(names)))
    fitting = [n for n in drawn if admits(n)] or [n for n in names if admits(n)]
    return max(fitting, key=wish) if fitting else None


def _instance(
    number: int,
    identity: str,
    flavor: tuple[str, int, int, int, int],
    host: str,
    resources: dict[str, int],
    chance: random.Random,
) -> Instance:
    return Instance(
        uuid=identity,
        name=f"vm-{number + 1:04d}",
        host=host,
        resources=resources,
        flavor=flavor[0],
        image=str(uuid.UUID(int=7, version=4)),
        created_at="2025-12-01T00:00:00Z",
        memory=Memory(
            used_mb=float(int(resources["MEMORY_MB"] * chance.uniform(0.5, 1.0))),
            dirty_mb_s=round(chance.uniform(0.0, 40.0), 1),
        ),
    )


def _group(key: int, members: list[str], chance: random.Random) -> ServerGroup:
    identity = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    if key < 0:
        return ServerGroup(identity, "soft-anti-affinity", tuple(members), "web-soft")
    return ServerGroup(
        identity,
        "anti-affinity",
        tuple(members),
        f"cluster-{key + 1}",
        Rules(max_server_per_host=1),
    )
