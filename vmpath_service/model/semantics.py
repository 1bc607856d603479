"""What types cannot check: identities that stand twice, references to what is not there, contradictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from vmpath_service.model.errors import InvalidTarget, NotFound
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Plan
from vmpath_service.model.snapshot import Snapshot

LONGEST_S = 365 * 86400.0
"""Seconds. A rate at which the memory of an instance takes longer is a mistake."""
_MBIT = 8


@dataclass(frozen=True, slots=True)
class Problem:
    """A place in a document (JSON pointer) and what is wrong there."""

    pointer: str
    text: str


def snapshot_problems(snapshot: Snapshot) -> Iterator[Problem]:
    """All that is wrong with a decoded snapshot, in document order, lazily."""
    if snapshot.taken_at is not None:
        try:
            datetime.fromisoformat(snapshot.taken_at)
        except ValueError:
            yield Problem("/taken_at", f"found {snapshot.taken_at!r}, expected an ISO 8601 time")
    if not snapshot.hosts:
        yield Problem("/hosts", "there is no host in the cloud, expected at least one")
    links = snapshot.network.links if snapshot.network else None
    hosts: set[str] = set()
    uuids: set[str] = set()
    for position, host in enumerate(snapshot.hosts):
        if host.name in hosts:
            yield Problem(f"/hosts/{position}/name", f"host {host.name!r} stands twice")
        hosts.add(host.name)
        if host.uuid is not None:
            if host.uuid in uuids:
                yield Problem(f"/hosts/{position}/uuid", f"the uuid {host.uuid!r} stands twice")
            uuids.add(host.uuid)
        for resource_class, inventory in host.inventories.items():
            place = f"/hosts/{position}/inventories/{resource_class}"
            if (inventory.total is None) == (inventory.capacity is None):
                both = "" if inventory.total is None else "found both, "
                yield Problem(place, f"{both}expected 'total' or 'capacity'")
            elif inventory.total is not None and inventory.reserved > inventory.total:
                yield Problem(
                    f"{place}/reserved", f"found {inventory.reserved}, expected at most the total {inventory.total}"
                )
            if inventory.max_unit is not None and inventory.min_unit > inventory.max_unit:
                text = f"found {inventory.min_unit}, expected at most the max_unit {inventory.max_unit}"
                yield Problem(f"{place}/min_unit", text)
        if links is not None:
            for number, link in enumerate(host.links):
                if link not in links:
                    yield Problem(f"/hosts/{position}/links/{number}", f"there is no link {link!r} in /network/links")
    instances: set[str] = set()
    for position, instance in enumerate(snapshot.instances):
        if instance.uuid in instances:
            yield Problem(f"/instances/{position}/uuid", f"instance {instance.uuid!r} stands twice")
        instances.add(instance.uuid)
        if instance.host is not None and instance.host not in hosts:
            yield Problem(f"/instances/{position}/host", f"there is no host {instance.host!r} in /hosts")
    where = {instance.uuid: instance.host for instance in snapshot.instances} if snapshot.in_flight else {}
    for position, flight in enumerate(snapshot.in_flight):
        place = f"/in_flight/{position}"
        if flight.instance not in instances:
            yield Problem(f"{place}/instance", f"there is no instance {flight.instance!r} in /instances")
        for end, name in (("source", flight.source), ("dest", flight.dest)):
            if name not in hosts:
                yield Problem(f"{place}/{end}", f"there is no host {name!r} in /hosts")
        if where.get(flight.instance, flight.source) not in (flight.source, flight.dest):
            yield Problem(
                f"{place}/instance",
                f"instance {flight.instance!r} is on {where[flight.instance]!r}, expected {flight.source!r} or "
                f"{flight.dest!r}",
            )
    yield from _group_problems(snapshot, instances)


def _group_problems(snapshot: Snapshot, instances: set[str]) -> Iterator[Problem]:
    groups: set[str] = set()
    for position, group in enumerate(snapshot.server_groups):
        place = f"/server_groups/{position}"
        if group.uuid in groups:
            yield Problem(f"{place}/uuid", f"server group {group.uuid!r} stands twice")
        groups.add(group.uuid)
        members: set[str] = set()
        for number, member in enumerate(group.members):
            if member not in instances:
                yield Problem(f"{place}/members/{number}", f"there is no instance {member!r} in /instances")
            if member in members:
                yield Problem(f"{place}/members/{number}", f"instance {member!r} stands twice in the group")
            members.add(member)


def plan_problems(plan: Plan) -> Iterator[Problem]:
    """Whether the identities and ``after`` of a plan hang together (the replay judges the rest)."""
    steps: list[tuple[int, str, tuple[int, ...]]] = []
    steps += [(step.id, f"/host_steps/{i}", step.after) for i, step in enumerate(plan.host_steps)]
    steps += [(step.id, f"/migrations/{i}", step.after) for i, step in enumerate(plan.migrations)]
    known: set[int] = set()
    for identity, place, _ in steps:
        if identity in known:
            yield Problem(f"{place}/id", f"id {identity} stands twice")
        known.add(identity)
    for identity, place, after in steps:
        for number, earlier in enumerate(after):
            if earlier not in known:
                yield Problem(f"{place}/after/{number}", f"there is no step with id {earlier}")
            elif earlier >= identity:
                yield Problem(f"{place}/after/{number}", f"found {earlier}, expected an id smaller than {identity}")


    yield from (problem for problem, _ in endless(plan))


def endless(plan: Plan) -> Iterator[tuple[Problem, str]]:
    """The migrations whose rates make no sense, with their instances."""
    for number, migration in enumerate(plan.migrations):
        # 0: it has none, which is for the replay to judge
        seconds = migration.memory_mb * _MBIT / migration.rate_mbps if migration.rate_mbps else 0.0
        if seconds > LONGEST_S:
            text = f"found {migration.rate_mbps:g} Mbit/s, at which {migration.memory_mb} MiB take more than a year"
            yield Problem(f"/migrations/{number}/rate_mbps", text), migration.instance


def foreign_names(snapshot: Snapshot, plan: Plan) -> Iterator[Problem]:
    """What the steps of a plan name that a snapshot does not have."""
    hosts = {host.name for host in snapshot.hosts}
    instances = {instance.uuid for instance in snapshot.instances}
    for number, step in enumerate(plan.host_steps):
        if step.host not in hosts:
            yield Problem(f"/host_steps/{number}/host", f"found host {step.host!r}")
    for number, migration in enumerate(plan.migrations):
        if migration.instance not in instances:
            yield Problem(f"/migrations/{number}/instance", f"found instance {migration.instance!r}")
        for end, name in (("source", migration.source), ("dest", migration.dest)):
            if name not in hosts:
                yield Problem(f"/migrations/{number}/{end}", f"found host {name!r}")
    for number, uuid in enumerate(plan.departures):
        if uuid not in instances:
            yield Problem(f"/departures/{number}", f"found instance {uuid!r}")
    for number, arrival in enumerate(plan.arrivals):
        if arrival.instance not in instances:
            yield Problem(f"/arrivals/{number}/instance", f"found instance {arrival.instance!r}")
        if arrival.host not in hosts:
            yield Problem(f"/arrivals/{number}/host", f"found host {arrival.host!r}")


def check_target(snapshot: Snapshot, placement: Placement, *, departures: bool) -> None:
    """A target's names must be the snapshot's; raises NotFound or InvalidTarget.

    ``departures``: whether the target may say that an instance is gone (null).
    """
    hosts = {host.name for host in snapshot.hosts}
    instances = {instance.uuid for instance in snapshot.instances}
    unknown = [uuid for uuid in placement.placement if uuid not in instances]
    if unknown:
        raise NotFound(f"the target names {_some(unknown, 'instance')} that the snapshot does not have")
    strange = sorted({host for host in placement.placement.values() if host is not None and host not in hosts})
    if strange:
        raise NotFound(f"the target names {_some(strange, 'host')} that the snapshot does not have")
    gone = [uuid for uuid, host in placement.placement.items() if host is None]
    if gone and not departures:
        raise InvalidTarget(
            f"the target takes {_some(gone, 'instance')} away (null); that needs --allow-departures"
        )


def _some(names: Iterable[str], noun: str) -> str:
    """At most three names and how many more, for a sentence."""
    listed = list(names)
    shown = ", ".join(repr(name) for name in listed[:3])
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return f"{noun}{'s' if len(listed) > 1 else ''} {shown}{more}"
