"""Whether a migration may start on what was read of the cloud just now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from vmpath_service.engine.executor.events import Tick
from vmpath_service.engine.executor.following import whereabouts
from vmpath_service.engine.executor.state import LIVE_STATUSES, Task
from vmpath_service.model.records import Migration, MigrationState


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


Verdict = Start | Wait | Drop


class Room:
    """What the destinations have free, less what was asked for and may not be counted there yet."""

    def __init__(self, tick: Tick, own: Iterable[Task]) -> None:
        self._hosts = tick.hosts
        self._asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for task in own:
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


def verdict(task: Task, tick: Tick, room: Room) -> Verdict:
    """Whether the migration starts now, later or never; its place in the order is not asked here."""
    step = task.step
    seen = tick.instances.get(step.instance)
    if step.method != "live":
        return Drop(MigrationState.SKIPPED, "only live migrations are carried out")
    if seen is None:
        return Drop(MigrationState.SKIPPED, whereabouts(seen))
    if any(each.instance == step.instance for each in tick.orders.elsewhere):
        return Wait("another rearrangement is moving the instance", limited=False)
    if seen.task_state is not None:
        return Wait(f"the instance is busy with task {seen.task_state}")
    if seen.host == step.dest and seen.status in LIVE_STATUSES:
        return Drop(MigrationState.DONE, "the instance was there already")
    if seen.host != step.source:
        return Drop(MigrationState.SKIPPED, f"{whereabouts(seen)}, not on {step.source}: someone else moved it")
    if seen.status not in LIVE_STATUSES:
        return Drop(MigrationState.SKIPPED, f"{whereabouts(seen)}, and only ACTIVE or PAUSED ones migrate live")
    source = tick.hosts.get(step.source)
    if source is None or not source.up:
        return Wait(f"host {step.source} is down")
    return room.obstacle(task) or Start(seen.status)


def _claims(migration: Migration) -> bool:
    return migration.state is MigrationState.REQUESTED
