"""servers: lists, single ones, creating, deleting, metadata."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import falcon

from vmpath_service.simulator import server_life
from vmpath_service.simulator.flavors import shape_of
from vmpath_service.simulator.moments import moment_of
from vmpath_service.simulator.records import Server
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web import server_view
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    body_of,
    need_admin,
    next_link,
    only_parameters,
    page_size,
    token_of,
    truth,
)

KNOWN = frozenset(
    (
        "all_tenants", "changes-before", "changes-since", "deleted", "host", "limit", "locked",
        "marker", "name", "project_id", "soft_deleted", "status", "tenant_id", "uuid", "vm_state",
    )
)  # fmt: skip
Test = Callable[[Server], bool]


def find_server(site: Site, req: falcon.Request, server_id: str) -> Server:
    """The server, when there is one that the caller may see. Raises Refused 404."""
    server = site.world.servers.get(server_id)
    token = token_of(req)
    if server is None or (not token.may("context_is_admin") and server.project_id != token.user.project_id):
        raise Refused(404, f"Instance {server_id} could not be found.")
    return server


class Servers:
    def __init__(self, site: Site) -> None:
        self._site = site

    # Lists ---------------------------------------------------------------------------------

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._list(req, resp, detail=False)

    def on_get_detail(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._list(req, resp, detail=True)

    def _list(self, req: falcon.Request, resp: falcon.Response, detail: bool) -> None:
        site = self._site
        given = only_parameters(site, req, KNOWN)
        if truth(given.get("all_tenants", "false") or "true"):
            need_admin(req, "os_compute_api:servers:detail:get_all_tenants")
        size = page_size(site, given)
        tests = self._tests(req, given)
        candidates = self._candidates(req, given)
        chosen = (s for s in candidates if all(test(s) for test in tests))
        page = list(itertools.islice(chosen, size))
        if detail:
            shown = [server_view.full(site, req, server, alone=False) for server in page]
        else:
            shown = [server_view.brief(site, server) for server in page]
        body: dict[str, Any] = {"servers": shown}
        path = "/servers/detail" if detail else "/servers"
        links = next_link(site, path, given, shown, "id", size)
        if links:
            body["servers_links"] = links
        answer(resp, body)

    def _candidates(self, req: falcon.Request, given: dict[str, str]) -> Iterable[Server]:
        """Servers in the order of the list, from behind the marker on."""
        world, is_admin = self._site.world, token_of(req).is_admin
        marker: Server | None = None
        if "marker" in given:
            marker = world.servers.get(given["marker"]) or world.deleted.get(given["marker"])
            if marker is None:
                raise Refused(400, f"marker [{given['marker']}] not found")
        if is_admin and "host" in given and "changes-since" not in given:
            there = [world.servers[name] for name in world.on_host.get(given["host"], {})]
            return _behind(sorted(there, key=_newest_first), marker)
        if not (is_admin and ("deleted" in given or "changes-since" in given)):
            return world.newest_after(marker)
        wants_deleted = truth(given.get("deleted", "false"))
        servers: Iterable[Server] = world.deleted.values()
        if wants_deleted:
            waiting = (server for server in world.servers.values() if server.vm_state == "soft-delete")
            servers = itertools.chain(waiting, servers)
        else:
            servers = () if "deleted" in given else servers
            servers = itertools.chain(world.servers.values(), servers)
        if "changes-since" in given:
            since = moment_of(given["changes-since"], "changes-since")
            servers = [server for server in servers if int(server.updated_at) >= since]
        return _behind(sorted(servers, key=_newest_first), marker)

    def _tests(self, req: falcon.Request, given: dict[str, str]) -> list[Test]:
        token = token_of(req)
        tests: list[Test] = []
        world = self._site.world
        if world.silent_cells:
            # Nova leaves the servers of a cell that does not answer out of its lists, and says 200.
            tests.append(lambda s: s.host is None or world.answers(world.hosts[s.host]))
        project = given.get("project_id") or given.get("tenant_id")
        if not truth(given.get("all_tenants", "false") or "true"):
            project = token.user.project_id
        if project is not None:
            tests.append(lambda s: s.project_id == project)
        statuses = [part.upper() for part in given.get("status", "").split(",") if part]
        if statuses:
            tests.append(lambda s: server_view.status_of(s) in statuses)
        asked = truth(given.get("soft_deleted", "false")) or "deleted" in given or "changes-since" in given
        if not (asked and token.is_admin):
            # Asking for their status is not enough.
            tests.append(lambda s: s.vm_state != "soft-delete")
        if given.get("vm_state"):
            tests.append(lambda s: s.vm_state == given["vm_state"])
        if given.get("uuid"):
            tests.append(lambda s: s.uuid == given["uuid"])
        if given.get("name"):
            pattern = re.compile(given["name"])
            tests.append(lambda s: pattern.search(s.name) is not None)
        if "locked" in given and at_least(req, 73):
            locked = truth(given["locked"])
            tests.append(lambda s: s.locked == locked)
        if token.is_admin and given.get("host"):
            tests.append(lambda s: s.host == given["host"])
        if "changes-since" in given and not token.is_admin:
            since = moment_of(given["changes-since"], "changes-since")
            tests.append(lambda s: int(s.updated_at) >= since)
        if "changes-before" in given:
            before = moment_of(given["changes-before"], "changes-before")
            tests.append(lambda s: int(s.updated_at) <= before)
        return tests

    # Single servers ------------------------------------------------------------------------

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        server = find_server(self._site, req, server_id)
        answer(resp, {"server": server_view.full(self._site, req, server, alone=True)})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        server = find_server(self._site, req, server_id)
        if server.locked and not token_of(req).is_admin:
            raise Refused(409, f"Instance {server_id} is locked")
        server_life.delete(self._site.world, server)
        resp.status = 204

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Boot one server, without ports."""
        whole = body_of(req)
        asked = whole.get("server")
        if not isinstance(asked, dict) or "name" not in asked or "flavorRef" not in asked:
            raise Refused(400, "Invalid input for field/attribute server. 'name' and 'flavorRef' are needed")
        hints = _hints(whole)
        host = asked.get("host")
        if host is not None:
            if not at_least(req, 74):
                raise Refused(
                    400,
                    "Invalid input for field/attribute server. Additional properties are not"
                    " allowed ('host' was unexpected)",
                )
            need_admin(req, "compute:servers:create:requested_destination")
        world = self._site.world
        flavor = world.flavors.get(str(asked["flavorRef"]))
        if flavor is None:
            raise Refused(400, f"Flavor {asked['flavorRef']} could not be found.")
        user, shape = token_of(req).user, shape_of(flavor)
        zone = asked.get("availability_zone")
        if zone is not None and all(h.zone != zone for h in world.hosts.values()):
            raise Refused(400, "The requested availability zone is not available")
        server = Server(
            number=world.new_server_number(),
            uuid=str(uuid.uuid4()),
            name=str(asked["name"]),
            project_id=user.project_id,
            user_id=user.id,
            host=None,
            flavor=flavor,
            resources=shape.resources,
            created_at=world.now,
            updated_at=world.now,
            image=asked.get("imageRef") or None,
            image_properties=dict(world.settings.images.get(str(asked.get("imageRef")), {})),
            metadata={str(k): str(v) for k, v in (asked.get("metadata") or {}).items()},
            tags=list(asked.get("tags") or []),
            description=asked.get("description"),
            pinned_zone=zone,
            hints=hints or None,
            required_traits=shape.required_traits,
            forbidden_traits=shape.forbidden_traits,
        )
        for name in hints.get("group", ()):
            group = world.groups.get(name)
            if group is None:
                raise Refused(400, f"Instance group {name} could not be found.")
            group.members.append(server.uuid)
            world.group_of[server.uuid] = group
            if world.announcer is not None:
                world.announcer.group(group, "add_member", [server.uuid])
        try:
            server_life.boot(world, server, host)
        except Refused:
            group = world.group_of.pop(server.uuid, None)
            if group is not None:
                group.members.remove(server.uuid)
            raise
        shown = {
            "id": server.uuid,
            "links": server_view.links(self._site, server),
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": [{"name": "default"}],
            "adminPass": uuid.uuid4().hex[:12],
        }
        resp.set_header("Location", self._site.compute_url(f"/servers/{server.uuid}"))
        answer(resp, {"server": shown}, 202)


class ServerMetadata:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        answer(resp, {"metadata": find_server(self._site, req, server_id).metadata})

    def on_put(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        """Replace all."""
        self._change(req, resp, server_id, keep=False)

    def on_post(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        """Add to what there is."""
        self._change(req, resp, server_id, keep=True)

    def on_delete_key(self, req: falcon.Request, resp: falcon.Response, server_id: str, key: str) -> None:
        server = find_server(self._site, req, server_id)
        if key not in server.metadata:
            raise Refused(404, "Metadata item was not found")
        server.metadata = {k: v for k, v in server.metadata.items() if k != key}
        self._site.world.touch(server)
        resp.status = 204

    def _change(self, req: falcon.Request, resp: falcon.Response, server_id: str, keep: bool) -> None:
        server = find_server(self._site, req, server_id)
        given = body_of(req).get("metadata")
        if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
            raise Refused(400, "Invalid input for field/attribute metadata.")
        server.metadata = {**server.metadata, **given} if keep else dict(given)
        self._site.world.touch(server)
        answer(resp, {"metadata": server.metadata})


def _newest_first(server: Server) -> tuple[float, int]:
    return (-server.created_at, -server.number)


def _behind(servers: list[Server], marker: Server | None) -> Iterator[Server]:
    """Those that come after the marker in the order of the list."""
    for server in servers:
        if marker is None or _newest_first(server) > _newest_first(marker):
            yield server


def _hints(body: dict[str, Any]) -> dict[str, list[str]]:
    """Scheduler hints of a request, each with a list of values."""
    given = body.get("os:scheduler_hints") or body.get("OS-SCH-HNT:scheduler_hints") or {}
    return {
        str(key): [str(v) for v in (value if isinstance(value, list) else [value])] for key, value in given.items()
    }
