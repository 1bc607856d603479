"""From events to whoever is to be told of them: each is put together once, and goes to each receiver's outbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmpath_service.model.records import Event
from vmpath_service.notifier.composing import Composer, plain
from vmpath_service.notifier.outbox import MOST_WAITING, Item, Outbox


@dataclass(frozen=True, slots=True)
class Receiver:
    """``deliver`` is called in a thread of the receiver's own, with messages of the kinds that it ``wants``."""

    name: str
    wants: Callable[[str], bool]
    deliver: Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Tally:
    """How it stands with one queue."""

    name: str
    waiting: int
    delivered: int
    dropped: int


class Announcer:
    """Takes events from any thread, and never makes it wait.

    Messages are put together in a thread of their own, since that asks the database; a receiver that hangs holds up
    neither that nor another.
    """

    def __init__(self, composer: Composer, receivers: Sequence[Receiver], most: int = MOST_WAITING) -> None:
        self._composer = composer
        self._receivers = [(each, Outbox(each.name, each.deliver, most)) for each in receivers]
        self._events: Outbox[Event] = Outbox("events", self._compose, most)

    def start(self) -> None:
        """Tell from now on."""
        for _, outbox in self._receivers:
            outbox.start()
        if self._receivers:
            self._events.start()

    def tell(self, event: Event) -> None:
        """Have everybody told who wants to know of it."""
        if any(receiver.wants(event.kind) for receiver, _ in self._receivers):
            self._events.put(event)

    def stop(self, seconds: float = 5.0) -> None:
        """Tell what waits, as far as it goes within ``seconds`` for each receiver, and nothing more."""
        self._events.stop(seconds)
        for _, outbox in self._receivers:
            outbox.stop(seconds)

    def tallies(self) -> Sequence[Tally]:
        """How it stands with the queue of events and with those of the receivers."""
        if not self._receivers:
            return []
        return [_tally(self._events), *(_tally(outbox) for _, outbox in self._receivers)]

    def _compose(self, event: Event) -> None:
        message: Mapping[str, Any] | None = None
        for receiver, outbox in self._receivers:
            if receiver.wants(event.kind):
                message = message or plain(self._composer.compose(event))
                outbox.put(message)


def _tally(box: Outbox[Item]) -> Tally:
    return Tally(box.name, box.waiting(), box.delivered(), box.dropped())
