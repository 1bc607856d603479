"""Chance at work: what befalls this request and that migration, and how often it has.

What befalls something follows from the seed, the thing, and how many like it came before, not from
the order in which threads come by: equal requests give equal chaos.
"""

from __future__ import annotations

import random
import threading
from collections import Counter

from vmpath_service.simulator.chaos import OF_MIGRATIONS, OF_REQUESTS, Chaos
from vmpath_service.simulator.faults import HttpFault, Kind

KINDS: dict[str, Kind] = {
    "too_many": "429",
    "unavailable": "503",
    "drop_before": "drop-before",
    "drop_after": "drop-after",
    "slow": "slow",
}
# Where a migration fails, in the words of the metadata that ask for a failure.
FATES = {
    "refuse": ("refuse",),
    "fail_before": ("check_dest", "check_source", "pre"),
    "fail_mid": ("mid", "raise"),
    "fail_after": ("post_dest",),
    "hang": ("hang",),
}


class Disorder:
    """Draws what goes wrong. counted: how often what has, by the names of `Chaos`."""

    def __init__(self, chaos: Chaos | None = None) -> None:
        self._lock = threading.Lock()
        self.counted: Counter[str] = Counter()
        self.epoch = 0
        self.change(chaos or Chaos())

    def change(self, chaos: Chaos) -> None:
        """Go on with other rates, from the beginning of what their seed gives."""
        with self._lock:
            self.chaos = chaos
            self.epoch += 1
            self._seen: Counter[tuple[str, str]] = Counter()
            self._streams = {name: random.Random(f"{chaos.seed}:others:{name}") for name in Chaos.__slots__}

    def stream(self, name: str) -> random.Random:
        """The chance of one kind of events, which other kinds do not disturb."""
        return self._streams[name]

    def count(self, name: str) -> None:
        with self._lock:
            self.counted[name] += 1

    def request(self, method: str, path: str) -> HttpFault | None:
        """What befalls a request, if anything."""
        chaos = self.chaos
        if not chaos.disturbs_requests:
            return None
        name = _drawn(self._draw(method, path), chaos, OF_REQUESTS)
        if name is None:
            return None
        self.count(name)
        retry = chaos.retry_after_s if name in ("too_many", "unavailable") else None
        return HttpFault(KINDS[name], method, path, retry_after_s=retry, delay_s=chaos.slow_s)

    def fate(self, server: str) -> str | None:
        """Where the next live migration of a server fails, if it does; None costs nothing."""
        chance = self._draw("migration", server)
        name = _drawn(chance, self.chaos, OF_MIGRATIONS)
        if name is None:
            return None
        self.count(name)
        return chance.choice(FATES[name])

    def repeats(self, server: str) -> bool:
        """Whether a request to live-migrate arrives twice."""
        return self._draw("duplicate", server).random() < self.chaos.duplicate

    def _draw(self, kind: str, what: str) -> random.Random:
        with self._lock:
            self._seen[kind, what] += 1
            number = self._seen[kind, what]
        return random.Random(f"{self.chaos.seed}:{kind}:{what}:{number}")


def _drawn(chance: random.Random, chaos: Chaos, names: tuple[str, ...]) -> str | None:
    left = chance.random()
    for name in names:
        left -= getattr(chaos, name)
        if left < 0:
            return name
    return None
