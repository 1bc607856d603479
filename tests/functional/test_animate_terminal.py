"""``vmpath path animate`` at a terminal: a key for each picture, in 80 columns, and the terminal as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.clouds import cloud, target
from vmpath_service.cmd.vmpath import main
from vmpath_service.model import files

LIMIT_S = 60.0


class Terminal:
    """A program at a terminal of 80 columns and 24 lines."""

    def __init__(self, words: list[str], **environment_more: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.master)
        # whoever runs the tests in the background may have it ignored
        heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        program = f"{heed}; import sys; from vmpath_service.cmd.vmpath import main; sys.exit(main(sys.argv[1:]))"
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
        environment |= {"TERM": "xterm", **environment_more}
        # its own controlling terminal, so that Ctrl-C reaches it as a signal
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {program}", *words],
            **dict.fromkeys(("stdin", "stdout", "stderr"), slave),
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def read_until(self, text: str) -> str:
        """What was shown since the last look up to ``text``, once it is there."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} did not come, but {self.shown!r}"
            self.shown += os.read(self.master, 65536).decode()
        seen, found, self.shown = self.shown.partition(text)
        return seen + found

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())


@pytest.fixture
def words(tmp_path):
    """Arguments for a plan of two migrations."""
    snapshot, wanted, plan = (str(tmp_path / f"{name}.json") for name in ("cloud", "target", "plan"))
    files.save(cloud({"a": 10, "b": 10}, {"x": ("a", 6), "y": ("a", 3)}), snapshot)
    files.save(target(x="b", y="b"), wanted)
    assert main(["path", "find", "--snapshot", snapshot, "--target", wanted, "-o", plan]) == 0
    return ["path", "animate", "--snapshot", snapshot, "--plan", plan]


def test_a_key_for_each_picture(words):
    terminal = Terminal(words)
    picture = terminal.read_until("q: quit")
    assert "start: 2 migrations" in picture
    bars = [line for line in picture.splitlines() if line.endswith("%\x1b[K")]
    assert len(bars) == 2
    terminal.press(" ")
    assert "migration 1 of 2" in terminal.read_until("q: quit")
    terminal.press("n")
    assert "migration 2 of 2" in terminal.read_until("q: quit")
    terminal.press("b")
    assert "migration 1 of 2" in terminal.read_until("q: quit")
    terminal.press("q")
    assert terminal.process.wait(LIMIT_S) == 0
    assert termios.tcgetattr(terminal.master) == terminal.before
    # the screen is as it was, and what was seen last is below
    left = terminal.read_until("MiB")
    assert "\x1b[?25h\x1b[?1049l" in left
    assert "migration 1 of 2" in left.partition("\x1b[?1049l")[2]


def test_a_terminal_that_changes_its_size(words):
    terminal = Terminal(words)
    wide = terminal.read_until("q: quit")
    terminal.resize(40, 12)
    narrow = terminal.read_until("q: quit")
    first, later = (next(line for line in shown.splitlines() if "%" in line) for shown in (wide, narrow))
    assert len(first) == len(later) + 40
    terminal.press("q")
    assert terminal.process.wait(LIMIT_S) == 0


def test_stopped_and_gone_on_with(words):
    terminal = Terminal(words)
    terminal.read_until("q: quit")
    terminal.press("\x1a")
    # the terminal is given back first; whose parent is no shell goes on at once
    terminal.read_until("\x1b[?1049l")
    terminal.read_until("\x1b[?1049h")
    terminal.read_until("q: quit")
    terminal.press("q")
    assert terminal.process.wait(LIMIT_S) == 0
    assert termios.tcgetattr(terminal.master) == terminal.before


def test_without_colour_and_on_a_terminal_that_knows_nothing(words):
    colourful = Terminal(words)
    assert "\x1b[34m" in colourful.read_until("q: quit")
    colourful.press("q")
    plain = Terminal(words, NO_COLOR="1")
    assert "\x1b[34m" not in plain.read_until("q: quit")
    plain.press("q")
    dumb = Terminal(words, TERM="dumb")
    shown = dumb.read_until("q: quit")
    dumb.press(" ")
    shown += dumb.read_until("q: quit")
    assert "\x1b" not in shown
    assert "migration 1 of 2" in shown
    dumb.press("q")
    assert [each.process.wait(LIMIT_S) for each in (colourful, plain, dumb)] == [0, 0, 0]


def test_by_itself(words):
    terminal = Terminal([*words, "--auto", "0.01"])
    terminal.read_until("\x1b[?1049lend: 2 of 2 migrations done")
    assert terminal.process.wait(LIMIT_S) == 0


def test_an_interrupt_leaves_the_terminal_as_it_was(words):
    terminal = Terminal(words)
    terminal.read_until("q: quit")
    terminal.press("\x03")
    assert terminal.process.wait(LIMIT_S) == 130
    assert termios.tcgetattr(terminal.master) == terminal.before


def test_an_interrupt_takes_a_line_of_the_repl_and_nothing_else(words):
    terminal = Terminal(["path", "repl", *words[2:4]])
    terminal.read_until("vmpath> ")
    terminal.press("move y b\r")
    terminal.read_until("y: a -> b")
    terminal.read_until("vmpath> ")
    terminal.press("move x\x03")
    terminal.read_until("vmpath> ")
    terminal.press("moves\r")
    terminal.read_until("  y: a -> b")
    terminal.read_until("vmpath> ")
    terminal.press("\x04")
    assert terminal.process.wait(LIMIT_S) == 0
