"""flavors: reading those there are, and making new ones."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import falcon

from vmpath_service.simulator.records import Flavor
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import Site, answer, at_least, body_of, need_admin


class Flavors:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        shown = [self._brief(f) for f in self._site.world.flavors.values()]
        answer(resp, {"flavors": shown})

    def on_get_detail(self, req: falcon.Request, resp: falcon.Response) -> None:
        shown = [self._shown(req, f) for f in self._site.world.flavors.values()]
        answer(resp, {"flavors": shown})

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> None:
        answer(resp, {"flavor": self._shown(req, self._find(flavor_id))})

    def on_get_specs(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> None:
        answer(resp, {"extra_specs": self._find(flavor_id).extra_specs})

    def on_post_specs(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> None:
        """Add extra specs; servers that are there keep the flavor as it was."""
        need_admin(req, "os_compute_api:os-flavor-extra-specs:create")
        flavor, given = self._find(flavor_id), body_of(req).get("extra_specs")
        if not isinstance(given, dict) or not given:
            raise Refused(400, "Invalid input for field/attribute extra_specs.")
        specs = {str(key): str(value) for key, value in given.items()}
        changed = dataclasses.replace(flavor, extra_specs={**flavor.extra_specs, **specs})
        self._site.world.flavors[flavor_id] = changed
        answer(resp, {"extra_specs": specs})

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        need_admin(req, "os_compute_api:os-flavor-manage:create")
        asked = body_of(req).get("flavor", {})
        try:
            flavor = Flavor(
                id=str(asked.get("id") or uuid.uuid4()),
                name=str(asked["name"]),
                vcpus=int(asked["vcpus"]),
                ram_mb=int(asked["ram"]),
                disk_gb=int(asked["disk"]),
                ephemeral_gb=int(asked.get("OS-FLV-EXT-DATA:ephemeral") or 0),
                swap_mb=int(asked.get("swap") or 0),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Refused(400, "Invalid input for field/attribute flavor.") from None
        if flavor.id in self._site.world.flavors:
            raise Refused(409, f"Flavor with ID {flavor.id} already exists.")
        self._site.world.flavors[flavor.id] = flavor
        answer(resp, {"flavor": self._shown(req, flavor)})

    def _find(self, flavor_id: str) -> Flavor:
        flavor = self._site.world.flavors.get(flavor_id)
        if flavor is None:
            raise Refused(404, f"Flavor {flavor_id} could not be found.")
        return flavor

    def _brief(self, flavor: Flavor) -> dict[str, Any]:
        return {
            "id": flavor.id,
            "name": flavor.name,
            "links": [
                {"rel": "self", "href": self._site.compute_url(f"/flavors/{flavor.id}")},
                {"rel": "bookmark", "href": self._site.bookmark(f"/flavors/{flavor.id}")},
            ],
        }

    def _shown(self, req: falcon.Request, flavor: Flavor) -> dict[str, Any]:
        swap: int | str = flavor.swap_mb
        if not at_least(req, 75) and not swap:
            swap = ""
        shown = self._brief(flavor) | {
            "ram": flavor.ram_mb,
            "vcpus": flavor.vcpus,
            "disk": flavor.disk_gb,
            "swap": swap,
            "rxtx_factor": 1.0,
            "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
            "OS-FLV-DISABLED:disabled": False,
            "os-flavor-access:is_public": True,
        }
        if at_least(req, 55):
            shown["description"] = None
        if at_least(req, 61):
            shown["extra_specs"] = flavor.extra_specs
        return shown
