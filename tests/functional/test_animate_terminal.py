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

    def __init__(self, words: list[str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.master)
        # whoever runs the tests in the background may have it ignored
        heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        program = f"{heed}; import sys; from vmpath_service.cmd.vmpath import main; sys.exit(main(sys.argv[1:]))"
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
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
        """What was shown since the last look, once ``text`` is in it."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} did not come, but {self.shown!r}"
            self.shown += os.read(self.master, 65536).decode()
        seen, self.shown = self.shown, ""
        return seen

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
    assert "start: 0 of 2 migrations done" in picture
    bars = [line for line in picture.splitlines() if line.endswith("%")]
    assert len(bars) == 2
    terminal.press(" ")
    assert "migration 1 of 2" in terminal.read_until("q: quit")
    terminal.press("q")
    assert terminal.process.wait(LIMIT_S) == 0
    assert termios.tcgetattr(terminal.master) == terminal.before


def test_by_itself(words):
    terminal = Terminal([*words, "--auto", "0.01"])
    terminal.read_until("end: 2 of 2 migrations done")
    assert terminal.process.wait(LIMIT_S) == 0


def test_an_interrupt_leaves_the_terminal_as_it_was(words):
    terminal = Terminal(words)
    terminal.read_until("q: quit")
    terminal.press("\x03")
    assert terminal.process.wait(LIMIT_S) == 130
    assert termios.tcgetattr(terminal.master) == terminal.before
