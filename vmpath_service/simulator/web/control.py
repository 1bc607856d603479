"""What no real cloud has: looking into the simulation, and disturbing it, from another process."""

from __future__ import annotations

import dataclasses
import os

import falcon

from vmpath_service.simulator import chaos, others, server_life
from vmpath_service.simulator.faults import parse_fault
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import Site, answer, body_of


class Control:
    """GET /simulator, POST /simulator/faults and chaos, PUT /simulator/computes/{host} and cells/{cell}."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Its time and process, what it was asked (by method), what it was asked and does not know, and its chaos."""
        answer(
            resp,
            {
                "now": self._site.world.now,
                "pid": os.getpid(),
                "served": dict(self._site.served),
                "unknown": dict(self._site.unknown),
                "chaos": {
                    "settings": dataclasses.asdict(self._site.world.disorder.chaos),
                    "counted": dict(self._site.world.disorder.counted),
                },
            },
        )

    def on_post_faults(self, req: falcon.Request, resp: falcon.Response) -> None:
        """{"fault": "KIND:METHOD:PATH-REGEX[:COUNT]"}"""
        try:
            fault = parse_fault(str(body_of(req).get("fault")))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        self._site.faults.add(fault)
        resp.status = 204

    def on_post_chaos(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The names and numbers of `chaos.Chaos`, and `rate`; {} lets peace return."""
        try:
            chosen = chaos.from_fields(body_of(req))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        others.unsettle(self._site.world, chosen)
        resp.status = 204

    def on_put_compute(self, req: falcon.Request, resp: falcon.Response, host: str) -> None:
        """{"alive": false} lets a nova-compute die, true lets it come back."""
        found = self._site.world.hosts.get(host)
        if found is None:
            raise Refused(404, f"there is no host {host}")
        if _flag(req, "alive"):
            server_life.restart_compute(self._site.world, found)
        else:
            server_life.kill_compute(self._site.world, found)
        resp.status = 204

    def on_put_cell(self, req: falcon.Request, resp: falcon.Response, cell: str) -> None:
        """{"answers": false} lets a cell's database fall silent, true lets it answer again."""
        world = self._site.world
        if all(host.cell != cell for host in world.hosts.values()):
            raise Refused(404, f"there is no cell {cell}")
        if _flag(req, "answers"):
            world.silent_cells.discard(cell)
        else:
            world.silent_cells.add(cell)
        resp.status = 204


def _flag(req: falcon.Request, name: str) -> bool:
    value = body_of(req).get(name)
    if not isinstance(value, bool):
        raise Refused(400, f"{name!r} must be true or false")
    return value
