"""os-migrations: all migrations there ever were, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import falcon

from vmpath_service.simulator import live_migration
from vmpath_service.simulator.moments import iso_micro, moment_of
from vmpath_service.simulator.records import IN_PROGRESS, Migration
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    need_admin,
    next_link,
    only_parameters,
    page_size,
    token_of,
)

FILTERS = frozenset(("host", "status", "instance_uuid", "source_compute", "migration_type", "hidden"))
PAGING = frozenset(("limit", "marker", "changes-since"))
# Not shown without os-migrations:index:host.
HOSTS = ("dest_compute", "dest_host", "dest_node", "source_compute", "source_node")


class Migrations:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        need_admin(req, "os_compute_api:os-migrations:index")
        need_admin(req, "os_compute_api:os-migrations:index:all_projects")
        known = FILTERS
        if at_least(req, 59):
            known |= PAGING
        if at_least(req, 66):
            known |= {"changes-before"}
        if at_least(req, 80):
            known |= {"user_id", "project_id"}
        given = only_parameters(self._site, req, known)
        size = page_size(self._site, given)
        paged = at_least(req, 59)
        page: list[Migration] = []
        for migration in self._newest_first(given):
            if paged and len(page) == size:
                break
            if self._matches(migration, given):
                page.append(migration)
        if not paged:
            page.reverse()
        # Nova's internal number of a flavor: here its place among them.
        numbers = {flavor: number for number, flavor in enumerate(self._site.world.flavors, start=1)}
        shown = [self._shown(req, migration, numbers) for migration in page]
        if not token_of(req).may("os_compute_api:os-migrations:index:host"):
            shown = [{**each, **dict.fromkeys(HOSTS)} for each in shown]
        body: dict[str, Any] = {"migrations": shown}
        if paged:
            links = next_link(self._site, "/os-migrations", given, shown, "uuid", size)
            if links:
                body["migrations_links"] = links
        answer(resp, body)

    def _newest_first(self, given: dict[str, str]) -> Iterator[Migration]:
        world = self._site.world
        numbers = list(world.migrations)
        if "instance_uuid" in given:
            numbers = world.migrations_of.get(given["instance_uuid"], [])
        below = None
        if "marker" in given:
            marker = next((m for m in world.migrations.values() if m.uuid == given["marker"]), None)
            if marker is None:
                raise Refused(400, f"Marker {given['marker']} could not be found.")
            below = marker.number
        for number in reversed(numbers):
            migration = world.migrations[number]
            # With a server, its migrations disappear.
            if (below is None or number < below) and migration.server in world.servers:
                yield migration

    def _matches(self, migration: Migration, given: dict[str, str]) -> bool:
        wanted = {
            "status": migration.status,
            "source_compute": migration.source,
            "migration_type": migration.kind,
            "user_id": migration.user_id,
            "project_id": migration.project_id,
        }
        if any(name in given and given[name] != value for name, value in wanted.items()):
            return False
        if "host" in given and given["host"] not in (migration.source, migration.dest_compute):
            return False
        if migration.updated_at is None:
            # A record that nobody has saved again has no time of change, and no such filter finds it.
            return not {"changes-since", "changes-before"} & given.keys()
        changed = int(migration.updated_at)
        if "changes-since" in given and changed < moment_of(given["changes-since"], "changes-since"):
            return False
        return not ("changes-before" in given and changed > moment_of(given["changes-before"], "changes-before"))

    def _shown(self, req: falcon.Request, migration: Migration, numbers: dict[str, int]) -> dict[str, Any]:
        before, after = migration.before, migration.after
        old = numbers.get(before.flavor.id if before else migration.flavor, 0)
        updated = migration.updated_at
        shown: dict[str, Any] = {
            "id": migration.number,
            "created_at": iso_micro(migration.created_at),
            "updated_at": iso_micro(updated) if updated is not None else None,
            "source_compute": migration.source,
            "dest_compute": migration.dest_compute,
            "source_node": migration.source_node,
            "dest_node": migration.dest_node,
            "dest_host": migration.dest_host,
            "old_instance_type_id": old,
            "new_instance_type_id": numbers.get(after.flavor.id, 0) if after else old,
            "instance_uuid": migration.server,
            "status": migration.status,
        }
        if at_least(req, 23):
            shown["migration_type"] = migration.kind
            if migration.kind == live_migration.KIND and migration.status in IN_PROGRESS:
                path = f"/servers/{migration.server}/migrations/{migration.number}"
                shown["links"] = [
                    {"rel": "self", "href": self._site.compute_url(path)},
                    {"rel": "bookmark", "href": self._site.bookmark(path)},
                ]
        if at_least(req, 59):
            shown["uuid"] = migration.uuid
        if at_least(req, 80):
            shown["user_id"] = migration.user_id
            shown["project_id"] = migration.project_id
        return shown
