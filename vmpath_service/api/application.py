"""The WSGI application: all routes in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import falcon
import falcon.media
import msgspec

from vmpath_service.api import (
    failures,
    freeze,
    healthcheck,
    hosts,
    instances,
    middleware,
    policies,
    rearrangements,
    versions,
)
from vmpath_service.api.ports import Commands, Reading


def make(engine: Commands, store: Reading, checks: Mapping[str, healthcheck.Check]) -> falcon.App[Any, Any]:
    """The API over an engine that takes commands and a store to read from; for clients on this machine."""
    routes: dict[str, object] = {
        "/": versions.Versions(),
        "/healthcheck": healthcheck.Healthcheck(checks),
        "/v1/freeze": freeze.Freeze(engine, store),
        "/v1/hosts": hosts.Hosts(engine),
        "/v1/hosts/{name}": hosts.Host(engine),
        "/v1/instances": instances.Instances(engine),
        "/v1/instances/{identity}": instances.Instance(engine),
        "/v1/policies": policies.Policies(engine),
        "/v1/policies/{name}": policies.Policy(engine),
        "/v1/rearrangements": rearrangements.Rearrangements(engine, store),
        "/v1/rearrangements/{identity}": rearrangements.One(engine, store),
        "/v1/rearrangements/{identity}/approve": rearrangements.Order(engine.approve, store),
        "/v1/rearrangements/{identity}/pause": rearrangements.Order(engine.pause, store),
        "/v1/rearrangements/{identity}/resume": rearrangements.Order(engine.proceed, store),
        "/v1/rearrangements/{identity}/cancel": rearrangements.Order(engine.cancel, store),
        "/v1/rearrangements/{identity}/events": rearrangements.Events(store),
        "/v1/rearrangements/{identity}/migrations": rearrangements.Migrations(store),
        "/v1/rearrangements/{identity}/plan": rearrangements.Plan(store),
    }
    around: list[Any] = [middleware.RequestIdentity(), middleware.LoopbackOnly()]
    app: falcon.App[Any, Any] = falcon.App(middleware=around)
    json = falcon.media.JSONHandler(dumps=_text, loads=msgspec.json.decode)
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = json
    failures.install(app)
    for path, resource in routes.items():
        app.add_route(path, resource)
    return app


def _text(value: object) -> bytes:
    return msgspec.json.encode(value)
