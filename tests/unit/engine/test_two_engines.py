"""Two engines on one database, an SQLite file or a server, that decide at the same moment: one loses, and knows it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from tests.modelled.clock import BEGINNING, FastClock
from tests.modelled.cloud import HostState, ModelCloud, Server
from tests.modelled.maintaining import HOUR, Diary, Planning, Stage
from vmpath_service.engine import planning
from vmpath_service.engine.maintenance.attending import Surroundings
from vmpath_service.engine.maintenance.maintaining import Maintaining
from vmpath_service.engine.maintenance.orders import EngineRearrangements
from vmpath_service.engine.maintenance.outlooks import RoundPlanner
from vmpath_service.engine.planning import Work
from vmpath_service.engine.ports import Within, just_made
from vmpath_service.engine.schedules import ScheduleKeeper
from vmpath_service.engine.schedules import Surroundings as Timetable
from vmpath_service.engine.service import Engine
from vmpath_service.engine.settings import EngineSettings, PolicySection
from vmpath_service.model.errors import Fenced, Outdated
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, MaintenanceState, Outlook
from vmpath_service.model.records import Rearrangement, Request
from vmpath_service.model.schedules import Schedule, ScheduleRequest
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.documents import Documents

PATIENCE = 60.0


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def url(request: pytest.FixtureRequest, empty_database: Path, database_server: Callable[[str], str]) -> str:
    name: str = request.param
    return f"sqlite:///{empty_database}" if name == "sqlite" else database_server(name)


@pytest.fixture
def databases(url: str) -> Iterator[tuple[Database, Database]]:
    """One for each engine: connections of its own."""
    both = Database(url), Database(url)
    yield both
    for database in both:
        database.close()


class Meeting:
    """Looks ahead; the first look of each engine ends when those of both do."""

    def __init__(self, rounds: RoundPlanner, together: threading.Barrier) -> None:
        self._rounds = rounds
        self._together: threading.Barrier | None = together
        self.drain_options = rounds.drain_options

    def look(self, record: Maintenance, cancelled: Callable[[], bool]) -> Outlook:
        found = self._rounds.look(record, cancelled)
        if self._together is not None:
            together, self._together = self._together, None
            together.wait(PATIENCE)
        return found


class Pair:
    """Two engines that carry on maintenances of one cloud, each with a connection and a clock of its own. ``looks``:
    how many first looks end together."""

    def __init__(self, databases: tuple[Database, Database], looks: int = 2) -> None:
        self.stage = Stage(databases[0])
        self.together = threading.Barrier(looks)
        self.sides = tuple(self._side(database) for database in databases)

    def _side(self, database: Database) -> Surroundings:
        records = Documents(database, Maintenance, "maintenance", lambda record: record.state.value)
        rounds = RoundPlanner(Planning(), records, self.stage.cloud.read)
        return dataclasses.replace(
            self.stage.around,
            records=records,
            rounds=Meeting(rounds, self.together),
            clock=Diary(),
            turn=threading.Lock(),
        )

    def live(self, *identities: str) -> list[Maintenance]:
        """Carry on one by each engine at the same time, until the first of them has ended; then the other's work is
        done, too."""
        over = threading.Event()
        self.stage.hooks.work = lambda hosts: over.wait(PATIENCE)

        def carry_on(identity: str, side: Surroundings) -> None:
            try:
                Maintaining(identity, side).carry_on()
            finally:
                over.set()

        with ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(carry_on, *each) for each in zip(identities, self.sides, strict=True)]:
                done.result(2 * PATIENCE)
        return [self.stage.records.get(identity) for identity in identities]


def test_of_two_maintenances_that_count_on_each_others_hosts_one_begins(databases: tuple[Database, Database]) -> None:
    pair = Pair(databases)
    # each of them alone would find room for what is on its hosts, on those of the other
    wants = ("h0", "h1"), ("h2", "h3", "h4")
    identities = [pair.stage.make(*hosts, action="hook", hook="work") for hosts in wants]
    lost, won = sorted(pair.live(*identities), key=lambda record: record.state.value, reverse=True)
    assert (lost.state, won.state) == (MaintenanceState.FAILED, MaintenanceState.DONE)
    assert str(lost.explanation).startswith("it does not fit: ")
    assert [hosts for _, hosts in pair.stage.hooks.begun] == [won.request.hosts]
    assert [each.request.hosts for each in pair.stage.rearrangements.records.values()] == [won.request.hosts]
    assert pair.stage.out_of_service() == {}


def test_of_two_maintenances_of_a_host_one_begins(databases: tuple[Database, Database]) -> None:
    pair = Pair(databases)
    # as where the work on the first one has taken longer than was expected
    identities = [pair.stage.make("h0", host, action="hook", hook="work") for host in ("h1", "h2")]
    lost, won = sorted(pair.live(*identities), key=lambda record: record.state.value, reverse=True)
    assert (lost.state, won.state) == (MaintenanceState.FAILED, MaintenanceState.DONE)
    assert f"h0: maintenance {won.id}, which is " in str(lost.explanation)
    assert [hosts for _, hosts in pair.stage.hooks.begun] == [won.request.hosts]


def test_what_is_ordered_while_a_round_is_chosen_counts(databases: tuple[Database, Database]) -> None:
    pair = Pair(databases)
    side = pair.sides[0]
    identity = pair.stage.make("h0", action="hook", hook="work")

    def order() -> None:
        pair.stage.keeper.pause(identity)
        side.clock.at(HOUR / 2, lambda: pair.stage.keeper.proceed(identity))  # type: ignore[attr-defined]
        pair.together.wait(PATIENCE)

    with ThreadPoolExecutor(1) as threads:
        ordered = threads.submit(order)
        Maintaining(identity, side).carry_on()
        ordered.result(PATIENCE)
    assert pair.stage.records.get(identity).state is MaintenanceState.DONE
    kinds = pair.stage.kinds()
    assert [kind for kind in kinds if kind in ("paused", "resumed", "draining")] == ["paused", "resumed", "draining"]


def test_an_engine_that_lost_a_maintenance_does_not_end_it(databases: tuple[Database, Database]) -> None:
    pair = Pair(databases, looks=1)
    identity = pair.stage.make("h0", action="hook", hook="work", recurrence="0 2 * * 6")
    mine, its = pair.sides
    # the other engine takes it over while the work is done, and carries it on
    pair.stage.hooks.work = lambda hosts: its.records.claim(identity)
    with pytest.raises(Fenced):
        Maintaining(identity, mine).carry_on()
    assert [record.id for record in its.records.list()] == [identity]
    assert its.records.get(identity).state is MaintenanceState.READY
    assert list(pair.stage.out_of_service()) == ["h0"]
    # nobody knows how far the hook has come: somebody has a look
    its.clock.at(HOUR, lambda: pair.stage.keeper.complete(identity))  # type: ignore[attr-defined]
    Maintaining(identity, its).carry_on()
    ended = its.records.get(identity)
    assert (ended.state, pair.stage.out_of_service()) == (MaintenanceState.DONE, {})
    assert {record.id for record in its.records.list()} == {identity, ended.successor}


class Side:
    """An engine with its database, and what runs schedules for it."""

    def __init__(self, database: Database, name: str, cloud: ModelCloud) -> None:
        self.store = SqlStore(database, FastClock())
        policies = {"drain": PolicySection("drain")}
        self.engine = Engine(cloud, self.store, FastClock(), EngineSettings(name, policies, stop_seconds=PATIENCE))
        self.rearrangements = EngineRearrangements(self.engine, self.store)
        self.maintenances = Documents(database, Maintenance, "maintenance", lambda record: record.state.value)
        self.schedules = Documents(database, Schedule, "schedule", lambda _: "kept")
        self.before: Callable[[], object] = lambda: None

    def create(self, request: Request, within: Within = just_made) -> Rearrangement:
        self.before()
        return self.rearrangements.create(request, within)

    def show(self, identity: str) -> Rearrangement:
        return self.rearrangements.show(identity)

    def cancel(self, identity: str) -> Rearrangement:
        return self.rearrangements.cancel(identity)

    def delete(self, identity: str) -> None:
        self.rearrangements.delete(identity)

    def keeper(self) -> ScheduleKeeper:
        clock = Diary()
        clock.now = 3 * HOUR
        return ScheduleKeeper(
            Timetable(
                records=self.schedules,
                rearrangements=self,
                clock=clock,
                stopping=self.engine.stopping,
                tell=lambda kind, message, name: None,
                check=self.engine.check,
            )
        )


@pytest.fixture
def sides(databases: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Side, Side]]:
    monkeypatch.setattr(planning, "apart", lambda job, cancelled, make: make(job))
    cloud = ModelCloud(
        FastClock(),
        {name: HostState({"MEMORY_MB": 10}) for name in "abc"},
        {"x": Server("a", {"MEMORY_MB": 4}), "y": Server("b", {"MEMORY_MB": 3})},
    )
    both = Side(databases[0], "engine-1", cloud), Side(databases[1], "engine-2", cloud)
    with ExitStack() as stack:
        for side in both:
            stack.callback(side.engine.stop)
        yield both


def meet(sides: tuple[Side, Side]) -> None:
    """Let each begin its next rearrangement when the other one is about to, too."""
    together = threading.Barrier(2)
    for side in sides:
        side.before = lambda: together.wait(PATIENCE)


def at_once(*calls: Callable[[], object]) -> list[BaseException | None]:
    """Call each in a thread of its own; what they raise."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [each.exception(PATIENCE) for each in [threads.submit(call) for call in calls]]


def kept(side: Side, *names: str) -> list[Schedule]:
    """Schedules that are due since an hour ago."""
    requests = [ScheduleRequest(name=name, policy="drain", cron="@every 1h", hosts=("a",)) for name in names]
    for request in requests:
        side.schedules.create(request.name, Schedule(request, "api", created_at=0.0, updated_at=0.0, considered=0.0))
    return [side.schedules.get(name) for name in names]


def test_a_schedule_runs_once(sides: tuple[Side, Side]) -> None:
    kept(sides[0], "nightly")
    meet(sides)
    assert at_once(*(side.keeper().run_due for side in sides)) == [None, None]
    (made,) = sides[0].store.list()
    assert sides[0].schedules.get("nightly").last == made.id


def test_schedules_of_the_same_hosts_take_turns(sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch) -> None:
    # what the first one begins must not have ended when the second one looks
    both_looked = threading.Event()

    def planned(job: Work, cancelled: Callable[[], bool], make: Callable[[Work], bytes]) -> bytes:
        assert both_looked.wait(PATIENCE)
        return make(job)

    monkeypatch.setattr(planning, "apart", planned)
    schedules = kept(sides[0], "one", "two")
    meet(sides)
    calls = [
        (lambda side=side, schedule=schedule: side.keeper()._run_if_due(schedule, BEGINNING + 3 * HOUR))
        for side, schedule in zip(sides, schedules, strict=True)
    ]
    try:
        raised = at_once(*calls)
    finally:
        both_looked.set()
    assert [type(each) for each in raised if each is not None] == [Outdated]
    (made,) = sides[0].store.list()
    assert [each.last for each in sides[0].schedules.list()].count(made.id) == 1
    assert {each.considered for each in sides[0].schedules.list()} == {0.0, BEGINNING + 3 * HOUR}


def test_schedules_of_files_are_kept_once(sides: tuple[Side, Side]) -> None:
    requests = {
        name: ScheduleRequest(name=name, policy="drain", cron="@every 1h", hosts=("a",)) for name in ("one", "two")
    }
    together = threading.Barrier(6)

    def use(side: Side) -> None:
        together.wait(PATIENCE)
        side.keeper().use(requests)

    assert at_once(*(lambda side=side: use(side) for side in sides * 3)) == [None] * 6
    assert {each.name for each in sides[0].schedules.list()} == {"one", "two"}


def test_an_engine_that_lost_a_maintenance_begins_nothing_for_it(sides: tuple[Side, Side]) -> None:
    mine, its = sides
    record = Maintenance("m", MaintenanceRequest(("a",)), MaintenanceState.DRAINING, 0, 0, 0)
    mine.maintenances.create("m", record)
    epoch = mine.maintenances.claim("m")

    def within(make: Callable[[], Rearrangement]) -> Rearrangement:
        made = make()
        # whom the other engine has not heard of, when it takes the maintenance over
        mine.maintenances.change(
            "m", lambda found, version: msgspec.structs.replace(found, rearrangement=made.id), epoch=epoch
        )
        return made

    its.maintenances.claim("m")
    with pytest.raises(Fenced):
        mine.engine.create(Request("drain", hosts=("a",)), within)
    assert mine.store.list() == []
    assert not mine.engine._alive()
    with pytest.raises(Fenced):
        mine.maintenances.get("m", epoch=epoch)
    assert its.maintenances.get("m").rearrangement is None
