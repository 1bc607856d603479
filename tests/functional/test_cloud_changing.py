"""A cloud that changes while it is read."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.conftest import Factory
from tests.functional.reading import reader
from tests.functional.small_cloud import host, identity, instance, snapshot
from vmpath_service.cloud.inventory import Inventory
from vmpath_service.model.errors import (
    NoDecision,
    RequestRefused,
)
from vmpath_service.model.semantics import snapshot_problems
from vmpath_service.simulator import server_life
from vmpath_service.simulator.clock import ScaledClock, SteppedClock
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


class Meddler:
    """Does something to the cloud just before its nth look for changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, deed: Callable[[int], None]) -> None:
        self.looks = 0
        original = Inventory._changes

        def meddled(inventory: Inventory, *arguments: Any) -> Any:
            self.looks += 1
            deed(self.looks)
            return original(inventory, *arguments)

        monkeypatch.setattr(Inventory, "_changes", meddled)


def test_a_server_that_moves_during_the_reading_is_noticed(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )
    vmpath, other = reader(cloud), reader(cloud)
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)

    def move(look: int) -> None:
        if look == 1:
            other.live_migrate(identity("x"), "b")
            clock.step(600)

    meddler = Meddler(monkeypatch, move)
    reading = vmpath.read_with_notes()
    assert meddler.looks == 2
    assert {each.name: each.host for each in reading.snapshot.instances} == {"x": "b", "y": "b"}
    assert all(not each.used_by_others for each in reading.snapshot.hosts)
    assert reading.notes == ()


def test_a_server_that_is_deleted_during_the_reading_is_noticed(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )
    vmpath = reader(cloud)
    clock = cloud.clock
    assert isinstance(clock, SteppedClock)

    def delete(look: int) -> None:
        if look == 1:
            world = cloud.world
            with world.lock:
                server_life.delete(world, world.servers[identity("x")])
            clock.step(60)

    Meddler(monkeypatch, delete)
    assert [each.name for each in vmpath.read().instances] == ["y"]


def test_a_server_that_never_rests_is_shown_as_last_seen(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b")), clock=SteppedClock()
    )
    vmpath = reader(cloud)

    def note(look: int) -> None:
        world = cloud.world
        with world.lock:
            server = world.servers[identity("x")]
            server.metadata = {"look": str(look)}
            world.touch(server)

    meddler = Meddler(monkeypatch, note)
    reading = vmpath.read_with_notes()
    found = {each.name: each for each in reading.snapshot.instances}
    assert found["x"].metadata == {"look": str(meddler.looks)}
    assert all(not each.used_by_others for each in reading.snapshot.hosts)
    assert any("kept changing" in note for note in reading.notes)


def test_a_cloud_that_never_rests_is_not_decided_upon(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(make_sample(4, 30), clock=SteppedClock())
    vmpath = reader(cloud)

    def note(look: int) -> None:
        world = cloud.world
        with world.lock:
            for server in world.servers.values():
                server.metadata = {"look": str(look)}
                world.touch(server)

    Meddler(monkeypatch, note)
    with pytest.raises(NoDecision, match="changes faster than it can be read: 30 servers"):
        vmpath.read()


def test_a_cell_that_does_not_answer_stops_everything(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a", cell="east"), host("b", cell="west"), instance("x", "a"), instance("y", "b"))
    )
    vmpath = reader(cloud)
    assert {each.name: each.cell for each in vmpath.read().hosts} == {"a": "east", "b": "west"}
    cloud.silence_cell("west")
    many = [identity("y"), *(str(number) for number in range(60))]
    for call in (vmpath.read, lambda: vmpath.read_hosts(["b"]), lambda: vmpath.read_instances(many)):
        with pytest.raises(NoDecision, match="a cell of the cloud does not answer"):
            call()
    cloud.silence_cell("west", False)

    def silence(look: int) -> None:
        if look == 1:
            cloud.silence_cell("west")

    Meddler(monkeypatch, silence)
    with pytest.raises(NoDecision, match="a cell of the cloud does not answer"):
        vmpath.read()


def test_the_picture_is_sound_while_everything_moves(simulated_cloud: Factory) -> None:
    made = make_sample(6, 60, seed=4)
    cloud = simulated_cloud(
        made, clock=ScaledClock(20), settings=Settings(concurrent_live_migrations=2, overhead_s=2)
    )
    vmpath, other = reader(cloud), reader(cloud)
    ended = threading.Event()
    failures: list[Exception] = []

    def migrate() -> None:
        chance = random.Random(1)
        names = [each.name for each in made.hosts]
        while not ended.wait(0.01):
            try:
                other.live_migrate(chance.choice(made.instances).uuid, chance.choice(names))
            except RequestRefused:
                continue
            except Exception as error:  # noqa: BLE001 - told by the test itself, not by a thread that dies
                failures.append(error)
                return

    mover = threading.Thread(target=migrate)
    mover.start()
    try:
        seen: set[str] = set()
        for number in range(150):
            if number >= 15 and seen:
                break
            try:
                read = vmpath.read()
            except NoDecision as decision:
                assert "changes faster" in str(decision)  # noqa: PT017
                continue
            assert not list(snapshot_problems(read))
            assert {each.uuid for each in read.instances} == {each.uuid for each in made.instances}
            assert {each.uuid: each.resources for each in read.instances} == {
                each.uuid: each.resources for each in made.instances
            }
            seen.update(each.instance for each in read.in_flight)
    finally:
        ended.set()
        mover.join(60)
    assert failures == []
    assert seen
