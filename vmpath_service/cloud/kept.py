"""The list of all servers, kept between readings and brought up to date by what is known to have changed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vmpath_service.cloud import instances, wire
from vmpath_service.cloud.api import for_each
from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.nova import Nova

LOG = logging.getLogger(__name__)

# Clocks of Nova's services may differ by this much, and a change show up this much late.
OVERLAP_S = 60.0
# More than these, and more than this share of all, are not read one by one.
_SINGLY_AT_MOST = 50
_SINGLY_SHARE = 0.05
# So much later than the API a notification may tell of the same thing.
_TOLD_LATE_S = 2.0


class Doubtful(Exception):
    """What was kept cannot be trusted: everything has to be listed anew."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The servers as they were read at ``moment`` (by Nova's clocks), when ``mark`` was the newest change told of.
    ``listed_at``: when all were listed, by our monotonic clock. ``unbacked``: those that hold nothing in Placement."""

    servers: Mapping[str, wire.Server]
    moment: float
    mark: int
    listed_at: float
    unbacked: frozenset[str]


class KeptServers:
    """Keeps them, if something tells of changes; for ``at_most_s`` after all were listed.

    That something tells is not taken for granted: what Nova shows to be somewhere else, new or gone, without having
    been told of, means that it does not.
    """

    def __init__(
        self,
        nova: Nova,
        workers: int,
        changes: Changes | None,
        at_most_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._nova = nova
        self._workers = workers
        self._changes = changes
        self._at_most_s = at_most_s
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Kept | None = None

    def mark(self) -> int:
        """The present, for what is kept later."""
        return 0 if self._changes is None else self._changes.mark()

    def now(self) -> float:
        """The present on the clock of ``Kept.listed_at``."""
        return self._clock()

    def recall(self) -> Kept | None:
        """What may be brought up to date instead of listing everything."""
        with self._lock:
            kept = self._kept
        if kept is None or self._clock() - kept.listed_at > self._at_most_s:
            return None
        if self._changes is None or not self._changes.telling():
            return None
        return kept

    def keep(self, kept: Kept) -> None:
        """For the next reading."""
        if self._changes is None or self._at_most_s <= 0:
            return
        with self._lock:
            if self._kept is None or self._kept.mark <= kept.mark:
                self._kept = kept

    def forget(self) -> None:
        """List everything the next time."""
        with self._lock:
            self._kept = None

    def brought_up_to_date(self, kept: Kept) -> Mapping[str, wire.Server]:
        """The servers as they are now: one request for all that Nova says has changed, and one for each other one that
        was told of. Raises Doubtful; NoDecision when a cell does not answer."""
        assert self._changes is not None
        recent = self._nova.servers(changed_since=kept.moment - OVERLAP_S)
        moved = [uuid for uuid, server in recent.items() if _elsewhere(kept.servers.get(uuid), server)]
        if not self._changes.told_of(moved, kept.mark, _TOLD_LATE_S):
            raise Doubtful(f"of {len(moved)} servers that came, went or moved not all were told of")
        told = self._changes.since(kept.mark)
        if told is None:
            raise Doubtful("more has happened than is remembered")
        others = sorted(told - recent.keys())
        if len(others) > max(_SINGLY_AT_MOST, len(kept.servers) * _SINGLY_SHARE):
            raise Doubtful(f"something happened to {len(others)} servers that Nova does not list as changed")
        singly = dict(zip(others, for_each(self._workers, self._nova.server, others), strict=True))
        gone = {uuid for uuid, server in singly.items() if server is None}
        shown = {uuid: server for uuid, server in singly.items() if server is not None}
        LOG.debug("%d servers changed, %d others were told of", len(recent), len(others))
        return {uuid: each for uuid, each in {**kept.servers, **shown, **recent}.items() if uuid not in gone}


def _elsewhere(known: wire.Server | None, server: wire.Server) -> bool:
    """Whether a server came, went or moved: of that Nova always tells."""
    if server.status in instances.GONE:
        return known is not None
    return known is None or known.host != server.host
