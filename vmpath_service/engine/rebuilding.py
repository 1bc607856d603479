"""Rebuilding the guests of a dead host elsewhere, by Nova's evacuate: each asked for once and followed to its end."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.model.errors import AnswerLost, CloudBusy, CloudDenied, CloudError, RequestRefused
from vmpath_service.model.readings import InstanceReading, MigrationOutcome, MigrationReading
from vmpath_service.model.snapshot import Instance, Snapshot

KIND = "evacuation"
REBUILT = frozenset(("ACTIVE", "SHUTOFF", "ERROR"))
"""Statuses in which Nova rebuilds an instance."""
SAFE = frozenset(("volume", "shared"))
"""Kinds of storage that outlive a host."""


class Outcome(enum.StrEnum):
    REBUILT = "rebuilt"
    FAILED = "failed"
    REFUSED = "refused"
    LEFT = "left"
    UNDER_WAY = "still under way"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an instance, and where it is now."""

    instance: str
    outcome: Outcome
    host: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a host is rebuilt, and what is left there, each with why."""

    rebuilt: tuple[Instance, ...]
    left: tuple[tuple[Instance, str], ...]
    losing: tuple[Instance, ...]
    """Of those rebuilt, whose disks are lost with the host, or may be."""


def choose(snapshot: Snapshot, host: str, *, lose_local_disks: bool) -> Choice:
    """What of a dead host can be rebuilt.

    Where nobody knows whether disks outlive their host, they count as lost.
    """
    rebuilt: list[Instance] = []
    left: list[tuple[Instance, str]] = []
    losing: list[Instance] = []
    for instance in snapshot.instances:
        if instance.host != host:
            continue
        storage = instance.storage
        # of one whose root is safe, an ephemeral disk and swap may yet be on the host
        lost = storage is None or storage.kind not in SAFE or storage.copy_gb > 0
        if instance.task_state is not None:
            left.append((instance, f"Nova is busy with it (task {instance.task_state})"))
        elif instance.status not in REBUILT:
            left.append((instance, f"Nova does not rebuild what is {instance.status}"))
        elif instance.locked:
            left.append((instance, "it is locked; unlock it first"))
        elif lost and not lose_local_disks:
            kind = "unknown" if storage is None else storage.kind
            left.append((instance, f"its disk would be lost with the host (storage: {kind}); see --lose-local-disks"))
        else:
            rebuilt.append(instance)
            if lost:
                losing.append(instance)
    return Choice(tuple(rebuilt), tuple(left), tuple(losing))


@dataclass(slots=True)
class _Followed:
    instance: Instance
    baseline: int
    changed_at: float
    seen: tuple[object, ...] | None = None
    seen_since: float = 0.0
    unsure: bool = False


class Rebuilding:
    """Rebuilds instances of one host, ``at_once`` at a time. Every one is looked at again ``settle_seconds`` after it
    seems to have ended; one that shows no change for ``patience_seconds`` is left as it is, and said to be."""

    def __init__(
        self,
        cloud: Cloud,
        clock: Clock,
        host: str,
        *,
        at_once: int,
        settle_seconds: float = 5.0,
        patience_seconds: float = 1800.0,
        poll_seconds: float = 2.0,
    ) -> None:
        self._cloud = cloud
        self._clock = clock
        self._host = host
        self._at_once = at_once
        self._settle_seconds = settle_seconds
        self._patience_seconds = patience_seconds
        self._poll_seconds = poll_seconds

    def run(self, instances: Sequence[Instance], still_dead: Callable[[], bool]) -> Iterator[Result]:
        """What became of each, as it ends. ``still_dead`` is asked before each is asked for: a host that came back is
        none to rebuild from."""
        waiting = list(instances)
        flying: dict[str, _Followed] = {}
        while waiting or flying:
            while waiting and len(flying) < self._at_once:
                instance = waiting.pop(0)
                refused = self._ask(instance, still_dead, flying)
                if refused is not None:
                    yield refused
            if not flying:
                continue
            self._clock.wait(self._poll_seconds)
            for result in self._look(flying):
                del flying[result.instance]
                yield result

    def _ask(
        self, instance: Instance, still_dead: Callable[[], bool], flying: dict[str, _Followed]
    ) -> Result | None:
        try:
            if not still_dead():
                return Result(instance.uuid, Outcome.LEFT, self._host, "the host is not down and fenced any more")
            seen = self._cloud.read_instances([instance.uuid]).get(instance.uuid)
            if seen is None or (seen.host, seen.task_state) != (self._host, None):
                host = None if seen is None else seen.host
                return Result(instance.uuid, Outcome.LEFT, host, "it is not there any more as it was")
            records = self._cloud.read_migrations([instance.uuid])[instance.uuid]
            followed = _Followed(
                instance, max((each.id for each in records), default=0), self._clock.monotonic()
            )
        except CloudError as error:
            return Result(instance.uuid, Outcome.LEFT, self._host, str(error))
        try:
            self._cloud.evacuate(instance.uuid)
        except AnswerLost:
            followed.unsure = True
        except (RequestRefused, CloudDenied, CloudBusy) as error:
            return Result(instance.uuid, Outcome.REFUSED, self._host, str(error))
        except CloudError as error:
            return Result(instance.uuid, Outcome.LEFT, self._host, str(error))
        flying[instance.uuid] = followed
        return None

    def _look(self, flying: dict[str, _Followed]) -> list[Result]:
        now = self._clock.monotonic()
        try:
            records = self._cloud.read_migrations(tuple(flying))
            servers = self._cloud.read_instances(tuple(flying))
        except CloudError as error:
            # nothing is decided until it can be seen; not for ever
            return [
                Result(uuid, Outcome.UNDER_WAY, None, str(error))
                for uuid, each in flying.items()
                if now - each.changed_at >= self._patience_seconds
            ]
        results = [self._judge(each, records.get(uuid, ()), servers.get(uuid), now) for uuid, each in flying.items()]
        return [result for result in results if result is not None]

    def _judge(
        self, followed: _Followed, records: Sequence[MigrationReading], server: InstanceReading | None, now: float
    ) -> Result | None:
        uuid = followed.instance.uuid
        mine = [each for each in records if each.id > followed.baseline and each.kind == KIND]
        record = mine[-1] if mine else None
        seen = (None if record is None else (record.id, record.status), server)
        if seen != followed.seen:
            followed.seen, followed.seen_since, followed.changed_at = seen, now, now
            return None
        host = None if server is None else server.host
        if now - followed.seen_since >= self._settle_seconds and (server is None or server.task_state is None):
            if server is None:
                return Result(uuid, Outcome.FAILED, None, "it does not exist any more")
            if record is not None and record.outcome is MigrationOutcome.COMPLETED and host != self._host:
                if server.status == "ERROR":
                    return Result(uuid, Outcome.FAILED, host, "Nova has moved it, and calls it ERROR")
                return Result(uuid, Outcome.REBUILT, host)
            if record is not None and record.outcome is not MigrationOutcome.UNDER_WAY and host == self._host:
                return Result(uuid, Outcome.FAILED, host, f"Nova's evacuation {record.id} ended as {record.status}")
        if now - followed.changed_at >= self._patience_seconds:
            what = "Nova shows no evacuation" if record is None else f"Nova's evacuation says {record.status}"
            unsure = "; the answer to the request was lost" if followed.unsure else ""
            return Result(uuid, Outcome.UNDER_WAY, host, f"{what}{unsure}")
        return None
