"""How much a search may do: counted in steps, so that the same input gives the same plan on any machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmpath_service.pathfinder.trace import Trace

# How many steps go by between looks at the clock.
_GLANCE = 256


class Budget:
    """``steps`` of work, at most until ``deadline`` where the operator set a limit, and until ``stop`` says so.

    ``timed_out`` tells whether it was the clock that ended the search, ``stopped`` whether it was ``stop``.
    """

    def __init__(
        self,
        steps: int,
        deadline: float | None = None,
        stop: Callable[[], bool] | None = None,
        whole: Budget | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.left = steps
        self.timed_out = False
        self.stopped = False
        self.trace = trace
        """Who is told of what the search does."""
        self._whole = whole
        self._deadline = deadline
        self._stop = stop
        self._glance = 0

    def spend(self, steps: int = 1) -> bool:
        """Take this many steps; False when there is nothing left."""
        self.left -= steps
        going = self._whole.spend(steps) if self._whole is not None else not self.ended(steps)
        return going and self.left > 0

    def spend_whole(self, steps: int) -> bool:
        """Take this many steps if there are so many, else none: for work that is done as a whole or not at all."""
        return steps < self.left and self.spend(steps)

    def ended(self, steps: int = 1) -> bool:
        """Whether time is up or somebody said to stop, however many steps are left: a look now and then.

        For work that counts no steps of its own; ``steps``: how much of it was done since the last call.
        """
        if self._whole is not None:
            return self._whole.ended(steps)
        if self._deadline is None and self._stop is None:
            return False
        self._glance -= steps
        if self._glance <= 0:
            self._glance = _GLANCE
            self.timed_out = self.timed_out or (self._deadline is not None and time.monotonic() > self._deadline)
            self.stopped = self.stopped or (self._stop is not None and self._stop())
        return self.timed_out or self.stopped

    def share(self, steps: int) -> Budget:
        """A part of this budget: what is spent of it is spent of the whole."""
        return Budget(min(steps, self.left), whole=self, trace=self.trace)

    def apart(self, steps: int) -> Budget:
        """Steps beside this budget, which the same clock and the same ``stop`` end."""
        whole = self._all()
        return Budget(steps, whole._deadline, whole._stop, trace=self.trace)

    def _all(self) -> Budget:
        """The budget that this one is a share of a share of."""
        whole = self
        while whole._whole is not None:
            whole = whole._whole
        return whole


def deadline(seconds: float | None) -> float | None:
    """The moment at which a time limit that begins now ends."""
    return None if seconds is None else time.monotonic() + seconds
