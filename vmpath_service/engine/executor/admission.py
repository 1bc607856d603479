"""Which migrations may be in flight at once, and which goes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from vmpath_service.engine.executor.facts import Facts, HostFacts
from vmpath_service.engine.executor.settings import Quarantine, Settings
from vmpath_service.engine.executor.state import State, Step, Task
from vmpath_service.model.records import HostTrouble, Migration, MigrationState

QUEUED = "queued"
"""Nova's status of a migration that waits for others from the same source."""


class Load:
    """Accounts of what is in flight, kept while one decision is made.

    Counts everything that was asked for and has not been seen to end, whosever it is; what has ended in Nova and is
    only looked at again counts for its groups and its project, but burdens nothing any more. Of what other
    rearrangements move, projects are not known. ``without_own``: as it would be if all of ours had ended.
    """

    def __init__(self, state: State, elsewhere: Iterable[Migration], *, without_own: bool = False) -> None:
        self._settings: Settings = state.settings
        self._facts: Facts = state.facts
        self._leaving: Counter[str] = Counter()
        self._arriving: Counter[str] = Counter()
        self._sharing: Counter[tuple[str, str]] = Counter()
        self._total = 0
        warm_up = state.settings.warm_up
        self._one_by_one = warm_up > 0 and _done(state.tasks.values()) < warm_up
        self._own = 0
        self._queued: set[str] = set()
        for task in state.flying():
            if task.nova_status == QUEUED:
                self._queued.add(task.step.source)
            if without_own:
                continue
            if task.record.state is MigrationState.VERIFYING:
                self._own += 1
                self._sharing.update(each for each in _shared(task.step) if each[0] in ("group", "project"))
            else:
                self.add(task.step)
        for migration in elsewhere:
            shared = self._shared_elsewhere(migration)
            if migration.state is MigrationState.VERIFYING:
                self._sharing.update(each for each in shared if each[0] == "group")
            else:
                self._count(migration.source, migration.dest, shared)

    def add(self, step: Step) -> None:
        """Count one more."""
        self._own += 1
        self._count(step.source, step.dest, _shared(step))

    def admits(self, step: Step) -> bool:
        """Whether one more may start."""
        limits = self._settings.limits
        most = {
            "group": limits.per_group,
            "project": limits.per_project,
            "zone": limits.per_zone,
            "link": limits.per_link,
        }
        return (
            not self.full()
            and step.source not in self._queued
            and all(self._leaving[step.source] < limit for limit in (limits.per_source, _novas(step)) if limit)
            and (limits.per_destination is None or self._arriving[step.dest] < limits.per_destination)
            and all((limit := most[kind]) is None or self._sharing[kind, name] < limit for kind, name in _shared(step))
        )

    def full(self) -> bool:
        """Whether nothing at all may start."""
        in_total = self._settings.limits.in_total
        return (in_total is not None and self._total >= in_total) or (self._one_by_one and self._own > 0)

    def touches(self, host: str) -> bool:
        """Whether something in flight leaves the host or arrives there."""
        return bool(self._leaving[host] or self._arriving[host])

    def _count(self, source: str, dest: str, shared: Iterable[tuple[str, str]]) -> None:
        self._leaving[source] += 1
        self._arriving[dest] += 1
        self._sharing.update(shared)
        self._total += 1

    def _shared_elsewhere(self, migration: Migration) -> Iterable[tuple[str, str]]:
        source = self._facts.hosts.get(migration.source, HostFacts())
        dest = self._facts.hosts.get(migration.dest, HostFacts())
        yield from (("group", name) for name in self._facts.groups.get(migration.instance, ()))
        yield from (("zone", name) for name in {source.zone, dest.zone} if name is not None)
        yield from (("link", name) for name in set(source.links) ^ set(dest.links))


def _novas(step: Step) -> int | None:
    """How many live migrations Nova lets leave the source at a time, as declared: one more would only wait in its
    queue, and with it whatever is decided about it meanwhile."""
    return step.declared.max_concurrent if step.method == "live" else None


def _shared(step: Step) -> Iterable[tuple[str, str]]:
    """What a migration shares with others that are limited together with it."""
    yield from (("group", name) for name in step.facts.groups)
    if step.facts.project is not None:
        yield "project", step.facts.project
    yield from (("zone", name) for name in step.zones)
    yield from (("link", name) for name in step.links)


def _done(tasks: Iterable[Task]) -> int:
    return sum(1 for task in tasks if task.record.state is MigrationState.DONE and task.record.attempt)


def urgency(task: Task) -> tuple[bool, float, int]:
    """Sorts what may start: what the scheduler may turn down first, since a new plan is then made early; then the
    longest remaining chain, then the order of the plan."""
    return (not task.step.facts.undecided, -task.step.chain, task.step.id)


def quarantined(troubles: Mapping[str, HostTrouble], settings: Quarantine, at: float) -> Mapping[str, bool]:
    """The hosts in quarantine at this time of day, and whether one migration may be tried on each of them."""
    if not settings.failures:
        return {}
    return {
        trouble.host: at >= trouble.last_at + settings.seconds
        for trouble in troubles.values()
        if trouble.failures >= settings.failures
    }
