import msgspec
import pytest

from tests.unit.cloud import shapes
from tests.unit.cloud.shapes import record, server
from vmpath_service.cloud import migrations, wire
from vmpath_service.model.readings import MigrationOutcome

HOSTS = frozenset(("compute3", "compute4", "compute5"))


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        (("accepted", "queued", "preparing", "running", "post-migrating", "migrating", "pre-migrating", "confirming",
          "something new"), MigrationOutcome.UNDER_WAY),
        (("completed", "finished", "confirmed", "done"), MigrationOutcome.COMPLETED),
        (("failed", "error", "reverted"), MigrationOutcome.FAILED),
        (("cancelled",), MigrationOutcome.CANCELLED),
    ],
)  # fmt: skip
def test_statuses_have_an_outcome(statuses: tuple[str, ...], outcome: MigrationOutcome) -> None:
    assert {migrations.outcome_of(status) for status in statuses} == {outcome}


def test_a_genuine_record_with_its_progress() -> None:
    (given,) = msgspec.json.decode(shapes.RUNNING, type=wire.Migrations).migrations
    (progress,) = msgspec.json.decode(shapes.PROGRESS, type=wire.Migrations).migrations
    read = migrations.reading(given, progress)
    assert (read.id, read.source, read.dest, read.status) == (1, "compute3", "compute4", "running")
    assert read.instance == "5b3f2322-74f2-4cc7-b799-76281e0eabf1"
    assert read.remaining == 0.75
    assert migrations.reading(given, None).remaining is None


@pytest.mark.parametrize(("total", "left", "expected"), [(None, None, None), (0, 0, None), (100, None, None),
                                                         (100, 0, 0.0), (100, 150, 1.0)])  # fmt: skip
def test_progress_before_the_first_figures_is_unknown(total: int | None, left: int | None, expected: object) -> None:
    given = wire.Migration(1, "running", memory_total_bytes=total, memory_remaining_bytes=left)
    assert migrations.reading(given, given).remaining == expected


@pytest.mark.parametrize(("total", "done", "expected"), [(None, None, False), (0, 0, False), (9, None, False),
                                                         (9, 8, False), (9, 9, True), (9, 14, True)])  # fmt: skip
def test_a_full_pass_over_the_memory_is_seen(total: int | None, done: int | None, expected: bool) -> None:
    given = wire.Migration(1, "running", memory_total_bytes=total, memory_processed_bytes=done)
    assert migrations.reading(given, given).passed_once is expected


def test_a_server_being_moved_is_in_flight() -> None:
    moving = server(status="MIGRATING", task_state="migrating")
    (given,) = msgspec.json.decode(shapes.RUNNING, type=wire.Migrations).migrations
    found = migrations.under_way([given], {moving.id: moving}, HOSTS)
    flight = found.flights[moving.id]
    assert (flight.source, flight.dest, flight.migration) == ("compute3", "compute4", given.uuid)
    assert found.moved_by == {given.uuid: moving.id}
    assert not found.abandoned


def test_only_the_newest_record_speaks_of_the_present() -> None:
    moving = server(status="MIGRATING", task_state="migrating")
    records = [record(7, moving.id, "queued", "compute3", "compute5"), record(2, moving.id, "error", "compute3", "x")]
    for order in (records, records[::-1]):
        assert migrations.under_way(order, {moving.id: moving}, HOSTS).flights[moving.id].dest == "compute5"
    resting = server()
    records = [record(7, resting.id, "completed", "compute4", "compute3"),
               record(2, resting.id, "running", "compute3", "compute4")]  # fmt: skip
    found = migrations.under_way(records, {resting.id: resting}, HOSTS)
    assert not found.flights
    assert not found.abandoned


def test_a_record_that_never_ended_is_no_flight() -> None:
    resting = server()
    found = migrations.under_way(
        [record(7, resting.id, "running", "compute3", "compute4")], {resting.id: resting}, HOSTS
    )
    assert not found.flights
    assert found.abandoned.keys() == {resting.id}


@pytest.mark.parametrize(
    ("source", "dest"), [("compute3", None), ("compute3", "unlisted"), ("compute4", "compute5"), ("compute3",) * 2]
)
def test_flights_need_both_ends_and_the_server_at_one(source: str, dest: str | None) -> None:
    moving = server(status="MIGRATING", task_state="migrating")
    found = migrations.under_way(
        [record(1, moving.id, "accepted", source, dest)], {moving.id: moving}, HOSTS
    )
    assert not found.flights
