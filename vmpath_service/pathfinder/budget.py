"""How much a search may do: counted in steps, so that the same input gives the same plan on any machine."""

from __future__ import annotations

import time

# How many steps go by between looks at the clock.
_GLANCE = 256


class Budget:
    """``steps`` of work, and at most ``seconds`` of time where the operator set a limit.

    ``timed_out`` tells whether it was the clock that ended the search.
    """

    def __init__(self, steps: int, deadline: float | None = None, whole: Budget | None = None) -> None:
        self.left = steps
        self.timed_out = False
        self._whole = whole
        self._deadline = deadline
        self._glance = 0

    def spend(self, steps: int = 1) -> bool:
        """Take this many steps; False when there is nothing left."""
        self.left -= steps
        if self._whole is not None:
            in_time = self._whole.spend(steps)
            self.timed_out = self._whole.timed_out
            return in_time and self.left > 0
        if self._deadline is not None:
            self._glance -= steps
            if self._glance <= 0:
                self._glance = _GLANCE
                if time.monotonic() > self._deadline:
                    self.timed_out = True
        return self.left > 0 and not self.timed_out

    def share(self, steps: int) -> Budget:
        """A part of this budget: what is spent of it is spent of the whole."""
        return Budget(min(steps, self.left), None, self)


def deadline(seconds: float | None) -> float | None:
    """The moment at which a time limit that begins now ends."""
    return None if seconds is None else time.monotonic() + seconds
