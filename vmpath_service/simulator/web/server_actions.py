"""POST /servers/{id}/action."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import falcon

from vmpath_service.simulator import cold_migration, evacuation, live_migration, others, server_life, shelving
from vmpath_service.simulator.announcements import API
from vmpath_service.simulator.records import Deed, Server
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.servers import find_server
from vmpath_service.simulator.web.site import Site, answer, at_least, body_of, need_admin, token_of

# Nova notes some actions under other names than they are asked for.
NOTED_AS = {"os-migrateLive": "live-migration", "os-stop": "stop", "os-start": "start"}
Action = Callable[[falcon.Request, Server, Any], int]


class ServerActions:
    """One method for each action; it returns the HTTP status of its answer."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._actions: dict[str, Action] = {
            "os-migrateLive": self._migrate_live,
            "migrate": self._migrate,
            "resize": self._resize,
            "confirmResize": self._confirm,
            "revertResize": self._revert,
            "evacuate": self._evacuate,
            "shelve": self._shelve,
            "shelveOffload": self._offload,
            "unshelve": self._unshelve,
            "forceDelete": self._force_delete,
            "lock": self._lock,
            "unlock": self._unlock,
            "os-resetState": self._reset,
        }

    def on_post(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        body = body_of(req)
        if len(body) != 1:
            raise Refused(400, "There is no such action: " + ", ".join(sorted(body)))
        [(name, details)] = body.items()
        if name not in self._actions and name not in server_life.POWER_ACTIONS:
            raise self._site.does_not_know(f"server action {name}")
        server = find_server(self._site, req, server_id)
        if name in server_life.POWER_ACTIONS:
            self._need_unlocked(req, server)
            server_life.change_power(self._site.world, server, name)
            resp.status = 202
            if name == "rescue":
                answer(resp, {"adminPass": secrets.token_hex(6)})
        else:
            resp.status = self._actions[name](req, server, details)
        if name != "os-resetState":
            user = token_of(req).user
            noted = Deed(
                NOTED_AS.get(name, name), req.context.request_id, user.id, user.project_id, self._site.world.now
            )
            if name == "evacuate":
                noted.migration = server.migration
            self._site.world.deeds.setdefault(server.uuid, []).append(noted)

    def _migrate_live(self, req: falcon.Request, server: Server, details: Any) -> int:
        need_admin(req, "os_compute_api:os-migrate-server:migrate_live" + _to(details))
        if not at_least(req, 30):
            raise self._site.does_not_know("os-migrateLive below microversion 2.30")
        known = {"host", "block_migration"} | (set() if at_least(req, 68) else {"force"})
        _need_fields("os-migrateLive", details, known, {"host", "block_migration"})
        if details["block_migration"] not in ("auto", True, False, "true", "false"):
            raise Refused(
                400,
                f"Invalid input for field/attribute block_migration. Value: {details['block_migration']}.",
            )
        if details.get("force") in (True, "true", "True"):
            raise self._site.does_not_know("os-migrateLive with force")
        live_migration.ask(self._site.world, server, details["host"])
        others.repeat_request(self._site.world, server, details["host"])
        return 202

    def _migrate(self, req: falcon.Request, server: Server, details: Any) -> int:
        need_admin(req, "os_compute_api:os-migrate-server:migrate" + _to(details))
        wanted = None
        if details is not None and at_least(req, 56):
            _need_fields("migrate", details, {"host"}, set())
            wanted = details.get("host")
        cold_migration.ask(self._site.world, server, wanted)
        return 202

    def _resize(self, req: falcon.Request, server: Server, details: Any) -> int:
        self._need_unlocked(req, server)
        _need_fields("resize", details, {"flavorRef", "OS-DCF:diskConfig"}, {"flavorRef"})
        flavor = self._site.world.flavors.get(str(details["flavorRef"]))
        if flavor is None:
            raise Refused(404, f"Flavor {details['flavorRef']} could not be found.")
        cold_migration.ask(self._site.world, server, None, flavor)
        return 202

    def _evacuate(self, req: falcon.Request, server: Server, details: Any) -> int:
        need_admin(req, "os_compute_api:os-evacuate")
        if not at_least(req, 68):
            raise self._site.does_not_know("evacuate below microversion 2.68")
        _need_fields("evacuate", details, {"host", "adminPass"}, set())
        evacuation.ask(self._site.world, server, details.get("host"), stopped=at_least(req, 95))
        return 200

    def _confirm(self, req: falcon.Request, server: Server, details: Any) -> int:
        self._need_unlocked(req, server)
        cold_migration.confirm(self._site.world, server)
        return 204

    def _revert(self, req: falcon.Request, server: Server, details: Any) -> int:
        self._need_unlocked(req, server)
        cold_migration.revert(self._site.world, server)
        return 202

    def _shelve(self, req: falcon.Request, server: Server, details: Any) -> int:
        self._need_unlocked(req, server)
        shelving.shelve(self._site.world, server)
        return 202

    def _offload(self, req: falcon.Request, server: Server, details: Any) -> int:
        need_admin(req, "os_compute_api:os-shelve:shelve_offload")
        shelving.offload(self._site.world, server)
        return 202

    def _unshelve(self, req: falcon.Request, server: Server, details: Any) -> int:
        self._need_unlocked(req, server)
        wanted = None
        if details is not None and at_least(req, 91):
            _need_fields("unshelve", details, {"host"}, set())
            wanted = details.get("host")
        if wanted is not None:
            need_admin(req, "os_compute_api:os-shelve:unshelve_to_host")
        shelving.unshelve(self._site.world, server, wanted)
        return 202

    def _force_delete(self, req: falcon.Request, server: Server, details: Any) -> int:
        self._need_unlocked(req, server)
        server_life.delete(self._site.world, server, forced=True)
        return 202

    def _lock(self, req: falcon.Request, server: Server, details: Any) -> int:
        server.locked = True
        if isinstance(details, dict) and at_least(req, 73):
            server.locked_reason = details.get("locked_reason")
        self._site.world.touch(server)
        self._site.world.announce(server, "lock", None, API)
        return 202

    def _unlock(self, req: falcon.Request, server: Server, details: Any) -> int:
        server.locked, server.locked_reason = False, None
        self._site.world.touch(server)
        self._site.world.announce(server, "unlock", None, API)
        return 202

    def _reset(self, req: falcon.Request, server: Server, details: Any) -> int:
        need_admin(req, "os_compute_api:os-admin-actions:reset_state")
        _need_fields("os-resetState", details, {"state"}, {"state"})
        if details["state"] not in ("active", "error"):
            raise Refused(400, f"Invalid input for field/attribute state. Value: {details['state']}.")
        server_life.reset_state(self._site.world, server, details["state"])
        return 202

    @staticmethod
    def _need_unlocked(req: falcon.Request, server: Server) -> None:
        if server.locked and not token_of(req).is_admin:
            raise Refused(409, f"Instance {server.uuid} is locked")


def _to(details: Any) -> str:
    """The policy for naming a host is another than that for leaving it to the scheduler."""
    return ":host" if isinstance(details, dict) and details.get("host") else ""


def _need_fields(action: str, details: Any, known: set[str], required: set[str]) -> None:
    if not isinstance(details, dict):
        raise Refused(400, f"Invalid input for field/attribute {action}. It is not an object.")
    for name in sorted(required - set(details)):
        raise Refused(
            400,
            f"Invalid input for field/attribute {action}. Value: {details}. {name!r} is a required property",
        )
    for name in sorted(set(details) - known):
        raise Refused(
            400,
            f"Invalid input for field/attribute {action}. Value: {details}. Additional properties"
            f" are not allowed ({name!r} was unexpected)",
        )
