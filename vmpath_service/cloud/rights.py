"""The rights that vmpath needs, and what an answer of the cloud says of each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

EXTENDED = "os_compute_api:os-extended-server-attributes"
EXTRA_SPECS = "os_compute_api:servers:show:flavor-extra-specs"
ALL_GROUPS = "os_compute_api:os-server-groups:index:all_projects"
MIGRATION_HOSTS = "os_compute_api:os-migrations:index:host"
CONTEXT = "context_is_admin"


class Verdict(StrEnum):
    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one right or setting; ``advice`` is empty where nothing is to be done."""

    name: str
    verdict: Verdict
    details: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the reason given, the decoded body where there is one."""

    status: int
    said: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Right:
    """A right: ``rules`` of the policy of ``service`` that give it.

    ``shown_by``: statuses from 400 on that only those get who have it, since the request was made for something
    that does not exist. ``hides``: a thing that does exist is answered with 404 to those who may not see it.
    ``only_for``: what cannot be done without it, where all else can; empty for what is always needed.
    """

    name: str
    service: str
    rules: tuple[str, ...]
    shown_by: frozenset[int] = frozenset()
    hides: bool = False
    only_for: str = ""

    def advice(self, *rules: str) -> str:
        """Where to give it."""
        file = f"etc/vmpath/openstack/{self.service.lower()}-policy.yaml"
        return f"add the user's role to {' and '.join(rules or self.rules)} in {self.service}'s policy (see {file})"


def _nova(
    name: str, *rules: str, shown_by: Collection[int] = (), hides: bool = False, only_for: str = ""
) -> Right:
    given = tuple(f"os_compute_api:{rule}" for rule in rules)
    return Right(name, "Nova", given, frozenset(shown_by), hides, only_for)


def _placement(name: str, rule: str) -> Right:
    # 404: of a provider that does not exist, told after the policy was asked
    return Right(name, "Placement", (f"placement:{rule}",), frozenset([404]))


LIST_SERVERS = _nova("list the servers of all projects", "servers:detail", "servers:detail:get_all_tenants")
SHOW_SERVER = _nova("show a server of any project", "servers:show", hides=True)
SERVICES = _nova("list compute services", "os-services:list")
# 404: of a service that does not exist, told after the policy was asked
SET_SERVICE = _nova("disable and enable hosts", "os-services:update", shown_by=[404])
HYPERVISORS = _nova("list hypervisors", "os-hypervisors:list-detail")
AGGREGATES = _nova("list aggregates", "os-aggregates:index")
GROUPS = _nova("list server groups", "os-server-groups:index")
MIGRATIONS = _nova("list migrations", "os-migrations:index", "os-migrations:index:all_projects")
PROGRESS = _nova("show the progress of migrations", "servers:migrations:index", hides=True)
SHARES = _nova(
    "list the shares of servers",
    "os-server-shares:index",
    hides=True,
    only_for="telling which servers have Manila shares",
)
# 400: no such host; 409: the server is not in a state for it
MIGRATE = _nova("live-migrate to a named host", "os-migrate-server:migrate_live:host", shown_by=[400, 409], hides=True)
# of a migration that does not exist, whatever the server does
ABORT = _nova("abort live migrations", "servers:migrations:delete", shown_by=[400, 404, 409])
FORCE = _nova("force live migrations to complete", "servers:migrations:force_complete", shown_by=[400, 404, 409])
COLD = _nova(
    "cold-migrate to a named host", "os-migrate-server:migrate:host", shown_by=[400, 409], hides=True
)
# 404: no such host
EVACUATE = _nova(
    "rebuild servers of a dead host", "os-evacuate", shown_by=[400, 404, 409], only_for="rebuilding from dead hosts"
)
PROVIDERS = _placement("list resource providers", "resource_providers:list")
INVENTORIES = _placement("list inventories", "resource_providers:inventories:list")
USAGES = _placement("show usages", "resource_providers:usages")
TRAITS = _placement("list traits of providers", "resource_providers:traits:list")
ALLOCATIONS = _placement("list allocations of providers", "resource_providers:allocations:list")
HELD = _placement("show what a server holds", "allocations:list")
CANDIDATES = _placement("list allocation candidates", "allocation_candidates:list")


def judge(right: Right, answer: Answer) -> Finding:
    """What the answer to a request that needs the right says of it."""
    if answer.status < 300 or answer.status in right.shown_by:
        return Finding(right.name, Verdict.OK, "allowed")
    if answer.status == 403 and right.only_for:
        details = f"not given: only {right.only_for} needs it"
        return Finding(right.name, Verdict.OK, details, right.advice())
    if answer.status == 403:
        details = f"{right.service} forbids it (403): {answer.said}"
        named = [rule for rule in right.rules if f"{rule} " in f"{answer.said} "]
        return Finding(right.name, Verdict.MISSING, details, right.advice(*named))
    if answer.status == 404 and right.hides:
        details = "Nova hides a server from this user that it lists (404)"
        return Finding(right.name, Verdict.MISSING, details, right.advice(CONTEXT, *right.rules))
    if answer.status == 401:
        return Finding(
            right.name,
            Verdict.MISSING,
            f"{right.service} does not accept the token (401): {answer.said}",
            f"check [keystone_authtoken] of {right.service}",
        )
    details = f"{right.service} answered {answer.status}: {answer.said}"
    return Finding(right.name, Verdict.UNKNOWN, details, f"look into the log of {right.service}'s API and check again")


def untried(right: Right, reason: str, advice: str) -> Finding:
    """What is said of a right that could not be tried."""
    return Finding(right.name, Verdict.UNKNOWN, reason, advice)


def judge_hosts(servers: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether listed servers show where they are."""
    return _shown(
        "see the hosts of servers",
        LIST_SERVERS.advice(EXTENDED),
        ["OS-EXT-SRV-ATTR:host" in server for server in servers],
        "servers",
    )


def judge_extra_specs(servers: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether listed servers show what their flavors ask for beyond sizes (2.47 and later)."""
    return _shown(
        "see the extra specs of flavors",
        LIST_SERVERS.advice(EXTRA_SPECS),
        ["extra_specs" in (server.get("flavor") or {}) for server in servers],
        "servers",
    )


def judge_migration_hosts(records: Sequence[Mapping[str, Any]]) -> Finding:
    """Whether migration records show from where and to where."""
    return _shown(
        "see the hosts of migrations",
        MIGRATIONS.advice(MIGRATION_HOSTS),
        [bool(record.get("source_compute")) for record in records],
        "migrations",
    )


def _shown(name: str, advice: str, seen: Sequence[bool], what: str) -> Finding:
    if not seen:
        advice = f"check again once there are {what}"
        return Finding(name, Verdict.UNKNOWN, f"there are no {what} to see it on", advice)
    if any(seen):
        return Finding(name, Verdict.OK, f"shown of {sum(seen)} of {len(seen)} {what}")
    return Finding(name, Verdict.MISSING, f"shown of none of {len(seen)} {what}", advice)


def judge_groups(
    shown: Sequence[Mapping[str, Any]], servers: Sequence[Mapping[str, Any]], own_project: str | None
) -> Finding:
    """Whether the server groups of all projects were listed: Nova answers silently with one's own instead.

    The list is known to be of all when it holds a group of another project, and not to be when a listed server
    names a group (2.100 and later) that is absent; a group deleted since looks the same, so that must be said.
    """
    name = "list the server groups of all projects"
    listed = {group.get("id") for group in shown}
    if any(group.get("project_id") not in (None, own_project) for group in shown):
        return Finding(name, Verdict.OK, f"{len(shown)} groups, some of other projects")
    hidden = sorted(hinted - listed) if (hinted := _hinted(servers)) else []
    if hidden:
        details = f"{len(hidden)} groups that servers belong to are not listed, the first is {hidden[0]}"
        advice = f"{GROUPS.advice(CONTEXT, ALL_GROUPS)}; nothing is missing if these groups were deleted"
        return Finding(name, Verdict.MISSING, details, advice)
    return Finding(
        name,
        Verdict.UNKNOWN,
        "no group of another project is listed: there may be none, or they are hidden",
        f"if other projects have server groups, {GROUPS.advice(CONTEXT, ALL_GROUPS)}",
    )


def judge_ports(shown: Collection[str], own_project: str | None) -> Finding:
    """``shown``: the projects of ports that Neutron shows; it silently leaves out what is others'."""
    name = "see the ports of all projects"
    if set(shown) - {own_project}:
        return Finding(name, Verdict.OK, f"ports of {len(set(shown))} projects are shown")
    return Finding(
        name,
        Verdict.UNKNOWN,
        "no port of another project is shown: there may be none, or they are hidden",
        "if other projects have ports, let context_is_admin of Neutron's policy hold for the user",
    )


def _hinted(servers: Sequence[Mapping[str, Any]]) -> set[Any]:
    found: set[Any] = set()
    for server in servers:
        named = (server.get("scheduler_hints") or {}).get("group")
        found.update(named if isinstance(named, list) else [named] if named else [])
    return found
