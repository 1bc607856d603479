"""``/v1/policies``: what may be asked for."""

from __future__ import annotations

import falcon

from vmpath_service.api import bodies
from vmpath_service.api.ports import Commands
from vmpath_service.model.errors import NotFound


class Policies:
    def __init__(self, engine: Commands) -> None:
        self._engine = engine

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        response.media = {"policies": list(self._engine.policies())}


class Policy:
    def __init__(self, engine: Commands) -> None:
        self._engine = engine

    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        bodies.only(request)
        found = next((policy for policy in self._engine.policies() if policy["name"] == name), None)
        if found is None:
            raise NotFound(f"there is no policy {name!r}")
        response.media = found
