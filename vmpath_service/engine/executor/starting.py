"""Whether a migration may start on what was read of the cloud just now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vmpath_service.engine.executor.admission import Load, quarantined
from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.following import whereabouts
from vmpath_service.engine.executor.state import COLD_STATUS, LIVE_STATUSES, State, Task
from vmpath_service.model.declarations import departure_obstacle
from vmpath_service.model.readings import InstanceReading
from vmpath_service.model.records import FailureKind, Migration, MigrationState
from vmpath_service.model.windows import closed_until

NEVER = timedelta(days=7)
"""A window that does not leave a gap in so long never does."""


@dataclass(frozen=True, slots=True)
class Start:
    """It may start; ``was`` is the status it has to have again at the end."""

    was: str


@dataclass(frozen=True, slots=True)
class Wait:
    """It may not start now, but perhaps later. ``limited``: not for ever, as nothing of ours will end it."""

    reason: str
    limited: bool = True


@dataclass(frozen=True, slots=True)
class Drop:
    """It will not be started: the world is not any more what the plan was made for, or done already."""

    state: MigrationState
    reason: str
    failure: FailureKind | None = None


Verdict = Start | Wait | Drop


class Room:
    """What the destinations have free, less what was asked for and may not be counted there yet."""

    def __init__(self, tick: Tick, state: State) -> None:
        self._hosts = tick.hosts
        self._asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for task in state.flying():
            if task.claims():
                self.take(task)
        self._asked_elsewhere = {each.dest for each in tick.orders.elsewhere if _claims(each)}

    def take(self, task: Task) -> None:
        """Something was asked for: its room is gone, whether Nova shows it or not."""
        self._asked[task.step.dest].update(task.step.resources)

    def obstacle(self, task: Task) -> Wait | None:
        """Why the destination cannot take the instance in now."""
        host = self._hosts.get(task.step.dest)
        if host is None:
            return Wait(f"host {task.step.dest} does not exist any more")
        if not host.up:
            return Wait(f"host {host.name} is down")
        if not host.enabled:
            return Wait(f"host {host.name} is disabled")
        if host.name in self._asked_elsewhere:
            return Wait(f"another rearrangement has just asked for room on {host.name}", limited=False)
        asked = self._asked[host.name]
        for kind, amount in sorted(task.step.resources.items()):
            free = host.free.get(kind, 0) - asked[kind]
            if amount > free:
                return Wait(f"host {host.name} has {max(free, 0)} {kind} free of the {amount} that are needed")
        return None


Pair = tuple[str, str, str]
"""Source, destination, and kind of instance."""


def turned_down(state: State) -> Mapping[Pair, bool]:
    """What Nova's scheduler has turned down in this walk: instances of a kind between two hosts; whether for good, or
    until the step that it was turned down for has been tried again."""
    found: dict[Pair, bool] = {}
    for task in state.tasks.values():
        if task.record.failure is not FailureKind.SCHEDULER:
            continue
        pair = task.step.source, task.step.dest, task.step.facts.kind
        if task.record.state is MigrationState.PENDING:
            found.setdefault(pair, False)
        elif task.record.state is not MigrationState.DONE:
            found[pair] = True
    return found


def verdict(task: Task, tick: Tick, state: State, room: Room, load: Load, learned: Mapping[Pair, bool]) -> Verdict:
    """Whether the migration starts now, later or never; its place in the order is not asked here."""
    step = task.step
    seen = tick.instances.get(step.instance)
    if seen is None:
        return Drop(MigrationState.SKIPPED, whereabouts(seen), FailureKind.GONE)
    if any(each.instance == step.instance for each in tick.orders.elsewhere):
        return Wait("another rearrangement is moving the instance", limited=False)
    if seen.task_state is not None:
        return Wait(f"the instance is busy with task {seen.task_state}")
    statuses = LIVE_STATUSES if step.method == "live" else (COLD_STATUS,)
    if seen.host == step.dest and seen.status in statuses:
        return Drop(MigrationState.DONE, "the instance was there already")
    if seen.host != step.source:
        reason = f"{whereabouts(seen)}, not on {step.source}: someone else moved it"
        return Drop(MigrationState.SKIPPED, reason, FailureKind.CHANGED)
    if seen.status not in statuses:
        what = "ACTIVE or PAUSED ones migrate live" if step.method == "live" else "stopped ones migrate cold"
        return Drop(MigrationState.SKIPPED, f"{whereabouts(seen)}, and only {what}", FailureKind.CHANGED)
    if seen.why_not is not None:
        return Drop(MigrationState.SKIPPED, f"it is not to be moved any more: {seen.why_not}", FailureKind.CHANGED)
    return (
        _forbidden(task, seen)
        or _learned(task, learned)
        or _at_this_time(task, tick, state)
        or _in_quarantine(task, tick, state, load)
        or _source(task, tick)
        or room.obstacle(task)
        or Start(seen.status)
    )


def _forbidden(task: Task, seen: InstanceReading) -> Verdict | None:
    """Safety rule 4: nothing that forbids post-copy leaves a host where Nova might switch it by itself."""
    step = task.step
    if step.method != "live":
        return None
    obstacle = departure_obstacle(seen.post_copy, step.source, step.declared)
    return Drop(MigrationState.FAILED, obstacle, FailureKind.FORBIDDEN) if obstacle else None


def _learned(task: Task, learned: Mapping[Pair, bool]) -> Verdict | None:
    step = task.step
    for_good = learned.get((step.source, step.dest, step.facts.kind))
    if for_good is None or task.record.failure is FailureKind.SCHEDULER:
        return None
    what = f"Nova's scheduler has turned down the same kind of instance from {step.source} to {step.dest}"
    if for_good:
        return Drop(MigrationState.FAILED, what, FailureKind.SCHEDULER)
    return Wait(f"{what}, which is tried again first", limited=False)


def _at_this_time(task: Task, tick: Tick, state: State) -> Verdict | None:
    """Windows in which nothing is moved, and the time after a move in which an instance is left alone."""
    now = datetime.fromtimestamp(tick.at, UTC)
    closed = closed_until(task.step.no_go, now)
    if closed is not None and closed - now >= NEVER:
        return Drop(MigrationState.FAILED, "its windows leave no time in which it may be moved", FailureKind.FORBIDDEN)
    if closed is not None:
        return Wait(f"nothing is moved before {closed:%Y-%m-%d %H:%M} UTC (no_go)", limited=False)
    moved = tick.orders.moved.get(task.step.instance)
    cool_down = state.settings.cool_down_seconds
    if moved is not None and tick.at < moved + cool_down:
        return Wait(f"another rearrangement moved it less than {cool_down:g} s ago (cool_down_seconds)", limited=False)
    return None


def _in_quarantine(task: Task, tick: Tick, state: State, load: Load) -> Verdict | None:
    closed = quarantined(tick.orders.troubles, state.settings.quarantine, tick.at)
    for host in (task.step.source, task.step.dest):
        if host not in closed:
            continue
        trouble = tick.orders.troubles[host]
        if not closed[host]:
            return Wait(
                f"host {host} is in quarantine: {trouble.failures} migrations to or from it have failed in a row, the"
                f" last: {trouble.reason}"
            )
        if load.touches(host):
            return Wait(f"one migration at a time is tried on {host}, which was in quarantine", limited=False)
    return None


def _source(task: Task, tick: Tick) -> Wait | None:
    source = tick.hosts.get(task.step.source)
    return Wait(f"host {task.step.source} is down") if source is None or not source.up else None


def _claims(migration: Migration) -> bool:
    return migration.state is MigrationState.REQUESTED
