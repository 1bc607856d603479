"""How long the memory of a guest takes to copy, and what Nova shows of it meanwhile."""

from __future__ import annotations

import math

from vmpath_service.simulator.records import Copy, MemoryBehaviour

MIB = 1024 * 1024
FIRST_FIGURES_S = 0.5


def seconds_to_converge(memory_mb: float, rate_mb_s: float, guest: MemoryBehaviour) -> float | None:
    """Seconds that pre-copy takes, or None when it never converges.

    The memory once, then what was dirtied meanwhile, round by round: a hot working set of
    `working_set_mb` is rewritten every `working_set_s`, the rest is dirtied at `dirty_mb_s`.
    """
    used = guest.used_mb if guest.used_mb is not None else memory_mb
    first = used / rate_mb_s
    cold, hot = guest.dirty_mb_s, guest.working_set_mb
    if cold >= rate_mb_s:
        return None
    if not hot or not guest.working_set_s:
        return first * rate_mb_s / (rate_mb_s - cold)
    every = guest.working_set_s
    hot_rate = hot / every
    if hot_rate >= rate_mb_s:
        return None
    if first > every:
        return (
            first
            + (hot + (first - every) * cold) / (rate_mb_s - cold)
            + (hot / rate_mb_s) * (hot_rate / (rate_mb_s - hot_rate))
        )
    return first + hot_rate * first / (rate_mb_s - hot_rate)


def begin(now: float, memory_mb: float, rate_mb_s: float, guest: MemoryBehaviour, every_s: float) -> Copy:
    """Start copying at `now`."""
    used = guest.used_mb if guest.used_mb is not None else memory_mb
    total = int(memory_mb * MIB)
    return Copy(
        started_at=now,
        total=total,
        first_pass_s=used / rate_mb_s,
        duration_s=seconds_to_converge(memory_mb, rate_mb_s, guest),
        every_s=every_s,
        remaining_at_start=total,
    )


def forced(copy: Copy, now: float, rate_mb_s: float) -> Copy:
    """The rest of `copy` with the guest standing still (or already running at the target)."""
    processed, remaining = _figures_at(copy, now)
    seconds = remaining / (rate_mb_s * MIB)
    return Copy(
        started_at=now,
        total=copy.total,
        first_pass_s=seconds,
        duration_s=seconds,
        every_s=copy.every_s,
        remaining_at_start=remaining,
        processed_before=processed,
    )


def shown(copy: Copy, now: float) -> tuple[float, int, int, int] | None:
    """(moment of the last refresh, total, processed, remaining) in bytes; None before the first.

    The first figures are zeros, as libvirt's monitor saves them, unless refreshes come faster.
    """
    elapsed = now - copy.started_at
    first = min(FIRST_FIGURES_S, copy.every_s)
    if elapsed < first and not copy.processed_before:
        return None
    ticks = math.floor(elapsed / copy.every_s)
    if ticks == 0 and not copy.processed_before:
        return copy.started_at + first, 0, 0, 0
    moment = copy.started_at + ticks * copy.every_s
    processed, remaining = _figures_at(copy, moment)
    return moment, copy.total, processed, remaining


def _figures_at(copy: Copy, moment: float) -> tuple[int, int]:
    elapsed = max(0.0, moment - copy.started_at)
    rate = copy.remaining_at_start / copy.first_pass_s if copy.first_pass_s else math.inf
    if copy.duration_s is None:
        processed = int(rate * elapsed)
        # What is left of a guest that dirties faster than it is copied hovers near its working
        # set: it never gets below a tenth of the memory.
        left = max(copy.total - processed, copy.total // 10)
        return copy.processed_before + processed, left
    if elapsed >= copy.duration_s or copy.duration_s == 0:
        done = int(rate * copy.duration_s) if math.isfinite(rate) else copy.remaining_at_start
        return copy.processed_before + done, 0
    share = elapsed / copy.duration_s
    left = int(copy.remaining_at_start * (1 - share))
    return copy.processed_before + int(rate * elapsed), left
