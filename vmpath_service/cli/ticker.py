"""One line of progress on a terminal, and silence everywhere else."""

from __future__ import annotations

import time
from typing import TextIO

_FIRST_S = 0.5
_EVERY_S = 0.2


class Ticker:
    """Shows how far work has come, in place, once it has taken long enough to be worth it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._on = stream.isatty()
        self._next = time.monotonic() + _FIRST_S
        self._shown = False

    def __enter__(self) -> Ticker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, what: str, done: int, of: int) -> None:
        """Something has moved on; shown now and then."""
        if not self._on or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        self._shown = True
        self._stream.write(f"\r\x1b[K{what}: {done} of {of}")
        self._stream.flush()
