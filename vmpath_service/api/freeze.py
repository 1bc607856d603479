"""``/v1/freeze``: nothing new starts anywhere while it stands."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import falcon
import msgspec

from vmpath_service.api import bodies, views
from vmpath_service.api.callers import Authentication
from vmpath_service.api.ports import Commands, Reading


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``by``: who wants it; only where callers have no names, else it is whoever calls."""

    reason: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    by: Annotated[str, msgspec.Meta(max_length=255)] = "operator"


class Freeze:
    def __init__(self, engine: Commands, store: Reading, authentication: Authentication) -> None:
        self._engine = engine
        self._store = store
        self._names_callers = authentication.names_callers

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        response.media = views.freeze(self._store.frozen())

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        wish = bodies.read(request, Wish)
        by = request.context.caller.name if self._names_callers else wish.by
        response.media = views.freeze(self._engine.freeze(wish.reason, by))

    def on_delete(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        bodies.no_body(request)
        self._engine.thaw()
        response.status = HTTPStatus.NO_CONTENT
