"""What every part of the HTTP side works with, and how it answers."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import falcon
import msgspec

from vmpath_service.simulator.faults import HttpFaults
from vmpath_service.simulator.identity import Identity, Token
from vmpath_service.simulator.refusals import Refused, UnknownRequest
from vmpath_service.simulator.world import World

LOG = logging.getLogger(__name__)
COMPUTE = "/compute/v2.1"


@dataclass(slots=True)
class Site:
    """One simulated cloud as its HTTP side sees it.

    unknown: what was asked for and is not simulated, with how often: a test asserts it empty.
    served: how many requests were answered, by method.
    """

    world: World
    identity: Identity
    base_url: str = ""
    faults: HttpFaults = field(default_factory=HttpFaults)
    unknown: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)

    def does_not_know(self, what: str) -> UnknownRequest:
        """Note loudly that something is not simulated; raise what is returned."""
        self.unknown[what] += 1
        message = f"the simulated cloud does not know {what}"
        LOG.warning("%s", message)
        return UnknownRequest(404, message)

    def compute_url(self, path: str) -> str:
        return f"{self.base_url}{COMPUTE}{path}"

    def bookmark(self, path: str) -> str:
        return f"{self.base_url}/compute{path}"


def answer(resp: falcon.Response, body: Any, status: int = 200) -> None:
    """Answer with JSON."""
    resp.status = status
    resp.content_type = "application/json"
    resp.data = msgspec.json.encode(body)


def body_of(req: falcon.Request) -> dict[str, Any]:
    """The JSON object that was sent. Raises Refused 400 when it is none."""
    try:
        body = msgspec.json.decode(req.bounded_stream.read())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refused(400, "Malformed request body") from None
    if not isinstance(body, dict):
        raise Refused(400, "Malformed request body")
    return body


def token_of(req: falcon.Request) -> Token:
    token: Token = req.context.token
    return token


def at_least(req: falcon.Request, minor: int) -> bool:
    """Whether the request asked for at least this minor microversion."""
    asked: int = req.context.minor
    return asked >= minor


def need_version(req: falcon.Request, minor: int) -> None:
    """Nova answers 404 to what only a newer microversion has."""
    if not at_least(req, minor):
        raise Refused(404, f"API version 2.{req.context.minor} is not supported on this method.")


def need_admin(req: falcon.Request, rule: str) -> None:
    if not token_of(req).may(rule):
        raise Refused(403, f"Policy doesn't allow {rule} to be performed.")


def only_parameters(site: Site, req: falcon.Request, known: frozenset[str]) -> dict[str, str]:
    """The query parameters, each with its last value. Raises UnknownRequest for any not known."""
    found: dict[str, str] = {}
    for name, value in req.params.items():
        if name not in known:
            raise site.does_not_know(f"query parameter {name} of {req.method} {req.path}")
        found[name] = value[-1] if isinstance(value, list) else value
    return found


def page_size(site: Site, given: dict[str, str]) -> int:
    """How many entries a page holds. Raises Refused 400 for a limit that is no number."""
    text = given.get("limit")
    if text is None:
        return site.world.settings.page_limit
    try:
        limit = int(text)
    except ValueError:
        limit = -1
    if limit < 0:
        raise Refused(400, f"Invalid input for query parameters limit. Value: {text}. It must be >= 0.")
    return min(limit, site.world.settings.page_limit) or site.world.settings.page_limit


def next_link(
    site: Site, path: str, given: dict[str, str], entries: list[Any], key: str, size: int
) -> list[dict[str, str]] | None:
    """The link to the next page; Nova gives one whenever the page is full."""
    if not entries or len(entries) != size:
        return None
    query = urlencode({**given, "marker": str(entries[-1][key])})
    return [{"rel": "next", "href": f"{site.compute_url(path)}?{query}"}]


def truth(text: str) -> bool:
    return text.strip().lower() in ("1", "t", "true", "on", "y", "yes")
