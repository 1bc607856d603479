"""os-hypervisors: one hypervisor for each host."""

from __future__ import annotations

import json
import uuid
from typing import Any

import falcon

from vmpath_service.simulator.records import Host, address_of
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    need_admin,
    next_link,
    only_parameters,
    page_size,
    truth,
)

KNOWN = frozenset(("limit", "marker", "with_servers", "hypervisor_hostname_pattern"))
CPU_INFO = {
    "arch": "x86_64",
    "model": "Nehalem",
    "vendor": "Intel",
    "features": ["pge", "clflush"],
    "topology": {"cores": 1, "threads": 1, "sockets": 4},
}


class Hypervisors:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._list(req, resp, detail=False)

    def on_get_detail(self, req: falcon.Request, resp: falcon.Response) -> None:
        self._list(req, resp, detail=True)

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, hypervisor_id: str) -> None:
        need_admin(req, "os_compute_api:os-hypervisors:show")
        given = only_parameters(self._site, req, frozenset(("with_servers",)))
        host = self._find(req, hypervisor_id)
        if host is None:
            raise Refused(404, f"Hypervisor with ID '{hypervisor_id}' could not be found.")
        with_servers = truth(given.get("with_servers", "false"))
        answer(resp, {"hypervisor": self._shown(req, host, True, with_servers)})

    def _list(self, req: falcon.Request, resp: falcon.Response, detail: bool) -> None:
        need_admin(req, f"os_compute_api:os-hypervisors:list{'-detail' if detail else ''}")
        given = only_parameters(self._site, req, KNOWN)
        with_servers = truth(given.get("with_servers", "false"))
        world = self._site.world
        hosts = [host for host in world.hosts.values() if world.answers(host)]
        pattern = given.get("hypervisor_hostname_pattern")
        if pattern is not None:
            if "limit" in given or "marker" in given:
                raise Refused(
                    400,
                    "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.",
                )
            hosts = [host for host in hosts if pattern in host.hypervisor_hostname]
            if not hosts:
                raise Refused(404, f"No hypervisor matching '{pattern}' could be found.")
            shown = [self._shown(req, host, detail, with_servers) for host in hosts]
            answer(resp, {"hypervisors": shown})
            return
        if at_least(req, 33):
            size = page_size(self._site, given)
            if "marker" in given:
                after = self._find(req, given["marker"])
                if after is None:
                    raise Refused(400, f"marker [{given['marker']}] not found")
                hosts = [host for host in hosts if host.number > after.number]
            hosts = hosts[:size]
        shown = [self._shown(req, host, detail, with_servers) for host in hosts]
        body: dict[str, Any] = {"hypervisors": shown}
        if at_least(req, 33):
            path = "/os-hypervisors/detail" if detail else "/os-hypervisors"
            links = next_link(self._site, path, given, shown, "id", size)
            if links:
                body["hypervisors_links"] = links
        answer(resp, body)

    def _find(self, req: falcon.Request, identity: str) -> Host | None:
        world = self._site.world
        if at_least(req, 53):
            found = world.hosts_by_uuid.get(identity)
            if found is None:
                try:
                    uuid.UUID(identity)
                except ValueError:
                    raise Refused(400, f"Invalid uuid {identity}") from None
            return found
        return next((h for h in world.hosts.values() if str(h.number) == identity), None)

    def _shown(self, req: falcon.Request, host: Host, detail: bool, with_servers: bool) -> dict[str, Any]:
        world = self._site.world
        shown: dict[str, Any] = {
            "id": host.uuid if at_least(req, 53) else host.number,
            "hypervisor_hostname": host.hypervisor_hostname,
            "state": "up" if world.is_up(host) else "down",
            "status": "disabled" if host.disabled else "enabled",
        }
        if detail:
            shown |= {
                "hypervisor_type": host.hypervisor_type,
                "hypervisor_version": host.hypervisor_version,
                "host_ip": address_of(host),
                "service": {
                    "id": host.service_uuid if at_least(req, 53) else host.number + 2,
                    "host": host.name,
                    "disabled_reason": host.disabled_reason,
                },
            }
            if at_least(req, 88):
                shown["uptime"] = None
            else:
                shown |= self._capacity(host)
                shown["cpu_info"] = CPU_INFO if at_least(req, 28) else json.dumps(CPU_INFO)
        if with_servers and at_least(req, 53):
            servers = [{"name": world.servers[name].name, "uuid": name} for name in world.on_host[host.name]]
            if servers or at_least(req, 75):
                shown["servers"] = servers
        return shown

    def _capacity(self, host: Host) -> dict[str, Any]:
        world = self._site.world
        servers = [world.servers[name] for name in world.on_host[host.name]]
        total = {name: inventory.total for name, inventory in host.inventories.items()}
        vcpus = sum(s.flavor.vcpus for s in servers)
        memory = host.inventories["MEMORY_MB"].reserved if "MEMORY_MB" in total else 0
        memory += sum(s.flavor.ram_mb for s in servers)
        disk = sum(s.flavor.disk_gb for s in servers)
        return {
            "vcpus": total.get("VCPU", 0) + total.get("PCPU", 0),
            "memory_mb": total.get("MEMORY_MB", 0),
            "local_gb": total.get("DISK_GB", 0),
            "vcpus_used": vcpus,
            "memory_mb_used": memory,
            "local_gb_used": disk,
            "free_ram_mb": total.get("MEMORY_MB", 0) - memory,
            "free_disk_gb": total.get("DISK_GB", 0) - disk,
            "current_workload": sum(1 for s in servers if s.task_state is not None),
            "running_vms": len(servers),
            "disk_available_least": total.get("DISK_GB", 0) - disk,
        }
