"""Where the simulated cloud takes its time from.

A clock gives seconds since the epoch. The world never sleeps: it asks the clock at each request
and lets everything happen that was due since it last looked.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Gives the simulated moment, in seconds since the epoch; it never goes back."""

    def now(self) -> float: ...


class ScaledClock:
    """Runs `factor` simulated seconds per real second, starting at the real present."""

    def __init__(self, factor: float = 1.0) -> None:
        if factor <= 0:
            raise ValueError(f"the clock factor must be more than 0, not {factor}")
        self.factor = factor
        self._epoch = time.time()
        self._origin = time.monotonic()

    def now(self) -> float:
        return self._epoch + (time.monotonic() - self._origin) * self.factor


class SteppedClock:
    """Stands still until a test moves it."""

    def __init__(self, start: float = 1_790_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._now

    def step(self, seconds: float) -> None:
        """Move on by `seconds`; raises ValueError when asked to go back."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._now += seconds
