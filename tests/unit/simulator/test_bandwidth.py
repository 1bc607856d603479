"""At which rate migrations copy when they share hosts and links."""

from __future__ import annotations

import pytest

from vmpath_service.model.snapshot import Host, Instance, Inventory, Network, Snapshot
from vmpath_service.simulator import live_migration
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.loading import load
from vmpath_service.simulator.settings import Settings
from vmpath_service.simulator.world import World

LINKS = {"a": ("nic-a", "rack-1"), "b": ("nic-b", "rack-1"), "c": ("nic-c", "rack-2"), "d": ("nic-d", "rack-2")}


def make(network: Network | None, **of_settings: float | int) -> tuple[World, SteppedClock]:
    hosts = tuple(
        Host(name=name, inventories={"MEMORY_MB": Inventory(total=100_000)}, links=links if network else ())
        for name, links in LINKS.items()
    )
    guests = tuple(
        Instance(uuid=f"{home}{n}", host=home, resources={"MEMORY_MB": 8000}) for home in LINKS for n in range(3)
    )
    clock = SteppedClock()
    settings = Settings(concurrent_live_migrations=8, overhead_s=1, **of_settings)  # type: ignore[arg-type]
    return load(Snapshot(hosts, guests, network=network), clock, settings), clock


def rates(world: World, clock: SteppedClock, *moves: tuple[str, str]) -> list[float]:
    """Mbit/s of migrations that start one after the other, none ending in between."""
    for server, target in moves:
        live_migration.ask(world, world.servers[server], target)
        clock.step(0.6)
        world.advance()
    return [m.rate_mb_s * 8 for m in world.migrations.values()]


def test_migrations_of_a_host_share_what_it_has() -> None:
    world, clock = make(None, host_mbps=900, migration_mbps=600)
    # The third leaves another host and comes to one that receives already; the fourth the other way round.
    moves = (("a0", "b"), ("a1", "c"), ("d0", "b"), ("b0", "a"))
    assert rates(world, clock, *moves) == pytest.approx([600, 450, 450, 600])


def test_a_host_that_is_free_again_gives_all() -> None:
    world, clock = make(None, host_mbps=800)
    assert rates(world, clock, ("a0", "b")) == [800]
    clock.step(200)
    world.advance()
    assert rates(world, clock, ("a1", "b")) == [800, 800]


def test_links_on_the_way_are_shared_by_direction() -> None:
    network = Network(
        links={"nic-a": 1000, "nic-b": 1000, "nic-c": 1000, "nic-d": 1000, "rack-1": 1200, "rack-2": 4000}
    )
    world, clock = make(network)
    # Within a rack its uplink is not used; inward is apart from outward.
    moves = (("a0", "b"), ("b0", "c"), ("a1", "d"), ("c0", "a"))
    assert rates(world, clock, *moves) == pytest.approx([1000, 1000, 500, 1000])
    assert rates(world, clock, ("b1", "d"))[-1] == pytest.approx(400)


def test_what_a_server_is_told_by_its_metadata_goes_first() -> None:
    world, clock = make(None, host_mbps=80)
    world.servers["a0"].metadata = {"lab_bw": "100"}
    assert rates(world, clock, ("a0", "b")) == [800]


def test_sharing_makes_it_slower() -> None:
    world, clock = make(None, host_mbps=8000)
    for server in ("a0", "a1"):
        live_migration.ask(world, world.servers[server], "b")
    clock.step(20)
    world.advance()
    ends = sorted(m.updated_at - m.created_at for m in world.migrations.values() if m.updated_at is not None)
    # 8000 MiB at 1000 MiB/s, and at half of it.
    assert ends[1] - ends[0] == pytest.approx(8)
