"""Who may do what: the rules, their defaults, and the only place where they are asked.

Four levels, each with the rights of the one before: look (reader), ask for something (member), let guests be moved
and stop everything (manager), all of it everywhere (admin). A reader, member or manager counts only where the role
is held for the whole system or in a project of operators (``[api] operator_projects``): in Keystone every user has
such roles in a project of his own.
"""

from __future__ import annotations

from typing import Any, Protocol

import falcon
from oslo_policy import policy

from vmpath_service.api.callers import Caller
from vmpath_service.model.errors import InvalidFile

_LOOK, _ASK, _DECIDE = "rule:reader", "rule:member", "rule:manager"

LEVELS: tuple[policy.RuleDefault, ...] = (
    policy.RuleDefault("admin", "role:admin", "May do everything."),
    policy.RuleDefault(
        "manager",
        "rule:admin or (role:manager and operator:True)",
        "May let guests be moved, and stop everything.",
    ),
    policy.RuleDefault(
        "member",
        "rule:manager or role:service or (role:member and operator:True)",
        "May ask for plans, and pause or cancel what goes on.",
    ),
    policy.RuleDefault("reader", "rule:member or (role:reader and operator:True)", "May look at everything."),
)
RULES: tuple[policy.RuleDefault, ...] = (
    policy.RuleDefault("policies:get", _LOOK, "See the configured policies."),
    policy.RuleDefault("hosts:get", _LOOK, "See the hosts of the cloud."),
    policy.RuleDefault("hosts:release", _DECIDE, "Free a host from quarantine."),
    policy.RuleDefault("instances:get", _LOOK, "See the instances of all projects."),
    policy.RuleDefault("rearrangements:get", _LOOK, "See rearrangements, their plans, migrations and events."),
    policy.RuleDefault("rearrangements:create", _ASK, "Have a plan made; nothing moves without approval."),
    policy.RuleDefault("rearrangements:approve", _DECIDE, "Let a plan be carried out, also when it is asked for."),
    policy.RuleDefault("rearrangements:pause", _ASK, "Let nothing more of a rearrangement start for now."),
    policy.RuleDefault("rearrangements:resume", _DECIDE, "Let a paused rearrangement go on."),
    policy.RuleDefault("rearrangements:cancel", _ASK, "End a rearrangement."),
    policy.RuleDefault("rearrangements:rollback", _DECIDE, "Have moved back what a rearrangement has moved."),
    policy.RuleDefault("rearrangements:delete", _DECIDE, "Forget a rearrangement that has ended."),
    policy.RuleDefault("maintenances:get", _LOOK, "See maintenances and their events."),
    policy.RuleDefault("maintenances:create", _DECIDE, "Have hosts emptied and worked on, without further approval."),
    policy.RuleDefault("maintenances:complete", _DECIDE, "Say that the work on hosts is done: they come back."),
    policy.RuleDefault("maintenances:pause", _ASK, "Let no further round of a maintenance begin for now."),
    policy.RuleDefault("maintenances:resume", _DECIDE, "Let a paused maintenance go on."),
    policy.RuleDefault("maintenances:cancel", _ASK, "End a maintenance."),
    policy.RuleDefault("maintenances:delete", _DECIDE, "Forget a maintenance that has ended."),
    policy.RuleDefault("schedules:get", _LOOK, "See schedules."),
    policy.RuleDefault("schedules:create", _DECIDE, "Have a policy run by the clock."),
    policy.RuleDefault("schedules:enable", _DECIDE, "Let a schedule run."),
    policy.RuleDefault("schedules:disable", _ASK, "Let a schedule run no more for now."),
    policy.RuleDefault("schedules:delete", _DECIDE, "Forget a schedule."),
    policy.RuleDefault("metrics:get", _LOOK, "Read the metrics."),
    policy.RuleDefault("freeze:get", _LOOK, "See whether everything is frozen."),
    policy.RuleDefault("freeze:set", _ASK, "Let nothing new start anywhere."),
    policy.RuleDefault("freeze:lift", _DECIDE, "Lift a freeze."),
)


class Access(Protocol):
    """Decides."""

    def allows(self, caller: Caller, rule: str) -> bool:
        """Whether the caller may do what the rule is about."""


class PolicyAccess:
    """By oslo.policy: the defaults above, overruled by the operator's file."""

    def __init__(self, oslo: Any) -> None:
        """``oslo``: oslo.config's options with [oslo_policy]; raises InvalidFile for a file that cannot be used."""
        self._enforcer = policy.Enforcer(oslo)
        self._enforcer.register_defaults([*LEVELS, *RULES])
        name = oslo.oslo_policy.policy_file
        path = oslo.find_file(name)
        if path is None:
            return
        try:
            self._enforcer.load_rules()
        except Exception as error:  # whatever the parsers of YAML and rules raise
            raise InvalidFile(path, "", f"is not a file of rules: {error}") from error
        known = {rule.name for rule in (*LEVELS, *RULES)}
        for rule in self._enforcer.file_rules:
            if rule not in known:
                raise InvalidFile(path, rule, f"there is no such rule; there are: {', '.join(sorted(known))}")
        if not self._enforcer.check_rules():
            raise InvalidFile(path, "", "has rules that name each other in a circle, or one that does not exist")

    def allows(self, caller: Caller, rule: str) -> bool:
        credentials = {
            "roles": sorted(caller.roles),
            "user_name": caller.name,
            "project_id": caller.project,
            "operator": caller.operator,
        }
        return bool(self._enforcer.authorize(rule, {}, credentials))


class FullAccess:
    """For callers that have proved no name: what they may do was decided by letting them in."""

    def allows(self, caller: Caller, rule: str) -> bool:
        return caller.roles >= {"admin"}


def list_rules() -> list[policy.RuleDefault]:
    """For oslopolicy-sample-generator."""
    return [*LEVELS, *RULES]


def demand(request: falcon.Request, rule: str) -> None:
    """Refuse a caller that may not do this; raises falcon's 403.

    For what only the body of a request tells; what its path and method tell is asked before it gets to a resource.
    """
    caller: Caller = request.context.caller
    access: Access = request.context.access
    if not access.allows(caller, rule):
        raise falcon.HTTPForbidden(description=refusal(caller, rule))


def refusal(caller: Caller, rule: str) -> str:
    """The sentence for somebody who may not."""
    roles = ", ".join(sorted(caller.roles)) or "none"
    hint = "" if caller.operator else ", which do not count here: it is no project of operators"
    return f"{caller.name} may not do this (rule {rule}; roles: {roles}{hint})"

