"""The API over a real database and an engine that only notes what it is told."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import falcon.testing
import msgspec
import pytest
from oslo_config import cfg

from vmpath_service.api import application
from vmpath_service.api.access import Access, FullAccess
from vmpath_service.api.callers import Authentication, NoAuthentication
from vmpath_service.api.healthcheck import Check
from vmpath_service.cmd.metering import Meter
from vmpath_service.model.errors import StoreError, VmpathError
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, MaintenanceState
from vmpath_service.model.options import Option
from vmpath_service.model.records import Freeze, Rearrangement, RearrangementState, Request
from vmpath_service.model.schedules import Schedule, ScheduleRequest, Times
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.documents import Documents


class NotingEngine:
    """Writes into the store what an engine would, at once and without a cloud."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlStore(database, time)
        self.failure: Exception | None = None
        self.known_hosts = [
            {
                "name": f"compute-{number:03}",
                "state": "up",
                "status": "enabled",
                "disabled_reason": None,
                "availability_zone": None,
                "aggregates": [],
                "instances": 1,
                "capacity": {"MEMORY_MB": 4096},
                "used": {"MEMORY_MB": 1024},
                "why_not": None,
            }
            for number in range(1, 8)
        ]
        self.known_instances = [
            {
                "uuid": f"i-{number}",
                "name": "twin" if number > 3 else f"web-{number}",
                "host": "compute-001",
                "status": "ACTIVE",
                "task_state": None,
                "project_id": None,
                "flavor": None,
                "locked": False,
                "resources": {"MEMORY_MB": 1024},
                "movable": "live",
                "why_not": None,
            }
            for number in range(1, 6)
        ]

    def request(self, policy: str) -> Request:
        return Request(policy=policy)

    def _look(self) -> None:
        if self.failure is not None:
            raise self.failure

    def policies(self) -> list[dict[str, Any]]:
        self._look()
        option = Option("max_migrations", "integer", "At most this many.", minimum=1)
        return [
            {
                "name": name,
                "driver": name,
                "approval": "manual",
                "summary": "Does what it is called.",
                "options": [msgspec.to_builtins(option)],
                "settings": {"max_migrations": None},
            }
            for name in ("consolidate", "drain")
        ]

    def hosts(self) -> list[dict[str, Any]]:
        self._look()
        return self.known_hosts

    def instances(self) -> list[dict[str, Any]]:
        self._look()
        return self.known_instances

    def create(self, request: Request) -> Rearrangement:
        self._look()
        return self.store.create(request)

    def approve(self, identity: str, known: int | None = None) -> Rearrangement:
        return self._change(identity, RearrangementState.RUNNING, known)

    def pause(self, identity: str, known: int | None = None) -> Rearrangement:
        return self._change(identity, RearrangementState.PAUSED, known)

    proceed = approve

    def cancel(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        self.store.request_cancel(identity, abort=abort, known=known)
        return self._change(identity, RearrangementState.CANCELLED)

    def rollback(self, identity: str, known: int | None = None, *, abort: bool = False) -> Rearrangement:
        self.store.request_rollback(identity, expected=tuple(RearrangementState), abort=abort, known=known)
        return self._change(identity, RearrangementState.ROLLING_BACK)

    def release(self, host: str) -> bool:
        return self.store.absolve(host)

    def delete(self, identity: str, known: int | None = None) -> None:
        self.store.delete(identity, known=known)

    def freeze(self, reason: str, by: str) -> Freeze:
        return self.store.freeze(reason, by)

    def thaw(self) -> None:
        self.store.thaw()

    def _change(self, identity: str, state: RearrangementState, known: int | None = None) -> Rearrangement:
        return self.store.change(identity, self.store.get(identity).epoch, known=known, state=state)


class NotingMaintenances:
    """Keeps maintenances, and does nothing for them."""

    def __init__(self, records: Documents[Maintenance]) -> None:
        self._records = records

    def create(self, request: MaintenanceRequest) -> Maintenance:
        now, identity = time.time(), str(uuid.uuid4())
        record = Maintenance(identity, request, MaintenanceState.SCHEDULED, now, now, now)
        return self._records.create(identity, record)

    def cancel(self, identity: str, known: int | None = None) -> Maintenance:
        return self._change(identity, state=MaintenanceState.CANCELLED)

    def pause(self, identity: str, known: int | None = None) -> Maintenance:
        return self._change(identity, pause_requested=True)

    def proceed(self, identity: str, known: int | None = None) -> Maintenance:
        return self._change(identity, pause_requested=False)

    def complete(self, identity: str, known: int | None = None) -> Maintenance:
        return self._change(identity, state=MaintenanceState.RETURNING)

    def delete(self, identity: str, known: int | None = None) -> None:
        self._records.delete(identity, lambda _: None)

    def _change(self, identity: str, **values: Any) -> Maintenance:
        return self._records.change(
            identity, lambda record, version: msgspec.structs.replace(record, version=version, **values)
        )


class NotingSchedules:
    """Keeps schedules, and runs none."""

    def __init__(self, records: Documents[Schedule]) -> None:
        self._records = records

    def create(self, request: ScheduleRequest) -> Schedule:
        Times(request.cron, request.time_zone)
        schedule = Schedule(request, "api", time.time(), time.time(), enabled=request.enabled)
        return self._records.create(request.name, schedule)

    def enable(self, name: str, known: int | None = None) -> Schedule:
        return self._change(name, enabled=True)

    def disable(self, name: str, known: int | None = None) -> Schedule:
        return self._change(name, enabled=False)

    def delete(self, name: str, known: int | None = None) -> None:
        self._records.delete(name, lambda _: None)

    def _change(self, name: str, **values: Any) -> Schedule:
        return self._records.change(
            name, lambda record, version: msgspec.structs.replace(record, version=version, **values)
        )


@pytest.fixture
def engine(empty_database: Path) -> Iterator[NotingEngine]:
    database = Database(f"sqlite:///{empty_database}")
    yield NotingEngine(database)
    database.close()


@pytest.fixture
def oslo(tmp_path: Path) -> Iterator[cfg.ConfigOpts]:
    options = cfg.ConfigOpts()
    options(["--config-dir", str(tmp_path)], project="vmpath", default_config_files=[])
    yield options
    options.clear()


@pytest.fixture
def client(engine: NotingEngine) -> falcon.testing.TestClient:
    def check() -> None:
        if isinstance(engine.failure, VmpathError):
            raise StoreError(str(engine.failure))

    return falcon.testing.TestClient(
        application.make(parts(engine, {"database": check})), headers={"Host": "127.0.0.1:9817"}
    )


def parts(
    engine: NotingEngine,
    checks: Mapping[str, Check] = MappingProxyType({}),
    authentication: Authentication | None = None,
    access: Access | None = None,
) -> application.Parts:
    """An API over the engine; with nothing said, for programs on this machine."""
    maintenances = Documents(engine.database, Maintenance, "maintenance", lambda record: record.state.value)
    schedules = Documents(engine.database, Schedule, "schedule", lambda schedule: "kept")
    return application.Parts(
        engine=engine,
        store=engine.store,
        maintenances=NotingMaintenances(maintenances),
        maintenance_records=maintenances,
        schedules=NotingSchedules(schedules),
        schedule_records=schedules,
        checks=checks,
        metrics=Meter(engine.store, maintenances).collect,
        authentication=authentication or NoAuthentication(),
        access=access or FullAccess(),
        stopping=threading.Event(),
    )
