"""``/v1/maintenances``: hosts that are emptied, worked on, and taken into service again."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import falcon

from vmpath_service.api import bodies, paging, views, waiting
from vmpath_service.api.ports import MaintenanceOrders, MaintenanceRecords, Reading
from vmpath_service.model.errors import Outdated
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, MaintenanceState


def show(request: falcon.Request, response: falcon.Response, record: Maintenance) -> None:
    """Answer with a maintenance and its version."""
    response.etag = str(record.version)
    response.media = views.maintenance(record, request.prefix)


def check_version(request: falcon.Request, records: MaintenanceRecords, identity: str) -> int | None:
    """The version that an order is about, None for any: if the client names versions that it knows, the present one
    has to be among them. Raises NotFound and Outdated."""
    record = records.get(identity)
    known = request.if_match
    if known is None or "*" in known:
        return None
    if str(record.version) not in [str(tag) for tag in known]:
        raise Outdated(f"maintenance {identity} has changed: it is at version {record.version} now")
    return record.version


class Maintenances:
    def __init__(self, orders: MaintenanceOrders, records: MaintenanceRecords) -> None:
        self._orders = orders
        self._records = records

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request, "limit", "marker", "state")
        limit = paging.limit(request)
        states = [state.value for state in bodies.states(request, MaintenanceState)]
        found = self._records.list(states=states, limit=limit + 1, marker=request.get_param("marker") or None)
        page = found[:limit]
        response.media = {
            "maintenances": [views.maintenance(record, request.prefix) for record in page],
            "links": paging.links(request, page[-1].id if len(found) > limit else None),
        }

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        record = self._orders.create(bodies.read(request, MaintenanceRequest))
        show(request, response, record)
        response.location = f"{request.prefix}/v1/maintenances/{record.id}"
        response.status = HTTPStatus.ACCEPTED


class One:
    """``/v1/maintenances/{id}``"""

    def __init__(self, orders: MaintenanceOrders, records: MaintenanceRecords) -> None:
        self._orders = orders
        self._records = records

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        show(request, response, self._records.get(identity))

    def on_delete(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        self._orders.delete(identity, check_version(request, self._records, identity))
        response.status = HTTPStatus.NO_CONTENT


class Events:
    """``/v1/maintenances/{id}/events``: as with rearrangements."""

    def __init__(self, records: MaintenanceRecords, store: Reading, patience: waiting.Patience) -> None:
        self._records = records
        self._store = store
        self._patience = patience

    def on_get(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        self._records.get(identity)
        paging.events(request, response, self._store, self._patience, identity)


class Order:
    """``/v1/maintenances/{id}/pause``, ``resume``, ``complete`` and ``cancel``: one word each."""

    def __init__(self, tell: Callable[[str, int | None], Maintenance], records: MaintenanceRecords) -> None:
        self._tell = tell
        self._records = records

    def on_post(self, request: falcon.Request, response: falcon.Response, identity: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        show(request, response, self._tell(identity, check_version(request, self._records, identity)))
        response.status = HTTPStatus.ACCEPTED
