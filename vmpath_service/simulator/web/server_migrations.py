"""/servers/{id}/migrations: live migrations under way, aborting them, forcing them to an end."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator import live_migration, memory_copy
from vmpath_service.simulator.moments import iso_micro
from vmpath_service.simulator.records import IN_PROGRESS, Migration
from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.web.servers import find_server
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    body_of,
    need_admin,
    need_version,
)

RULE = "os_compute_api:servers:migrations:"


class ServerMigrations:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        need_admin(req, RULE + "index")
        need_version(req, 23)
        server = find_server(self._site, req, server_id)
        world = self._site.world
        under_way = [
            migration
            for number in world.migrations_of.get(server.uuid, ())
            if (migration := world.migrations[number]).kind == live_migration.KIND and migration.status in IN_PROGRESS
        ]
        answer(resp, {"migrations": [self._shown(req, m) for m in under_way]})

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, server_id: str, migration_id: str) -> None:
        need_admin(req, RULE + "show")
        need_version(req, 23)
        find_server(self._site, req, server_id)
        migration = self._find(server_id, migration_id)
        if migration is None:
            raise Refused(
                404,
                f"In-progress live migration {migration_id} is not found for server {server_id}.",
            )
        if migration.kind != live_migration.KIND:
            raise Refused(404, f"Migration {migration_id} for server {server_id} is not live-migration.")
        if migration.status not in IN_PROGRESS:
            raise Refused(404, f"Live migration {migration_id} for server {server_id} is not in progress.")
        answer(resp, {"migration": self._shown(req, migration)})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, server_id: str, migration_id: str) -> None:
        """Abort."""
        need_admin(req, RULE + "delete")
        need_version(req, 24)
        server = find_server(self._site, req, server_id)
        migration = self._find(server_id, migration_id)
        if migration is None:
            if server.task_state != "migrating":
                raise not_in_state(server.uuid, "task_state", server.task_state, "abort live migration")
            raise self._missing(server_id, migration_id)
        live_migration.abort(self._site.world, server, migration, at_least(req, 65))
        resp.status = 202

    def on_post_action(self, req: falcon.Request, resp: falcon.Response, server_id: str, migration_id: str) -> None:
        need_admin(req, RULE + "force_complete")
        need_version(req, 22)
        body = body_of(req)
        if list(body) != ["force_complete"]:
            raise self._site.does_not_know(f"migration action {', '.join(body)}")
        server = find_server(self._site, req, server_id)
        migration = self._find(server_id, migration_id)
        if migration is None:
            raise self._missing(server_id, migration_id)
        live_migration.force_complete(self._site.world, server, migration)
        resp.status = 202

    def _find(self, server_id: str, migration_id: str) -> Migration | None:
        number = int(migration_id) if migration_id.isdigit() else 0
        migration = self._site.world.migrations.get(number)
        return migration if migration is not None and migration.server == server_id else None

    @staticmethod
    def _missing(server_id: str, migration_id: str) -> Refused:
        message = f"Migration {migration_id} not found for instance {server_id}"
        return Refused(404, message)

    def _shown(self, req: falcon.Request, migration: Migration) -> dict[str, Any]:
        updated = migration.updated_at
        total = processed = remaining = None
        figures = None
        if migration.copy is not None:
            figures = memory_copy.shown(migration.copy, self._site.world.now)
        if figures is not None:
            refreshed, total, processed, remaining = figures
            updated = max(updated or 0.0, refreshed)
        disk = None if figures is None else 0
        shown: dict[str, Any] = {
            "created_at": iso_micro(migration.created_at),
            "dest_compute": migration.dest_compute,
            "dest_host": migration.dest_host,
            "dest_node": migration.dest_node,
            "disk_processed_bytes": disk,
            "disk_remaining_bytes": disk,
            "disk_total_bytes": disk,
            "id": migration.number,
            "memory_processed_bytes": processed,
            "memory_remaining_bytes": remaining,
            "memory_total_bytes": total,
            "server_uuid": migration.server,
            "source_compute": migration.source,
            "source_node": migration.source_node,
            "status": migration.status,
            "updated_at": iso_micro(updated) if updated is not None else None,
        }
        if at_least(req, 59):
            shown["uuid"] = migration.uuid
        if at_least(req, 80):
            shown["user_id"] = migration.user_id
            shown["project_id"] = migration.project_id
        return shown
