"""Who lives among the engines on a database, and what of the dead ones' is to be taken over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from oslo_log import log as logging

from vmpath_service.engine.ports import Clock, Store
from vmpath_service.model.errors import StoreError
from vmpath_service.model.records import Rearrangement, RearrangementState

LOG = logging.getLogger(__name__)

BEATS_IN_A_LEASE = 4


class Witness:
    """Tells living engines from silent ones by whether their signs of life go on, in the time of one observer.

    An engine counts as alive from the first time it is heard of until ``seconds`` without a new sign; one that is not
    in the database at all has resigned, or was never there.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard: dict[str, tuple[int, float]] = {}

    def hear(self, beats: Mapping[str, int], now: float) -> None:
        """Take note of the signs that every engine has given so far."""
        before = self._heard
        self._heard = {}
        for owner, count in beats.items():
            known = before.get(owner)
            self._heard[owner] = known if known is not None and known[0] == count else (count, now)

    def lives(self, owner: str, now: float) -> bool:
        """Whether it may still be at work."""
        return owner in self._heard and now - self._heard[owner][1] < self._seconds


class Keeper:
    """Gives the signs of life of one engine, and finds what nobody attends to any more.

    ``attends`` tells whether a thread of this engine does. ``take`` takes one over; it is told whose it was.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        seconds: float,
        states: Collection[RearrangementState],
        *,
        attends: Callable[[str], bool],
        take: Callable[[Rearrangement], bool],
        stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._pause = seconds / BEATS_IN_A_LEASE
        self._states = states
        self._attends = attends
        self._take = take
        self._stopping = stopping
        self._engines = Witness(seconds)
        self._orphans = Witness(seconds)
        self._thread: threading.Thread | None = None

    def begin(self) -> int:
        """Take over all that is nobody's, and go on looking for such in a thread; returns how many it were.

        Raises StoreError.
        """
        taken = self._look(first=True)
        # a daemon: what hangs in a call must not keep the process
        self._thread = threading.Thread(target=self._run, name="engine-keeper", daemon=True)
        self._thread.start()
        return taken

    def end(self, seconds: float) -> None:
        """Wait for the thread, and let others know at once that this engine does nothing more."""
        if self._thread is None:
            return
        self._thread.join(seconds)
        try:
            self._store.resign(self._owner)
        except StoreError as error:
            LOG.warning("Other engines find out later that this one has ended: %s", error)

    def _run(self) -> None:
        while not self._stopping():
            self._clock.wait(self._pause)
            if self._stopping():
                return
            try:
                self._look()
            except StoreError as error:
                LOG.warning("No sign of life could be given: %s", error)
            except Exception:
                LOG.exception("Looking for what nobody attends to broke; it goes on")

    def _look(self, *, first: bool = False) -> int:
        beats = self._store.beat(self._owner)
        now = self._clock.monotonic()
        self._engines.hear(beats, now)
        waiting = [each for each in self._store.list(states=tuple(self._states)) if not self._attends(each.id)]
        # another engine may have begun one just now, and not put its name to it yet
        orphans = [each.id for each in waiting if each.owner is None]
        self._orphans.hear(dict.fromkeys(orphans, 0), now)
        free = [each for each in waiting if self._free(each, now) or (first and each.owner is None)]
        # the oldest first
        return sum(self._take(each) for each in reversed(free))

    def _free(self, record: Rearrangement, now: float) -> bool:
        if record.owner is None:
            return not self._orphans.lives(record.id, now)
        return record.owner == self._owner or not self._engines.lives(record.owner, now)

