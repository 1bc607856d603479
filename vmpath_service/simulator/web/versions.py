"""The version documents of Nova and Placement."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator.web.entrance import PLACEMENT_NEWEST
from vmpath_service.simulator.web.site import Site, answer


class ComputeVersions:
    def __init__(self, site: Site) -> None:
        self._site = site

    def _v21(self) -> dict[str, Any]:
        return {
            "id": "v2.1",
            "status": "CURRENT",
            "version": f"2.{self._site.world.settings.compute_microversion}",
            "min_version": "2.1",
            "updated": "2013-07-23T11:33:21Z",
            "links": [{"rel": "self", "href": self._site.compute_url("/")}],
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        old = {
            "id": "v2.0",
            "status": "DEPRECATED",
            "version": "",
            "min_version": "",
            "updated": "2025-07-04T12:00:00Z",
            "links": [{"rel": "self", "href": f"{self._site.base_url}/compute/v2/"}],
        }
        answer(resp, {"versions": [old, self._v21()]})

    def on_get_v21(self, req: falcon.Request, resp: falcon.Response) -> None:
        document = self._v21()
        document["links"] = [
            *document["links"],
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
        ]
        document["media-types"] = [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.compute+json;version=2.1",
            }
        ]
        answer(resp, {"version": document})


class PlacementVersions:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(
            resp,
            {
                "versions": [
                    {
                        "id": "v1.0",
                        "max_version": f"1.{PLACEMENT_NEWEST}",
                        "min_version": "1.0",
                        "status": "CURRENT",
                        "links": [{"rel": "self", "href": ""}],
                    }
                ]
            },
        )
