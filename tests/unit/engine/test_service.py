"""The engine with all its threads, processes and its database, on a modelled cloud that runs fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.modelled.clock import FastClock
from tests.modelled.cloud import Fate, HostState, ModelCloud, Server
from vmpath_service.engine import planning, replanning
from vmpath_service.engine.executor.settings import Limits, Settings
from vmpath_service.engine.service import Engine
from vmpath_service.engine.settings import EngineSettings, PolicySection
from vmpath_service.model.errors import CloudUnreachable, Conflict, InvalidInput, NotFound, Outdated, StoreError
from vmpath_service.model.records import ENDED, Event, Rearrangement, RearrangementState, Request
from vmpath_service.store import Database, SqlStore

PATIENCE = 30.0
POLICIES = {
    "drain": PolicySection("drain"),
    "at once": PolicySection("drain", {"approval": "automatic"}),
    "nightly": PolicySection("consolidate", {"approval": "automatic"}),
}
DRAIN_A = Request("at once", hosts=("a",))


class Site:
    """A cloud of three hosts, a database, and an engine that can be stopped and started anew."""

    def __init__(self, database: Path) -> None:
        self.databases: list[Database] = []
        self.file = database
        self.clock = FastClock()
        self.store = self.connect()
        self.cloud = ModelCloud(
            self.clock,
            {name: HostState({"MEMORY_MB": 10}) for name in "abc"},
            {
                "x": Server("a", {"MEMORY_MB": 4}),
                "y": Server("a", {"MEMORY_MB": 3}),
                "z": Server("b", {"MEMORY_MB": 2}),
            },
            frozen=lambda: self.store.frozen() is not None,
        )
        self.notified: list[Event] = []
        self.engine = self.start()

    def connect(self) -> SqlStore:
        """The store as a program opens it when it starts."""
        self.databases.append(Database(f"sqlite:///{self.file}"))
        return SqlStore(self.databases[-1], self.clock)

    def start(self, **changes: object) -> Engine:
        self.clock = FastClock()
        self.store = self.connect()
        self.cloud.clock = self.clock
        usual = {"executor": Settings(limits=Limits(1, 1, 10), retries=0, on_failure="retry"), "stop_seconds": 10}
        settings = EngineSettings(
            owner="engine-1",
            policies=POLICIES,
            **(usual | changes),  # type: ignore[arg-type]
        )
        self.engine = Engine(self.cloud, self.store, self.clock, settings, self.notified.append)
        return self.engine

    def wait(self, identity: str, reached: Callable[[Rearrangement], bool]) -> Rearrangement:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            record = self.store.get(identity)
            if reached(record):
                return record
            threading.Event().wait(0.01)
        raise AssertionError(f"{record}, {self.store.events(identity)}")

    def ended(self, identity: str) -> Rearrangement:
        return self.wait(identity, lambda record: record.state in ENDED)

    def reaches(self, identity: str, state: RearrangementState) -> Rearrangement:
        return self.wait(identity, lambda record: record.state is state)

    def kinds(self, identity: str) -> list[str]:
        return [event.kind for event in self.store.events(identity)]


@pytest.fixture
def in_processes() -> None:
    """Plans are made in processes of their own, as they are outside of tests, at the price of a second each."""


@pytest.fixture
def site(empty_database: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    if "in_processes" not in request.fixturenames:
        monkeypatch.setattr(planning, "apart", lambda job, cancelled, make: make(job))
        monkeypatch.setattr(replanning, "apart", lambda job, cancelled, make: make(job))
    made = Site(empty_database)
    yield made
    assert made.engine.stop()
    for database in made.databases:
        database.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("rearrangement-", "send-"))]
    assert made.cloud.violations == []


@pytest.mark.usefixtures("in_processes")
def test_a_host_is_drained_and_stays_closed(site: Site) -> None:
    made = site.engine.create(DRAIN_A)
    ended = site.ended(made.id)
    assert (ended.state, ended.explanation) == (RearrangementState.SUCCEEDED, None)
    assert ended.summary is not None
    assert ended.summary["migrations"] == 2
    assert "a" not in {server.host for server in site.cloud.servers.values()}
    assert site.cloud.hosts["a"].reason == f"vmpath: rearrangement {made.id}"
    assert ended.disabled == ("a",)
    assert [each.state.value for each in site.store.migrations(made.id)] == ["done", "done"]


def test_a_drain_that_could_only_be_done_in_part_is_no_success(site: Site) -> None:
    site.cloud.servers["w"] = Server("b", {"MEMORY_MB": 5})
    site.cloud.servers["v"] = Server("c", {"MEMORY_MB": 9})
    made = site.engine.create(DRAIN_A)
    ended = site.ended(made.id)
    assert [each.instance for each in site.store.migrations(made.id)] == ["y"]
    assert site.cloud.servers["y"].host == "b"
    assert ended.state is RearrangementState.FAILED
    assert "1 of 2 instances to be moved find no place" in str(ended.explanation)
    assert site.cloud.hosts["a"].enabled


def test_every_event_is_notified(site: Site) -> None:
    identity = site.engine.create(DRAIN_A).id
    site.ended(identity)
    assert site.engine.stop()
    assert site.notified == list(site.store.events())
    assert site.kinds(identity)[0] == "rearrangement.planning"
    assert site.kinds(identity)[-1] == "rearrangement.succeeded"


def test_nothing_moves_before_a_person_has_said_so(site: Site) -> None:
    identity = site.engine.create(Request("drain", hosts=("a",))).id
    record = site.reaches(identity, RearrangementState.AWAITING_APPROVAL)
    assert record.decision is not None
    assert site.cloud.requests == []
    assert site.cloud.hosts["a"].enabled
    assert site.engine.approve(identity).state is RearrangementState.RUNNING
    assert site.ended(identity).state is RearrangementState.SUCCEEDED
    with pytest.raises(Conflict):
        site.engine.approve(identity)


def test_of_two_who_have_seen_the_same_one_is_heard(site: Site) -> None:
    other = Engine(site.cloud, site.connect(), site.clock, EngineSettings(owner="engine-2", policies=POLICIES))
    words = [
        lambda identity, seen: site.engine.cancel(identity, seen),
        lambda identity, seen: other.delete(identity, seen),
        lambda identity, seen: site.engine.delete(identity, seen),
        lambda identity, seen: other.cancel(identity, seen, abort=True),
    ]
    for _ in range(5):
        identity = site.engine.create(Request("drain", hosts=("a",), dry_run=True)).id
        seen = site.reaches(identity, RearrangementState.PLANNED).version
        together = threading.Barrier(len(words))

        def say(
            word: Callable[[str, int], object], identity: str = identity, seen: int = seen,
            together: threading.Barrier = together,
        ) -> bool:
            together.wait(PATIENCE)
            try:
                word(identity, seen)
            except (Outdated, NotFound):
                return False
            return True

        with ThreadPoolExecutor(len(words)) as threads:
            heard = list(threads.map(say, words))
        assert heard.count(True) == 1, heard
    assert other.stop()


@pytest.mark.parametrize(
    ("below", "state"), [(2, RearrangementState.AWAITING_APPROVAL), (3, RearrangementState.SUCCEEDED)]
)
def test_a_person_is_asked_for_large_plans_only(site: Site, below: int, state: RearrangementState) -> None:
    site.engine.use({"careful": PolicySection("drain", {"approval": f"automatic-below {below}"})})
    record = site.reaches(site.engine.create(Request("careful", hosts=("a",))).id, state)
    assert record.decision is not None
    assert [point["score"] for point in record.decision["curve"]] == [2, 1, 0]


def test_what_was_moved_lately_is_left_alone(site: Site) -> None:
    assert site.ended(site.engine.create(DRAIN_A).id).state is RearrangementState.SUCCEEDED
    arrived = {name for name, server in site.cloud.servers.items() if server.host == "c"}
    calm = PolicySection("drain", {"approval": "automatic", "cool_down": 3600.0})
    site.engine.use({"calm": calm})
    record = site.ended(site.engine.create(Request("calm", hosts=("c",))).id)
    assert arrived
    assert record.decision is not None
    assert {each["instance"] for each in record.decision["leftovers"]} == arrived
    assert all("cool_down" in each["reason"] for each in record.decision["leftovers"])


def test_a_request_may_bring_its_approval(site: Site) -> None:
    identity = site.engine.create(Request("drain", hosts=("a",), approve=True)).id
    assert site.ended(identity).state is RearrangementState.SUCCEEDED


def test_a_dry_run_ends_planned_and_moves_nothing(site: Site) -> None:
    identity = site.engine.create(Request("at once", hosts=("a",), dry_run=True)).id
    site.reaches(identity, RearrangementState.PLANNED)
    assert len(site.store.plan(identity).migrations) == 2
    with pytest.raises(Conflict, match="dry run"):
        site.engine.approve(identity)
    site.engine.delete(identity)
    with pytest.raises(NotFound):
        site.store.get(identity)
    assert site.cloud.requests == []


def test_a_cloud_that_is_as_wanted_is_a_success_without_a_move(site: Site) -> None:
    first = site.engine.create(Request("nightly")).id
    site.ended(first)
    before = list(site.cloud.requests)
    ended = site.ended(site.engine.create(Request("nightly")).id)
    assert (ended.state, ended.explanation) == (
        RearrangementState.SUCCEEDED,
        "the cloud already is as the policy wants it",
    )
    assert site.cloud.requests == before


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request("drian", hosts=("a",)), "did you mean 'drain'"),
        (Request("drain", {"destinations": "sideways"}), "policy drain: option destinations: found 'sideways'"),
        (Request("drain", {"max_migration": 3}), "policy drain: there is no option 'max_migration'"),
    ],
)
def test_a_wrong_request_is_refused_at_once(site: Site, request_: Request, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        site.engine.create(request_)
    assert site.store.list() == []


def test_an_unknown_host_ends_the_planning_with_a_sentence(site: Site) -> None:
    ended = site.ended(site.engine.create(Request("at once", hosts=("compute-9",))).id)
    assert ended.state is RearrangementState.FAILED
    assert "compute-9" in (ended.explanation or "")
    assert site.cloud.requests == []


def test_a_cloud_that_cannot_be_read_ends_the_planning_with_a_sentence(site: Site) -> None:
    site.cloud.unreachable = True
    ended = site.ended(site.engine.create(DRAIN_A).id)
    assert (ended.state, ended.explanation) == (RearrangementState.FAILED, "503: no answer")


def test_after_a_failure_the_host_is_enabled_again(site: Site) -> None:
    site.cloud.fates = {"x": [Fate("failed midway")]}
    ended = site.ended(site.engine.create(DRAIN_A).id)
    assert ended.state is RearrangementState.FAILED
    assert "1 of 2 migrations were not done" in (ended.explanation or "")
    assert site.cloud.hosts["a"].enabled
    assert ended.disabled == ()


def test_a_host_that_someone_else_disabled_meanwhile_stays_so(site: Site) -> None:
    site.cloud.fates = {"x": [Fate("failed midway", copying=100)], "y": [Fate(copying=100)]}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda record: bool(site.cloud.requests))
    site.cloud.hosts["a"].reason = "broken fan"
    assert site.ended(identity).state is RearrangementState.FAILED
    assert not site.cloud.hosts["a"].enabled


def test_a_host_disabled_before_is_not_ours(site: Site) -> None:
    site.cloud.disable_host("a", "broken fan")
    site.cloud.fates = {"x": [Fate("failed midway")]}
    ended = site.ended(site.engine.create(DRAIN_A).id)
    assert ended.state is RearrangementState.FAILED
    assert site.cloud.hosts["a"].reason == "broken fan"


def test_a_host_that_cannot_be_disabled_stops_it_before_anything_moves(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str, reason: str) -> None:
        raise CloudUnreachable("503 from os-services")

    monkeypatch.setattr(site.cloud, "disable_host", broken)
    ended = site.ended(site.engine.create(DRAIN_A).id)
    assert ended.state is RearrangementState.FAILED
    assert "503 from os-services" in (ended.explanation or "")
    assert (site.cloud.requests, ended.disabled) == ([], ())


def test_a_disabled_host_that_is_gone_at_the_end_is_in_nobodys_way(site: Site) -> None:
    site.cloud.fates = {"x": [Fate("failed midway", copying=50)], "y": [Fate("failed midway", copying=50)]}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda record: bool(site.cloud.requests))
    gone = site.cloud.hosts.pop("a")
    ended = site.ended(identity)
    site.cloud.hosts["a"] = gone
    assert (ended.state, ended.disabled) == (RearrangementState.FAILED, ())


def test_cancelled_while_walking_it_finishes_what_is_in_flight(site: Site) -> None:
    site.cloud.fates = {"x": [Fate(copying=300)], "y": [Fate(copying=300)]}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda record: bool(site.cloud.requests))
    site.engine.cancel(identity)
    ended = site.ended(identity)
    assert ended.state is RearrangementState.CANCELLED
    assert sorted(each.state.value for each in site.store.migrations(identity)) == ["done", "skipped"]
    assert len(site.cloud.requests) == 1
    assert site.cloud.hosts["a"].enabled
    with pytest.raises(Conflict):
        site.engine.cancel(identity)


def test_cancelled_before_it_is_approved(site: Site) -> None:
    identity = site.engine.create(Request("drain", hosts=("a",))).id
    site.reaches(identity, RearrangementState.AWAITING_APPROVAL)
    assert site.engine.cancel(identity).state is RearrangementState.CANCELLED
    site.engine.delete(identity)


def test_cancelled_while_planning(site: Site) -> None:
    identity = site.engine.create(Request("drain", hosts=("a",))).id
    site.engine.cancel(identity)
    assert site.ended(identity).state is RearrangementState.CANCELLED
    assert site.cloud.requests == []


def test_frozen_nothing_begins_not_even_a_host_is_disabled(site: Site) -> None:
    site.engine.freeze("fire", "me")
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda _: "rearrangement.frozen" in site.kinds(identity))
    assert site.store.get(identity).state is RearrangementState.RUNNING
    assert site.cloud.requests == []
    assert site.cloud.hosts["a"].enabled
    site.engine.thaw()
    assert site.ended(identity).state is RearrangementState.SUCCEEDED


def test_paused_it_waits(site: Site) -> None:
    site.cloud.fates = {"x": [Fate(copying=100)], "y": [Fate(copying=100)]}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda record: bool(site.cloud.requests))
    site.engine.pause(identity)
    site.wait(identity, lambda record: any(each.state == "done" for each in site.store.migrations(identity)))
    threading.Event().wait(0.1)
    assert len(site.cloud.requests) == 1
    site.engine.proceed(identity)
    assert site.ended(identity).state is RearrangementState.SUCCEEDED


def test_stopped_and_started_anew_nothing_is_asked_for_twice(site: Site) -> None:
    site.cloud.fates = {"x": [Fate(copying=200)], "y": [Fate(copying=200)]}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda record: bool(site.cloud.requests))
    assert site.engine.stop()
    assert site.store.get(identity).state is RearrangementState.RUNNING
    with pytest.raises(Conflict, match="stopping"):
        site.engine.create(DRAIN_A)
    assert site.start().resume() == 1
    assert site.ended(identity).state is RearrangementState.SUCCEEDED
    assert len(site.cloud.requests) == 2
    assert site.store.get(identity).epoch == 2


def test_stopped_while_planning_it_is_planned_anew(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = threading.Event()
    read = site.cloud.read

    def slow() -> object:
        reading.set()
        site.clock.wait(10_000)
        raise CloudUnreachable("the engine is stopping")

    monkeypatch.setattr(site.cloud, "read", slow)
    identity = site.engine.create(DRAIN_A).id
    assert reading.wait(PATIENCE)
    assert site.engine.stop()
    assert site.store.get(identity).state is RearrangementState.PLANNING
    monkeypatch.setattr(site.cloud, "read", read)
    assert site.start().resume() == 1
    assert site.ended(identity).state is RearrangementState.SUCCEEDED


def test_a_database_that_fails_for_long_only_delays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = iter(range(12))
    record = site.store.record

    def failing(epoch: int, migration: object) -> None:
        if next(failures, None) is not None:
            raise StoreError("database is locked")
        record(epoch, migration)  # type: ignore[arg-type]

    monkeypatch.setattr(site.store, "record", failing)
    identity = site.engine.create(DRAIN_A).id
    assert site.ended(identity).state is RearrangementState.SUCCEEDED
    assert "rearrangement.trouble" in site.kinds(identity)
    assert len(site.cloud.requests) == 2


def test_another_engine_takes_over_and_this_one_lets_go(site: Site) -> None:
    site.cloud.fates = {"x": [Fate(copying=200)], "y": [Fate(copying=200)]}
    identity = site.engine.create(DRAIN_A).id
    site.wait(identity, lambda record: bool(site.cloud.requests))
    other = Engine(site.cloud, site.connect(), site.clock, EngineSettings("engine-2", POLICIES))
    other.resume()
    assert site.ended(identity).state is RearrangementState.SUCCEEDED
    assert site.store.get(identity).owner == "engine-2"
    assert len(site.cloud.requests) == 2
    assert other.stop()


def test_two_rearrangements_do_not_move_the_same_instance_at_once(site: Site) -> None:
    site.cloud.fates = {"x": [Fate(copying=100)], "y": [Fate(copying=100)]}
    identities = [site.engine.create(DRAIN_A).id for _ in range(2)]
    ended = [site.ended(identity) for identity in identities]
    assert RearrangementState.SUCCEEDED in {record.state for record in ended}
    assert len(site.cloud.requests) == 2
    assert "a" not in {server.host for server in site.cloud.servers.values()}


def test_two_rearrangements_do_not_count_on_the_same_room(site: Site) -> None:
    site.cloud.servers["z"] = Server("b", {"MEMORY_MB": 4})
    site.cloud.hosts = {name: HostState({"MEMORY_MB": size}) for name, size in {"a": 7, "b": 4, "c": 8}.items()}
    site.cloud.fates = {name: [Fate(scheduling=20)] for name in "xyz"}
    identities = [site.engine.create(Request("drain", hosts=(host,))).id for host in "ab"]
    for identity in identities:
        site.reaches(identity, RearrangementState.AWAITING_APPROVAL)
    for identity in identities:
        site.engine.approve(identity)
    ended = [site.ended(identity) for identity in identities]
    missed = [
        each for identity in identities for each in site.store.migrations(identity) if each.state.value == "failed"
    ]
    assert missed
    assert all("not started within 300 s: host c has" in (each.reason or "") for each in missed)
    assert RearrangementState.FAILED in {record.state for record in ended}


def test_no_more_than_allowed_go_on_at_once(site: Site) -> None:
    site.engine.stop()
    engine = site.start(max_active=1)
    site.cloud.fates = {"x": [Fate(copying=1000)]}
    engine.create(DRAIN_A)
    with pytest.raises(Conflict, match="1 rearrangements are going on"):
        engine.create(DRAIN_A)


def test_a_notification_that_fails_does_no_harm(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(event: Event) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(site.engine, "_notify", broken)
    assert site.ended(site.engine.create(DRAIN_A).id).state is RearrangementState.SUCCEEDED


def test_policies_can_be_replaced(site: Site) -> None:
    site.engine.use({"level": PolicySection("balance")})
    assert [policy["name"] for policy in site.engine.policies()] == ["level"]
    with pytest.raises(InvalidInput, match="there are: level"):
        site.engine.policy("drain")


def test_hosts_and_instances_are_shown_as_they_are(site: Site) -> None:
    assert {host["name"]: host["instances"] for host in site.engine.hosts()} == {"a": 2, "b": 1, "c": 0}
    assert {each["uuid"]: each["movable"] for each in site.engine.instances()} == {
        "x": "live",
        "y": "live",
        "z": "live",
    }
