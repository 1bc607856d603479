"""Showing frames: on a terminal in place, by key press or by the clock; elsewhere one below the other."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Iterable
from typing import TextIO

from vmpath_service.report.frames import LEGEND, Frame

_CLEAR = "\x1b[H\x1b[2J"
_COLOURS = {"#": "\x1b[34m", "<": "\x1b[33m", ">": "\x1b[32m", "!": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_KEYS = "any key: next, q: quit"


class Stage:
    """``auto``: seconds per frame; None: a key press each. Nothing waits where input or output is no terminal."""

    def __init__(self, out: TextIO, auto: float | None) -> None:
        self._out = out
        self._auto = auto
        self._on_screen = out.isatty()
        self._keys = sys.stdin.isatty() and self._on_screen
        size = shutil.get_terminal_size((80, 24))
        self.width = size.columns if self._on_screen else 80
        # title, steps, legend and keys need lines too
        self.height = max(4, (size.lines - 3) * 2 // 3 if self._on_screen else 20)

    def show(self, frames: Iterable[Frame]) -> bool:
        """Show them all; False if the person at the terminal has had enough."""
        before: object = None
        if self._keys:
            import termios
            import tty

            before = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        try:
            for frame in frames:
                self._draw(frame)
                if not self._wait():
                    return False
            return True
        finally:
            if self._keys:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)  # type: ignore[arg-type]

    def _draw(self, frame: Frame) -> None:
        if not self._on_screen:
            self._out.write(frame.text() + "\n\n")
            return
        bars = "\n".join(_coloured(bar) for bar in frame.bars)
        foot = LEGEND if self._auto is not None or not self._keys else f"{LEGEND}\n{_KEYS}"
        self._out.write("\n".join((_CLEAR + f"\x1b[1m{frame.title}{_PLAIN}", bars, *frame.steps, foot)) + "\n")
        self._out.flush()

    def _wait(self) -> bool:
        if not self._on_screen or (self._auto is None and not self._keys):
            return True
        readable = [sys.stdin] if self._keys else []
        ready, _, _ = select.select(readable, [], [], self._auto)
        if not ready:
            return True
        key = os.read(sys.stdin.fileno(), 16)
        return key not in (b"q", b"Q", b"\x03", b"\x04", b"")


def _coloured(bar: str) -> str:
    """Runs of marks in their colours."""
    pieces: list[str] = []
    colour = ""
    for character in bar:
        wanted = _COLOURS.get(character, "")
        if wanted != colour:
            pieces.append(_PLAIN if colour else "")
            pieces.append(wanted)
            colour = wanted
        pieces.append(character)
    return "".join(pieces) + (_PLAIN if colour else "")
