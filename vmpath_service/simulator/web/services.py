"""os-services: the nova-compute services (and a scheduler and a conductor, as clouds have)."""

from __future__ import annotations

from typing import Any

import falcon

from vmpath_service.simulator.moments import iso_micro
from vmpath_service.simulator.records import Host
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    body_of,
    need_admin,
    only_parameters,
)
from vmpath_service.simulator.world import uuid_of

REPORT_EVERY_S = 10.0
CONTROL = ("nova-scheduler", "nova-conductor")


class Services:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        need_admin(req, "os_compute_api:os-services:list")
        given = only_parameters(self._site, req, frozenset(("host", "binary")))
        world = self._site.world
        shown = [self._control(req, position, name) for position, name in enumerate(CONTROL)]
        shown += [
            self._compute(req, host)
            for host in world.hosts.values()
            # Before 2.69 a cell that does not answer is left out without a word.
            if world.answers(host) or at_least(req, 69)
        ]
        for key in ("host", "binary"):
            if given.get(key):
                shown = [service for service in shown if service[key] == given[key]]
        answer(resp, {"services": shown})

    def on_put_one(self, req: falcon.Request, resp: falcon.Response, service_id: str) -> None:
        """PUT /os-services/{uuid}, from 2.53 on."""
        need_admin(req, "os_compute_api:os-services:update")
        body = body_of(req)
        if not at_least(req, 53):
            self._put_action(req, resp, service_id, body)
            return
        extra = set(body) - {"status", "disabled_reason", "forced_down"}
        if extra:
            raise Refused(
                400,
                "Invalid input for field/attribute body. Additional properties are not allowed"
                f" ({', '.join(repr(name) for name in sorted(extra))} was unexpected)",
            )
        host = self._site.world.hosts_by_service.get(service_id)
        if host is None:
            if service_id in (uuid_of("service", name) for name in CONTROL):
                raise Refused(
                    400,
                    "Updating a control service is not supported. Only nova-compute services can be updated.",
                )
            raise Refused(404, f"Service {service_id} could not be found.")
        self._update(host, body)
        answer(resp, {"service": self._compute(req, host)})

    def _put_action(self, req: falcon.Request, resp: falcon.Response, action: str, body: dict[str, Any]) -> None:
        """PUT /os-services/enable and its like, before 2.53: host and binary are in the body."""
        change: dict[str, Any] = {}
        if action == "enable":
            change = {"status": "enabled"}
        elif action == "disable":
            change = {"status": "disabled"}
        elif action == "disable-log-reason":
            change = {"status": "disabled", "disabled_reason": body.get("disabled_reason")}
        elif action == "force-down" and at_least(req, 11):
            change = {"forced_down": bool(body.get("forced_down"))}
        if not change:
            raise Refused(404, "Unknown action")
        host = self._site.world.hosts.get(str(body.get("host")))
        if host is None or body.get("binary") != "nova-compute":
            raise Refused(404, f"Could not find binary {body.get('binary')} on host {body.get('host')}.")
        self._update(host, change)
        shown = {"host": host.name, "binary": "nova-compute"} | change
        answer(resp, {"service": shown})

    def _update(self, host: Host, body: dict[str, Any]) -> None:
        status, reason = body.get("status"), body.get("disabled_reason")
        if not body:
            raise Refused(
                400,
                "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
            )
        if status not in (None, "enabled", "disabled"):
            raise Refused(
                400,
                f"Invalid input for field/attribute status. Value: {status}. {status!r} is not"
                " one of ['enabled', 'disabled']",
            )
        if reason is not None and status != "disabled":
            raise Refused(400, "Specifying disabled_reason is only valid when status is 'disabled'.")
        if body.get("forced_down") is False and host.evacuated:
            raise Refused(
                400,
                f"Unable to force up host {host.name} as `done` evacuation migration records remain associated with"
                " the host. Ensure the compute service has been restarted, allowing these records to move to"
                " `completed` before retrying this request.",
            )
        if status is not None:
            host.disabled = status == "disabled"
            host.disabled_reason = reason if host.disabled else None
        if "forced_down" in body:
            host.forced_down = bool(body["forced_down"])
        world = self._site.world
        host.changed_at = world.now
        if world.announcer is not None:
            world.announcer.service(host, host.silent_since or world.now)

    def _compute(self, req: falcon.Request, host: Host) -> dict[str, Any]:
        world = self._site.world
        if not world.answers(host):
            return {"binary": "nova-compute", "host": host.name, "status": "UNKNOWN"}
        reported = host.silent_since
        if reported is None:
            reported = world.now - world.now % REPORT_EVERY_S
        shown: dict[str, Any] = {
            "id": host.service_uuid if at_least(req, 53) else host.number + len(CONTROL),
            "binary": "nova-compute",
            "host": host.name,
            "zone": host.zone,
            "status": "disabled" if host.disabled else "enabled",
            "state": "up" if world.is_up(host) else "down",
            "updated_at": iso_micro(reported),
            "disabled_reason": host.disabled_reason,
        }
        if at_least(req, 11):
            shown["forced_down"] = host.forced_down
        return shown

    def _control(self, req: falcon.Request, position: int, binary: str) -> dict[str, Any]:
        now = self._site.world.now
        shown: dict[str, Any] = {
            "id": uuid_of("service", binary) if at_least(req, 53) else position + 1,
            "binary": binary,
            "host": "controller",
            "zone": "internal",
            "status": "enabled",
            "state": "up",
            "updated_at": iso_micro(now - now % REPORT_EVERY_S),
            "disabled_reason": None,
        }
        if at_least(req, 11):
            shown["forced_down"] = False
        return shown
