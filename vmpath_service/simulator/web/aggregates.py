"""os-aggregates: reading, making and changing them."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator import grouping
from vmpath_service.simulator.moments import iso_micro
from vmpath_service.simulator.records import Aggregate
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    body_of,
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
        answer(resp, {"aggregate": self._shown(req, self._find(aggregate_id))})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        need_admin(req, "os_compute_api:os-aggregates:create")
        asked = body_of(req).get("aggregate")
        if not isinstance(asked, dict) or not isinstance(asked.get("name"), str) or not asked["name"]:
            raise Refused(400, "Invalid input for field/attribute aggregate. 'name' is a required property")
        zone = asked.get("availability_zone")
        aggregate = grouping.create(self._site.world, asked["name"], str(zone) if zone else None)
        shown = self._shown(req, aggregate)
        # Nova shows neither of a new one.
        answer(resp, {"aggregate": {k: v for k, v in shown.items() if k not in ("hosts", "metadata")}})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> None:
        need_admin(req, "os_compute_api:os-aggregates:delete")
        grouping.delete(self._site.world, self._find(aggregate_id))

    def on_post_action(self, req: falcon.Request, resp: falcon.Response, aggregate_id: str) -> None:
        body = body_of(req)
        [(name, details)] = body.items() if len(body) == 1 else [("", None)]
        if name not in ("add_host", "remove_host", "set_metadata") or not isinstance(details, dict):
            raise Refused(400, "There is no such action: " + ", ".join(sorted(body)))
        need_admin(req, f"os_compute_api:os-aggregates:{name}")
        aggregate, world = self._find(aggregate_id), self._site.world
        if name == "set_metadata":
            given = details.get("metadata")
            if not isinstance(given, dict) or not all(v is None or isinstance(v, str) for v in given.values()):
                raise Refused(400, "Invalid input for field/attribute metadata.")
            grouping.set_metadata(world, aggregate, given)
        else:
            host = world.hosts.get(str(details.get("host")))
            if host is None:
                raise Refused(404, f"Compute host {details.get('host')} could not be found.")
            (grouping.add_host if name == "add_host" else grouping.remove_host)(world, aggregate, host)
        answer(resp, {"aggregate": self._shown(req, aggregate)})

    def _find(self, aggregate_id: str) -> Aggregate:
        number = int(aggregate_id) if aggregate_id.isdigit() else 0
        aggregate = self._site.world.aggregates.get(number)
        if aggregate is None:
            raise Refused(404, f"Aggregate {aggregate_id} could not be found.")
        return aggregate

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
