"""``/v1/instances``: the servers as they are now."""

from __future__ import annotations

import falcon

from vmpath_service.api import bodies, paging, views
from vmpath_service.api.ports import Commands, Reading
from vmpath_service.model.errors import NotFound
from vmpath_service.model.hints import hint


class Instances:
    def __init__(self, engine: Commands) -> None:
        self._kept = paging.Kept(engine.instances)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request, "host", "limit", "marker")
        host = request.get_param("host")
        wanted = [each for each in self._kept.items(request) if host is None or each["host"] == host]
        page, more = paging.cut(request, wanted, lambda each: str(each["uuid"]))
        last = str(page[-1]["uuid"]) if more else None
        response.media = {"instances": list(page), "links": paging.links(request, last)}


class Instance:
    def __init__(self, engine: Commands) -> None:
        self._engine = engine

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        instances = self._engine.instances()
        found = [each for each in instances if each["uuid"] == identity]
        found = found or [each for each in instances if each.get("name") == identity]
        if len(found) != 1:
            if found:
                raise NotFound(f"{len(found)} instances are called {identity!r}: name one by its uuid")
            known = [str(each.get("name") or each["uuid"]) for each in instances]
            raise NotFound(f"there is no instance {identity!r}{hint(identity, known)}")
        response.media = found[0]


class Migrations:
    """``/v1/instances/{identity}/migrations``: what was asked of Nova for it so far."""

    def __init__(self, store: Reading) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request, "limit")
        found = self._store.migrations_of(identity, paging.limit(request))
        shown = [views.migration(each) for each in found]
        response.media = {"migrations": shown, "links": paging.links(request, None)}
