"""Who is told of what, without ever waiting for anybody."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests import notification_samples as samples
from tests.programs import free_port, wait_until
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.records import Event
from vmpath_service.notifier.announcer import Announcer, Receiver, Tally
from vmpath_service.notifier.broker import BrokerNotifier, SendingSettings, messaging_configuration
from vmpath_service.notifier.outbox import Outbox
from vmpath_service.rpc.transport import use_threads


@pytest.fixture(autouse=True, scope="module")
def _threads() -> None:
    use_threads()


def event(number: int, kind: str = "migration.done") -> Event:
    return Event(number, samples.AT, samples.PLAN, kind, f"number {number}", 1)


def test_a_queue_that_is_full_drops_what_comes_then_and_counts_it(caplog: pytest.LogCaptureFixture) -> None:
    gate, got = threading.Event(), []

    def deliver(item: int) -> None:
        gate.wait(30)
        got.append(item)

    box: Outbox[int] = Outbox("test", deliver, most=4)
    box.start()
    box.put(0)
    wait_until(lambda: not box.waiting(), "the first one is being delivered")
    for number in range(1, 10):
        box.put(number)
    assert (box.waiting(), box.dropped()) == (4, 5)
    assert len([each for each in caplog.messages if "are dropped from now on" in each]) == 1
    gate.set()
    box.stop(30)
    assert got == [0, 1, 2, 3, 4]
    assert box.delivered() == 5
    assert "Notifications for test are taken again; 5 were dropped so far" in caplog.messages


def test_what_a_receiver_raises_does_not_keep_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    got = []

    def deliver(item: int) -> None:
        if item == 1:
            raise ValueError("no")
        got.append(item)

    box: Outbox[int] = Outbox("test", deliver)
    box.start()
    for number in range(3):
        box.put(number)
    box.stop(30)
    assert got == [0, 2]
    assert "was not delivered" in caplog.text


def test_a_receiver_that_hangs_holds_up_nobody_else() -> None:
    gate = threading.Event()
    got: list[Mapping[str, Any]] = []
    announcer = Announcer(
        samples.composer(),
        [
            Receiver("hanging", lambda _: True, lambda _: gate.wait(30) and None),
            Receiver("hooks", lambda kind: kind.startswith("migration."), got.append),
        ],
        most=8,
    )
    announcer.start()
    announcer.tell(event(100, "rearrangement.running"))
    for number in range(3):
        announcer.tell(event(number))
    wait_until(lambda: len(got) == 3, "the other one is told")
    assert [each["sequence"] for each in got] == [0, 1, 2]
    tallies = {each.name: each for each in announcer.tallies()}
    assert tallies["hooks"].delivered == 3
    assert tallies["hanging"].delivered == 0
    gate.set()
    announcer.stop(30)
    assert {each.name: each.delivered for each in announcer.tallies()} == {"events": 4, "hanging": 4, "hooks": 3}


def test_with_nobody_to_tell_nothing_is_kept() -> None:
    announcer = Announcer(samples.composer(), [])
    announcer.start()
    announcer.tell(event(1))
    assert not announcer.tallies()
    announcer.stop()


class Heard:
    def __init__(self) -> None:
        self.all: list[tuple[str, str, str, Any]] = []

    def info(self, _: Any, publisher: str, kind: str, payload: Any, metadata: Any) -> None:
        self.all.append(("info", publisher, kind, payload))

    def warn(self, _: Any, publisher: str, kind: str, payload: Any, metadata: Any) -> None:
        self.all.append(("warn", publisher, kind, payload))

    def error(self, _: Any, publisher: str, kind: str, payload: Any, metadata: Any) -> None:
        self.all.append(("error", publisher, kind, payload))


@pytest.fixture
def heard() -> Iterator[Heard]:
    import oslo_messaging

    heard = Heard()
    transport = oslo_messaging.get_notification_transport(messaging_configuration(), "fake://")
    listener = oslo_messaging.get_notification_listener(
        transport, [oslo_messaging.Target(topic="told")], [heard], executor="threading"
    )
    listener.start()
    yield heard
    listener.stop()
    listener.wait()


def test_a_listener_hears_with_the_level_as_priority(heard: Heard) -> None:
    sender = BrokerNotifier(SendingSettings(("messagingv2",), "fake://", ("told",)))
    announcer = Announcer(samples.composer(), [Receiver("broker", lambda _: True, sender.deliver)])
    announcer.start()
    for number, kind in enumerate(("migration.done", "migration.stuck", "migration.failed")):
        announcer.tell(event(number, kind))
    wait_until(lambda: len(heard.all) == 3, "all are heard")
    announcer.stop(30)
    by_kind = {kind: (priority, payload["sequence"]) for priority, _, kind, payload in heard.all}
    assert by_kind == {"migration.done": ("info", 0), "migration.stuck": ("warn", 1), "migration.failed": ("error", 2)}
    assert all(publisher.startswith("vmpath.") for _, publisher, _, _ in heard.all)
    assert heard.all[0][3]["version"] == "1.1"


def test_a_broker_that_is_away_keeps_nobody_waiting() -> None:
    sender = BrokerNotifier(SendingSettings(("messagingv2",), f"rabbit://u:sekret@127.0.0.1:{free_port()}/"))
    announcer = Announcer(samples.composer(), [Receiver("broker", lambda _: True, sender.deliver)], most=8)
    announcer.start()
    for number in range(40):
        announcer.tell(event(number))

    def lost() -> int:
        return sum(tally.dropped for tally in announcer.tallies())

    # one is being sent for as long as it takes, eight wait for that, and eight more may wait to be put together
    wait_until(lambda: lost() >= 23, "what does not fit is dropped")
    assert next(each for each in announcer.tallies() if each.name == "broker").delivered == 0
    announcer.stop(0.1)


def test_a_message_is_given_up_after_as_many_attempts_as_are_allowed() -> None:
    settings = SendingSettings(("messagingv2",), f"rabbit://u:sekret@127.0.0.1:{free_port()}/", retry=1)
    announcer = Announcer(
        samples.composer(), [Receiver("broker", lambda _: True, BrokerNotifier(settings, pause_s=0.01).deliver)]
    )
    announcer.start()
    announcer.tell(event(1))
    announcer.tell(event(2))

    def of_broker() -> Tally:
        return next(each for each in announcer.tallies() if each.name == "broker")

    wait_until(lambda: of_broker().dropped == 2, "both are given up")
    assert (of_broker().waiting, of_broker().delivered) == (0, 0)
    announcer.stop(0.1)


def test_an_address_that_cannot_be_one_is_not_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        BrokerNotifier(SendingSettings(("messagingv2",), "rubbish://u:sekret@x/"))
    assert "sekret" not in str(caught.value)
    assert "sekret" not in repr(SendingSettings(("messagingv2",), "rabbit://u:sekret@x/"))
