"""os-server-groups."""

from __future__ import annotations

import uuid
from typing import Any

import falcon

from vmpath_service.simulator.records import ServerGroup
from vmpath_service.simulator.refusals import Refused
from vmpath_service.simulator.web.site import (
    Site,
    answer,
    at_least,
    body_of,
    only_parameters,
    token_of,
)

POLICIES = ("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity")
MOST_IN_A_LIST = 1000


class ServerGroups:
    def __init__(self, site: Site) -> None:
        self._site = site

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """One's own project's groups; all for an administrator who asks for all_projects."""
        given = only_parameters(self._site, req, frozenset(("all_projects", "limit", "offset")))
        token = token_of(req)
        groups = list(self._site.world.groups.values())
        if not ("all_projects" in given and token.may("os_compute_api:os-server-groups:index:all_projects")):
            groups = [g for g in groups if g.project_id == token.user.project_id]
        try:
            start = int(given.get("offset", 0))
            limit = int(given.get("limit", MOST_IN_A_LIST))
        except ValueError:
            raise Refused(400, "limit and offset must be integers") from None
        limit = min(limit, MOST_IN_A_LIST) or MOST_IN_A_LIST
        shown = [self._shown(req, g) for g in groups[start : start + limit]]
        answer(resp, {"server_groups": shown})

    def on_get_one(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        answer(resp, {"server_group": self._shown(req, self._find(req, group_id))})

    def on_delete_one(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        group = self._find(req, group_id)
        for member in group.members:
            self._site.world.group_of.pop(member, None)
        del self._site.world.groups[group_id]
        if self._site.world.announcer is not None:
            self._site.world.announcer.group(group, "delete")
        resp.status = 204

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        asked = body_of(req).get("server_group")
        if not isinstance(asked, dict) or not asked.get("name"):
            raise Refused(400, "Invalid input for field/attribute server_group.")
        rules: dict[str, int] = {}
        if at_least(req, 64):
            policy = asked.get("policy")
            try:
                rules = {str(k): int(v) for k, v in (asked.get("rules") or {}).items()}
            except (TypeError, ValueError):
                raise Refused(400, "Invalid input for field/attribute rules.") from None
        else:
            policy = (asked.get("policies") or [None])[0]
        if policy not in POLICIES:
            raise Refused(400, f"Invalid input for field/attribute policy. Value: {policy}.")
        if rules and policy != "anti-affinity":
            raise Refused(400, "Only anti-affinity policy supports rules.")
        user = token_of(req).user
        group = ServerGroup(str(uuid.uuid4()), str(asked["name"]), policy, rules, user.project_id, user.id)
        self._site.world.add_group(group)
        if self._site.world.announcer is not None:
            self._site.world.announcer.group(group, "create")
        answer(resp, {"server_group": self._shown(req, group)})

    def _find(self, req: falcon.Request, group_id: str) -> ServerGroup:
        token = token_of(req)
        group = self._site.world.groups.get(group_id)
        if group is None:
            raise Refused(404, f"Instance group {group_id} could not be found.")
        if not token.is_admin and group.project_id != token.user.project_id:
            raise Refused(403, "Policy doesn't allow os_compute_api:os-server-groups:show to be performed.")
        return group

    def _shown(self, req: falcon.Request, group: ServerGroup) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": group.uuid,
            "name": group.name,
            "members": list(group.members),
        }
        if at_least(req, 64):
            shown |= {"policy": group.policy, "rules": group.rules}
        else:
            shown |= {"policies": [group.policy], "metadata": {}}
        if at_least(req, 13):
            shown |= {"project_id": group.project_id, "user_id": group.user_id}
        return shown
