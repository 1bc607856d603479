"""``/metrics``: figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

import falcon

from vmpath_service.api import bodies

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    def __init__(self, collect: Callable[[], bytes]) -> None:
        """``collect``: all figures in Prometheus's text format; raises VmpathError."""
        self._collect = collect

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        response.content_type = CONTENT_TYPE
        response.data = self._collect()
