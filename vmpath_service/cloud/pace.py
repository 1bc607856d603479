"""How many requests a second the looks at a walk may cost Nova and Placement."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

_LONGEST_S = 30.0
# Between two requests while the brake is pulled.
_SLOWLY_S = 0.25
# Looks at even distances would see what was begun together always as late as the first time.
_GOLDEN = 0.6180339887


class Brake:
    """Slows everything down that goes by it, when the cloud wants fewer requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slow_until = -math.inf

    def pull(self, seconds: float | None) -> None:
        """For so long (1 s, if the cloud does not say, and 30 s at most)."""
        wanted = 1.0 if seconds is None else min(seconds, _LONGEST_S)
        self._slow_until = max(self._slow_until, self._clock() + wanted)

    def pulled(self) -> bool:
        """Whether to go slowly now."""
        return self._clock() < self._slow_until


class Pace:
    """Lets at most ``per_second`` pass in any second, whichever threads they come from; 0: without a limit.

    While ``brake`` is pulled, only four pass in a second.
    """

    def __init__(
        self,
        per_second: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        brake: Brake | None = None,
    ) -> None:
        self.brake = brake or Brake(clock)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._passed: deque[float] | None = deque(maxlen=per_second) if per_second else None
        self._last = -math.inf
        self._groups = 0
        self._group_began, self._group_passed = -math.inf, 0
        """When those that belong together were begun last, and how many have passed since."""

    def wait_for_room(self, requests: int) -> None:
        """Return when so many could pass one after the other without waiting, if nobody else comes; none has passed by
        then. What belongs together is begun late rather than interrupted. Once half of what may pass in a second has,
        the rest is spread over it: nothing is gained by asking often, and then for a while not at all."""
        with self._lock:
            passed = self._passed
            if passed is None or passed.maxlen is None:
                return
            # those that need not be waited for, as so many have not passed at all yet
            spare = passed.maxlen - len(passed)
            last = min(requests, passed.maxlen) - spare - 1
            now = self._clock()
            left = passed[last] + 1.0 - now if last >= 0 else 0.0
            half = passed.maxlen // 2 + 1
            if len(passed) >= half and passed[-half] + 1.0 > now:
                uneven = 0.6 + 0.8 * (self._groups * _GOLDEN % 1.0)
                left = max(left, self._group_began + uneven * self._group_passed / passed.maxlen - now)
            self._groups += 1
            self._group_began, self._group_passed = now + max(left, 0.0), 0
        if left > 0:
            self._sleep(left)

    def wait(self) -> None:
        """Return when it is the caller's turn: first come, first served."""
        with self._lock:
            now = turn = self._clock()
            if self.brake.pulled():
                turn = max(turn, self._last + _SLOWLY_S)
            if self._passed is not None:
                if len(self._passed) == self._passed.maxlen:
                    turn = max(turn, self._passed[0] + 1.0)
                self._passed.append(turn)
                self._group_passed += 1
            self._last = turn
        if turn > now:
            self._sleep(turn - now)
