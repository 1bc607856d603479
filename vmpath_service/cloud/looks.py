"""Following many servers with few requests: what was seen of each is kept, and lists say what has changed since."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from vmpath_service.cloud import hosts, migrations, wire
from vmpath_service.cloud.api import for_each
from vmpath_service.cloud.inventory import OVERLAP_S
from vmpath_service.cloud.microversions import DOWN_CELLS
from vmpath_service.cloud.nova import Nova
from vmpath_service.model.readings import MigrationOutcome

Records = Mapping[int, wire.Migration]

# Fewer than this are read one by one.
FEW = 4
# What was last listed longer ago than this is read anew, one by one.
_LISTED_AT_MOST_S = 120.0
# A server that no answer has shown for so long is asked for by itself, whatever the lists leave to be concluded.
_SHOWN_AT_MOST_S = 30.0
_MOMENT_AT_MOST_S = 30.0
# Nova refreshes the progress of a migration every five seconds, at the cost of a request for each.
_PROGRESS_AT_ONCE = 10


class Looks:
    """What one walk has seen. Of one thread.

    ``migrations`` and then ``servers`` are asked for the same servers, again and again. A server is read by itself
    the first time; afterwards four lists tell of all of them: what was changed and what was made among the migration
    records, the changed servers, and the services, which tell whether a cell was silent while the others were listed.
    What the lists do not show is as it was, unless record and server do not agree on whether it is being moved: then
    its records are read by themselves, too. Nothing that ``migrations`` has read is kept before ``servers`` has
    answered without an error, as records of a silent cell are missing without a word.

    Moments are by the clocks of Nova's services. Below 2.69, where a silent cell is not told, nothing is listed.
    """

    def __init__(self, nova: Nova, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._nova = nova
        self._workers = workers
        self._clock = clock
        self._lists = nova.versions.has(DOWN_CELLS)
        self._present: tuple[float, float] | None = None
        """The last moment that was learned, and when."""
        self._histories: dict[str, Records] = {}
        self._histories_since: float | None = None
        """All histories are complete up to this moment."""
        self._fresh: dict[str, Records] = {}
        self._fresh_since: float | None = None
        """Read, but not kept yet."""
        self._servers: dict[str, tuple[wire.Server | None, float]] = {}
        """With when an answer showed it last."""
        self._servers_since: float | None = None
        self._progress: dict[int, wire.Migration] = {}
        self._progress_asked: dict[str, float] = {}

    def migrations(self, wanted: Collection[str]) -> dict[str, tuple[wire.Migration, ...]]:
        """All migration records of these servers, oldest first."""
        self._fresh, self._fresh_since = {}, None
        moment = self._moment() if self._lists else 0.0
        if self._histories_since is None or moment - self._histories_since > _LISTED_AT_MOST_S:
            self._histories, self._histories_since = {}, None
            self._fresh_since = moment
        known = [uuid for uuid in wanted if uuid in self._histories and self._agree(uuid)]
        if len(known) >= FEW and self._histories_since is not None:
            for record in self._nova.migrations_since(self._histories_since - OVERLAP_S):
                uuid = record.instance_uuid
                if uuid in self._histories:
                    self._fresh[uuid] = {**self._fresh.get(uuid, self._histories[uuid]), record.id: record}
            self._fresh_since = moment
        else:
            known = []
        singly = [uuid for uuid in wanted if uuid not in set(known)]
        for uuid, read in self._nova.migrations_of(singly).items():
            self._fresh[uuid] = {record.id: record for record in read}
        seen = {uuid: self._fresh[uuid] if uuid in self._fresh else self._histories[uuid] for uuid in wanted}
        return {uuid: tuple(records[number] for number in sorted(records)) for uuid, records in seen.items()}

    def servers(
        self, wanted: Collection[str], singly: Callable[[Sequence[str]], Mapping[str, wire.Server]]
    ) -> dict[str, wire.Server]:
        """These servers, deleted ones perhaps among them; ``singly`` reads those of which nothing is known.

        Raises NoDecision when a cell does not answer.
        """
        now, listed = self._clock(), False
        moment = self._moment() if self._lists else 0.0
        if self._servers_since is None or moment - self._servers_since > _LISTED_AT_MOST_S:
            self._servers, self._servers_since = {}, moment
        known = [
            uuid for uuid in wanted if uuid in self._servers and now - self._servers[uuid][1] <= _SHOWN_AT_MOST_S
        ]
        if len(known) >= FEW:
            changed = self._nova.servers(changed_since=self._servers_since - OVERLAP_S)
            self._learn_moment()
            for uuid in self._servers.keys() & changed.keys():
                self._servers[uuid] = (changed[uuid], now)
            self._servers_since, listed = moment, True
        else:
            known = []
        others = [uuid for uuid in wanted if uuid not in set(known)]
        found = singly(others) if others else {}
        for uuid in others:
            self._servers[uuid] = (found.get(uuid), now)
        self._believe(wanted, listed)
        seen = {uuid: self._servers[uuid][0] for uuid in wanted}
        if not self._lists:
            self._servers.clear()
        return {uuid: server for uuid, server in seen.items() if server is not None}

    def progress(self, histories: Mapping[str, Sequence[wire.Migration]]) -> Mapping[int, wire.Migration]:
        """How far the migrations under way are, by their ids: one request each, for a few of them in turn."""
        moving = [uuid for uuid, records in histories.items() if _any_under_way(records)]
        ids = {record.id for uuid in moving for record in histories[uuid]}
        self._progress = {number: kept for number, kept in self._progress.items() if number in ids}
        self._progress_asked = {uuid: self._progress_asked.get(uuid, float("-inf")) for uuid in moving}
        turn = sorted(moving, key=lambda uuid: (self._progress_asked[uuid], uuid))[:_PROGRESS_AT_ONCE]
        now = self._clock()
        for uuid, answer in zip(turn, for_each(self._workers, self._nova.progress, turn), strict=True):
            self._progress_asked[uuid] = now
            self._progress.update((record.id, record) for record in answer)
        return self._progress

    def _agree(self, uuid: str) -> bool:
        server = self._servers.get(uuid, (None, 0.0))[0]
        return _any_under_way(self._histories[uuid].values()) == (server is not None and migrations.is_moving(server))

    def _believe(self, wanted: Collection[str], listed: bool) -> None:
        """Keep what ``migrations`` has read, now that the cells of these servers are known to have answered."""
        if not self._lists:
            return
        if self._fresh_since is not None and (listed or self._histories_since is None):
            self._histories_since = self._fresh_since
        asked = frozenset(wanted)
        self._histories.update((uuid, records) for uuid, records in self._fresh.items() if uuid in asked or listed)
        self._fresh, self._fresh_since = {}, None

    def _moment(self) -> float:
        """The present, or what was it not long ago."""
        if self._present is None or self._clock() - self._present[1] > _MOMENT_AT_MOST_S:
            return self._learn_moment()
        return self._present[0]

    def _learn_moment(self) -> float:
        services = self._nova.services()
        hosts.check_cells(services)
        self._present = (hosts.moment_of(services), self._clock())
        return self._present[0]


def _any_under_way(records: Iterable[wire.Migration]) -> bool:
    return any(migrations.outcome_of(record.status) is MigrationOutcome.UNDER_WAY for record in records)
