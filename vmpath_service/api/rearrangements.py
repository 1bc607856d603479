"""``/v1/rearrangements``: plans being made and carried out.

Read from the database, told to the engine: what a command answers is the engine's, so that it is never stale.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import falcon
import msgspec

from vmpath_service.api import access, bodies, paging, views, waiting
from vmpath_service.api.ports import Commands, Reading
from vmpath_service.model.errors import Outdated
from vmpath_service.model.records import Rearrangement, RearrangementState, Request


def show(request: falcon.Request, response: falcon.Response, record: Rearrangement) -> None:
    """Answer with a rearrangement and its version."""
    response.etag = str(record.version)
    response.media = views.rearrangement(record, request.prefix)


def check_version(request: falcon.Request, store: Reading, identity: str) -> int | None:
    """The version that an order is about, None for any: if the client names versions that it knows, the present one
    has to be among them, and whoever carries the order out compares again. Raises NotFound and Outdated."""
    record = store.get(identity)
    known = request.if_match
    if known is None or "*" in known:
        return None
    if str(record.version) not in [str(tag) for tag in known]:
        raise Outdated(f"rearrangement {identity} has changed: it is at version {record.version} now")
    return record.version


class Rearrangements:
    def __init__(self, engine: Commands, store: Reading) -> None:
        self._engine = engine
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request, "limit", "marker", "state")
        limit, states = paging.limit(request), bodies.states(request, RearrangementState)
        found = self._store.list(states=states, limit=limit + 1, marker=request.get_param("marker") or None)
        page = found[:limit]
        response.media = {
            "rearrangements": [views.rearrangement(record, request.prefix) for record in page],
            "links": paging.links(request, page[-1].id if len(found) > limit else None),
        }

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        wanted = bodies.read(request, Request)
        if wanted.approve:
            access.demand(request, "rearrangements:approve")
        record = self._engine.create(wanted)
        show(request, response, record)
        response.location = f"{request.prefix}/v1/rearrangements/{record.id}"
        response.status = HTTPStatus.ACCEPTED


class One:
    """``/v1/rearrangements/{id}``"""

    def __init__(self, engine: Commands, store: Reading) -> None:
        self._engine = engine
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        show(request, response, self._store.get(identity))

    def on_delete(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        self._engine.delete(identity, check_version(request, self._store, identity))
        response.status = HTTPStatus.NO_CONTENT


class Plan:
    """``/v1/rearrangements/{id}/plan``: the plan file."""

    def __init__(self, store: Reading) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        response.content_type = falcon.MEDIA_JSON
        response.data = msgspec.json.encode(self._store.plan(identity))


class Migrations:
    """``/v1/rearrangements/{id}/migrations``: how each stands; a marker is a step."""

    def __init__(self, store: Reading) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request, "limit", "marker")
        self._store.get(identity)
        page, more = paging.cut(request, self._store.migrations(identity), lambda each: str(each.step))
        response.media = {
            "migrations": [views.migration(each) for each in page],
            "links": paging.links(request, str(page[-1].step) if more else None),
        }


class Events:
    """``/v1/rearrangements/{id}/events``: what happened after event number ``after``; with ``wait``, the answer may
    wait for it."""

    def __init__(self, store: Reading, patience: waiting.Patience) -> None:
        self._store = store
        self._patience = patience

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        self._store.get(identity)
        paging.events(request, response, self._store, self._patience, identity)


class Order:
    """``/v1/rearrangements/{id}/approve``, ``pause`` and ``resume``: one word to the engine each."""

    def __init__(self, tell: Callable[[str, int | None], Rearrangement], store: Reading) -> None:
        """``tell`` takes the identity and its version, and answers with the rearrangement as it then is."""
        self._tell = tell
        self._store = store

    def on_post(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        show(request, response, self._tell(identity, check_version(request, self._store, identity)))
        response.status = HTTPStatus.ACCEPTED


class Ending:
    """``/v1/rearrangements/{id}/cancel`` and ``rollback``: with ``?abort=true``, what is in flight is aborted, too."""

    def __init__(self, tell: Callable[..., Rearrangement], store: Reading) -> None:
        """``tell`` takes the identity, its version and ``abort``, and answers with the rearrangement as it then is."""
        self._tell = tell
        self._store = store

    def on_post(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request, "abort")
        bodies.no_body(request)
        abort = bodies.flag(request, "abort")
        known = check_version(request, self._store, identity)
        show(request, response, self._tell(identity, known, abort=abort))
        response.status = HTTPStatus.ACCEPTED
