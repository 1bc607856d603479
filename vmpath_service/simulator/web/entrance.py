"""What happens to every request first: who asks, and in which microversion; and error shapes."""

from __future__ import annotations

import re
import secrets
from typing import Any

import falcon

from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import Site, answer

PLACEMENT_NEWEST = 39
FAULT_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
# What WebOb puts before and after Placement's own words.
EXPLANATIONS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.\n\n {}  ",
    403: "Access was denied to this resource.\n\n {}  ",
    404: "The resource could not be found.\n\n {}  ",
    409: "There was a conflict when trying to complete your request.\n\n {}  ",
}
# Asked without a token: version documents and asking for a token.
OPEN_PATHS = frozenset(
    (
        "/",
        "/identity",
        "/identity/v3",
        "/identity/v3/auth/tokens",
        "/compute",
        "/compute/v2.1",
        "/placement",
    )
)


class Entrance:
    """Falcon middleware: token, microversion, request id."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        req.context.request_id = f"req-{secrets.token_hex(16)}"
        resp.set_header("X-Openstack-Request-Id", req.context.request_id)
        req.context.minor = 0
        path = req.path.rstrip("/") or "/"
        is_open = path in OPEN_PATHS or path.startswith("/simulator")
        token = self._site.identity.validate(req.get_header("X-Auth-Token"))
        req.context.token = token
        if token is None and not is_open:
            resp.set_header("WWW-Authenticate", f'Keystone uri="{self._site.base_url}/identity"')
            raise Refused(401, "The request you have made requires authentication.")
        if path.startswith("/compute"):
            resp.set_header("X-Compute-Request-Id", req.context.request_id)
            self._compute_version(req, resp)
        elif path.startswith("/placement"):
            self._placement_version(req, resp, is_open)

    def _compute_version(self, req: falcon.Request, resp: falcon.Response) -> None:
        newest = self._site.world.settings.compute_microversion
        asked = _asked_for(req, "compute") or req.get_header("X-OpenStack-Nova-API-Version")
        minor = _minor(asked, "2", newest)
        if minor is None:
            raise Refused(
                400, f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
            )
        if not 1 <= minor <= newest:
            raise Refused(
                406,
                f"Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.{newest}.",
            )
        req.context.minor = minor
        resp.set_header("OpenStack-API-Version", f"compute 2.{minor}")
        resp.set_header("X-OpenStack-Nova-API-Version", f"2.{minor}")
        resp.set_header("Vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version")

    def _placement_version(self, req: falcon.Request, resp: falcon.Response, is_open: bool) -> None:
        asked = _asked_for(req, "placement")
        minor = 0 if asked is None else _minor(asked, "1", PLACEMENT_NEWEST)
        if minor is None:
            raise Refused(400, f"invalid version string: {asked}")
        if not 0 <= minor <= PLACEMENT_NEWEST:
            raise Refused(406, f"Unacceptable version header: {asked}")
        req.context.minor = minor
        resp.set_header("OpenStack-API-Version", f"placement 1.{minor}")
        resp.set_header("Vary", "openstack-api-version")
        token = req.context.token
        if not is_open and not token.may(rule := _placement_rule(req.method, req.path)):
            raise Refused(403, f"Policy does not allow {rule} to be performed.")


def _placement_rule(method: str, path: str) -> str:
    """The rule of Placement's policy for reading there, or writing."""
    noun, *rest = path.removeprefix("/placement/").split("/")
    parts = ["placement", noun, *rest[1:2]]
    if method != "GET":
        return ":".join([*parts, "update"])
    return ":".join(parts if parts[-1] == "usages" else [*parts, "list"])


def _asked_for(req: falcon.Request, service: str) -> str | None:
    header = req.get_header("OpenStack-API-Version") or ""
    for part in header.split(","):
        words = part.split()
        if len(words) == 2 and words[0].lower() == service:
            return words[1]
    return None


def _minor(asked: str | None, major: str, newest: int) -> int | None:
    """The minor number asked for; none asked is the oldest; -1 out of range; None malformed."""
    if asked is None:
        return 1
    if asked.lower() == "latest":
        return newest
    match = re.fullmatch(r"([1-9]\d*)\.(0|[1-9]\d*)", asked)
    if match is None:
        return None
    return int(match.group(2)) if match.group(1) == major else -1


def refuse(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    """Give a refusal the shape of the API that was asked."""
    if not isinstance(error, Refused):
        raise error
    answer(resp, error_body(req.path, error, getattr(req.context, "request_id", "")), error.status)


def error_body(path: str, error: Refused, request_id: str) -> dict[str, Any]:
    """The body of an error as Keystone, Nova or Placement would put it."""
    title = TITLES.get(error.status, "Error")
    if error.status == 401 or not path.startswith(("/compute", "/placement")):
        return {"error": {"code": error.status, "title": title, "message": error.message}}
    if path.startswith("/compute"):
        name = FAULT_NAMES.get(error.status, "computeFault")
        return {name: {"code": error.status, "message": error.message}}
    shown = {
        "status": error.status,
        "title": title,
        "detail": EXPLANATIONS.get(error.status, "").format(error.message) or error.message,
        "request_id": request_id,
    }
    if error.status == 406:
        shown |= {"max_version": f"1.{PLACEMENT_NEWEST}", "min_version": "1.0"}
    else:
        shown["code"] = error.code or "placement.undefined_code"
    return {"errors": [shown]}
