"""What the API answers, as types: the OpenAPI document is made of them, and the tests hold every answer to them.

Times are ISO 8601 (UTC).
"""

from __future__ import annotations

from typing import Any, TypedDict

from vmpath_service.model.maintenances import MaintenanceRequest, MaintenanceState, Outlook
from vmpath_service.model.records import Demand, FailureKind, MigrationState, RearrangementState, Request
from vmpath_service.model.schedules import ScheduleRequest


class Link(TypedDict):
    rel: str
    href: str


class Problem(TypedDict):
    code: int
    title: str
    message: str
    request_id: str


class Failure(TypedDict):
    """Every error."""

    error: Problem


class Version(TypedDict):
    id: str
    status: str
    links: list[Link]


class Versions(TypedDict):
    versions: list[Version]


class Health(TypedDict):
    """``parts``: "ok", or what is wrong with it."""

    status: str
    parts: dict[str, str]


class Host(TypedDict):
    """Amounts by resource class. ``why_not``: why nothing can arrive."""

    name: str
    state: str
    status: str
    disabled_reason: str | None
    availability_zone: str | None
    aggregates: list[str]
    instances: int
    capacity: dict[str, int]
    used: dict[str, int]
    why_not: str | None


class Hosts(TypedDict):
    hosts: list[Host]
    links: list[Link]


class Instance(TypedDict):
    """``movable``: live, cold or no; ``why_not``: why it stays."""

    uuid: str
    name: str | None
    host: str | None
    status: str | None
    task_state: str | None
    project_id: str | None
    flavor: str | None
    locked: bool
    resources: dict[str, int]
    movable: str
    why_not: str | None


class Instances(TypedDict):
    instances: list[Instance]
    links: list[Link]


class Policy(TypedDict):
    """``options``: what its driver takes; ``settings``: the values that hold."""

    name: str
    driver: str
    summary: str
    approval: str
    options: list[dict[str, Any]]
    settings: dict[str, Any]


class Policies(TypedDict):
    policies: list[Policy]


class Freeze(TypedDict):
    frozen: bool
    since: str | None
    reason: str | None
    by: str | None


class Rearrangement(TypedDict):
    """``version`` is its ETag."""

    id: str
    policy: str
    request: Request
    state: RearrangementState
    created_at: str
    updated_at: str
    version: int
    owner: str | None
    cancel_requested: bool
    abort_requested: bool
    rolling_back: bool
    explanation: str | None
    decision: dict[str, Any] | None
    summary: dict[str, Any] | None
    disabled: list[str]
    links: list[Link]


class Rearrangements(TypedDict):
    rearrangements: list[Rearrangement]
    links: list[Link]


class Migration(TypedDict):
    """``step``: its id in the plan; ``progress``: the share of the memory that was copied; ``failure``: of what kind
    the last failure was, ``failures``: how many there were at this destination, ``tried``: destinations that were
    given up before; ``demand``: what Nova was asked to do about it last;
    ``instance_name``: as it was when the plan was made, null if it is not known.
    """

    rearrangement: str
    step: int
    instance: str
    source: str
    dest: str
    state: MigrationState
    attempt: int
    baseline: int | None
    nova_migration: int | None
    was: str | None
    intended_at: str | None
    ended_at: str | None
    progress: float | None
    reason: str | None
    method: str
    failure: FailureKind | None
    failures: int
    tried: list[str]
    demand: Demand | None
    demanded_at: str | None
    instance_name: str | None


class Migrations(TypedDict):
    migrations: list[Migration]
    links: list[Link]


class Event(TypedDict):
    """``subject``: the id of the rearrangement or maintenance, or the name of the schedule, that it is about;
    ``host``: the one host that it is about."""

    sequence: int
    at: str
    subject: str | None
    kind: str
    message: str
    step: int | None
    host: str | None


class Events(TypedDict):
    events: list[Event]
    links: list[Link]


class Round(TypedDict):
    """Hosts that are worked on at the same time; ``done``: they are back in service."""

    hosts: list[str]
    done: bool


class Maintenance(TypedDict):
    """``version`` is its ETag. ``rounds``: so far, the last one being under way; ``disabled``: hosts that vmpath
    disabled for it and has not enabled again; ``kept``: those that it leaves disabled, since something went wrong on
    them; ``warning``: what was short when it was last found out whether it fits; ``outlook``: what it was going to
    take then; ``hook_done``: hosts are powered off, and wait; ``late``: that it begins late has been told;
    ``successor``: the next one of the series."""

    id: str
    request: MaintenanceRequest
    state: MaintenanceState
    start: str
    created_at: str
    updated_at: str
    version: int
    cancel_requested: bool
    pause_requested: bool
    rounds: list[Round]
    phase_since: str
    rearrangement: str | None
    disabled: list[str]
    kept: list[str]
    drains: int
    hook_begun: bool
    hook_done: bool
    hook_lost: bool
    overdue: bool
    completed: list[str]
    warning: str | None
    explanation: str | None
    outlook: Outlook | None
    late: bool
    successor: str | None
    links: list[Link]


class Maintenances(TypedDict):
    maintenances: list[Maintenance]
    links: list[Link]


class Schedule(TypedDict):
    """``origin``: file or api; ``last``: the rearrangement of the last run, ``outcome`` what came of it."""

    name: str
    request: ScheduleRequest
    origin: str
    created_at: str
    updated_at: str
    version: int
    enabled: bool
    next_at: str | None
    last: str | None
    last_at: str | None
    outcome: str | None
    links: list[Link]


class Schedules(TypedDict):
    schedules: list[Schedule]
    links: list[Link]
