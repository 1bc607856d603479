"""Which servers have Manila shares: Nova shows that of one server at a time, and never live-migrates such a server."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vmpath_service.cloud import wire
from vmpath_service.cloud.api import for_each
from vmpath_service.cloud.nova import Nova
from vmpath_service.model.errors import CloudDenied

LOG = logging.getLogger(__name__)

# So many servers are asked for in one reading at most; the others have their turn in the next ones.
_ASKED_AT_ONCE = 200
_VIRTIO_FS, _MEMORY_IN_FILES = "COMPUTE_STORAGE_VIRTIO_FS", "COMPUTE_MEM_BACKING_FILE"
HELD = "it has Manila shares, with which Nova does not live-migrate it; stop it and detach them"
UNKNOWN = "Manila shares, if it has any"


@dataclass(frozen=True, slots=True)
class ShareHolders:
    """``having``: servers with shares; ``unknown``: servers that may have some, of which Nova was not asked yet, or
    does not tell (``denied``)."""

    having: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    denied: bool = False

    def notes(self) -> tuple[str, ...]:
        """What is not known, in one sentence."""
        if not self.unknown:
            return ()
        why = "Nova does not show us the shares of servers" if self.denied else "they are asked for in turn"
        return (
            f"{len(self.unknown)} servers may have Manila shares, the first is {min(self.unknown)}: {why}; those that"
            " have some, Nova refuses to live-migrate",
        )


def may_have_shares(server: wire.Server, traits: Collection[str]) -> bool:
    """Whether Nova would have let a share be attached to a server on a host with these traits: that takes virtiofs,
    and guest memory in a file or in pages of a size that the flavor names."""
    return _VIRTIO_FS in traits and (_MEMORY_IN_FILES in traits or "hw:mem_page_size" in server.flavor.extra_specs)


class Shares:
    """Asks Nova, and keeps the answers: a share is attached and detached only while its server is stopped, so that one
    that runs as it ran has the shares that it had."""

    def __init__(self, nova: Nova, workers: int, at_once: int = _ASKED_AT_ONCE) -> None:
        self._nova = nova
        self._workers = workers
        self._at_once = at_once
        self._known: dict[str, tuple[str | None, bool]] = {}

    def holders(self, servers: Iterable[wire.Server], traits: Mapping[str, Collection[str]]) -> ShareHolders:
        """Of these servers; ``traits`` are those of their hosts.

        One request for each that may have shares, runs, and was not asked for since it was changed, up to a number;
        nothing below 2.97, where there are none.
        """
        if not self._nova.shows_shares() or not any(_VIRTIO_FS in each for each in traits.values()):
            return ShareHolders()
        candidates = {
            server.id: server
            for server in servers
            if server.status in ("ACTIVE", "PAUSED") and may_have_shares(server, traits.get(server.host or "", ()))
        }
        known = {uuid: told for uuid, told in self._known.items() if uuid in candidates}
        asked = [
            uuid for uuid, server in candidates.items() if known.get(uuid, (None, False))[0] != (server.updated or "")
        ]
        asked.sort(key=lambda uuid: (uuid in known, uuid))
        denied = False
        now = asked[: self._at_once]
        try:
            answers = for_each(self._workers, self._nova.has_shares, now)
        except CloudDenied as error:
            LOG.info("the shares of servers are not shown: %s", error)
            denied, answers = True, []
        known.update(
            (uuid, (candidates[uuid].updated or "", has)) for uuid, has in zip(now, answers, strict=not denied)
        )
        self._known = known
        unknown = frozenset(asked) if denied else frozenset(asked[self._at_once :])
        having = frozenset(uuid for uuid, (_, has) in known.items() if has and uuid not in unknown)
        return ShareHolders(having, unknown, denied)
