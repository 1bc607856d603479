"""Sends notifications to a message broker, as Nova's services do: from a thread of its own, in order."""

from __future__ import annotations

import collections
import logging
import threading
from dataclasses import dataclass
from typing import Any, Final

from vmpath_service.notifier.broker import messaging_configuration
from vmpath_service.simulator.announcements import Notification

LOG = logging.getLogger(__name__)
EXCHANGE: Final = "nova"
TOPIC: Final = "vmpath_notifications"
MOST_WAITING: Final = 100_000
RETRIES: Final = 2
STOP_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where notifications go. url: oslo.messaging's form (``rabbit://user:password@host:port/``; ``fake://`` stays
    within the process). The exchange is Nova's: ``nova``. with_updates: as with ``notify_on_state_change``."""

    url: str
    topic: str = TOPIC
    with_updates: bool = True


class Notifier:
    """sent: how many it was given; what the broker does not take in time is lost, the oldest first, and counted in
    `lost`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: collections.deque[Notification] = collections.deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.sent = 0
        self.lost = 0

    def send(self, notification: Notification) -> None:
        """Returns at once."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(notification)
            self.sent += 1
            self._changed.notify_all()

    def start(self) -> None:
        """Raises ValueError for a URL that cannot be one."""
        import oslo_messaging

        try:
            transport = oslo_messaging.get_notification_transport(_configuration(), self._broker.url)
        except (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure) as error:
            # the URL may have a password in it
            raise ValueError(f"this is no address of a message broker: {type(error).__name__}") from None
        notifier = oslo_messaging.Notifier(
            transport, driver="messagingv2", topics=[self._broker.topic], retry=RETRIES
        )
        self._thread = threading.Thread(
            target=self._run, args=(notifier, transport), name="simulated-notifications", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Send what waits still, for some seconds at most, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self, notifier: Any, transport: Any) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    break
                notification = self._waiting.popleft()
            publisher = notifier.prepare(publisher_id=notification.publisher)
            # A broker that does not answer is logged by oslo.messaging, which then goes on.
            (publisher.error if notification.failed else publisher.info)(
                {}, notification.event_type, notification.payload
            )
        transport.cleanup()


def _configuration() -> Any:
    """oslo.messaging's options, with the exchange of Nova."""
    configuration = messaging_configuration()
    configuration.set_override("control_exchange", EXCHANGE)
    return configuration
