"""The Manila shares of a server, known to Nova since 2.97."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator import shares
from vmpath_service.simulator.records import Server
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.servers import find_server
from vmpath_service.simulator.web.site import Site, answer, body_of, need_admin, need_version, token_of


class ServerShares:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        server = self._find(req, server_id, "index")
        answer(resp, {"shares": [_shown(server, share) for share in server.shares]})

    def on_post(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        server = self._find(req, server_id, "create")
        asked = body_of(req).get("share")
        if not isinstance(asked, dict) or not isinstance(asked.get("share_id"), str):
            raise Refused(400, "Invalid input for field/attribute share. 'share_id' is a required property")
        share = asked["share_id"]
        shares.attach(self._site.world, server, share, str(asked.get("tag", share)))
        answer(resp, {"share": _shown(server, share)}, 201)

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, server_id: str, share_id: str) -> None:
        server = self._find(req, server_id, "show")
        if share_id not in server.shares:
            raise shares.missing(share_id)
        answer(resp, {"share": _shown(server, share_id)})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, server_id: str, share_id: str) -> None:
        shares.detach(self._find(req, server_id, "delete"), share_id)
        resp.status = 200

    def _find(self, req: falcon.Request, server_id: str, deed: str) -> Server:
        need_version(req, 97)
        server = find_server(self._site, req, server_id)
        if token_of(req).user.project_id != server.project_id:
            need_admin(req, f"os_compute_api:os-server-shares:{deed}")
        return server


def _shown(server: Server, share: str) -> dict[str, Any]:
    # it is mounted while the server runs
    status = "active" if server.power_state == 1 else "inactive"
    return {"share_id": share, "status": status, "tag": server.shares[share]}
