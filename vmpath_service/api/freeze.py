"""``/v1/freeze``: nothing new starts anywhere while it stands."""

from __future__ import annotations

from http import HTTPStatus

import falcon
import msgspec

from vmpath_service.api import bodies, views
from vmpath_service.api.ports import Commands, Reading


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``by``: who wants it, as far as a client without a login can say."""

    reason: str = ""
    by: str = "operator"


class Freeze:
    def __init__(self, engine: Commands, store: Reading) -> None:
        self._engine = engine
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        response.media = views.freeze(self._store.frozen())

    def on_put(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        wish = bodies.read(request, Wish)
        response.media = views.freeze(self._engine.freeze(wish.reason, wish.by))

    def on_delete(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        bodies.no_body(request)
        self._engine.thaw()
        response.status = HTTPStatus.NO_CONTENT
