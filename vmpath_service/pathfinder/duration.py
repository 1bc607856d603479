"""How fast a migration goes and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass

from vmpath_service.model.snapshot import Host, Instance, Snapshot

# Nothing is over at once: a migration that copies nothing still has to be asked for and looked at.
SHORTEST_S = 0.1

LinkEnd = tuple[str, bool]
"""A link and whether it is used outward."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``seconds`` at the given rate; ``converges``: whether pre-copy ends by itself."""

    seconds: float
    converges: bool
    dirty_mb_s: float


def links_between(source: Host, dest: Host) -> list[LinkEnd]:
    """The links a migration uses: the source's that the destination lacks, outward; the reverse inward."""
    return [(link, True) for link in source.links if link not in dest.links] + [
        (link, False) for link in dest.links if link not in source.links
    ]


def rate_mbps(snapshot: Snapshot, source: Host, dest: Host, most_mbps: float) -> float:
    """The constant rate of a migration in Mbit/s: the smallest link on its path, or ``most_mbps`` if less."""
    if snapshot.network is None:
        return most_mbps
    links = snapshot.network.links
    return min([most_mbps, *(links[link] for link, _ in links_between(source, dest))])


def forecast(instance: Instance, mbps: float) -> Forecast:
    """Predict a pre-copy migration at ``mbps`` Mbit/s.

    The memory is copied once, then what was written meanwhile, round by round (the dirty-page model with a hot
    working set that is rewritten every ``working_set_s`` and cold pages at ``dirty_mb_s``). What is not known of
    the memory counts as: all of it in use, nothing written. A local disk that has to be copied is copied once.
    Where pages are written faster than they travel, the figure is that of one pre-copy round and one of
    post-copy, since that is the least it would take.
    """
    speed = mbps / 8
    memory = instance.memory
    known = memory.used_mb if memory is not None else None
    used = float(instance.memory_mb() if known is None else known)
    hot = (memory.working_set_mb or 0.0) if memory is not None else 0.0
    every = (memory.working_set_s or 0.0) if memory is not None else 0.0
    cold = (memory.dirty_mb_s or 0.0) if memory is not None else 0.0
    hot_rate = hot / every if every else 0.0
    if not every:
        hot = 0.0
    disk = instance.storage.copy_gb * 1024 / speed if instance.storage is not None else 0.0
    once = used / speed
    if instance.movable == "cold":
        return Forecast(max(once + disk, SHORTEST_S), True, 0.0)
    fastest = max(cold, hot_rate)
    if fastest >= speed:
        return Forecast(max(2 * once + disk, SHORTEST_S), False, fastest)
    if once > every:
        seconds = once + (hot + (once - every) * cold) / (speed - cold)
        seconds += (hot / speed) * (hot_rate / (speed - hot_rate))
    else:
        seconds = once + hot_rate * once / (speed - hot_rate)
    return Forecast(max(seconds + disk, SHORTEST_S), True, fastest)
