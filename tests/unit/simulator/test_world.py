"""The books of the simulated cloud agree with what its servers and migrations hold, always."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from vmpath_service.model.snapshot import (
    Host,
    Instance,
    Inventory,
    Memory,
    Rules,
    ServerGroup,
    Snapshot,
)
from vmpath_service.simulator import cold_migration, evacuation, live_migration, server_life, shelving
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.flavors import flavor_of
from vmpath_service.simulator.loading import load
from vmpath_service.simulator.records import ENDED, Migration, Server
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.settings import Settings
from vmpath_service.simulator.world import World

HOSTS = ("h1", "h2", "h3")
SERVERS = tuple(f"s{n}" for n in range(6))
FAILURES = (None, "check_dest", "pre", "mid", "raise", "post_dest")
# Statuses of migrations that leave what they held behind, because nobody rolls back.
LEAKING = "error"
EVACUATED = ("accepted", "pre-migrating", "done")


def make_world(slots: int = 1, lag: float = 0.0, devices: bool = False) -> tuple[World, SteppedClock]:
    """devices: some servers have a device of a nested provider, and all a piece of a shared disk."""
    inventories = {"MEMORY_MB": Inventory(total=4000), "VCPU": Inventory(total=16)}
    nested = {"nested": {name: {"inventories": {"VGPU": {"total": 2}}} for name in ("gpu1", "gpu2")}}
    extra = nested if devices else {}
    hosts = tuple(
        Host(name=name, inventories=inventories, extra=extra, used_by_others={"MEMORY_MB": 100}) for name in HOSTS
    )
    instances = tuple(
        Instance(
            uuid=name,
            host=HOSTS[number % 3],
            resources={"MEMORY_MB": 1000, "VCPU": 1} | ({"VGPU": number % 3, "DISK_GB": 5} if devices else {}),
            memory=Memory(dirty_mb_s=2000.0 if number == 5 else 0.0),
        )
        for number, name in enumerate(SERVERS)
    )
    groups = (ServerGroup("g", "anti-affinity", ("s0", "s1"), "g", Rules()),)
    clock = SteppedClock()
    chosen = Settings(concurrent_live_migrations=slots, host_update_lag_s=lag, migration_mbps=4000.0)
    shared = {"shared_disk": {"total": 50}} if devices else {}
    return load(Snapshot(hosts, instances, server_groups=groups, extra=shared), clock, chosen), clock


def check_books(world: World) -> None:
    """Every unit that is held has a holder that should hold it, and nothing else is held."""
    used: dict[str, Counter[str]] = {uuid: Counter() for uuid in world.ledger.providers}
    for consumer in world.ledger.consumers.values():
        for provider, amounts in consumer.held.items():
            used[provider].update(amounts)
            assert world.ledger.providers[provider].consumers[consumer.uuid] == amounts
    for uuid, provider in world.ledger.providers.items():
        shown = {name: amount for name, amount in provider.used.items() if amount}
        assert shown == dict(used[uuid])
        for name, amount in shown.items():
            assert amount <= provider.inventories[name].capacity
        assert set(provider.consumers) <= set(world.ledger.consumers)
    for server in world.servers.values():
        check_server(world, server)
    gone = {c for c in world.ledger.consumers if c in world.deleted}
    assert not gone
    records = {migration.uuid: migration for migration in world.migrations.values()}
    for uuid in world.ledger.consumers:
        if uuid in records and records[uuid].status in ENDED:
            # Freed a moment after completion; left for good where the driver raised.
            assert records[uuid].status in (LEAKING, "completed")
    for host, names in world.on_host.items():
        assert all(world.servers[name].host == host for name in names)


def hosts_of(world: World, held: Mapping[str, Mapping[str, int]]) -> set[str]:
    """The root providers of the hosts where something is held, not those of what hosts share."""
    providers = [world.ledger.providers[uuid] for uuid in held]
    return {provider.root for provider in providers} - {provider.uuid for provider in world.ledger.sharing}


def ends(migration: Migration) -> set[str]:
    return {migration.source, migration.target or migration.source}


def in_all(held: Mapping[str, Mapping[str, int]]) -> Counter[str]:
    return sum((Counter(amounts) for amounts in held.values()), Counter())


def check_server(world: World, server: Server) -> None:
    earlier = [world.migrations[n] for n in world.migrations_of.get(server.uuid, ())][:-1]
    if any(m.uuid in world.ledger.consumers for m in earlier):
        # A driver raised before: nobody put the books of this server in order, in Nova neither.
        return
    held = world.ledger.held_by(server.uuid)
    if server.host is None:
        # It fitted nowhere when it was to be booted.
        assert not held
        return
    places = hosts_of(world, held)
    migration = world.migrations.get(server.migration or 0)
    if any(m.kind == evacuation.KIND for m in earlier):
        # It went on while its share of a dead host was still with it: Nova moves that along.
        return
    if migration is not None and migration.kind == evacuation.KIND and migration.status in EVACUATED:
        # It keeps its place on the dead host until that is back.
        assert {world.hosts[server.host].uuid} <= places <= {world.hosts[n].uuid for n in ends(migration)}
        return
    assert len(places) == 1
    [provider] = hosts_of(world, held)
    home = world.hosts[server.host or ""].uuid
    before = after = server.resources
    if migration is not None and migration.uuid in world.ledger.consumers:
        before = migration.before.resources if migration.before else before
        after = migration.after.resources if migration.after else after
    assert in_all(held) == in_all({"": after})
    if migration is None:
        assert provider == home
    elif migration.uuid in world.ledger.consumers:
        if migration.status == "error" and provider == home:
            # Its driver had raised, and then it was shelved and unshelved.
            return
        # While its migration holds the source, the server itself holds the target.
        assert provider == world.hosts[migration.target or ""].uuid
        source = world.hosts[migration.source].uuid
        left = world.ledger.held_by(migration.uuid)
        assert hosts_of(world, left) == {source}
        assert in_all(left) == in_all({"": before})
    elif migration.phase != "switching":
        assert provider == home


MOVES = ("migrate", "cold", "resize", "evacuate", "shelve", "offload", "unshelve")
Step = tuple[str, int, int, float]
ACTIONS = (
    "migrate", "migrate", "migrate", "abort", "force", "stop", "start", "cold", "cold", "resize", "confirm",
    "revert", "revert", "delete", "reset", "kill", "revive", "revive", "evacuate",
    "evacuate", "fail", "fail", "wait", "shelve", "offload", "unshelve", "unshelve", "rescue", "unrescue",
)  # fmt: skip
# Long walks: most of what may happen takes several steps one after the other.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTIONS),
        st.integers(0, len(SERVERS) - 1),
        st.integers(0, len(HOSTS) - 1),
        st.sampled_from((0.0, 0.05, 0.3, 0.7, 1.5, 4.0)),
    ),
    min_size=50,
    max_size=120,
)


def act(world: World, step: Step) -> None:
    action, number, place, _ = step
    server = world.servers.get(SERVERS[number])
    if server is None:
        return
    migration = world.migrations.get(server.migration or 0)
    busy = migration is not None and (migration.status not in ENDED or migration.phase == "switching")
    if action in MOVES and busy and server.task_state is None:
        # Reset under a migration that goes on: what Nova makes of a second one is not simulated.
        return
    if action == "migrate":
        live_migration.ask(world, server, HOSTS[place])
    elif action == "abort" and migration is not None:
        live_migration.abort(world, server, migration, queued_too=True)
    elif action == "force" and migration is not None:
        live_migration.force_complete(world, server, migration)
    elif action == "shelve":
        shelving.shelve(world, server)
    elif action == "offload":
        shelving.offload(world, server)
    elif action == "unshelve":
        shelving.unshelve(world, server, HOSTS[place] if number % 2 else None)
    elif action in ("rescue", "unrescue"):
        server_life.change_power(world, server, action)
    elif action in ("stop", "start"):
        server_life.change_power(world, server, f"os-{action}")
    elif action == "cold":
        cold_migration.ask(world, server, HOSTS[place])
    elif action == "resize":
        amounts = {"MEMORY_MB": 500 * (1 + place), "VCPU": 1 + number % 3}
        cold_migration.ask(world, server, None, flavor_of(None, amounts, {}))
    elif action == "evacuate":
        evacuation.ask(world, server, HOSTS[place], stopped=number % 2 == 0)
    elif action == "kill":
        world.hosts[HOSTS[place]].forced_down = True
        server_life.kill_compute(world, world.hosts[HOSTS[place]])
    elif action == "revive":
        world.hosts[HOSTS[place]].forced_down = False
        server_life.restart_compute(world, world.hosts[HOSTS[place]])
    elif action == "confirm":
        cold_migration.confirm(world, server)
    elif action == "revert":
        cold_migration.revert(world, server)
    elif action == "reset":
        server_life.reset_state(world, server, "active")
    elif action == "delete":
        server_life.delete(world, server)
    elif action == "fail":
        failure = FAILURES[place + (number % 2) * 3]
        server.metadata = {"lab_fail": failure} if failure else {}


# Not shrunk: it takes minutes for walks of this length.
@settings(max_examples=100, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(steps=STEPS, slots=st.integers(1, 3), lag=st.sampled_from((0.0, 1.0)), devices=st.booleans())
def test_allocations_equal_what_servers_and_migrations_hold(
    steps: list[Step], slots: int, lag: float, devices: bool
) -> None:
    world, clock = make_world(slots, lag, devices)
    check_books(world)
    for step in steps:
        with contextlib.suppress(Refused):
            act(world, step)
        clock.step(step[3])
        world.advance()
        check_books(world)
    clock.step(1000)
    world.advance()
    check_books(world)
    for host in world.hosts.values():
        assert len(host.copying) <= slots
        under_way = {m.number for m in world.migrations.values() if m.status not in ENDED}
        assert host.copying <= under_way
        assert not (host.waiting and len(host.copying) < slots)


def test_all_migrations_end_when_every_one_converges() -> None:
    world, clock = make_world(slots=2)
    chance = random.Random(7)
    for _ in range(200):
        server = world.servers[f"s{chance.randrange(5)}"]
        if server.vm_state == "error":
            # by the destination, for another of its group was on the way there
            server_life.reset_state(world, server, "active")
        if server.task_state is None:
            live_migration.ask(world, server, chance.choice(HOSTS))
        clock.step(chance.uniform(0, 3))
        world.advance()
    clock.step(100)
    world.advance()
    assert world.next_event_in is None
    assert {m.status for m in world.migrations.values()} == {"completed", "error"}
    assert all(not world.touching[name] for name in HOSTS)
    assert sum(m.status == "completed" for m in world.migrations.values()) > 20


def test_time_advances_through_every_event_in_order() -> None:
    world, clock = make_world()
    seen: list[tuple[str, float]] = []
    start = world.now
    world.after(5, lambda: seen.append(("b", world.now - start)))
    world.after(1, lambda: world.after(1, lambda: seen.append(("a", world.now - start))))
    clock.step(10)
    world.advance()
    assert seen == [("a", pytest.approx(2)), ("b", pytest.approx(5))]
    assert world.now == clock.now()
