"""The time of this machine."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """Real time; fulfils ``ports.Clock``."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def time(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or as soon as ``wake`` is called."""
        self._stop.wait(seconds)

    def wake(self) -> None:
        """End every wait, under way or yet to come."""
        self._stop.set()
