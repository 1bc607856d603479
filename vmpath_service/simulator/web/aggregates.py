"""os-aggregates: reading them."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator.records import Aggregate
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    iso_micro,
    need_admin,
    only_parameters,
)


class Aggregates:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        need_admin(req, "os_compute_api:os-aggregates:index")
        only_parameters(self._site, req, frozenset())
        shown = [self._shown(req, a) for a in self._site.world.aggregates.values()]
        answer(resp, {"aggregates": shown})

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> None:
        need_admin(req, "os_compute_api:os-aggregates:show")
        number = int(aggregate_id) if aggregate_id.isdigit() else 0
        aggregate = self._site.world.aggregates.get(number)
        if aggregate is None:
            raise Refused(404, f"Aggregate {aggregate_id} could not be found.")
        answer(resp, {"aggregate": self._shown(req, aggregate)})

    def _shown(self, req: falcon.Request, aggregate: Aggregate) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": aggregate.number,
            "name": aggregate.name,
            "availability_zone": aggregate.metadata.get("availability_zone"),
            "hosts": list(aggregate.hosts),
            "metadata": dict(aggregate.metadata),
            "created_at": iso_micro(aggregate.created_at),
            "updated_at": iso_micro(aggregate.updated_at) if aggregate.updated_at else None,
            "deleted": False,
            "deleted_at": None,
        }
        if at_least(req, 41):
            shown["uuid"] = aggregate.uuid
        return shown
