"""Who sends the requests of a walk, in one thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

from modelled.cloud import ModelCloud

from vmpath_service.engine import walk

Answer = TypeVar("Answer")


class AtOnce(Executor):
    """Sends what is handed over before the walk goes on. ``before`` happens before each request."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before = before

    def submit(self, call: Callable[..., Answer], /, *arguments: Any, **named: Any) -> Future[Answer]:
        self._before()
        sent: Future[Answer] = Future()
        sent.set_result(call(*arguments, **named))
        return sent


class Late(Executor):
    """Sends what is handed over only when the cloud has been read some more times, or when the walk waits for it."""

    def __init__(self, readings: int, others: list[Late]) -> None:
        self._readings = readings
        self._others = others
        others.append(self)
        self._waiting: list[tuple[int, Callable[[], object], Future[Any]]] = []

    def submit(self, call: Callable[..., Answer], /, *arguments: Any, **named: Any) -> Future[Answer]:
        asked: Future[Answer] = Future()
        self._waiting.append((self._readings, lambda: call(*arguments, **named), asked))
        return asked

    def read(self) -> None:
        """The cloud is about to be read."""
        due = [each for each in self._waiting if each[0] <= 1]
        self._waiting = [(left - 1, call, asked) for left, call, asked in self._waiting if left > 1]
        self._send(due)

    def flush(self) -> None:
        """Somebody waits."""
        due, self._waiting = self._waiting, []
        self._send(due)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._waiting.clear()
        if self in self._others:
            self._others.remove(self)

    def _send(self, due: Collection[tuple[int, Callable[[], object], Future[Any]]]) -> None:
        for _, call, asked in due:
            asked.set_result(call())


@contextmanager
def late(cloud: ModelCloud, readings: int) -> Iterator[Callable[[], Executor]]:
    """What makes senders that are late, for walks in this cloud. While a walk goes on, those of an earlier one that
    has not ended stand still."""
    made: list[Late] = []
    arrive, wait_for = cloud._arrive, walk.wait_for

    def arriving(call: str) -> None:
        if call.startswith("read"):
            for each in made[-1:]:
                each.read()
        arrive(call)

    def wait(asked: Collection[Future[Any]], seconds: float | None = None) -> None:
        for each in made[-1:] if seconds is None else ():
            each.flush()

    cloud._arrive, walk.wait_for = arriving, wait  # type: ignore[method-assign,assignment]
    try:
        yield lambda: Late(readings, made)
    finally:
        cloud._arrive, walk.wait_for = arrive, wait_for  # type: ignore[method-assign]
