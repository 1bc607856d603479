"""What the simulated cloud tells, and what becomes of it when nobody takes it."""

from __future__ import annotations

import pytest

from vmpath_service.cmd.simulator import main
from vmpath_service.model.snapshot import Host, Instance, Inventory, Snapshot
from vmpath_service.rpc.transport import use_threads
from vmpath_service.simulator import notifier, server_life
from vmpath_service.simulator.announcements import Announcer, Notification
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.loading import load
from vmpath_service.simulator.notifier import Broker, Notifier
from vmpath_service.simulator.settings import Settings

# before anything imports oslo.messaging, which would choose eventlet
use_threads()


def told(with_updates: bool) -> list[Notification]:
    """What a server tells that is paused, on a host whose hypervisor has another name."""
    inventories = {"MEMORY_MB": Inventory(total=4000)}
    snapshot = Snapshot((Host("a", inventories),), (Instance("x", "a", {"MEMORY_MB": 100}),))
    clock, heard = SteppedClock(), []
    world = load(snapshot, clock, Settings(hypervisor_domain=".example.org"))
    world.announcer = Announcer(heard.append, with_updates)
    server_life.change_power(world, world.servers["x"], "pause")
    clock.step(10)
    world.advance()
    return heard


def test_an_update_says_what_changed() -> None:
    heard = told(with_updates=True)
    assert [each.event_type for each in heard] == [
        "instance.update", "instance.pause.start", "instance.update", "instance.pause.end",
    ]  # fmt: skip
    data = heard[2].payload["nova_object.data"]
    assert (data["host"], data["node"]) == ("a", "a.example.org")
    assert data["state_update"]["nova_object.data"] == {
        "old_state": "active",
        "state": "paused",
        "old_task_state": "pausing",
        "new_task_state": None,
    }


def test_updates_may_be_left_out() -> None:
    assert [each.event_type for each in told(with_updates=False)] == ["instance.pause.start", "instance.pause.end"]


def test_what_nobody_takes_is_lost_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "MOST_WAITING", 2)
    sender = Notifier(Broker("fake://"))
    for number in range(5):
        sender.send(Notification(f"event.{number}", "nova-compute:a", {}))
    assert (sender.sent, sender.lost) == (5, 3)
    sender.stop()


@pytest.mark.parametrize("url", ["nonsense://guest:secret@127.0.0.1/", "127.0.0.1:5672"])
def test_a_broker_that_cannot_be_is_refused_in_a_sentence(
    tmp_path: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    sample = f"{tmp_path}/cloud.json"
    assert main(["sample", "--hosts", "2", "--instances", "2", "-o", sample]) == 0
    assert main(["serve", "--snapshot", sample, "--notify", url]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vmpath-simulator: --notify: this is no address of a message broker")
    assert "secret" not in said
