"""Forgetting what ended long ago, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from sqlalchemy import func, select

from tests.contracts.store_contract import intention, planned, request
from vmpath_service.model.errors import NotFound
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, MaintenanceState, scheduled
from vmpath_service.model.records import MigrationState, RearrangementState
from vmpath_service.model.schedules import Schedule, ScheduleRequest
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.documents import Documents
from vmpath_service.store.purge import Purged, purge
from vmpath_service.store.tables import IntentionRow, MigrationRow, PlanRow

DAY = 86400.0


@dataclass
class Calendar:
    day: float

    def time(self) -> float:
        return self.day * DAY


def rearranged(
    store: SqlStore,
    state: RearrangementState = RearrangementState.SUCCEEDED,
    migration: MigrationState = MigrationState.DONE,
) -> str:
    """One with two steps, of which one was begun, and an event; now in ``state``."""
    identity, epoch, migrations = planned(store, 2)
    store.intend(epoch, intention(migrations[0]))
    store.record(epoch, msgspec.structs.replace(intention(migrations[0]), state=migration))
    store.add_event("noted", "something", subject=identity)
    store.change(identity, epoch, state=state)
    return identity


def rows(database: Database) -> list[int]:
    def count(session):  # type: ignore[no-untyped-def]
        return [session.scalar(select(func.count()).select_from(row)) for row in (PlanRow, MigrationRow, IntentionRow)]

    return database.read(count)


def test_what_happened_to_a_maintenance_or_a_schedule_is_kept_as_long_as_that(database: Database) -> None:
    calendar = Calendar(day=1)
    store = SqlStore(database, calendar)
    name = "every night, with a name that is longer than any id"
    schedules = Documents(database, Schedule, "schedule", lambda _: "kept")
    schedules.create(name, Schedule(ScheduleRequest(name, "drain", "0 1 * * *"), "api", 0.0, 0.0))
    told = store.add_event("schedule.created", "made", subject=name)
    calendar.day = 20
    assert purge(database, 10 * DAY) == Purged(0, 0)
    assert list(store.events(name)) == [told]
    schedules.delete(name, lambda _: None)
    assert purge(database, 10 * DAY) == Purged(0, 1)


def test_only_what_ended_before_goes_with_all_that_belongs_to_it(database: Database) -> None:
    calendar = Calendar(day=1)
    store = SqlStore(database, calendar)
    old = [rearranged(store, state) for state in (RearrangementState.SUCCEEDED, RearrangementState.CANCELLED)]
    going = rearranged(store, RearrangementState.PAUSED)
    moving = rearranged(store, RearrangementState.FAILED, MigrationState.RUNNING)
    store.add_event("frozen", "long ago")
    calendar.day = 20
    young = rearranged(store)
    kept_event = store.add_event("thawed", "now")

    would = purge(database, 10 * DAY, dry_run=True)
    assert would == Purged(rearrangements=2, events=3)
    assert len(store.list()) == 5

    assert purge(database, 10 * DAY) == would
    assert {each.id for each in store.list()} == {going, moving, young}
    for identity in old:
        with pytest.raises(NotFound):
            store.get(identity)
        assert list(store.events(identity)) == []
    assert rows(database) == [3, 6, 3]
    assert len(store.migrations(going)) == 2
    assert [event for event in store.events() if event.subject is None] == [kept_event]
    assert purge(database, 10 * DAY) == Purged(0, 0)


def test_maintenances_that_ended_long_ago_go_with_their_events(database: Database) -> None:
    calendar = Calendar(day=1)
    store = SqlStore(database, calendar)
    records = Documents(database, Maintenance, "maintenance", lambda record: record.state.value)

    def made(number: int, state: MaintenanceState, day: float) -> str:
        identity = f"m{number}"
        record = scheduled(identity, MaintenanceRequest(("a",)), 0.0, day * DAY)
        records.create(identity, msgspec.structs.replace(record, state=state))
        store.add_event("maintenance.scheduled", "made", subject=identity)
        return identity

    old = [made(number, MaintenanceState.DONE, 1) for number in range(60)]
    going, young = made(60, MaintenanceState.READY, 1), made(61, MaintenanceState.FAILED, 15)
    calendar.day = 20
    would = purge(database, 10 * DAY, dry_run=True)
    assert would == Purged(0, 60, 60)
    assert len(records.list()) == 62
    assert purge(database, 10 * DAY) == would
    assert {each.id for each in records.list()} == {going, young}
    assert list(store.events(old[0])) == []
    assert len(store.events(going)) == len(store.events(young)) == 1


def test_sequences_go_on_after_a_purge(database: Database) -> None:
    store = SqlStore(database, Calendar(day=1))
    last = [store.add_event("noted", "x") for _ in range(3)][-1]
    assert purge(database, 2 * DAY).events == 3
    assert store.add_event("noted", "y").sequence == last.sequence + 1


def test_many_go_in_several_transactions(database: Database) -> None:
    store = SqlStore(database, Calendar(day=1))
    for _ in range(60):
        identity = store.create(request()).id
        store.change(identity, store.claim(identity, "engine"), state=RearrangementState.FAILED)
    assert purge(database, 2 * DAY) == Purged(60, 0)
    assert list(store.list()) == []
