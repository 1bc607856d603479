"""The samples of notifications in the documentation, made by the code that sends them.

``python -m tests.notification_samples doc/source/notification_samples`` writes them.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from vmpath_service.model.errors import NotFound
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, MaintenanceState, Round
from vmpath_service.model.notification import Notification
from vmpath_service.model.plan import Migration as Step
from vmpath_service.model.plan import Plan, Summary
from vmpath_service.model.records import (
    Event,
    FailureKind,
    Migration,
    MigrationState,
    Rearrangement,
    RearrangementState,
    Request,
)
from vmpath_service.model.schedules import Schedule, ScheduleRequest
from vmpath_service.notifier.composing import Composer

AT = 1795208400.0
PLAN = "5f0d7e0c-6a53-4c3e-9d0f-0a4c4d6e2b11"
WORK = "c1a9a0a5-1f0e-4f8b-8a3d-7d5a3b1c9e20"
VM = "7d9a1f9e-53a4-4b0c-bb1b-0c5a6f1e2d34"
OTHER = "0b4c2e76-9f7f-4a11-8d6e-1c3f5a7b9d02"

Document = TypeVar("Document")


class Kept(Generic[Document]):
    """Documents by name."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = documents

    def get(self, identity: str) -> Document:
        if identity not in self._documents:
            raise NotFound(f"there is no {identity}")
        return self._documents[identity]


class Rearrangements(Kept[Rearrangement]):
    """One rearrangement with a plan of two migrations, the second of which came to nothing."""

    plans_read = 0

    def plan(self, identity: str) -> Plan:
        self.plans_read += 1
        steps = (
            Step(1, VM, "compute-003", "compute-001", memory_mb=8192, reason="compute-003 is to be empty"),
            Step(2, OTHER, "compute-003", "compute-002", memory_mb=4096, reason="compute-003 is to be empty"),
        )
        return Plan("found", {}, "sha256:0", migrations=steps, summary=Summary(migrations=2, makespan_s=13.1))

    def migration(self, identity: str, step: int) -> Migration:
        done = Migration(
            *(identity, 1, VM, "compute-003", "compute-001", MigrationState.DONE), attempt=1, instance_name="mail-1"
        )
        failed = Migration(
            *(identity, 2, OTHER, "compute-003", "compute-002", MigrationState.FAILED),
            attempt=3,
            reason="Nova's record says error before anything was copied",
            failure=FailureKind.BEFORE_COPY,
            instance_name="db-2",
        )
        return {1: done, 2: failed}[step]


def records(**changes: object) -> Rearrangements:
    """``changes`` are fields of the rearrangement."""
    request = Request("nightly", zones=("az1",))
    summary = {"migrations": 2, "makespan_s": 13.1}
    record = Rearrangement(PLAN, request, RearrangementState.RUNNING, AT, AT, summary=summary)
    return Rearrangements({PLAN: msgspec.structs.replace(record, **changes)})


def maintenance() -> Maintenance:
    request = MaintenanceRequest(
        ("compute-003", "compute-004"), rolling=True, max_hosts=1, reason="new disks", action="hook", hook="disks"
    )
    return Maintenance(
        WORK, request, MaintenanceState.READY, AT, AT, AT, rounds=(Round(("compute-003",)),), disabled=("compute-003",)
    )


def schedule() -> Schedule:
    request = ScheduleRequest("pack", "nightly", "0 22 * * 1-5", time_zone="Europe/Berlin")
    return Schedule(request, "file", AT, AT, last=PLAN, last_at=AT, outcome="begun")


def composer(rearrangements: Rearrangements | None = None) -> Composer:
    return Composer(rearrangements or records(), Kept({WORK: maintenance()}), Kept({"pack": schedule()}))


def samples() -> Mapping[str, Notification]:
    """By the names of their files."""
    of_plan = PLAN
    events = [
        (of_plan, "rearrangement.awaiting_approval", "rearrangement awaiting approval", None),
        (of_plan, "rearrangement.running", "rearrangement approved", None),
        (of_plan, "rearrangement.failed", "rearrangement failed: 1 of 2 migrations failed", None),
        (of_plan, "migration.requested", f"migration of mail-1 ({VM}) from compute-003 to compute-001 requested", 1),
        (of_plan, "migration.done", f"migration of mail-1 ({VM}) from compute-003 to compute-001 done", 1),
        (of_plan, "migration.failed", f"migration of db-2 ({OTHER}) from compute-003 to compute-002 failed", 2),
        (of_plan, "host.disabled", "disable compute-003 done", 3),
        (of_plan, "host.quarantined", "host compute-002 is in quarantine, after three failures", None),
        (None, "host.absolved", "host compute-002 is released from quarantine", None),
        (WORK, "maintenance.ready", "compute-003: empty and ready for work", None),
        (WORK, "maintenance.returned", "compute-003: up and back in service", None),
        ("pack", "schedule.run", f"schedule pack: rearrangement {PLAN} begun", None),
        (None, "engine.frozen", "everything is frozen by alice: storage is being moved", None),
        (of_plan, "cloud.unreachable", "nothing is decided until the cloud can be read again: Nova: 503", None),
    ]
    hosts = {"host.disabled": "compute-003", "host.quarantined": "compute-002", "host.absolved": "compute-002"}
    composing = composer()
    made = {
        kind: composing.compose(Event(1000 + number, AT + number, identity, kind, message, step, hosts.get(kind)))
        for number, (identity, kind, message, step) in enumerate(events)
    }
    message = "compute-003: empty and disabled, ready for the work of hook disks"
    return made | {"hook-of-maintenance": composing.occasion("maintenance.ready", message, WORK, AT)}


def text(notification: Notification) -> str:
    """As in its file."""
    return msgspec.json.format(msgspec.json.encode(notification), indent=2).decode() + "\n"


if __name__ == "__main__":
    for name, notification in samples().items():
        (pathlib.Path(sys.argv[1]) / f"{name}.json").write_text(text(notification))
