"""Answers that wait for something to happen (long polling), without keeping all threads for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

LONGEST = 60
"""Seconds that a client may ask an answer to wait."""
_LOOK_S = 0.25

Item = TypeVar("Item")


class Patience:
    """So many answers may wait at a time; one more is given at once, and its client asks again.

    ``stopping``: none waits any longer once this is set.
    """

    def __init__(self, stopping: threading.Event, most: int = 2) -> None:
        self._stopping = stopping
        self._places = threading.BoundedSemaphore(most)

    def until(self, look: Callable[[], Sequence[Item]], seconds: float) -> Sequence[Item]:
        """The first answer of ``look`` with something in it, or the last one when the seconds are over."""
        found = look()
        if found or seconds <= 0 or not self._places.acquire(blocking=False):
            return found
        try:
            deadline = time.monotonic() + seconds
            while not found and (left := deadline - time.monotonic()) > 0:
                if self._stopping.wait(min(_LOOK_S, left)):
                    break
                found = look()
        finally:
            self._places.release()
        return found
