"""A long test of the path finder against the independent replay and the exhaustive search."""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Self

from vmpath_service.cli import arguments
from vmpath_service.cli.command import Command
from vmpath_service.cli.folding import folded
from vmpath_service.cli.interrupt import FirstInterrupt
from vmpath_service.cli.ticker import Ticker
from vmpath_service.model.errors import InvalidInput

if TYPE_CHECKING:
    from vmpath_service.pathfinder.soaking import Trial

_SLOWEST = 5
_EVERY_S = 60.0


def run_trial(seed: int, most_hosts: int) -> Trial:
    """In a process of its own, which leaves interrupts to its parent."""
    from vmpath_service.pathfinder.soaking import trial

    return trial(seed, most_hosts)


def _deaf() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)


def _make(directory: str) -> None:
    """Make the directory where there is none; raises InvalidInput where that cannot be."""
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"--directory: {directory} cannot be made: {error.strerror}") from error


class _Termination:
    """While it is entered, a request to terminate ends the trials under way, too, instead of leaving them behind."""

    def __init__(self) -> None:
        self._asked: int | None = None
        self._starting = False

    def __enter__(self) -> Self:
        import signal

        self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        import signal

        signal.signal(signal.SIGTERM, self._before)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Within it, processes are started: one that does not know yet what it is for would complain of the end."""
        self._starting = True
        try:
            yield
        finally:
            self._starting = False
        if self._asked is not None:
            self._end(self._asked)

    def _hear(self, number: int, _: FrameType | None) -> None:
        self._asked = number
        if not self._starting:
            self._end(number)

    def _end(self, number: int) -> None:
        import multiprocessing

        for process in multiprocessing.active_children():
            process.kill()
        raise SystemExit(128 + number)


class Soak(Command):
    """Solve random clouds for a long time, and hold every plan against the replay and the exhaustive search.

    Reports the slowest cases and every disagreement, with its seed and the files to look at it again. An interrupt
    ends it with what there is. Exit status: 0 no disagreement, 1 some.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--minutes", type=arguments.amount, help="end after this time (default: 1)")
        end.add_argument("--count", type=arguments.positive, metavar="N", help="end after N clouds")
        parser.add_argument("--seed", type=arguments.positive, default=1, help="of the first cloud (default: 1)")
        parser.add_argument(
            "--jobs", type=arguments.positive, default=os.cpu_count() or 1, metavar="N", help="N processes"
        )
        parser.add_argument("--hosts", type=arguments.positive, default=6, metavar="N", help="hosts of small clouds")
        parser.add_argument(
            "--directory",
            default=".",
            metavar="DIR",
            help="where to leave the files of disagreements, made if it is not there (default: here)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        import multiprocessing
        from concurrent import futures

        if parsed_args.hosts < 2:
            raise InvalidInput("--hosts: a cloud to move about in has 2 hosts or more")
        _make(parsed_args.directory)
        began = time.monotonic()
        until = None if parsed_args.count else began + 60 * (parsed_args.minutes or 1)
        self._slowest: list[Trial] = []
        self._outcomes: Counter[str] = Counter()
        self._judged = self._wrong = 0
        seed, told = parsed_args.seed, began
        last = None if parsed_args.count is None else seed + parsed_args.count
        context = multiprocessing.get_context("spawn")
        with (
            Ticker(self.app.stderr, until and until - began) as ticker,
            FirstInterrupt(lambda _: self._say(ticker, "interrupted: what there is follows")) as interrupt,
            _Termination() as termination,
            futures.ProcessPoolExecutor(parsed_args.jobs, mp_context=context, initializer=_deaf) as pool,
        ):
            running: set[futures.Future[Trial]] = set()
            while True:
                over = interrupt.asked() or (until is not None and time.monotonic() >= until)
                while not over and len(running) < 2 * parsed_args.jobs and (last is None or seed < last):
                    with termination.starting():
                        running.add(pool.submit(run_trial, seed, parsed_args.hosts))
                    seed += 1
                if not running:
                    break
                done, running = futures.wait(running, timeout=1.0, return_when=futures.FIRST_COMPLETED)
                for each in done:
                    ticker.clear()
                    self._note(each.result(), parsed_args.directory)
                count, so_far = parsed_args.count or 0, self._outcomes.total()
                clouds = "clouds" if count else f"{so_far} clouds"
                ticker.show(f"{self._wrong} disagreements, {clouds}", so_far if count else 0, count)
                if not ticker.on and time.monotonic() - told >= _EVERY_S:
                    told = time.monotonic()
                    self.tell(self._so_far(told - began))
        self._report(time.monotonic() - began)
        return 1 if self._wrong else 0

    def _note(self, trial: Trial, directory: str) -> None:
        self._outcomes[trial.plan.outcome] += 1
        self._judged += trial.judged
        self._slowest = sorted([*self._slowest, trial], key=lambda each: -each.seconds)[:_SLOWEST]
        if trial.disagreements:
            self._wrong += 1
            self._keep(trial, pathlib.Path(directory))

    def _keep(self, trial: Trial, directory: pathlib.Path) -> None:
        from vmpath_service.model import files

        out = self.app.stdout
        out.write(f"DISAGREEMENT, {trial.in_words()}\n")
        for each in trial.disagreements[:_SLOWEST]:
            out.write(f"  {each}\n")
        for name, document in (("snapshot", trial.snapshot), ("target", trial.target), ("plan", trial.plan)):
            path = directory / f"soak-{trial.seed}.{name}.json"
            files.save(document, str(path))
            out.write(f"  {path}\n")
        out.flush()

    def _say(self, ticker: Ticker, text: str) -> None:
        ticker.clear()
        self.tell(text)

    def _so_far(self, seconds: float) -> str:
        return f"{self._outcomes.total()} clouds in {seconds:.0f} s, {self._wrong} disagreements"

    def _report(self, seconds: float) -> None:
        out = self.app.stdout
        outcomes = ", ".join(f"{count} {name}" for name, count in self._outcomes.most_common())
        sums = f"{self._so_far(seconds)}; {outcomes or 'nothing'}; {self._judged} judged by exhaustive search"
        lines = [sums, *(["slowest:"] if self._slowest else []), *(f"  {trial.in_words()}" for trial in self._slowest)]
        out.writelines(folded(line, out) + "\n" for line in lines)
