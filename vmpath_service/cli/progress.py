"""How far a rearrangement has come, and how long the rest may take: pure reckoning on what the API says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

IN_FLIGHT = ("requested", "running", "switching to post-copy", "verifying")
_REPLACED = "replaced"
ENDED = ("succeeded", "failed", "cancelled", "rolled back")


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of migrations; ``done`` are those that were verified, nothing else. What a new plan has replaced is not
    counted at all: its place was taken.

    ``left_s`` is None while there is nothing that an estimate could rest on.
    """

    total: int
    done: int
    failed: int
    skipped: int
    in_flight: int
    left_s: float | None


def reckon(
    migrations: Sequence[Mapping[str, Any]],
    memory_mb: Mapping[int, int],
    now: float,
    predicted_s: float | None = None,
) -> Progress:
    """``memory_mb`` by step, ``now`` in seconds since the epoch, ``predicted_s`` what the plan says of the whole.

    The rest takes as long for each MiB as what has been verified so far took, at the parallelism so far; before
    anything was verified, as long as was predicted.
    """
    migrations = [each for each in migrations if each["state"] != _REPLACED]
    states = [each["state"] for each in migrations]
    in_flight = [each for each in migrations if each["state"] in IN_FLIGHT]
    began = [at for each in migrations if (at := _seconds(each["intended_at"])) is not None]
    verified = sum(memory_mb.get(each["step"], 0) for each in migrations if each["state"] == "done")
    rest: float = sum(memory_mb.get(each["step"], 0) for each in migrations if each["state"] == "pending")
    rest += sum(memory_mb.get(each["step"], 0) * (1 - (each["progress"] or 0.0)) for each in in_flight)
    left = None
    if rest == 0:
        left = 0.0
    elif verified and began:
        copied = verified + sum(memory_mb.get(each["step"], 0) * (each["progress"] or 0.0) for each in in_flight)
        left = max(0.0, now - min(began)) / copied * rest
    elif predicted_s is not None and now < (begin := min(began, default=now)) + predicted_s:
        left = begin + predicted_s - now
    return Progress(
        total=len(migrations),
        done=states.count("done"),
        failed=states.count("failed"),
        skipped=states.count("skipped"),
        in_flight=len(in_flight),
        left_s=left,
    )


def maintenance_left(record: Mapping[str, Any], now: float, drain_s: float | None) -> float | None:
    """Seconds that a maintenance may take from ``now``, with the work as far as it was said how long that takes; None
    while that is not known. ``drain_s``: what is left of the draining under way, where that can be reckoned.
    """
    outlook = record["outlook"]
    if outlook is None or record["state"] not in ("draining", "ready", "returning"):
        return None
    work = record["request"]["duration_s"] or 0.0
    had = {name for each in record["rounds"] for name in each["hosts"]}
    left = sum(each["drain_s"] + work for each in outlook["rounds"] if not had & set(each["hosts"]))
    if record["state"] == "draining":
        here = set(record["rounds"][-1]["hosts"])
        told = sum(each["drain_s"] for each in outlook["rounds"] if here & set(each["hosts"]))
        left += work + (told if drain_s is None else drain_s)
    elif record["state"] == "ready":
        left += max(0.0, work - (now - (_seconds(record["phase_since"]) or now)))
    return float(left)


def in_words(progress: Progress) -> str:
    """One line for a person."""
    parts = [f"{progress.done} of {progress.total} done"]
    troubles = ((progress.failed, "failed"), (progress.skipped, "skipped"))
    parts += [f"{count} {name}" for count, name in troubles if count]
    if progress.in_flight:
        parts.append(f"{progress.in_flight} in flight")
    if progress.left_s:
        parts.append(f"about {duration(progress.left_s)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time in words, rounded as an estimate deserves."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
