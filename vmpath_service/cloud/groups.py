"""Server groups as the snapshot has them, and whether all of them were shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, cast

from vmpath_service.cloud.wire import Group, Server
from vmpath_service.model.errors import NoDecision
from vmpath_service.model.snapshot import Rules, ServerGroup

_POLICIES = ("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity")
Policy = Literal["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"]


def server_groups(groups: Iterable[Group], listed: Collection[str]) -> tuple[ServerGroup, ...]:
    """Nova's groups with those of their members that are among the listed servers; empty groups are left out.

    Raises NoDecision for a policy that vmpath does not know: what it forbids cannot be honoured.
    """
    found = []
    for group in groups:
        members = tuple(dict.fromkeys(member for member in group.members if member in listed))
        if not members:
            continue
        policy = group.policy or (group.policies[0] if group.policies else None)
        if policy not in _POLICIES:
            raise NoDecision(f"server group {group.name} ({group.id}) has the policy {policy!r}, which is not known")
        limit = group.rules.get("max_server_per_host")
        found.append(
            ServerGroup(
                uuid=group.id,
                policy=cast(Policy, policy),
                members=members,
                name=group.name,
                rules=Rules(limit) if limit is not None and policy == "anti-affinity" else None,
            )
        )
    return tuple(found)


def hinted_but_hidden(servers: Iterable[Server], groups: Collection[Group]) -> dict[str, str]:
    """Groups that servers were booted into and that were not shown, each with one such server.

    A group may have been deleted since; whoever asks must look at each.
    """
    shown = {group.id for group in groups}
    names = {group.name for group in groups}
    hidden: dict[str, str] = {}
    for server in servers:
        hints: Mapping[str, object] = server.scheduler_hints or {}
        asked = hints.get("group")
        for group in asked if isinstance(asked, list) else [asked]:
            if isinstance(group, str) and group not in shown and group not in names:
                hidden.setdefault(group, server.id)
    return hidden


def group_of(groups: Iterable[ServerGroup]) -> dict[str, ServerGroup]:
    """The group of each member (Nova knows one at most)."""
    return {member: group for group in groups for member in group.members}
