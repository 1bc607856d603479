"""The line that says how far work has come."""

from __future__ import annotations

import io
import threading

import pytest

from vmpath_service.cli import ticker
from vmpath_service.cli.ticker import Ticker


class Screen(io.StringIO):
    """A terminal that tells of each line it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.written.set()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "_FIRST_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")


def test_it_says_what_goes_on_how_far_and_how_long_and_takes_it_away() -> None:
    screen = Screen()
    with Ticker(screen, 30.0) as shown:
        shown.show("finding the path", 3000, 5000)
        assert screen.written.wait(60)
    assert screen.getvalue().startswith("\r\x1b[Kfinding the path: 3000 of 5000, 0 s of 30 s\r\x1b[K")
    assert screen.getvalue().endswith("\r\x1b[K")


def test_it_keeps_to_its_line() -> None:
    screen = Screen()
    with Ticker(screen) as shown:
        shown.show("looking for the cheapest path of all that there are in " + "計算機" * 9, 0, 0)
        assert screen.written.wait(60)
    line = screen.getvalue().split("\r\x1b[K")[1]
    assert line.startswith("looking for the cheapest path of all that there are i")
    assert line.endswith("~, 0 s")
    assert len(line) < 60


@pytest.mark.parametrize("dumb", [True, False])
def test_elsewhere_it_is_silent(dumb: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb" if dumb else "xterm")
    stream = Screen() if dumb else io.StringIO()
    with Ticker(stream) as shown:
        shown.show("work", 1, 2)
        assert not shown.on
    assert stream.getvalue() == ""
