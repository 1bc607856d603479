"""The WSGI application: all routes of the table with the resources behind them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    maintenances,
    metrics,
    middleware,
    openapi,
    policies,
    rearrangements,
    routes,
    schedules,
    versions,
    waiting,
)
from vmpath_service.api.access import Access
from vmpath_service.api.callers import Authentication
from vmpath_service.api.ports import (
    Commands,
    MaintenanceOrders,
    MaintenanceRecords,
    Reading,
    ScheduleOrders,
    ScheduleRecords,
)
from vmpath_service.model.maintenances import Maintenance
from vmpath_service.model.records import Rearrangement


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API is put together of.

    An engine and keepers take orders, databases are read from; ``checks``: what the health check looks at;
    ``metrics``: what is measured, as Prometheus's text; ``stopping`` is set when the service is to end.
    """

    engine: Commands
    store: Reading
    maintenances: MaintenanceOrders
    maintenance_records: MaintenanceRecords
    schedules: ScheduleOrders
    schedule_records: ScheduleRecords
    checks: Mapping[str, healthcheck.Check]
    metrics: Callable[[], bytes]
    authentication: Authentication
    access: Access
    stopping: threading.Event


def make(parts: Parts) -> Callable[..., Any]:
    """The WSGI application."""
    around: list[Any] = [middleware.RequestIdentity(), middleware.Guard(parts.authentication, parts.access)]
    app: falcon.App[Any, Any] = falcon.App(middleware=around)
    json = falcon.media.JSONHandler(dumps=_text, loads=msgspec.json.decode)
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = json
    failures.install(app)
    behind = resources(parts)
    for path in routes.OPERATIONS:
        app.add_route(path, behind[path])
    return parts.authentication.around(app)


def resources(parts: Parts) -> Mapping[str, object]:
    """What answers at each path of the table."""
    engine, store = parts.engine, parts.store
    patience = waiting.Patience(parts.stopping)
    one = "/v1/rearrangements/{identity}"
    orders: Mapping[str, Callable[[str, int | None], Rearrangement]] = {
        "approve": engine.approve,
        "pause": engine.pause,
        "resume": engine.proceed,
    }
    endings: Mapping[str, Callable[..., Rearrangement]] = {"cancel": engine.cancel, "rollback": engine.rollback}
    return {
        "/": versions.Versions(),
        "/healthcheck": healthcheck.Healthcheck(parts.checks),
        "/metrics": metrics.Metrics(parts.metrics),
        "/v1/openapi.json": openapi.OpenApi(),
        "/v1/freeze": freeze.Freeze(engine, store, parts.authentication),
        "/v1/hosts": hosts.Hosts(engine),
        "/v1/hosts/{name}": hosts.Host(engine),
        "/v1/hosts/{name}/quarantine": hosts.Quarantine(engine),
        "/v1/instances": instances.Instances(engine),
        "/v1/instances/{identity}": instances.Instance(engine),
        "/v1/instances/{identity}/migrations": instances.Migrations(store),
        "/v1/policies": policies.Policies(engine),
        "/v1/policies/{name}": policies.Policy(engine),
        "/v1/rearrangements": rearrangements.Rearrangements(engine, store),
        one: rearrangements.One(engine, store),
        f"{one}/events": rearrangements.Events(store, patience),
        f"{one}/migrations": rearrangements.Migrations(store),
        f"{one}/plan": rearrangements.Plan(store),
        **_maintenances(parts, patience),
        **_schedules(parts),
        **{f"{one}/{word}": rearrangements.Order(tell, store) for word, tell in orders.items()},
        **{f"{one}/{word}": rearrangements.Ending(end, store) for word, end in endings.items()},
    }


def _maintenances(parts: Parts, patience: waiting.Patience) -> Mapping[str, object]:
    told, records = parts.maintenances, parts.maintenance_records
    one = "/v1/maintenances/{identity}"
    orders: Mapping[str, Callable[[str, int | None], Maintenance]] = {
        "pause": told.pause,
        "resume": told.proceed,
        "complete": told.complete,
        "cancel": told.cancel,
    }
    return {
        "/v1/maintenances": maintenances.Maintenances(told, records),
        one: maintenances.One(told, records),
        f"{one}/events": maintenances.Events(records, parts.store, patience),
        **{f"{one}/{word}": maintenances.Order(tell, records) for word, tell in orders.items()},
    }


def _schedules(parts: Parts) -> Mapping[str, object]:
    told, records = parts.schedules, parts.schedule_records
    one = "/v1/schedules/{name}"
    return {
        "/v1/schedules": schedules.Schedules(told, records),
        one: schedules.One(told, records),
        f"{one}/enable": schedules.Order(told.enable, records),
        f"{one}/disable": schedules.Order(told.disable, records),
    }


def _text(value: object) -> bytes:
    return msgspec.json.encode(value)
