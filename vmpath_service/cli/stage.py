"""Showing frames: on a terminal in place, by key press or by the clock; elsewhere one below the other."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TextIO

from vmpath_service.report.cells import folded_lines
from vmpath_service.report.frames import LEGEND, Frame

Frames = Callable[[int, int], Iterator[Frame]]
"""The frames for so many columns and lines; as many whatever these are."""

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
_COLOURS = {"#": "\x1b[34m", "<": "\x1b[33m", ">": "\x1b[32m", "!": "\x1b[31m"}
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_KEYS = "any key: next, b: back, q: quit"
_LAST_KEYS = "any key: end, b: back"
_AUTO_KEYS = "goes on by itself; any key: next, b: back, q: quit"
_PLAIN_KEYS = "any key: next, q: quit"
_QUIT = (b"q", b"Q", b"\x1b", b"\x03", b"\x04", b"")
_BACK = (b"b", b"B", b"\x7f", b"\x08", b"\x1b[D", b"\x1b[A", b"\x1b[5~", b"\x1bOD", b"\x1bOA")
_SUSPEND = b"\x1a"
# How often the size of the terminal is looked at while nothing else happens, in seconds.
_LOOK_S = 0.2
# Where there is no terminal: a page of twenty hosts, and what is said of them.
_COLUMNS, _LINES = 80, 31

Answer = Literal["next", "back", "quit", "again"]


class Stage:
    """``auto``: seconds per frame; None: a key press each. Nothing waits where input or output is no terminal."""

    def __init__(self, out: TextIO, auto: float | None) -> None:
        self._out = out
        self._auto = auto
        self._on_terminal = out.isatty()
        self._keys = _is_terminal(sys.stdin) and self._on_terminal
        self._in_place = (
            self._on_terminal and (self._keys or auto is not None) and os.environ.get("TERM") not in (None, "", "dumb")
        )
        self._coloured = not os.environ.get("NO_COLOR")
        self._before: Any = None

    def show(self, frames: Frames) -> bool:
        """Show them all; False if the person at the terminal has had enough.

        In place, the last one seen stays when it is over.
        """
        seen: Frame | None = None
        quitting = False
        try:
            self._enter()
            for frame, answer in self._played(frames):
                seen, quitting = frame, answer == "quit"
                if quitting:
                    break
        finally:
            self._leave()
            if self._in_place and seen is not None:
                self._out.write(seen.text() + "\n")
                self._out.flush()
        return not quitting

    def _played(self, frames: Frames) -> Iterator[tuple[Frame, Answer]]:
        """Each frame as it is shown, with what was asked for then."""
        if not self._in_place:
            for frame in frames(self._size().columns, _LINES):
                waits = self._keys or (self._on_terminal and self._auto is not None)
                self._out.write(frame.text() + (f"\n{_PLAIN_KEYS}\n\n" if self._keys else "\n\n"))
                self._out.flush()
                yield frame, self._wait() if waits else "next"
            return
        position, size, ended = 0, None, False
        made: list[Frame] = []
        source: Iterator[Frame] = iter(())
        while True:
            if size != (now := self._size()):
                size, made, ended = now, [], False
                foot = self._foot(size.columns)
                source = frames(size.columns, max(3, size.lines - 1 - len(foot)))
            # one further than what is shown, to know whether it is the last
            while len(made) <= position + 1 and not ended:
                further = next(source, None)
                ended = further is None
                made += [] if further is None else [further]
            if position >= len(made):
                return
            self._draw(made[position], self._foot(size.columns, last=position + 1 == len(made)), size.lines)
            answer = self._wait(size)
            yield made[position], answer
            position = max(0, position + {"next": 1, "back": -1}.get(answer, 0))

    def _size(self) -> os.terminal_size:
        return shutil.get_terminal_size((80, 24)) if self._on_terminal else os.terminal_size((_COLUMNS, _LINES))

    def _enter(self) -> None:
        if self._keys:
            import termios
            import tty

            descriptor = sys.stdin.fileno()
            self._before = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor)
            # a stop has to put the terminal back first: it is a key like others
            mode = termios.tcgetattr(descriptor)
            mode[6][termios.VSUSP] = b"\0"
            termios.tcsetattr(descriptor, termios.TCSANOW, mode)
        if self._in_place:
            self._out.write(_ENTER)
            self._out.flush()

    def _leave(self) -> None:
        if self._in_place:
            self._out.write(_LEAVE)
            self._out.flush()
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)
            self._before = None

    def _foot(self, columns: int, last: bool = False) -> list[str]:
        keys = _LAST_KEYS if last else _KEYS if self._auto is None else _AUTO_KEYS
        said = (LEGEND, keys) if self._keys else (LEGEND,)
        return [line for each in said for line in folded_lines(each, columns, 0)]

    def _draw(self, frame: Frame, foot: list[str], most: int) -> None:
        """Over what was there, line by line: nothing is wiped first, so that nothing flickers."""
        title = f"{_BOLD}{frame.title}{_PLAIN}" if self._coloured else frame.title
        bars = [_in_colour(bar) for bar in frame.bars] if self._coloured else frame.bars
        lines = [title, *bars, *frame.steps]
        shown = [*lines[: max(1, most - 1 - len(foot))], *foot][: most - 1]
        self._out.write(_HOME + "".join(f"{line}{_REST_OF_LINE}\n" for line in shown) + _REST)
        self._out.flush()

    def _wait(self, size: os.terminal_size | None = None) -> Answer:
        """What is asked for next; "again" where the terminal is no longer of this size, or was somebody else's."""
        until = None if self._auto is None else time.monotonic() + self._auto
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            patience = left if size is None else _LOOK_S if left is None else min(left, _LOOK_S)
            ready, _, _ = select.select([sys.stdin] if self._keys else [], [], [], patience)
            if ready:
                key = os.read(sys.stdin.fileno(), 16)
                if key == _SUSPEND:
                    self._suspend()
                    return "again"
                return "quit" if key in _QUIT else "back" if key in _BACK else "next"
            if until is not None and time.monotonic() >= until:
                return "next"
            if size is not None and self._size() != size:
                return "again"

    def _suspend(self) -> None:
        """Stop as Ctrl-Z does elsewhere, with the terminal as it was, until somebody says to go on."""
        self._leave()
        os.kill(os.getpid(), signal.SIGTSTP)
        self._enter()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _in_colour(bar: str) -> str:
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
