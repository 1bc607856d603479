"""os-instance-actions: what was asked of a server, and the steps that Nova noted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import falcon

from vmpath_service.simulator import live_migration
from vmpath_service.simulator.moments import iso_micro
from vmpath_service.simulator.records import Deed, Migration, Server
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.servers import find_server
from vmpath_service.simulator.web.site import Site, answer, at_least, only_parameters, token_of
from vmpath_service.simulator.world import uuid_of

CONDUCTOR = "controller"
# What Nova notes about a live migration that it has accepted, each with how far it must have come;
# a failure midway is in none of them.
STEPS = (
    ("conductor_live_migrate_instance", None, ("queued", "preparing", "running", "completed")),
    ("compute_check_can_live_migrate_destination", "target", ("queued", "preparing", "running", "completed")),
    ("compute_check_can_live_migrate_source", "source", ("queued", "preparing", "running", "completed")),
    ("compute_live_migration", "source", ("queued", "preparing", "running", "completed")),
    ("compute_pre_live_migration", "target", ("running", "completed")),
    ("compute_post_live_migration_at_destination", "target", ("completed",)),
)


class InstanceActions:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        """An administrator is also told of a server that is deleted."""
        gone = self._site.world.deleted.get(server_id) if token_of(req).is_admin and at_least(req, 21) else None
        server = gone or find_server(self._site, req, server_id)
        only_parameters(self._site, req, frozenset())
        shown = [self._shown(req, server, deed) for deed in self._deeds(server)]
        answer(resp, {"instanceActions": shown})

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, server_id: str, request_id: str) -> None:
        server = find_server(self._site, req, server_id)
        found = next((deed for deed in self._deeds(server) if deed.request_id == request_id), None)
        if found is None:
            raise Refused(404, f"Action for request_id {request_id} on instance {server_id} not found")
        shown = self._shown(req, server, found)
        migration = self._migration(found)
        if token_of(req).is_admin or at_least(req, 51):
            shown["events"] = [] if migration is None else list(self._events(req, migration))
        answer(resp, {"instanceAction": shown})

    def _deeds(self, server: Server) -> Iterator[Deed]:
        """Newest first; the oldest is always its creation."""
        yield from reversed(self._site.world.deeds.get(server.uuid, []))
        digest = uuid_of("request", server.uuid)
        yield Deed("create", f"req-{digest}", server.user_id, server.project_id, server.created_at)

    def _migration(self, deed: Deed) -> Migration | None:
        return self._site.world.migrations.get(deed.migration or 0)

    def _shown(self, req: falcon.Request, server: Server, deed: Deed) -> dict[str, Any]:
        migration = self._migration(deed)
        shown: dict[str, Any] = {
            "action": deed.action,
            "instance_uuid": server.uuid,
            "request_id": deed.request_id,
            "user_id": deed.user_id,
            "project_id": deed.project_id,
            "start_time": iso_micro(deed.started_at),
            "message": "Error" if migration is not None and migration.trouble is not None else None,
        }
        if at_least(req, 51):
            changed = migration.updated_at if migration is not None else None
            shown["updated_at"] = iso_micro(changed or deed.started_at)
        return shown

    def _events(self, req: falcon.Request, migration: Migration) -> Iterator[dict[str, Any]]:
        """Newest first."""
        if migration.kind != live_migration.KIND:
            return
        if migration.trouble is not None:
            yield self._event(req, migration, STEPS[0][0], CONDUCTOR, migration.trouble)
            return
        hosts = {"source": migration.source, "target": migration.target or "", None: CONDUCTOR}
        for name, end, reached in reversed(STEPS):
            if migration.furthest in reached:
                yield self._event(req, migration, name, hosts[end], None)

    def _event(
        self, req: falcon.Request, migration: Migration, name: str, host: str, trouble: str | None
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "event": name,
            "start_time": iso_micro(migration.created_at),
            "finish_time": iso_micro(migration.updated_at or migration.created_at),
            "result": "Error" if trouble is not None else "Success",
        }
        if token_of(req).is_admin:
            shown["traceback"] = f"nova.exception.NoValidHost: {trouble}\n" if trouble is not None else None
        if at_least(req, 62):
            if token_of(req).is_admin:
                shown["host"] = host
            shown["hostId"] = hashlib.sha224((migration.project_id + host).encode()).hexdigest()
        if at_least(req, 84):
            shown["details"] = trouble
        return shown
