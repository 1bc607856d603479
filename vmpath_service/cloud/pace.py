"""How many requests a second the looks at a walk may cost Nova and Placement."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable


class Pace:
    """Lets at most ``per_second`` pass in any second, whichever threads they come from; 0: without a limit."""

    def __init__(
        self,
        per_second: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._passed: deque[float] | None = deque(maxlen=per_second) if per_second else None

    def wait(self) -> None:
        """Return when it is the caller's turn: first come, first served."""
        if self._passed is None:
            return
        with self._lock:
            now = turn = self._clock()
            if len(self._passed) == self._passed.maxlen:
                turn = max(now, self._passed[0] + 1.0)
            self._passed.append(turn)
        if turn > now:
            self._sleep(turn - now)
