"""The path (``vmpath-plan/1``): migrations and host steps in a safe partial order, with a predicted schedule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from vmpath_service.model.snapshot import Amount, Name, Positive, Quantity

FORMAT: Literal["vmpath-plan/1"] = "vmpath-plan/1"
Outcome = Literal["found", "infeasible", "partial", "undecided"]
Objective = Literal["cost", "time", "balanced"]
Identity = Annotated[int, msgspec.Meta(ge=1)]


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the values of a plan; written in full, so that a reader sees what is null."""


class Limits(_Value, frozen=True):
    """How much may be in flight at once; null means no limit of that kind.

    ``per_host`` N: N outgoing and, separately, N incoming migrations.
    """

    per_host: Positive | None = 2
    in_total: Positive | None = None
    migration_mbps: Quantity = 8000.0
    per_group: Positive | None = None


class Arrival(_Value, frozen=True):
    instance: Name
    host: Name


class HostStep(_Value, frozen=True):
    id: Identity
    host: Name
    action: Literal["power-on", "enable", "disable", "power-off"]
    after: tuple[Identity, ...] = ()
    start_s: Quantity = 0.0
    end_s: Quantity = 0.0


class Migration(_Value, frozen=True):
    """One move. ``after`` are the steps that must have ended before it may start."""

    id: Identity
    instance: Name
    source: Name
    dest: Name
    method: Literal["live", "cold"] = "live"
    mode: Literal["pre-copy", "post-copy", "auto"] = "pre-copy"
    bypass: bool = False
    after: tuple[Identity, ...] = ()
    wave: Positive = 1
    start_s: Quantity = 0.0
    end_s: Quantity = 0.0
    rate_mbps: Quantity = 0.0
    memory_mb: Amount = 0
    reason: str | None = None


class Bounds(_Value, frozen=True):
    """Lower bounds that no plan can beat, and which one binds."""

    migrations: Amount = 0
    memory_mb: Amount = 0
    makespan_s: Quantity = 0.0
    binding: str | None = None


class Summary(_Value, frozen=True):
    migrations: Amount = 0
    extra_migrations: int = 0
    bypasses: Amount = 0
    memory_mb: Amount = 0
    waves: Amount = 0
    makespan_s: Quantity = 0.0
    seconds: Quantity = 0.0
    bounds: Bounds = Bounds()


class Plan(_Value, frozen=True):
    """A plan is written for every outcome; all but ``found`` have an explanation."""

    outcome: Outcome
    target: dict[Name, Name | None]
    snapshot: str
    format: Literal["vmpath-plan/1"] = FORMAT
    explanation: str | None = None
    time_limited: bool = False
    policy: str | None = None
    objective: Objective = "balanced"
    limits: Limits = Limits()
    departures: tuple[Name, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    host_steps: tuple[HostStep, ...] = ()
    migrations: tuple[Migration, ...] = ()
    summary: Summary = Summary()
    extra: dict[str, Any] = {}


PARTS = "parts"
"""What ``Plan.extra`` says of a plan that was made longer under way: ``from`` which step on it was made from which
``snapshot``, with its ``summary``; what is before the first of them was made from the plan's own."""


def part_made_from(plan: Plan, snapshot: str) -> Plan:
    """Of a plan that was made longer under way, the steps that were made from this snapshot, as a plan to where they
    lead; the plan itself if it was not, or if none were."""
    later = plan.extra.get(PARTS, ())
    begin, made_from = [0, *(each["from"] for each in later)], [plan.snapshot, *(each["snapshot"] for each in later)]
    if not later or snapshot not in made_from:
        return plan
    number = made_from.index(snapshot)
    end = begin[number + 1] if number + 1 < len(begin) else float("inf")

    def within(step: int) -> bool:
        return bool(begin[number] <= step < end)

    migrations = tuple(
        msgspec.structs.replace(each, after=tuple(filter(within, each.after)))
        for each in plan.migrations
        if within(each.id)
    )
    host_steps = tuple(
        msgspec.structs.replace(each, after=tuple(filter(within, each.after)))
        for each in plan.host_steps
        if within(each.id)
    )
    return msgspec.structs.replace(
        plan,
        snapshot=snapshot,
        summary=msgspec.convert(later[number - 1]["summary"], Summary) if number else plan.summary,
        target={each.instance: each.dest for each in migrations},
        migrations=migrations,
        host_steps=host_steps,
        arrivals=plan.arrivals if number == 0 else (),
        departures=plan.departures if number == 0 else (),
    )
