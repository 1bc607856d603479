"""Clocks: one that only moves when it is waited for, one that runs faster than the real one."""

from __future__ import annotations

import threading
import time

BEGINNING = 1_800_000_000.0


class StepClock:
    """Time passes only in ``wait``: exact and immediate, for one thread."""

    def __init__(self) -> None:
        self.now = 0.0
        self.woken = False

    def time(self) -> float:
        return BEGINNING + self.now

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        if not self.woken:
            self.now += seconds

    def wake(self) -> None:
        self.woken = True

    def alarm(self) -> StepAlarm:
        return StepAlarm(self)


class StepAlarm:
    """Nothing can ring while time stands still; what rang before ends the next wait."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock
        self._rung = False

    def ring(self) -> None:
        self._rung = True

    def wait(self, seconds: float) -> None:
        if not self._rung:
            self._clock.wait(seconds)
        self._rung = False


class FastClock:
    """Real time, ``factor`` times as fast, for threads."""

    def __init__(self, factor: float = 200.0) -> None:
        self._factor = factor
        self._began = time.monotonic()
        self._stop = threading.Event()

    def time(self) -> float:
        return BEGINNING + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self._factor

    def wait(self, seconds: float) -> None:
        self._stop.wait(seconds / self._factor)

    def wake(self) -> None:
        self._stop.set()

    def alarm(self) -> FastAlarm:
        return FastAlarm(self)


class FastAlarm:
    """It is heard when a wait begins, not in its midst: waits of a fast clock are short."""

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock
        self._rung = threading.Event()

    def ring(self) -> None:
        self._rung.set()

    def wait(self, seconds: float) -> None:
        if not self._rung.is_set():
            self._clock.wait(seconds)
        self._rung.clear()
