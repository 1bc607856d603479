"""A consumer of a cloud's notifications, as vmpath's own is one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

from vmpath_service.rpc.transport import use_threads

# before anything imports oslo.messaging, which would choose eventlet
use_threads()

PATIENCE_S = 30.0
AUDIT = "instance.exists"


@dataclass(frozen=True, slots=True)
class Heard:
    """One notification, and whether it came with priority ERROR."""

    event: str
    publisher: str
    payload: dict[str, Any]
    failed: bool

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.payload["nova_object.data"]
        return found


class Hearing:
    """Keeps all notifications of a topic until it is closed.

    sent: how many there must be by now, where that is known: they are waited for.
    """

    def __init__(self, url: str, topic: str, sent: Callable[[], int] = lambda: 0) -> None:
        self._heard: list[Heard] = []
        self._sent = sent
        self._changed = threading.Condition()
        import oslo_messaging

        self._transport = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
        self._listener = oslo_messaging.get_notification_listener(
            self._transport,
            [oslo_messaging.Target(topic=topic, exchange="nova")],
            [self],
            executor="threading",
        )
        # one thread, for the order counts
        self._listener.start(override_pool_size=1)

    def info(self, _: Any, publisher: str, event: str, payload: dict[str, Any], metadata: Any) -> None:
        self._keep(Heard(event, publisher, payload, failed=False))

    def error(self, _: Any, publisher: str, event: str, payload: dict[str, Any], metadata: Any) -> None:
        self._keep(Heard(event, publisher, payload, failed=True))

    def _keep(self, heard: Heard) -> None:
        with self._changed:
            self._heard.append(heard)
            self._changed.notify_all()

    def all(self) -> list[Heard]:
        sent = self._sent()
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._heard) >= sent, PATIENCE_S), "notifications are missing"
            return list(self._heard)

    def story(self, server: str) -> list[str]:
        """What happened to a server: event, host and state/task, without what a saving repeats."""
        told: list[str] = []
        last: tuple[object, ...] = ()
        for heard in self.all():
            data = heard.data
            if data.get("uuid") != server or not heard.event.startswith("instance.") or heard.event == AUDIT:
                continue
            now = (data["host"], data["state"], data["task_state"])
            if heard.event != "instance.update" or now != last:
                told.append(f"{heard.event.removeprefix('instance.')} {now[0]} {now[1]}/{now[2]}")
            last = now
        return told

    def since_boot(self, server: str) -> list[str]:
        """Its story since it was created; all of it as long as that is not told."""
        told = self.story(server)
        created = [number for number, line in enumerate(told) if line.startswith("create.end")]
        return told[created[0] + 1 :] if created else told

    def failures(self, server: str) -> list[str]:
        """What the conductor gave up for a server. What drivers raise does not say for which."""
        return [heard.event for heard in self.all() if heard.failed and heard.data.get("instance_uuid") == server]

    def close(self) -> None:
        self._listener.stop()
        self._listener.wait()
        self._transport.cleanup()
