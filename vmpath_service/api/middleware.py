"""What happens around every request."""

from __future__ import annotations

import uuid
from typing import Any

import falcon

_OURS = frozenset(("127.0.0.1", "::1", "localhost"))


class RequestIdentity:
    """A new id for every request, in its answer and in the log."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        request.context.request_id = f"req-{uuid.uuid4()}"
        response.set_header("X-Openstack-Request-Id", request.context.request_id)


class LoopbackOnly:
    """Without authentication, whoever reaches the port is trusted: so no web page may reach it by a browser.

    A browser names the page in Origin, or, where a foreign name was made to point here, that name in Host.
    """

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        host: Any = request.host
        if request.get_header("Origin") is not None or str(host).strip("[]").lower() not in _OURS:
            raise falcon.HTTPForbidden(
                description="without authentication vmpath answers programs on its own machine only"
            )
