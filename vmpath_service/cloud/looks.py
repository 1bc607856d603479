"""Following many servers with few requests: what was seen of each is kept, and lists say what has changed since."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from vmpath_service.cloud import hosts, migrations, wire
from vmpath_service.cloud.api import for_each
from vmpath_service.cloud.microversions import DOWN_CELLS
from vmpath_service.cloud.nova import Nova
from vmpath_service.model.readings import MigrationOutcome

Records = Mapping[int, wire.Migration]

# Fewer than this are read one by one.
FEW = 2
# Of more than this, and of more than this share of all, everything is listed in place of reading each: a listed server
# costs Nova about half of what a single one does.
_SINGLY_AT_MOST = 50
_SINGLY_SHARE = 0.05
# A page of the history of all servers is worth so many requests for the history of one.
_PAGE_IS_WORTH = 20
# The clocks of Nova's services may differ by so much; most looks allow for less, so that their lists stay short.
_OVERLAP_S = 60.0
_SHORT_OVERLAP_S = 3.0
_WIDE_EVERY_S = 30.0
# How long it may be taken for granted that no cell is silent; less than the short overlap.
_CHECKED_S = 0.5
# What was last listed longer ago than this is read anew, one by one.
_LISTED_AT_MOST_S = 120.0
# A server that no answer has shown for so long is asked for by itself, whatever the lists leave to be concluded.
_SHOWN_AT_MOST_S = 120.0
_MOMENT_AT_MOST_S = 30.0
# Nova refreshes the progress of a migration every five seconds, at the cost of a request for each: so many at once,
# and in a second.
_PROGRESS_AT_ONCE = 10
_PROGRESS_EACH_SECOND = 3.0


class Looks:
    """What one walk has seen. Of one thread.

    ``migrations`` and then ``servers`` are asked for the same servers, again and again. The first time a server is
    read by itself, or, if many are ``expected``, all are listed once. Afterwards three lists tell of all of them: the
    changed migration records, the changed servers, and the services, which tell whether a cell was silent while the
    others were listed. What the lists do not show is as it was, unless record and server do not agree on whether it is
    being moved, for more than ``patience_s``: then the newest records are listed, too (one that was never changed is
    not among the changes), and what is not among them either is read by itself. Nothing that ``migrations`` has read
    is kept before ``servers`` has answered without an error, as records of a silent cell are missing without a word.

    Moments are by the clocks of Nova's services. Below 2.69, where a silent cell is not told, nothing is listed.
    ``services`` are as they were read last, and when. ``known`` is how many servers the cloud has, 0 if nobody knows.
    """

    def __init__(
        self, nova: Nova, workers: int, patience_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._nova = nova
        self._workers = workers
        self._patience_s = patience_s
        self._clock = clock
        self.services: tuple[tuple[wire.Service, ...], float] = ((), float("-inf"))
        self.expected = 0
        self.known = 0
        self._lists = nova.versions.has(DOWN_CELLS)
        self._present: tuple[float, float] | None = None
        """The last moment that was learned, and when."""
        self._histories: dict[str, Records] = {}
        self._histories_since: float | None = None
        """All histories are complete up to this moment."""
        self._whole = False
        """Whether these are the histories of all servers, so that the others have none."""
        self._too_long = False
        """Whether the history of all servers is too long to be listed."""
        self._fresh: dict[str, Records] = {}
        self._fresh_since: float | None = None
        """Read, but not kept yet."""
        self._servers: dict[str, tuple[wire.Server | None, float]] = {}
        """With when an answer showed it last."""
        self._servers_listed = float("-inf")
        self._within = 0.0
        """How old servers may be, as was said last."""
        self._servers_since: float | None = None
        self._progress: dict[tuple[str, int], wire.Migration] = {}
        self._progress_asked: dict[str, tuple[float, float | None]] = {}
        """Since when each is under way, and when it was asked for last."""
        self._progress_due = (float(_PROGRESS_AT_ONCE), float("-inf"))
        """How many requests for progress were left, and when."""
        self._wide: dict[str, float] = {}
        """When a list last allowed for clocks that differ much."""
        self._torn: dict[str, float] = {}
        """Servers that do not agree with their records, each since when."""

    def migrations(self, wanted: Collection[str]) -> dict[str, tuple[wire.Migration, ...]]:
        """All migration records of these servers, oldest first."""
        self._fresh, self._fresh_since = {}, None
        moment = self._moment() if self._lists else 0.0
        if self._histories_since is None or moment - self._histories_since > _LISTED_AT_MOST_S:
            self._histories, self._histories_since, self._whole = {}, None, False
            self._fresh_since = moment
        if self._histories_since is None and self._list_history():
            return self._records(wanted)
        known = {uuid for uuid in wanted if self._whole or uuid in self._histories}
        torn = self._torn_among(known)
        if len(known) >= FEW and self._histories_since is not None:
            since = self._histories_since - self._overlap("records")
            listed = self._nova.migrations_changed(since)
            if torn:
                listed = (*listed, *self._nova.migrations_made(since))
            for record in listed:
                uuid = record.instance_uuid
                if uuid is not None and (self._whole or uuid in self._histories):
                    self._fresh[uuid] = {**self._fresh.get(uuid, self._histories.get(uuid, {})), record.id: record}
            moment = max([moment, *(record.moment() for record in listed)])
            self._present = (moment, self._clock())
            self._fresh_since = moment
            known -= {uuid for uuid in torn if uuid not in self._fresh}
        else:
            known.clear()
        singly = [uuid for uuid in wanted if uuid not in known]
        for uuid, read in self._nova.migrations_of(singly).items():
            self._fresh[uuid] = {record.id: record for record in read}
            self._torn.pop(uuid, None)
        return self._records(wanted)

    def servers(self, wanted: Collection[str], within: float = 0.0) -> dict[str, wire.Server]:
        """These servers, deleted ones perhaps among them; as they were last listed if that is ``within`` so many
        seconds.

        Raises NoDecision when a cell does not answer.
        """
        now, listed = self._clock(), False
        self._within = within
        if now - self._servers_listed < within and all(uuid in self._servers for uuid in wanted):
            # nothing that ``migrations`` has read is kept: nobody knows whether a cell was silent just now
            seen = {uuid: self._servers[uuid][0] for uuid in wanted}
            return {uuid: server for uuid, server in seen.items() if server is not None}
        moment = self._moment() if self._lists else 0.0
        if self._servers_since is None or moment - self._servers_since > _LISTED_AT_MOST_S:
            self._servers, self._servers_since = {}, moment
        known = [
            uuid for uuid in wanted if uuid in self._servers and now - self._servers[uuid][1] <= _SHOWN_AT_MOST_S
        ]
        if len(known) >= FEW:
            changed = self._nova.servers(changed_since=self._servers_since - self._overlap("servers"))
            # what a cell that fell silent since then has left out, the next list shows, which reaches further back
            if self._clock() - self.services[1] >= _CHECKED_S * self._patience_s:
                self._learn_moment()
            for uuid in self._servers.keys() & changed.keys():
                self._servers[uuid] = (changed[uuid], now)
            self._servers_since, listed = moment, True
            self._servers_listed = now
        else:
            known = []
        others = [uuid for uuid in wanted if uuid not in set(known)]
        if others and max(len(others), self.expected) > max(_SINGLY_AT_MOST, self.known * _SINGLY_SHARE):
            everything = self._nova.servers()
            self._learn_moment()
            self.known = len(everything)
            self._servers.update((uuid, (server, now)) for uuid, server in everything.items())
            self._servers.update((uuid, (None, now)) for uuid in others if uuid not in everything)
        else:
            read = for_each(self._workers, self._nova.server, others)
            self._servers.update((uuid, (server, now)) for uuid, server in zip(others, read, strict=True))
        self._believe(wanted, listed)
        seen = {uuid: self._servers[uuid][0] for uuid in wanted}
        if not self._lists:
            self._servers.clear()
        return {uuid: server for uuid, server in seen.items() if server is not None}

    def is_due(self) -> bool:
        """Whether servers would be listed, if they may be as old as the last time."""
        return self._clock() - self._servers_listed >= self._within

    def progress(self, histories: Mapping[str, Sequence[wire.Migration]]) -> Mapping[tuple[str, int], wire.Migration]:
        """How far the migrations under way are, by server and id: one request each, for a few of them in turn.

        Ids of records alone are those of a cell: two cells may have the same.
        """
        now = self._clock()
        moving = [uuid for uuid, records in histories.items() if _any_under_way(records)]
        ids = {(uuid, record.id) for uuid in moving for record in histories[uuid]}
        self._progress = {key: kept for key, kept in self._progress.items() if key in ids}
        self._progress_asked = {uuid: self._progress_asked.get(uuid, (now, None)) for uuid in moving}
        left, then = self._progress_due
        left = min(float(_PROGRESS_AT_ONCE), left + (now - then) * _PROGRESS_EACH_SECOND)
        turn = sorted(filter(self._is_due, moving), key=lambda uuid: (self._asked_at(uuid), uuid))[: int(left)]
        self._progress_due = (left - len(turn), now)
        for uuid, answer in zip(turn, for_each(self._workers, self._nova.progress, turn), strict=True):
            self._progress_asked[uuid] = (self._progress_asked[uuid][0], now)
            self._progress.update(((uuid, record.id), record) for record in answer)
        return self._progress

    def _is_due(self, uuid: str) -> bool:
        """Whether there may be something new: nothing is shown before the first seconds are over."""
        began, asked = self._progress_asked[uuid]
        wait = 2 * self._patience_s if asked is None else self._patience_s
        return self._clock() - (began if asked is None else asked) >= wait

    def _asked_at(self, uuid: str) -> float:
        began, asked = self._progress_asked[uuid]
        return began if asked is None else asked

    def _records(self, wanted: Collection[str]) -> dict[str, tuple[wire.Migration, ...]]:
        """Of these servers, as they are known now."""
        seen = {
            uuid: self._fresh[uuid] if uuid in self._fresh else self._histories.get(uuid, {}) for uuid in wanted
        }
        return {uuid: tuple(records[number] for number in sorted(records)) for uuid, records in seen.items()}

    def _list_history(self) -> bool:
        """List the records of all servers, if many are to be asked for and it is not long; whether that was done."""
        if not self._lists or self._too_long or self.expected <= _SINGLY_AT_MOST:
            return False
        listed = self._nova.migrations_all(pages=1 + self.expected // _PAGE_IS_WORTH)
        if listed is None:
            self._too_long = True
            return False
        found: dict[str, dict[int, wire.Migration]] = {}
        for record in listed:
            if record.instance_uuid is not None:
                found.setdefault(record.instance_uuid, {})[record.id] = record
        self._fresh.update(found)
        self._whole = True
        return True

    def _overlap(self, what: str) -> float:
        """How far before the last moment a list has to reach."""
        now = self._clock()
        if now - self._wide.get(what, float("-inf")) < _WIDE_EVERY_S:
            return _SHORT_OVERLAP_S
        self._wide[what] = now
        return _OVERLAP_S

    def _torn_among(self, known: Collection[str]) -> set[str]:
        """Those that have not agreed with their records for some time."""
        now = self._clock()
        self._torn = {uuid: self._torn.get(uuid, now) for uuid in known if not self._agree(uuid)}
        return {uuid for uuid, since in self._torn.items() if now - since >= self._patience_s}

    def _agree(self, uuid: str) -> bool:
        server = self._servers.get(uuid, (None, 0.0))[0]
        records = self._histories.get(uuid, {})
        return _any_under_way(records.values()) == (server is not None and migrations.is_moving(server))

    def _believe(self, wanted: Collection[str], listed: bool) -> None:
        """Keep what ``migrations`` has read, now that the cells of these servers are known to have answered."""
        if not self._lists:
            return
        if self._fresh_since is not None and (listed or self._histories_since is None):
            self._histories_since = self._fresh_since
        asked = frozenset(wanted)
        kept = listed or self._whole
        self._histories.update((uuid, records) for uuid, records in self._fresh.items() if kept or uuid in asked)
        self._fresh, self._fresh_since = {}, None

    def _moment(self) -> float:
        """The present, or what was it not long ago."""
        if self._present is None or self._clock() - self._present[1] > _MOMENT_AT_MOST_S:
            return self._learn_moment()
        return self._present[0]

    def _learn_moment(self) -> float:
        services = self._nova.services()
        hosts.check_cells(services)
        now = self._clock()
        self.services = services, now
        known = float("-inf") if self._present is None else self._present[0]
        self._present = (max(known, hosts.moment_of(services)), now)
        return self._present[0]


def _any_under_way(records: Iterable[wire.Migration]) -> bool:
    return any(migrations.outcome_of(record.status) is MigrationOutcome.UNDER_WAY for record in records)
