"""os-availability-zone: the zones, and in detail the enabled services in each."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator.moments import iso_micro
from vmpath_service.simulator.web.services import CONTROL, REPORT_EVERY_S
from vmpath_service.simulator.web.site import Site, answer, need_admin


class Zones:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        world = self._site.world
        enabled = {host.zone for host in world.hosts.values() if not host.disabled}
        shown = [_zone(name, True, None) for name in sorted(enabled)]
        shown += [_zone(name, False, None) for name in sorted({h.zone for h in world.hosts.values()} - enabled)]
        answer(resp, {"availabilityZoneInfo": shown})

    def on_get_detail(self, req: falcon.Request, resp: falcon.Response) -> None:
        need_admin(req, "os_compute_api:os-availability-zone:detail")
        world = self._site.world
        reported = iso_micro(world.now - world.now % REPORT_EVERY_S)
        zones: dict[str, dict[str, Any]] = {
            "internal": {"controller": {binary: _service(True, reported) for binary in CONTROL}}
        }
        for host in world.hosts.values():
            if not host.disabled and world.answers(host):
                silent = iso_micro(host.silent_since) if host.silent_since is not None else reported
                zones.setdefault(host.zone, {})[host.name] = {"nova-compute": _service(world.is_up(host), silent)}
        shown = [_zone(name, True, hosts) for name, hosts in sorted(zones.items())]
        shown += [_zone(name, False, None) for name in sorted({h.zone for h in world.hosts.values()} - zones.keys())]
        answer(resp, {"availabilityZoneInfo": shown})


def _zone(name: str, available: bool, hosts: dict[str, Any] | None) -> dict[str, Any]:
    return {"zoneName": name, "zoneState": {"available": available}, "hosts": hosts}


def _service(up: bool, reported: str) -> dict[str, Any]:
    return {"available": up, "active": True, "updated_at": reported}
