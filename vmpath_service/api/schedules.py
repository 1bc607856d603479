"""``/v1/schedules``: policies that run by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

import falcon

from vmpath_service.api import bodies, paging, views
from vmpath_service.api.ports import ScheduleOrders, ScheduleRecords
from vmpath_service.model.errors import Outdated
from vmpath_service.model.schedules import Schedule, ScheduleRequest


def show(request: falcon.Request, response: falcon.Response, schedule: Schedule) -> None:
    """Answer with a schedule and its version."""
    response.etag = str(schedule.version)
    response.media = views.schedule(schedule, request.prefix, time.time())


def check_version(request: falcon.Request, records: ScheduleRecords, name: str) -> int | None:
    """The version that an order is about, None for any: if the client names versions that it knows, the present one
    has to be among them. Raises NotFound and Outdated."""
    schedule = records.get(name)
    known = request.if_match
    if known is None or "*" in known:
        return None
    if str(schedule.version) not in [str(tag) for tag in known]:
        raise Outdated(f"schedule {name} has changed: it is at version {schedule.version} now")
    return schedule.version


class Schedules:
    def __init__(self, orders: ScheduleOrders, records: ScheduleRecords) -> None:
        self._orders = orders
        self._records = records

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request, "limit", "marker")
        limit = paging.limit(request)
        found = self._records.list(limit=limit + 1, marker=request.get_param("marker") or None)
        page, now = found[:limit], time.time()
        response.media = {
            "schedules": [views.schedule(each, request.prefix, now) for each in page],
            "links": paging.links(request, page[-1].name if len(found) > limit else None),
        }

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        schedule = self._orders.create(bodies.read(request, ScheduleRequest))
        show(request, response, schedule)
        response.location = views.schedule_address(schedule.name, request.prefix)
        response.status = HTTPStatus.CREATED


class One:
    """``/v1/schedules/{name}``"""

    def __init__(self, orders: ScheduleOrders, records: ScheduleRecords) -> None:
        self._orders = orders
        self._records = records

    def on_get(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        bodies.only(request)
        show(request, response, self._records.get(name))

    def on_delete(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        self._orders.delete(name, check_version(request, self._records, name))
        response.status = HTTPStatus.NO_CONTENT


class Order:
    """``/v1/schedules/{name}/enable`` and ``disable``."""

    def __init__(self, tell: Callable[[str, int | None], Schedule], records: ScheduleRecords) -> None:
        self._tell = tell
        self._records = records

    def on_post(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        bodies.only(request)
        bodies.no_body(request)
        show(request, response, self._tell(name, check_version(request, self._records, name)))
