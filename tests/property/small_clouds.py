"""Clouds small enough for every placement to be looked at, and what can be said of all of them.

Uses the model alone, nothing of the policies that it is to judge.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec

from tests.clouds import cloud
from vmpath_service.model.compiled import CompiledCloud, compile_cloud
from vmpath_service.model.occupancy import Occupancy
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies.base import Decision

State = tuple[int, ...]


def small_cloud(seed: int) -> Snapshot:
    """Two to four hosts, up to six instances that take two classes, in zones, a group, some not to be moved, some
    with metadata ``a`` and images; now and then a host is disabled or over its capacity."""
    chance = random.Random(seed)
    names = [f"h{number}" for number in range(chance.randint(2, 4))]
    rooms = {name: {"MEMORY_MB": chance.randint(5, 10), "VCPU": chance.randint(5, 10)} for name in names}
    left = {name: dict(room) for name, room in rooms.items()}
    guests: dict[str, tuple[str, dict[str, int]]] = {}
    for number in range(chance.randint(3, 6)):
        asked = {"MEMORY_MB": chance.randint(1, 5), "VCPU": chance.randint(0, 5)}
        fitting = [name for name in names if all(asked[key] <= left[name][key] for key in asked)]
        if fitting:
            host = chance.choice(fitting)
            guests[f"i{number}"] = (host, asked)
            left[host] = {key: left[host][key] - asked[key] for key in asked}
    uuids = list(guests)
    zones = {name: chance.choice(("one", "two")) for name in names}
    snapshot = cloud(
        rooms,
        guests,
        apart={"g": chance.sample(uuids, min(3, len(uuids)))} if uuids and chance.random() < 0.4 else {},
        immovable=[uuid for uuid in uuids if chance.random() < 0.1],
        disabled=[name for name in names if chance.random() < 0.1],
        of_host={name: {"availability_zone": zone} for name, zone in zones.items()},
        of_instance={
            uuid: {
                "metadata": {"a": chance.choice("xy"), "os_type": chance.choice(("linux", "windows"))},
                **({"pinned_availability_zone": zones[guests[uuid][0]]} if chance.random() < 0.2 else {}),
            }
            for uuid in uuids
        },
    )
    if chance.random() < 0.3:
        first, *others = snapshot.hosts
        inventories = dict(first.inventories)
        memory = inventories["MEMORY_MB"]
        inventories["MEMORY_MB"] = msgspec.structs.replace(memory, capacity=max(1, memory.limit() - 3))
        snapshot = msgspec.structs.replace(
            snapshot, hosts=(msgspec.structs.replace(first, inventories=inventories), *others)
        )
    return snapshot


def movable(compiled: CompiledCloud) -> list[int]:
    """Instances that may be migrated at all."""
    return [guest for guest in range(len(compiled.home)) if guest not in compiled.pinned]


def arrivals(
    compiled: CompiledCloud, accounts: Occupancy, guests: Collection[int], closed: Collection[int]
) -> Iterator[tuple[int, int]]:
    """Migrations that are possible now, to hosts that are not closed."""
    for guest in guests:
        for at, host in enumerate(compiled.snapshot.hosts):
            if at == accounts.where[guest] or at in closed or not host.receives():
                continue
            if compiled.admits(guest, at) and accounts.fits(guest, at):
                yield guest, at


def reachable(compiled: CompiledCloud, guests: Collection[int], closed: Collection[int] = ()) -> set[State]:
    """Every placement that migrations of these instances, one after the other, lead to; the start among them."""
    accounts = Occupancy(compiled)
    start = tuple(compiled.home)
    found, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        for guest, host in enumerate(state):
            if accounts.where[guest] != host:
                accounts.move(guest, host)
        for guest, host in arrivals(compiled, accounts, guests, closed):
            after = (*state[:guest], host, *state[guest + 1 :])
            if after not in found:
                found.add(after)
                waiting.append(after)
    return found


def legal(compiled: CompiledCloud, guests: Collection[int]) -> Iterator[State]:
    """Every placement in which what has been moved has room, whether or not migrations lead to it."""
    free = list(guests)
    hosts = compiled.snapshot.hosts
    start = Occupancy(compiled)
    over = any(
        used > most
        for row, limit in zip(start.used, compiled.capacity, strict=True)
        for used, most in zip(row, limit, strict=True)
    )
    limits = zip(start.counts, compiled.counter_limits, strict=True)
    if over or any(count > limit for counts, limit in limits for count in counts.values()):
        # what is too much already may stay so: only single migrations say what may be
        yield from reachable(compiled, guests)
        return
    accounts = Occupancy(compiled, gone=free)
    where = list(compiled.home)

    def allowed(guest: int) -> list[int]:
        home = compiled.home[guest]
        return [
            at
            for at, host in enumerate(hosts)
            if (at == home or (host.receives() and compiled.admits(guest, at))) and accounts.fits(guest, at)
        ]

    choices: list[list[int]] = [allowed(free[0])] if free else []
    if not free:
        yield tuple(where)
    while choices:
        guest = free[len(choices) - 1]
        if accounts.where[guest] >= 0:
            accounts.release(guest, accounts.where[guest])
            accounts.where[guest] = -1
        if not choices[-1]:
            choices.pop()
            continue
        host = choices[-1].pop()
        accounts.hold(guest, host)
        accounts.where[guest] = where[guest] = host
        if len(choices) == len(free):
            yield tuple(where)
        else:
            choices.append(allowed(free[len(choices)]))


def outcome(compiled: CompiledCloud, decision: Decision) -> State:
    """Where everything is in the target."""
    where = list(compiled.home)
    for uuid, name in decision.placement.items():
        where[compiled.instance_index[uuid]] = compiled.host_index[name]
    return tuple(where)


def moves(compiled: CompiledCloud, where: Sequence[int]) -> list[int]:
    """Who is elsewhere than at the start."""
    return [guest for guest, home in enumerate(compiled.home) if where[guest] != home]


def memory_moved(compiled: CompiledCloud, where: Sequence[int]) -> int:
    """In MiB."""
    return sum(compiled.snapshot.instances[guest].memory_mb() for guest in moves(compiled, where))


def best(states: Collection[State] | Iterator[State], key: Callable[[State], Any]) -> Any:
    """The least key of all."""
    return min(map(key, states))


def small(seed: int) -> CompiledCloud:
    """The compiled cloud of this seed."""
    return compile_cloud(small_cloud(seed))
