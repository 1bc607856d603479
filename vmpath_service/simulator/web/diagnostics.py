"""/servers/{id}/diagnostics: what the hypervisor says of a running guest, asked of its host."""

from __future__ import annotations

import falcon

from vmpath_service.simulator.refusals import Refused, not_in_state
from vmpath_service.simulator.web.servers import find_server
from vmpath_service.simulator.web.site import Site, answer, at_least, need_admin


class Diagnostics:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        need_admin(req, "os_compute_api:os-server-diagnostics")
        if not at_least(req, 48):
            raise self._site.does_not_know("GET /servers/{id}/diagnostics below microversion 2.48")
        server, world = find_server(self._site, req, server_id), self._site.world
        if server.host is None:
            raise Refused(409, f"Instance {server_id} is not ready")
        if not world.hosts[server.host].alive:
            raise Refused(500, "Unexpected API Error. <class 'oslo_messaging.exceptions.MessagingTimeout'>")
        if server.power_state != 1:
            raise not_in_state(server_id, "power_state", str(server.power_state), "get_diagnostics")
        uptime = int(world.now - (server.launched_at or server.created_at))
        used = server.memory.used_mb
        answer(
            resp,
            {
                "state": "running",
                "driver": "libvirt",
                "hypervisor": "kvm",
                "hypervisor_os": "linux",
                "uptime": uptime,
                "config_drive": False,
                "num_cpus": server.flavor.vcpus,
                "num_nics": 0,
                "num_disks": 1,
                "disk_details": [
                    {"read_bytes": 0, "read_requests": 0, "write_bytes": 0, "write_requests": 0, "errors_count": 0}
                ],
                "cpu_details": [
                    {"id": number, "time": uptime * 10**9, "utilisation": None}
                    for number in range(server.flavor.vcpus)
                ],
                "nic_details": [],
                "memory_details": {
                    "maximum": server.flavor.ram_mb,
                    "used": int(used) if used is not None else server.flavor.ram_mb,
                },
            },
        )
