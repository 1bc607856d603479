"""Maintenances, schedules and hooks beside an engine, put together."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmpath_service.cmd.configuration import Configuration
from vmpath_service.engine import schedules
from vmpath_service.engine.maintenance import attending
from vmpath_service.engine.maintenance.keeper import MaintenanceKeeper
from vmpath_service.engine.maintenance.orders import EngineRearrangements
from vmpath_service.engine.maintenance.outlooks import RoundPlanner
from vmpath_service.engine.maintenance.returning import RESTORING
from vmpath_service.engine.ports import Clock, Cloud
from vmpath_service.engine.schedules import ScheduleKeeper
from vmpath_service.engine.service import Engine
from vmpath_service.hooks.registry import ConfiguredHooks
from vmpath_service.model import files
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import Request
from vmpath_service.model.schedules import Schedule
from vmpath_service.notifier.composing import Composer, plain
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.documents import Documents


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What takes orders for maintenances and schedules, and the databases of both."""

    maintenances: MaintenanceKeeper
    maintenance_records: Documents[Maintenance]
    schedules: ScheduleKeeper
    schedule_records: Documents[Schedule]


def maintenance_records(database: Database) -> Documents[Maintenance]:
    """Where maintenances are kept; raises StoreError."""
    return Documents(database, Maintenance, "maintenance", lambda record: record.state.value)


def schedule_records(database: Database) -> Documents[Schedule]:
    """Where schedules are kept; raises StoreError."""
    return Documents(database, Schedule, "schedule", lambda schedule: "enabled" if schedule.enabled else "disabled")


class InformedHooks:
    """The hooks of maintenances: what they are called for is put together as every other message is."""

    def __init__(self, hooks: ConfiguredHooks, composer: Composer, clock: Clock) -> None:
        self._hooks = hooks
        self._composer = composer
        self._clock = clock

    def names(self) -> Collection[str]:
        """Those that are configured."""
        return self._hooks.names()

    def run(self, name: str, occasion: Mapping[str, Any]) -> None:
        """Run one and wait for its end; raises HookFailed."""
        hosts = ", ".join(occasion["hosts"])
        event = str(occasion["event"])
        ready = f"empty and disabled, ready for the work of hook {name}"
        message = f"{hosts}: {ready if event == 'maintenance.ready' else f'the work is done, now hook {name}'}"
        told = self._composer.occasion(event, message, occasion["maintenance"], self._clock.time())
        self._hooks.run(name, {**plain(told), **occasion})


def put_together(
    configuration: Configuration,
    engine: Engine,
    store: SqlStore,
    database: Database,
    cloud: Cloud,
    clock: Clock,
    hooks: InformedHooks,
) -> Upkeep:
    """Nothing runs yet. Raises StoreError."""
    maintenances = maintenance_records(database)
    kept = schedule_records(database)
    rearrangements = EngineRearrangements(engine, store)
    directory = configuration.state_path / "placements"

    def keep_placement(identity: str, placement: Placement) -> dict[str, Any]:
        return {"file": _write(directory / f"{identity}.json", placement)}

    def check_maintenance(request: MaintenanceRequest) -> None:
        engine.check(Request(policy=request.policy, options=request.options))
        if request.afterwards_policy is not None:
            engine.check(Request(policy=request.afterwards_policy))
        if request.afterwards == "restore":
            engine.check(Request(policy=RESTORING, options={"file": str(directory)}))

    around = attending.Surroundings(
        cloud=cloud,
        records=maintenances,
        rearrangements=rearrangements,
        rounds=RoundPlanner(engine, maintenances, cloud.read),
        hooks=hooks,
        clock=clock,
        settings=configuration.maintenance,
        stopping=engine.stopping,
        tell=engine.tell,
        keep_placement=keep_placement,
        turn=threading.Lock(),
    )
    timetable = ScheduleKeeper(
        schedules.Surroundings(
            records=kept,
            rearrangements=rearrangements,
            clock=clock,
            stopping=engine.stopping,
            tell=engine.tell,
            check=engine.check,
            poll_seconds=configuration.maintenance.poll_seconds,
        )
    )
    return Upkeep(MaintenanceKeeper(around, check_maintenance), maintenances, timetable, kept)


def _write(path: Path, placement: Placement) -> str:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    files.save(placement, str(path))
    return str(path)
