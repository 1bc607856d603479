"""``/healthcheck``: whether the service can do its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

import falcon

from vmpath_service.model.errors import VmpathError

Check = Callable[[], None]
"""Returns when a part is well, raises VmpathError with what is wrong."""


class Healthcheck:
    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        parts = {name: _ask(check) for name, check in self._checks.items()}
        well = all(state == "ok" for state in parts.values())
        response.status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        response.media = {"status": "ok" if well else "failing", "parts": parts}


def _ask(check: Check) -> str:
    try:
        check()
    except VmpathError as error:
        return str(error)
    return "ok"
