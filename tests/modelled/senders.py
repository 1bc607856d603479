"""Who sends the requests of a walk, in one thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from tests.modelled.cloud import ModelCloud
from vmpath_service.engine.asking import Answer, Senders


class AtOnce:
    """Makes the call before the walk goes on: fulfils ``Senders``. ``before`` happens before each."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before = before

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        self._before()
        sent: Future[Answer] = Future()
        sent.set_result(call())
        return sent

    def wait(self, handed_over: Collection[Future[Answer]], seconds: float | None) -> None:
        assert all(each.done() for each in handed_over)

    def close(self) -> None:
        pass


class Late:
    """Makes the calls only when the cloud has been read some more times, or when the walk waits for all of them:
    fulfils ``Senders``."""

    def __init__(self, readings: int, others: list[Late]) -> None:
        self._readings = readings
        self._others = others
        others.append(self)
        self._waiting: list[tuple[int, Callable[[], Answer], Future[Answer]]] = []

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        asked: Future[Answer] = Future()
        self._waiting.append((self._readings, call, asked))
        return asked

    def wait(self, handed_over: Collection[Future[Answer]], seconds: float | None) -> None:
        if seconds is None:
            due, self._waiting = self._waiting, []
            self._call(due)

    def read(self) -> None:
        """The cloud is about to be read."""
        due = [each for each in self._waiting if each[0] <= 1]
        self._waiting = [(left - 1, call, asked) for left, call, asked in self._waiting if left > 1]
        self._call(due)

    def close(self) -> None:
        self._waiting.clear()
        if self in self._others:
            self._others.remove(self)

    def _call(self, due: Collection[tuple[int, Callable[[], Answer], Future[Answer]]]) -> None:
        for _, call, asked in due:
            asked.set_result(call())


@contextmanager
def late(cloud: ModelCloud, readings: int) -> Iterator[Callable[[], Senders]]:
    """What makes senders that are late, for walks in this cloud. While a walk goes on, those of an earlier one that
    has not ended stand still."""
    made: list[Late] = []
    arrive = cloud._arrive

    def arriving(call: str) -> None:
        if call.startswith("read"):
            for each in made[-1:]:
                each.read()
        arrive(call)

    cloud._arrive = arriving  # type: ignore[method-assign]
    try:
        yield lambda: Late(readings, made)
    finally:
        cloud._arrive = arrive  # type: ignore[method-assign]
