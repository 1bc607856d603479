"""What happens around every request: an id, who calls, whether they may."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import falcon

from vmpath_service.api.access import Access, refusal
from vmpath_service.api.callers import Authentication, Caller
from vmpath_service.api.routes import OPERATIONS

LOG = logging.getLogger(__name__)

_LOOKING = frozenset(("GET", "HEAD", "OPTIONS"))


class RequestIdentity:
    """A new id for every request, in its answer and in the log."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        request.context.request_id = f"req-{uuid.uuid4()}"
        response.set_header("X-Openstack-Request-Id", request.context.request_id)


class Guard:
    """Lets nobody do what the table of routes does not allow them.

    It runs before any resource looks at the request; what is not in the table has no resource.
    """

    def __init__(self, authentication: Authentication, access: Access) -> None:
        self._authentication = authentication
        self._access = access

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        request.context.access = self._access
        request.context.caller = self._authentication.identify(request)

    def process_resource(
        self, request: falcon.Request, response: falcon.Response, resource: object, params: dict[str, Any]
    ) -> None:
        here = OPERATIONS[str(request.uri_template)]
        operation = here.get(request.method)  # type: ignore[call-overload]
        if operation is None and request.method != "OPTIONS":
            # also where a resource could do it: what is not in the table is for nobody
            raise falcon.HTTPMethodNotAllowed([*here, "OPTIONS"])
        if operation is None or operation.rule is None:
            return  # for everybody
        caller: Caller | None = request.context.caller
        if caller is None:
            challenges = [self._authentication.challenge] if self._authentication.challenge else None
            raise falcon.HTTPUnauthorized(description="this needs authentication", challenges=challenges)
        if not self._access.allows(caller, operation.rule):
            raise falcon.HTTPForbidden(description=refusal(caller, operation.rule))

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, request_succeeded: bool
    ) -> None:
        """Keep in the log who changed something, or tried to."""
        if request.method in _LOOKING:
            return
        caller: Caller | None = getattr(request.context, "caller", None)
        LOG.info(
            "%s %s by %s: %s (%s)",
            request.method,
            request.path,
            "nobody known" if caller is None else caller.name,
            str(response.status)[:3],
            request.context.request_id,
        )
