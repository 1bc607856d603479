"""A bounded queue with a thread of its own that delivers, so that whoever has something to tell never waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from oslo_log import log as logging

from vmpath_service.model.errors import Undelivered

LOG = logging.getLogger(__name__)

MOST_WAITING = 10_000

Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """Delivers in the order of the calls. When more than ``most`` wait, what comes then is dropped and counted.

    ``deliver`` may take as long as it likes; what it raises is logged, and the next one is delivered. Undelivered
    counts as dropped.
    """

    def __init__(self, name: str, deliver: Callable[[Item], None], most: int = MOST_WAITING) -> None:
        self.name = name
        self._deliver = deliver
        self._queue: queue.Queue[Item | None] = queue.Queue(most)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._dropped = 0
        self._delivered = 0
        self._full = False
        self._ending = threading.Event()

    def start(self) -> None:
        """Deliver from now on, and what has been put in before."""
        # a daemon: a broker that hangs must not keep the process
        self._thread = threading.Thread(target=self._serve, name=f"notifier-{self.name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Have it delivered soon; returns at once, whatever becomes of it."""
        with self._lock:
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                self._dropped += 1
                tell, self._full = not self._full, True
            else:
                tell = False
        if tell:
            LOG.error("Notifications for %s are dropped from now on: %d wait already", self.name, self._queue.maxsize)

    def stop(self, seconds: float = 5.0) -> None:
        """Deliver what waits, as far as it goes within ``seconds``, and nothing more."""
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            LOG.warning("Notifications for %s: %d are left undelivered", self.name, self._queue.qsize())
        else:
            self._thread.join(seconds)
        self._ending.set()

    def waiting(self) -> int:
        """How many wait."""
        return self._queue.qsize()

    def dropped(self) -> int:
        """How many were dropped."""
        return self._dropped

    def delivered(self) -> int:
        """How many were handed over."""
        return self._delivered

    def _serve(self) -> None:
        while (item := self._queue.get()) is not None and not self._ending.is_set():
            try:
                self._deliver(item)
            except Undelivered as error:
                with self._lock:
                    self._dropped += 1
                LOG.warning("A notification for %s is lost: %s", self.name, error)
            except Exception:
                LOG.exception("A notification for %s was not delivered", self.name)
            else:
                self._delivered += 1
            if self._full and self._queue.qsize() <= self._queue.maxsize // 2:
                self._full = False
                LOG.warning("Notifications for %s are taken again; %d were dropped so far", self.name, self._dropped)
