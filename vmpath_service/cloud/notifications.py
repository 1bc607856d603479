"""Nova's versioned notifications, as a hint of what to look at again. What counts is always read from the API."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vmpath_service.cloud.changes import Changes
from vmpath_service.model.errors import InvalidInput

LOG = logging.getLogger(__name__)

_AGAIN_S = 5.0
_PROBE_S = 5.0
_STOP_S = 5.0
_AMQP_PORT = 5672
# Handed over together: one by one each would wake a thread. Nobody waits longer than this for the others.
_TOGETHER = 100
_TOGETHER_S = 0.2
_TRANSPORTS = ("rabbit", "kombu", "fake")
# Says that an instance still exists, once an hour of every one: nothing happened to it.
_AUDIT = "instance.exists"
# What notifications call the instance. The conductor's say what it gave up: a migration that nobody admits, say, which
# no other notification tells of unless notify_on_state_change is set.
_NAMED_BY = {"instance.": "uuid", "compute_task.": "instance_uuid"}


@dataclass(frozen=True, slots=True)
class NotificationSettings:
    """Where Nova's notifications come from.

    ``url`` in the form of oslo.messaging (rabbit://USER:PASSWORD@HOST:PORT/VHOST; options of the driver may follow as
    a query: ?ssl=true&rabbit_quorum_queue=true). ``topic`` must be nobody else's: a queue gives each message to one
    consumer only. ``pool``: several services with pools of different names get all messages each.
    """

    # repr=False: it has a password in it
    url: str | None = field(default=None, repr=False)
    exchange: str = "nova"
    topic: str = "vmpath_notifications"
    pool: str | None = None


def instance_of(event_type: object, payload: object) -> str | None:
    """The instance that a versioned notification says something happened to, if it does."""
    if not isinstance(event_type, str):
        return None
    name = next((field for start, field in _NAMED_BY.items() if event_type.startswith(start)), None)
    if name is None or event_type == _AUDIT or not isinstance(payload, Mapping):
        return None
    data = payload.get("nova_object.data")
    uuid = data.get(name) if isinstance(data, Mapping) else None
    return uuid if isinstance(uuid, str) else None


class Endpoint:
    """What oslo.messaging calls with some notifications at a time: by the name of their priority."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def info(self, messages: Sequence[Mapping[str, Any]]) -> None:
        told = [(each["event_type"], instance_of(each["event_type"], each["payload"])) for each in messages]
        LOG.debug("%s", told)
        self._changes.happened(*dict.fromkeys(uuid for _, uuid in told if uuid is not None))

    warn = info
    error = info


class NotificationListener:
    """Listens in threads of its own, for as long as it takes until the broker is there; a connection that breaks is
    made again by oslo.messaging. Nothing is lost while a queue waits at the broker."""

    def __init__(self, settings: NotificationSettings, changes: Changes) -> None:
        """Raises InvalidInput where the address cannot be one."""
        self._settings = settings
        self._changes = changes
        changes.tell(False)
        self._ended = threading.Event()
        self._listening = threading.Event()
        self._server: Any = None
        self._transport: Any = None
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
        self._hosts = broker_hosts(settings)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def listening(self) -> bool:
        """Whether the broker was reached, and has a queue of ours since."""
        return self._listening.is_set()

    def wait_until_listening(self, seconds: float) -> bool:
        """Whether that is so within ``seconds``."""
        return self._listening.wait(seconds)

    def stop(self) -> None:
        """End, within some seconds: what oslo.messaging does not end by then is left to the end of the process."""
        self._ended.set()
        self._listening.clear()
        self._changes.tell(False)
        ending = threading.Thread(target=self._close, name="notifications-end", daemon=True)
        ending.start()
        ending.join(_STOP_S)
        if ending.is_alive():
            LOG.warning("the connection for notifications does not end, and is left to itself")

    def _run(self) -> None:
        complained = False
        while not self._ended.is_set():
            try:
                self._reach()
                self._listen()
            # whatever a driver may raise: notifications are no reason to fail
            except Exception as error:  # noqa: BLE001
                if not complained:
                    LOG.warning("no notifications for now, the broker is tried again: %s", error)
                    complained = True
                self._ended.wait(_AGAIN_S)
            else:
                LOG.info("listening for notifications on topic %s", self._settings.topic)
                return

    def _reach(self) -> None:
        """Raises OSError when nobody answers at any address of the broker: oslo.messaging would wait without end."""
        failure: OSError | None = None
        for host, port in self._hosts:
            try:
                socket.create_connection((host, port), _PROBE_S).close()
            except OSError as error:
                failure = OSError(f"{host}:{port}: {error}")
            else:
                return
        if failure is not None:
            raise failure

    def _listen(self) -> None:
        import oslo_messaging
        from oslo_config import cfg

        settings = self._settings
        # on the global configuration: oslo.messaging registers its tracing options there, whatever it is given
        transport = oslo_messaging.get_notification_transport(cfg.CONF, url=settings.url)
        server = oslo_messaging.get_batch_notification_listener(
            transport,
            [oslo_messaging.Target(topic=settings.topic, exchange=settings.exchange)],
            [Endpoint(self._changes)],
            executor="threading",
            pool=settings.pool,
            batch_size=_TOGETHER,
            batch_timeout=_TOGETHER_S,
        )
        server.start(override_pool_size=1)
        self._transport, self._server = transport, server
        self._changes.tell(True)
        self._listening.set()

    def _close(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()
        self._listening.clear()
        self._changes.tell(False)
        if self._server is not None:
            with contextlib.suppress(Exception):
                self._server.stop()
                self._server.wait()
                self._transport.cleanup()


def broker_hosts(settings: NotificationSettings) -> tuple[tuple[str, int], ...]:
    """Names and ports of the broker; none for a transport within the process.

    Raises InvalidInput where the address cannot be one, without saying it: there is a password in it.
    """
    scheme, separator, rest = (settings.url or "").partition("://")
    if not separator or scheme.split("+")[0] not in _TRANSPORTS:
        raise InvalidInput(
            f"[notifications] transport_url: expected an address such as rabbit://USER:PASSWORD@HOST:{_AMQP_PORT}/"
        )
    found = []
    # several brokers are written with commas, each with its own user
    for part in filter(None, rest.partition("/")[0].split(",")):
        try:
            host = urlsplit(f"//{part}")
            name, port = host.hostname, host.port
        except ValueError:
            name, port = None, None
        if name is None:
            raise InvalidInput("[notifications] transport_url: one of its brokers has no name or a wrong port")
        found.append((name, port or _AMQP_PORT))
    if scheme == "rabbit" and not found:
        raise InvalidInput("[notifications] transport_url: it names no broker")
    return tuple(found)
