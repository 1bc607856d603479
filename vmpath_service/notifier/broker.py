"""Messages to a message broker, by oslo.messaging."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vmpath_service.model.errors import InvalidInput, Undelivered

LOG = logging.getLogger(__name__)
OF_BROKER = ("messagingv2", "messaging")
"""Drivers of oslo.messaging that need a broker."""
DRIVERS = (*OF_BROKER, "log", "noop")
_WITHIN = "fake://"
_RETRIES = 1
_LOGGERS = ("oslo_messaging.notify.messaging", "oslo_messaging.notify.notifier")


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """``drivers``: of oslo.messaging; with none nothing is sent. ``url``: the broker, as oslo.messaging writes it.
    ``retry``: how often a message is tried again, -1 for as long as it takes."""

    drivers: tuple[str, ...] = ()
    # repr=False: it has a password in it
    url: str | None = field(default=None, repr=False)
    topics: tuple[str, ...] = ("notifications",)
    retry: int = -1


class BrokerNotifier:
    """Sends messages, with their level as the priority.

    Waits for a broker that is away, however long that takes, or until ``retry`` more attempts have failed: this
    belongs into a thread of its own.
    """

    def __init__(self, settings: SendingSettings, pause_s: float = 5.0) -> None:
        """``pause_s``: between two attempts. Raises InvalidInput where the address cannot be one."""
        import oslo_messaging

        try:
            transport = oslo_messaging.get_notification_transport(messaging_configuration(), settings.url or _WITHIN)
        except (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure) as error:
            # the address may have a password in it
            raise InvalidInput(
                f"[oslo_messaging_notifications] transport_url: this is no address of a broker: {type(error).__name__}"
            ) from None
        publisher, topics = f"vmpath.{socket.gethostname()}", list(settings.topics)
        self._notifiers = [
            oslo_messaging.Notifier(transport, publisher, driver=driver, topics=topics, retry=_RETRIES)
            for driver in settings.drivers
        ]
        self._pause_s = pause_s
        self._retry = settings.retry
        self._failures = _Failures()
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._failures)

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Send it; returns when it is sent, to each driver once. Raises Undelivered where it is given up."""
        for notifier in self._notifiers:
            send = {"info": notifier.info, "warning": notifier.warn, "error": notifier.error}[message["level"]]
            call = partial(send, {}, message["event"], dict(message))
            complained, failed = False, 0
            while (failure := self._failures.of(call)) is not None:
                if not complained:
                    LOG.warning("The broker for notifications is away, and is tried again: %s", failure)
                    complained = True
                failed += 1
                if 0 <= self._retry < failed:
                    raise Undelivered(f"{message['event']} was given up after {failed} attempts: {failure}")
                time.sleep(self._pause_s)
            if complained:
                LOG.warning("The broker for notifications takes them again")


class _Failures(logging.Filter):
    """Notices that oslo.messaging could not send: it says so in the log only, with the whole message each time.

    In its place we say once what is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self._thread: int | None = None
        self._found: str | None = None

    def of(self, send: Callable[[], None]) -> str | None:
        """Why this came to nothing; None if it did not."""
        self._thread, self._found = threading.get_ident(), None
        try:
            send()
        finally:
            self._thread = None
        return self._found

    def filter(self, record: logging.LogRecord) -> bool:
        if threading.get_ident() != self._thread or record.levelno < logging.ERROR:
            return True
        error = record.exc_info[1] if record.exc_info else None
        self._found = type(error).__name__ if error else "unknown"
        return False


def messaging_configuration() -> Any:
    """oslo.messaging's options in a configuration of their own: what counts is in the address."""
    from oslo_config import cfg
    from oslo_messaging import opts

    configuration = cfg.ConfigOpts()
    configuration([], default_config_files=[], default_config_dirs=[])
    for group, options in opts.list_opts():
        configuration.register_opts(options, group=group)
    return configuration
