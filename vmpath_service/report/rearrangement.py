"""A rearrangement as one page that refers to nothing elsewhere: for a screen, a phone, and paper.

Everything that comes from the cloud is escaped: names of servers are what their owners like.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from vmpath_service.model.plan import Migration, Plan
from vmpath_service.model.snapshot import Host, Instance, Snapshot
from vmpath_service.report import charts, timeline
from vmpath_service.report.accounts import HostAccount, accounts
from vmpath_service.report.page import PAGE

MOST_HOSTS = 300
MOST_MIGRATIONS = 1000
MOST_EVENTS = 500
MOST_NAMED = 50
"""What is listed at most, and how many of a group are named: the page has to stay small."""
_OPEN = {"open_hosts": 40, "open_lanes": 40, "open_steps": 200, "open_events": 60}
"""Of what there is more of than this is folded away."""
_LANES = 60
_KIND = "MEMORY_MB"
_NUMBER = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Subject:
    """What the page is about, as the API shows it: the record, its migrations and events, the hosts and the
    instances as they are now."""

    record: Mapping[str, Any]
    plan: Plan | None
    migrations: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    hosts: Sequence[Mapping[str, Any]]
    instances: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Group:
    """What may be said of several: ``members`` are some of them, ``count`` and ``memory_mb`` are of all."""

    said: str
    members: tuple[str, ...]
    count: int
    memory_mb: int

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.members)


def html(subject: Subject) -> str:
    """The page."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["gib"] = lambda amount: f"{amount / 1024:,.1f}"
    environment.filters["lasts"] = lasts
    environment.filters["moment"] = lambda text: f"{text[:10]} {text[11:19]} UTC"
    record, plan = subject.record, subject.plan
    decision = record["decision"] or {}
    found = _accounts(subject)
    changed = [each for each in found if each.changed()]
    shown = sorted(changed, key=lambda each: (-abs(each.after - each.before), each.name))[:MOST_HOSTS]
    cloud = _cloud(subject)
    went = None if plan is None else as_it_went(plan, subject.migrations)
    steps = _steps(subject)
    moved = () if plan is None else plan.migrations
    page = environment.from_string(PAGE).render(
        record=record,
        decision=decision,
        plan=plan,
        tally=Counter(each["state"] for each in steps).most_common(),
        took=None if went is None else went.summary.makespan_s,
        every_host=len(found),
        busy_before=sum(each.instances_before > 0 for each in found),
        busy_after=sum(each.instances_after > 0 for each in found),
        hosts=sorted(shown, key=lambda each: each.name),
        hosts_said=_counted(len(changed), len(shown), "hosts change") + f"; {len(found) - len(changed):,} do not",
        fullness=charts.fullness(found) if len(changed) > _OPEN["open_hosts"] else [],
        busy_hosts=len({name for step in moved for name in (step.source, step.dest)}),
        predicted=None if not moved or plan is None else Markup(timeline.svg(cloud, plan, _LANES)),
        went=None if went is None else Markup(timeline.svg(cloud, went, _LANES, critical=False)),
        progress=Markup(_progress(moved, went)),
        curve=Markup(_curve(decision.get("curve") or ())),
        steps=steps[:MOST_MIGRATIONS],
        steps_said=_counted(len(steps), min(len(steps), MOST_MIGRATIONS), "migrations"),
        reasons=_grouped((each["general"], each["instance"], each["memory_mb"]) for each in steps),
        troubles=_grouped(
            (f"{each['state']}: {each['went']}" if each["went"] else each["state"], _told(each), 0)
            for each in steps
            if each["state"] in ("failed", "skipped")
        ),
        risks=_grouped((each["risk"], each["instance"], 0) for each in steps if each["risk"]),
        leftovers=_grouped(
            (each["reason"], f"{each.get('instance_name') or each['instance']} on {each['host']}", 0)
            for each in decision.get("leftovers") or ()
        ),
        events=subject.events[-MOST_EVENTS:],
        events_said=_counted(len(subject.events), min(len(subject.events), MOST_EVENTS), "events", "the last "),
        **_OPEN,
    )
    return f"{page}\n"


def lasts(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 300:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def as_it_went(plan: Plan, migrations: Sequence[Mapping[str, Any]]) -> Plan | None:
    """The plan with the times at which its migrations really began and ended; None if none has ended."""
    seen = {}
    for each in migrations:
        if each["intended_at"] and each["ended_at"]:
            seen[each["step"]] = (_seconds(each["intended_at"]), _seconds(each["ended_at"]))
    if not seen:
        return None
    zero = min(begin for begin, _ in seen.values())
    moved = tuple(
        msgspec.structs.replace(
            step, start_s=round(seen[step.id][0] - zero, 2), end_s=round(max(*seen[step.id]) - zero, 2)
        )
        for step in plan.migrations
        if step.id in seen
    )
    kept = frozenset(step.id for step in moved)
    moved = tuple(
        msgspec.structs.replace(step, after=tuple(each for each in step.after if each in kept)) for step in moved
    )
    summary = msgspec.structs.replace(
        plan.summary, migrations=len(moved), makespan_s=round(max(step.end_s for step in moved), 2)
    )
    return msgspec.structs.replace(plan, migrations=moved, host_steps=(), summary=summary)


def _accounts(subject: Subject) -> list[HostAccount]:
    if subject.plan is None:
        return []
    planned = [
        {"id": step.id, "instance": step.instance, "source": step.source, "dest": step.dest}
        for step in subject.plan.migrations
    ]
    states = {int(each["step"]): str(each["state"]) for each in subject.migrations}
    # one that is gone by now took what its plan says
    resources = {step.instance: {_KIND: step.memory_mb} for step in subject.plan.migrations}
    resources |= {str(each["uuid"]): each["resources"] for each in subject.instances}
    return accounts(subject.hosts, planned, states, resources, _KIND)


def _cloud(subject: Subject) -> Snapshot:
    """As much of the cloud as a timeline needs."""
    hosts = tuple(Host(name=str(host["name"]), inventories={}) for host in subject.hosts)
    known = {str(host["name"]) for host in subject.hosts}
    moved = () if subject.plan is None else subject.plan.migrations
    gone = sorted({name for step in moved for name in (step.source, step.dest)} - known)
    names = _names(subject)
    guests = dict.fromkeys(step.instance for step in moved)
    return Snapshot(
        hosts=(*hosts, *(Host(name=name, inventories={}) for name in gone)),
        instances=tuple(Instance(uuid=uuid, host=None, resources={}, name=names.get(uuid)) for uuid in guests),
    )


def _names(subject: Subject) -> dict[str, str | None]:
    """What instances are called: as they were when they were moved, or as they are now."""
    moved = {str(each["instance"]): each["instance_name"] for each in subject.migrations if each.get("instance_name")}
    return moved | {str(each["uuid"]): each["name"] for each in subject.instances}


def _steps(subject: Subject) -> list[dict[str, Any]]:
    names = _names(subject)
    stood = {int(each["step"]): each for each in subject.migrations}
    steps = []
    for step in () if subject.plan is None else subject.plan.migrations:
        now = stood.get(step.id, {})
        begun, ended = now.get("intended_at"), now.get("ended_at")
        took = _seconds(ended) - _seconds(begun) if begun and ended else None
        reason = step.reason or ""
        steps.append(
            {
                "id": step.id,
                "instance": names.get(step.instance) or step.instance,
                "source": step.source,
                "dest": step.dest,
                "memory_mb": step.memory_mb,
                "bypass": step.bypass,
                "predicted": step.end_s - step.start_s,
                "took": took,
                "state": str(now.get("state", "planned")),
                "why": reason,
                "general": _general(step, reason),
                "went": now.get("reason") or "",
                "risk": _risk(step, reason),
            }
        )
    return steps


def _general(step: Migration, reason: str) -> str:
    """Its reason as it may be that of others too: without names and figures."""
    if not reason:
        return "(no reason given)"
    general = reason.replace(step.source, "its host").replace(step.dest, "its destination")
    return _NUMBER.sub("…", general)


def _risk(step: Migration, reason: str) -> str:
    """What may go wrong, in a few words; empty if nothing is known."""
    if "converge" in reason:
        return next(part for part in reason.split("; ") if "converge" in part)
    if step.mode == "post-copy":
        return "switches to post-copy: should the network break then, the guest is lost"
    return ""


def _grouped(members: Iterable[tuple[str, str, int]]) -> list[Group]:
    """What is said of each of them, with its name and MiB: by what is said, the commonest first."""
    names: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    for said, name, memory_mb in members:
        kept = names.setdefault(said, [])
        if len(kept) < MOST_NAMED:
            kept.append(name)
        counts[said] += 1
        memory[said] += memory_mb
    groups = [Group(said, tuple(names[said]), counts[said], memory[said]) for said, _ in counts.most_common()]
    if len(groups) <= MOST_NAMED:
        return groups
    rest = groups[MOST_NAMED:]
    more = Group(
        f"{len(rest):,} other reasons",
        tuple(each.members[0] for each in rest[:MOST_NAMED]),
        sum(each.count for each in rest),
        sum(each.memory_mb for each in rest),
    )
    return [*groups[:MOST_NAMED], more]


def _told(step: Mapping[str, Any]) -> str:
    return f"{step['instance']} from {step['source']} to {step['dest']}"


def _counted(every: int, shown: int, what: str, which: str = "") -> str:
    return f"{every:,} {what}" + (f", {which}{shown:,} of them here" if shown < every else "")


def _progress(moved: Sequence[Migration], went: Plan | None) -> str:
    lines = [("as predicted", charts.ended(step.end_s for step in moved))]
    if went is not None:
        lines.append(("as it went", charts.ended(step.end_s for step in went.migrations)))
    return charts.curves(lines if moved else (), "s", from_zero=True)


def _curve(points: Sequence[Mapping[str, Any]]) -> str:
    """The score after each migration."""
    line = [(float(point["migrations"]), float(point["score"])) for point in points]
    return charts.curves([("score", line)], "migrations")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
