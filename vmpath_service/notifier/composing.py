"""An event and what it is about, put together as one message."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from oslo_utils import strutils

from vmpath_service.model import event_kinds
from vmpath_service.model.errors import NotFound
from vmpath_service.model.maintenances import Maintenance
from vmpath_service.model.notification import (
    AboutHost,
    AboutMaintenance,
    AboutMigration,
    AboutRearrangement,
    AboutSchedule,
    AboutService,
    Forgotten,
    Notification,
    Subject,
)
from vmpath_service.model.plan import Migration as Step
from vmpath_service.model.plan import Plan
from vmpath_service.model.records import Event, Migration, Rearrangement
from vmpath_service.model.schedules import Schedule
from vmpath_service.model.times import iso

_USER_OF_ADDRESS = re.compile(r"(\b[\w+.-]+://)[^/\s@]+@")
_PLANS = 4
"""So many plans are kept at hand: messages about migrations ask for their steps again and again."""


class Records(Protocol):
    """Where rearrangements are. Raises NotFound and StoreError."""

    def get(self, identity: str) -> Rearrangement: ...
    def plan(self, identity: str) -> Plan: ...
    def migration(self, identity: str, step: int) -> Migration: ...


class MaintenanceRecords(Protocol):
    """Where maintenances are. Raises NotFound and StoreError."""

    def get(self, identity: str) -> Maintenance: ...


class ScheduleRecords(Protocol):
    """Where schedules are. Raises NotFound and StoreError."""

    def get(self, identity: str) -> Schedule: ...


class Composer:
    """Puts messages together, for one thread. Reads the database: what an event is about is not in the event."""

    def __init__(self, records: Records, maintenances: MaintenanceRecords, schedules: ScheduleRecords) -> None:
        self._records = records
        self._maintenances = maintenances
        self._schedules = schedules
        self._steps: OrderedDict[str, Mapping[int, Step]] = OrderedDict()

    def compose(self, event: Event) -> Notification:
        """Raises StoreError."""
        try:
            subject, why, hosts = self._about(event)
        except NotFound:
            subject, why, hosts = Forgotten(event.subject or ""), None, ()
        return _message(event.kind, event.message, subject, why, hosts, sequence=event.sequence, at=event.at)

    def occasion(self, kind: str, message: str, identity: str, at: float) -> Notification:
        """The same for what a maintenance calls a hook for; raises NotFound and StoreError."""
        subject, why, hosts = self._maintenance(identity)
        return _message(kind, message, subject, why, hosts, sequence=None, at=at)

    def _about(self, event: Event) -> tuple[Subject, str | None, tuple[str, ...]]:
        """What it is about, why that is done, and the hosts concerned."""
        noun = event.kind.partition(".")[0]
        identity = event.subject
        if identity is None:
            return _nobodys(noun, event.host)
        if noun == "maintenance":
            return self._maintenance(identity)
        if noun == "schedule":
            return self._schedule(identity)
        record = self._records.get(identity)
        if noun == "migration" and event.step is not None:
            return self._migration(record, event.step)
        why = f"rearrangement {identity} with policy {record.request.policy}"
        if noun == "host":
            return AboutHost(event.host, identity, event.step), why, _named(event.host)
        if noun == "rearrangement":
            return self._rearrangement(record)
        return AboutService(identity), why, ()

    def _rearrangement(self, record: Rearrangement) -> tuple[Subject, str | None, tuple[str, ...]]:
        request, summary = record.request, record.summary or {}
        why = f"policy {request.policy} was asked for"
        about = AboutRearrangement(
            id=record.id,
            policy=request.policy,
            state=record.state.value,
            hosts=request.hosts,
            zones=request.zones,
            aggregates=request.aggregates,
            migrations=summary.get("migrations"),
            makespan_s=summary.get("makespan_s"),
        )
        return about, f"{why}: {record.explanation}" if record.explanation else why, request.hosts

    def _migration(self, record: Rearrangement, number: int) -> tuple[Subject, str | None, tuple[str, ...]]:
        now = self._records.migration(record.id, number)
        step = self._step(record.id, number)
        about = AboutMigration(
            rearrangement=record.id,
            step=number,
            policy=record.request.policy,
            instance=now.instance,
            instance_name=now.instance_name,
            source=now.source,
            dest=now.dest,
            method=now.method,
            memory_mb=0 if step is None else step.memory_mb,
            state=now.state.value,
            attempt=now.attempt,
            reason=now.reason,
        )
        why = f"policy {record.request.policy}"
        return about, f"{why}: {step.reason}" if step and step.reason else why, (now.source, now.dest)

    def _step(self, identity: str, number: int) -> Step | None:
        steps = self._steps.get(identity, {})
        if number not in steps:
            # a plan grows when the rest of it is planned anew
            steps = {step.id: step for step in self._records.plan(identity).migrations}
            self._steps[identity] = steps
            while len(self._steps) > _PLANS:
                self._steps.popitem(last=False)
        self._steps.move_to_end(identity)
        return steps.get(number)

    def _maintenance(self, identity: str) -> tuple[Subject, str | None, tuple[str, ...]]:
        record = self._maintenances.get(identity)
        about = AboutMaintenance(
            id=record.id,
            state=record.state.value,
            start=iso(record.start),
            hosts=record.request.hosts,
            hosts_now=record.hosts_now(),
            hosts_left=record.hosts_left(),
            kept=record.kept,
            round=len(record.rounds),
        )
        said = [text for text in (record.request.reason, record.explanation or record.warning) if text]
        return about, ": ".join(said) or None, record.hosts_now() or record.request.hosts

    def _schedule(self, name: str) -> tuple[Subject, str | None, tuple[str, ...]]:
        schedule = self._schedules.get(name)
        request = schedule.request
        about = AboutSchedule(
            name=name,
            policy=request.policy,
            cron=request.cron,
            time_zone=request.time_zone,
            enabled=schedule.enabled,
            rearrangement=schedule.last,
            outcome=schedule.outcome,
        )
        return about, f"policy {request.policy} runs at {request.cron} ({request.time_zone})", request.hosts


def _nobodys(noun: str, host: str | None) -> tuple[Subject, str | None, tuple[str, ...]]:
    """What belongs to nothing that was asked for."""
    return (AboutHost(host, None, None) if noun == "host" else AboutService(None)), None, _named(host)


def _named(host: str | None) -> tuple[str, ...]:
    return () if host is None else (host,)


def plain(notification: Notification) -> dict[str, Any]:
    """As what JSON knows."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(notification))
    return found


def _message(
    kind: str,
    message: str,
    subject: Subject,
    why: str | None,
    hosts: tuple[str, ...],
    *,
    sequence: int | None,
    at: float,
) -> Notification:
    known = event_kinds.find(kind)
    identity = getattr(subject, "id", None) or getattr(subject, "name", None) or ""
    return Notification(
        event=kind,
        sequence=sequence,
        at=iso(at),
        level=known.level,
        meaning=known.meaning,
        # sentences of errors come from anywhere: what looks like a secret is taken out
        message=_masked(message),
        why=None if why is None else _masked(why),
        next=known.next.replace("{id}", identity),
        hosts=hosts,
        subject=_without_secrets(subject),
    )


def _masked(text: str) -> str:
    return _USER_OF_ADDRESS.sub(r"\1***@", str(strutils.mask_password(text)))


def _without_secrets(subject: Subject) -> Subject:
    changed = {
        field: _masked(text)
        for field in ("reason", "outcome")
        if isinstance(text := getattr(subject, field, None), str)
    }
    return msgspec.structs.replace(subject, **changed) if changed else subject
