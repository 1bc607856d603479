"""All of the API in one table: path, method, who may, what it takes and answers.

Routing, access and the OpenAPI document are made of it, so that none of them can know of a request that the others
do not.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

from vmpath_service.api import answers
from vmpath_service.api.bodies import LARGEST_PAGE
from vmpath_service.api.freeze import Wish
from vmpath_service.api.waiting import LONGEST
from vmpath_service.model.maintenances import MaintenanceRequest, MaintenanceState
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import RearrangementState, Request
from vmpath_service.model.schedules import ScheduleRequest


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, with its JSON schema."""

    name: str
    summary: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    ``rule``: who may (see ``access``); None: everybody, also without saying who. ``answer``: the type of the
    answer's body, ``text``: a body of another kind. ``versioned``: takes If-Match. ``missing``: what the path names
    may not be there. ``conflict``: may not be possible in the present state. ``cloud``: reads the cloud, which may
    not answer.
    """

    rule: str | None
    summary: str
    answer: Any = None
    text: str | None = None
    status: HTTPStatus = HTTPStatus.OK
    body: type | None = None
    query: tuple[Parameter, ...] = ()
    versioned: bool = False
    missing: bool = False
    conflict: bool = False
    cloud: bool = False


Method = Literal["GET", "POST", "PUT", "DELETE"]

_LIMIT = Parameter(
    "limit",
    f"At most this many on a page (default {LARGEST_PAGE}).",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE},
)
_PAGE = (_LIMIT, Parameter("marker", "Begin after this one: the last one of the page before.", {"type": "string"}))
_EVENTS = (
    _LIMIT,
    Parameter("after", "Only events with a higher sequence.", {"type": "integer", "minimum": 0, "maximum": 2**53}),
    Parameter(
        "wait",
        "If there is none yet, wait for one for up to so many seconds.",
        {"type": "integer", "minimum": 0, "maximum": LONGEST},
    ),
)
_HAPPENED = "What happened, oldest first; with wait, the answer waits for something to happen."


_ABORT = Parameter("abort", "Whether what is in flight is aborted, where Nova can do that.", {"type": "boolean"})


def _states(kind: type[enum.StrEnum]) -> Parameter:
    values = [each.value for each in kind]
    schema = {"type": "array", "items": {"type": "string", "enum": values}}
    return Parameter("state", "Only those in one of these states.", schema)


_MAINTENANCE = "/v1/maintenances/{identity}"
_SCHEDULE = "/v1/schedules/{name}"
_REARRANGEMENT = "/v1/rearrangements/{identity}"

ROUTES: Mapping[str, Mapping[Method, Operation]] = {
    "/": {"GET": Operation(None, "The versions of the API.", answers.Versions)},
    "/healthcheck": {"GET": Operation(None, "Whether the service can do its work.", answers.Health)},
    "/metrics": {
        "GET": Operation("metrics:get", "Figures for Prometheus.", text="text/plain"),
    },
    "/v1/openapi.json": {"GET": Operation(None, "This document.", dict[str, Any])},
    "/v1/freeze": {
        "GET": Operation("freeze:get", "Whether everything is frozen.", answers.Freeze),
        "PUT": Operation("freeze:set", "Let nothing new start anywhere.", answers.Freeze, body=Wish),
        "DELETE": Operation("freeze:lift", "Lift the freeze.", status=HTTPStatus.NO_CONTENT),
    },
    "/v1/hosts": {
        "GET": Operation(
            "hosts:get", "The hosts as they are now.", answers.Hosts, query=_PAGE, missing=True, cloud=True
        )
    },
    "/v1/hosts/{name}": {"GET": Operation("hosts:get", "One host.", answers.Host, missing=True, cloud=True)},
    "/v1/hosts/{name}/quarantine": {
        "DELETE": Operation(
            "hosts:release",
            "Let migrations go to and from a host again whose last ones failed.",
            status=HTTPStatus.NO_CONTENT,
            missing=True,
        )
    },
    "/v1/instances": {
        "GET": Operation(
            "instances:get",
            "The instances as they are now.",
            answers.Instances,
            query=(*_PAGE, Parameter("host", "Only those on this host.", {"type": "string"})),
            missing=True,
            cloud=True,
        )
    },
    "/v1/instances/{identity}": {
        "GET": Operation("instances:get", "One instance, by UUID or name.", answers.Instance, missing=True, cloud=True)
    },
    "/v1/instances/{identity}/migrations": {
        "GET": Operation(
            "rearrangements:get",
            "What vmpath asked of Nova for an instance (its UUID) so far, the latest first; none of an unknown one.",
            answers.Migrations,
            query=(_LIMIT,),
        )
    },
    "/v1/policies": {"GET": Operation("policies:get", "The configured policies.", answers.Policies)},
    "/v1/policies/{name}": {"GET": Operation("policies:get", "One policy.", answers.Policy, missing=True)},
    "/v1/rearrangements": {
        "GET": Operation(
            "rearrangements:get",
            "Rearrangements, newest first.",
            answers.Rearrangements,
            query=(
                *_PAGE,
                _states(RearrangementState),
            ),
            missing=True,
        ),
        "POST": Operation(
            "rearrangements:create",
            "Have a rearrangement planned; with approve, carried out too (rule rearrangements:approve).",
            answers.Rearrangement,
            status=HTTPStatus.ACCEPTED,
            body=Request,
            missing=True,
            conflict=True,
        ),
    },
    _REARRANGEMENT: {
        "GET": Operation("rearrangements:get", "One rearrangement.", answers.Rearrangement, missing=True),
        "DELETE": Operation(
            "rearrangements:delete",
            "Forget one that has ended.",
            status=HTTPStatus.NO_CONTENT,
            versioned=True,
            missing=True,
            conflict=True,
        ),
    },
    f"{_REARRANGEMENT}/events": {
        "GET": Operation(
            "rearrangements:get",
            _HAPPENED,
            answers.Events,
            query=_EVENTS,
            missing=True,
        )
    },
    f"{_REARRANGEMENT}/migrations": {
        "GET": Operation(
            "rearrangements:get", "How each migration stands.", answers.Migrations, query=_PAGE, missing=True
        )
    },
    f"{_REARRANGEMENT}/plan": {"GET": Operation("rearrangements:get", "The plan file.", Plan, missing=True)},
    "/v1/maintenances": {
        "GET": Operation(
            "maintenances:get",
            "Maintenances, newest first.",
            answers.Maintenances,
            query=(*_PAGE, _states(MaintenanceState)),
            missing=True,
        ),
        "POST": Operation(
            "maintenances:create",
            "Have hosts emptied, worked on and taken into service again.",
            answers.Maintenance,
            status=HTTPStatus.ACCEPTED,
            body=MaintenanceRequest,
            missing=True,
            conflict=True,
            cloud=True,
        ),
    },
    _MAINTENANCE: {
        "GET": Operation("maintenances:get", "One maintenance.", answers.Maintenance, missing=True),
        "DELETE": Operation(
            "maintenances:delete",
            "Forget one that has ended.",
            status=HTTPStatus.NO_CONTENT,
            versioned=True,
            missing=True,
            conflict=True,
        ),
    },
    f"{_MAINTENANCE}/events": {
        "GET": Operation("maintenances:get", _HAPPENED, answers.Events, query=_EVENTS, missing=True)
    },
    "/v1/schedules": {
        "GET": Operation(
            "schedules:get", "Schedules, newest first.", answers.Schedules, query=_PAGE, missing=True
        ),
        "POST": Operation(
            "schedules:create",
            "Have a policy run by the clock.",
            answers.Schedule,
            status=HTTPStatus.CREATED,
            body=ScheduleRequest,
            missing=True,
            conflict=True,
        ),
    },
    _SCHEDULE: {
        "GET": Operation("schedules:get", "One schedule.", answers.Schedule, missing=True),
        "DELETE": Operation(
            "schedules:delete",
            "Forget one that was made here.",
            status=HTTPStatus.NO_CONTENT,
            versioned=True,
            missing=True,
            conflict=True,
        ),
    },
}
"""Paths without the orders below."""

ORDERS: Mapping[str, Mapping[str, str]] = {
    _REARRANGEMENT: {
        "approve": "Let a plan be carried out.",
        "pause": "Start nothing more of it for now.",
        "resume": "Let a paused one go on.",
        "cancel": "End it: start nothing more of it, follow what is in flight, or abort it.",
        "rollback": "Bring back what it has moved, as far as that is possible by now.",
    },
    _MAINTENANCE: {
        "pause": "Begin no further round for now.",
        "resume": "Let a paused one go on.",
        "complete": "Say that the work on the hosts of this round is done.",
        "cancel": "End it: what vmpath disabled is enabled again.",
    },
    _SCHEDULE: {
        "enable": "Let it run.",
        "disable": "Let it run no more for now.",
    },
}
"""Words: ``POST PATH/WORD``, without a body."""


def _order(path: str, word: str, summary: str) -> Operation:
    noun = path.split("/")[2]
    kinds = {"rearrangements": answers.Rearrangement, "maintenances": answers.Maintenance}
    at_once = noun == "schedules"
    return Operation(
        f"{noun}:{word}",
        summary,
        kinds.get(noun, answers.Schedule),
        status=HTTPStatus.OK if at_once else HTTPStatus.ACCEPTED,
        query=(_ABORT,) if noun == "rearrangements" and word in ("cancel", "rollback") else (),
        versioned=True,
        missing=True,
        conflict=True,
    )


OPERATIONS: Mapping[str, Mapping[Method, Operation]] = {
    **ROUTES,
    **{
        f"{path}/{word}": {"POST": _order(path, word, summary)}
        for path, words in ORDERS.items()
        for word, summary in words.items()
    },
}
