"""What is known to have happened to instances since they were read last."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection

LOG = logging.getLogger(__name__)

_REMEMBERED_AT_MOST = 50_000


class Changes:
    """Instances that something happened to, in the order in which it was told. For all threads.

    Fulfils the engine's port ``Happenings``.
    """

    def __init__(self, remembered_at_most: int = _REMEMBERED_AT_MOST) -> None:
        self._at_most = remembered_at_most
        self._told = threading.Condition()
        self._count = 0
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0
        """What was told up to this number is not remembered in full."""
        self._watches: dict[int, Callable[[], None]] = {}
        self._watched: dict[str, set[int]] = {}
        self._numbers = itertools.count()
        self._telling = True

    def happened(self, *instances: str) -> None:
        """Something happened to these instances: whoever watches some of them is called, once."""
        hurried: set[int] = set()
        with self._told:
            for instance in instances:
                self._count += 1
                self._newest[instance] = self._count
                self._newest.move_to_end(instance)
                hurried |= self._watched.get(instance, frozenset())
            while len(self._newest) > self._at_most:
                self._forgotten = self._newest.popitem(last=False)[1]
            calls = [self._watches[number] for number in sorted(hurried)]
            self._told.notify_all()
        for hurry in calls:
            try:
                hurry()
            except Exception:  # whoever watches must not keep the others from being told
                LOG.exception("somebody could not be told that something happened to instances")

    def tell(self, telling: bool) -> None:
        """Whether somebody tells of what happens, as far as is known; without a word they do."""
        with self._told:
            self._telling = telling

    def telling(self) -> bool:
        """Whether somebody tells of what happens, as far as is known."""
        with self._told:
            return self._telling

    def mark(self) -> int:
        """The present, for ``since``."""
        with self._told:
            return self._count

    def since(self, mark: int) -> frozenset[str] | None:
        """What something happened to after ``mark``; None where that was more than is remembered."""
        with self._told:
            if mark < self._forgotten:
                return None
            newer = itertools.takewhile(lambda each: each[1] > mark, reversed(self._newest.items()))
            return frozenset(instance for instance, _ in newer)

    def told_of(self, instances: Collection[str], mark: int, seconds: float) -> bool:
        """Whether something is told of all these after ``mark``, within ``seconds``."""
        with self._told:
            return self._told.wait_for(
                lambda: all(self._newest.get(instance, 0) > mark for instance in instances), seconds
            )

    def watch(self, instances: Collection[str], hurry: Callable[[], None]) -> Callable[[], None]:
        """Have ``hurry`` called, from any thread, whenever something happens to one of these; what is returned ends
        that."""
        wanted = frozenset(instances)
        with self._told:
            number = next(self._numbers)
            self._watches[number] = hurry
            for instance in wanted:
                self._watched.setdefault(instance, set()).add(number)

        def end() -> None:
            with self._told:
                self._watches.pop(number, None)
                for instance in wanted:
                    others = self._watched.get(instance)
                    if others is not None:
                        others.discard(number)
                        if not others:
                            del self._watched[instance]

        return end
