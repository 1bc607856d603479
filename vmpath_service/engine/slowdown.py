"""How all rearrangements of an engine slow down together when Nova or Placement has too much to do."""

from __future__ import annotations

import threading

from vmpath_service.engine.ports import Clock

LONGEST = 60.0
"""Seconds that nothing is asked, at most, unless Nova itself says more."""
FIRST = 2.0


class Slowdown:
    """Every 429 or 503 doubles the time that nothing is asked after it; every look that succeeds halves it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._until = 0.0

    def busy(self, retry_after: float | None) -> None:
        """Nova wants fewer requests, and said perhaps after how many seconds it wants the next."""
        now = self._clock.monotonic()
        with self._lock:
            if now < self._until:
                # several were on their way at once: they say it of the same moment
                self._until = max(self._until, now + (retry_after or 0.0))
                return
            self._seconds = min(LONGEST, max(FIRST, 2 * self._seconds))
            self._until = now + max(self._seconds, retry_after or 0.0)

    def fine(self) -> None:
        """A look at the cloud has succeeded."""
        with self._lock:
            if self._clock.monotonic() >= self._until:
                self._seconds = self._seconds / 2 if self._seconds > FIRST else 0.0

    def left(self) -> float:
        """For how many seconds nothing is to be asked."""
        with self._lock:
            return max(0.0, self._until - self._clock.monotonic())
