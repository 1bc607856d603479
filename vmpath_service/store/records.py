"""Rows to the model's values and back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from vmpath_service.model.plan import Plan
from vmpath_service.model.records import (
    Demand,
    Event,
    FailureKind,
    Freeze,
    HostAction,
    HostTrouble,
    Migration,
    MigrationState,
    Rearrangement,
    RearrangementState,
    Request,
)
from vmpath_service.store.tables import (
    EventRow,
    FreezeRow,
    HostActionRow,
    HostTroubleRow,
    MigrationRow,
    RearrangementRow,
)


def text(value: object) -> str:
    """Plain data or a struct as it is kept in a text column."""
    return msgspec.json.encode(value).decode()


def optional_text(value: object | None) -> str | None:
    return None if value is None else text(value)


def to_request(content: str) -> Request:
    request = msgspec.json.decode(content, type=Request)
    # JSON has no tuples; the values of options have no lists
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in request.options.items()}
    return msgspec.structs.replace(request, options=options)


def to_rearrangement(row: RearrangementRow) -> Rearrangement:
    return Rearrangement(
        id=row.id,
        request=to_request(row.request),
        state=RearrangementState(row.state),
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        owner=row.owner,
        epoch=row.epoch,
        cancel_requested=row.cancel_requested,
        explanation=row.explanation,
        decision=_plain(row.decision),
        summary=_plain(row.summary),
        disabled=tuple(msgspec.json.decode(row.disabled, type=list[str])),
        abort_requested=row.abort_requested,
        rolling_back=row.rolling_back,
    )


MIGRATION_COLUMNS = tuple(getattr(MigrationRow, field) for field in Migration.__struct_fields__)
"""What ``to_migration`` takes: plain rows, as a plan may have tens of thousands of migrations."""

_STATE, _FAILURE, _TRIED, _DEMAND = map(Migration.__struct_fields__.index, ("state", "failure", "tried", "demand"))
_STATES = {state.value: state for state in MigrationState}
_FAILURES = {failure.value: failure for failure in FailureKind}
_DEMANDS = {demand.value: demand for demand in Demand}


def to_migration(row: Sequence[Any]) -> Migration:
    values = list(row)
    values[_STATE] = _STATES[values[_STATE]]
    values[_FAILURE] = _FAILURES.get(values[_FAILURE])
    values[_DEMAND] = _DEMANDS.get(values[_DEMAND])
    values[_TRIED] = tuple(msgspec.json.decode(values[_TRIED], type=list[str])) if values[_TRIED] else ()
    return Migration(*values)


def migration_values(migration: Migration) -> dict[str, Any]:
    """The columns of a migration."""
    return msgspec.structs.asdict(migration) | {
        "state": migration.state.value,
        "failure": migration.failure.value if migration.failure else None,
        "demand": migration.demand.value if migration.demand else None,
        "tried": text(list(migration.tried)) if migration.tried else None,
    }


def to_host_action(row: HostActionRow) -> HostAction:
    return HostAction(*(getattr(row, field) for field in HostAction.__struct_fields__))


def to_host_trouble(row: HostTroubleRow) -> HostTrouble:
    return HostTrouble(*(getattr(row, field) for field in HostTrouble.__struct_fields__))


def to_event(row: EventRow) -> Event:
    return Event(
        sequence=row.sequence,
        at=row.at,
        subject=row.subject,
        kind=row.kind,
        message=row.message,
        step=row.step,
        host=row.host,
    )


def to_freeze(row: FreezeRow) -> Freeze:
    return Freeze(since=row.since, reason=row.reason, by=row.by)


def pack_plan(plan: Plan) -> bytes:
    return zlib.compress(msgspec.json.encode(plan), 1)


def unpack_plan(content: bytes) -> Plan:
    return msgspec.json.decode(zlib.decompress(content), type=Plan)


def _plain(content: str | None) -> dict[str, Any] | None:
    return None if content is None else msgspec.json.decode(content, type=dict[str, Any])
