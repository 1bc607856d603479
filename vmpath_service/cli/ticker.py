"""One line of progress on a terminal, and silence everywhere else."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TextIO

from vmpath_service.report.cells import clipped

_FIRST_S = 0.5
_EVERY_S = 0.2


class Ticker:
    """Shows in place what work goes on, how far it has come where that can be known, and for how long it has gone on,
    once that is long enough to be worth it.

    ``limit``: after how many seconds the work ends by itself, if it does. A thread of its own shows it, so that time
    goes by also where the work has nothing to say.
    """

    def __init__(self, stream: TextIO, limit: float | None = None) -> None:
        self._stream = stream
        self.on = stream.isatty() and os.environ.get("TERM") not in (None, "", "dumb")
        self._limit = limit
        self._over = threading.Event()
        self._said = ""
        self._shown = False
        self._thread = threading.Thread(target=self._keep_showing, daemon=True)

    def __enter__(self) -> Ticker:
        self._began = time.monotonic()
        if self.on:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self.on:
            self._thread.join()

    def show(self, what: str, done: int, of: int) -> None:
        """From now on, this is what goes on; 0 of 0 where it cannot be known how much there is to do."""
        self._said = f"{what}: {done} of {of}" if of else what

    def clear(self) -> None:
        """Take away what is shown, for something else to be written; it comes again."""
        if self._shown:
            self._write("\r\x1b[K")

    def _keep_showing(self) -> None:
        patience = _FIRST_S
        while not self._over.wait(patience):
            patience = _EVERY_S
            if self._said:
                self._shown = True
                self._write(f"\r\x1b[K{self._line()}")
        self.clear()

    def _line(self) -> str:
        spent = f"{time.monotonic() - self._began:.0f} s" + (f" of {self._limit:g} s" if self._limit else "")
        # what is written into the last column makes some terminals begin a line
        room = shutil.get_terminal_size().columns - len(spent) - 3
        return f"{clipped(self._said, max(1, room))}, {spent}"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
