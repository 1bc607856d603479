"""The time of this machine."""

from __future__ import annotations

import threading
import time
import weakref


class SystemClock:
    """Real time; fulfils ``ports.Clock``."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._alarms: weakref.WeakSet[SystemAlarm] = weakref.WeakSet()

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
        with self._lock:
            alarms = list(self._alarms)
        for alarm in alarms:
            alarm.ring()

    def alarm(self) -> SystemAlarm:
        """For waits that something else than time may end."""
        made = SystemAlarm(self._stop)
        with self._lock:
            self._alarms.add(made)
        return made


class SystemAlarm:
    """Fulfils ``ports.Alarm``."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._rung = threading.Event()

    def ring(self) -> None:
        """End the wait under way, or else the next one."""
        self._rung.set()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, when it rings or has rung, or when the clock is woken."""
        # a clock that is woken from here on rings, too
        if not self._stop.is_set():
            self._rung.wait(seconds)
            self._rung.clear()
