"""``/v1/hosts``: the hypervisors as they are now."""

from __future__ import annotations

from http import HTTPStatus

import falcon

from vmpath_service.api import bodies, paging
from vmpath_service.api.ports import Commands
from vmpath_service.model.errors import NotFound
from vmpath_service.model.hints import hint


class Hosts:
    def __init__(self, engine: Commands) -> None:
        self._kept = paging.Kept(engine.hosts)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request, "limit", "marker")
        page, more = paging.cut(request, self._kept.items(request), lambda host: str(host["name"]))
        last = str(page[-1]["name"]) if more else None
        response.media = {"hosts": list(page), "links": paging.links(request, last)}


class Host:
    def __init__(self, engine: Commands) -> None:
        self._engine = engine

    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        bodies.only(request)
        hosts = {str(host["name"]): host for host in self._engine.hosts()}
        found = hosts.get(name)
        if found is None:
            raise NotFound(f"there is no host {name!r}{hint(name, hosts)}")
        response.media = found


class Quarantine:
    """``/v1/hosts/{name}/quarantine``: a host whose migrations have failed."""

    def __init__(self, engine: Commands) -> None:
        self._engine = engine

    def on_delete(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        if not self._engine.release(name):
            raise NotFound(f"no migration to or from a host {name!r} has failed since the last that was done")
        response.status = HTTPStatus.NO_CONTENT
