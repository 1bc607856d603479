"""Schedules over days of modelled time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from vmpath_service.engine.ports import Within, just_made
from vmpath_service.engine.schedules import ScheduleKeeper, Surroundings
from vmpath_service.model.errors import Conflict, InvalidInput, NotFound
from vmpath_service.model.records import ENDED, Rearrangement, RearrangementState, Request
from vmpath_service.model.schedules import Schedule, ScheduleRequest
from vmpath_service.store import Database
from vmpath_service.store.documents import Documents


class Calendar:
    """Time that stands still until it is set."""

    def __init__(self, text: str) -> None:
        self.now = datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def wake(self) -> None:
        pass


class Begun:
    """Rearrangements that do nothing until they are told how they ended."""

    def __init__(self, clock: Calendar) -> None:
        self._clock = clock
        self.records: dict[str, Rearrangement] = {}

    def create(self, request: Request, within: Within = just_made) -> Rearrangement:
        if request.policy == "refused":
            raise Conflict("too many are going on")
        state = RearrangementState.RUNNING if request.approve else RearrangementState.AWAITING_APPROVAL
        identity, now = f"r{len(self.records)}", self._clock.now
        self.records[identity] = within(lambda: Rearrangement(identity, request, state, now, now))
        return self.records[identity]

    def end(self, identity: str, explanation: str | None = None) -> None:
        self.records[identity] = msgspec.structs.replace(
            self.records[identity], state=RearrangementState.SUCCEEDED, explanation=explanation
        )

    def show(self, identity: str) -> Rearrangement:
        if identity not in self.records:
            raise NotFound(identity)
        return self.records[identity]

    def going(self) -> Sequence[Rearrangement]:
        return [each for each in self.records.values() if each.state not in ENDED]

    def cancel(self, identity: str) -> Rearrangement:
        self.records[identity] = msgspec.structs.replace(self.records[identity], state=RearrangementState.CANCELLED)
        return self.records[identity]

    def delete(self, identity: str) -> None:
        del self.records[identity]

    def begun(self) -> list[tuple[str, str]]:
        return [
            (each.request.policy, datetime.fromtimestamp(each.created_at, UTC).strftime("%a %H:%M"))
            for each in self.records.values()
        ]


class Stage:
    """A keeper of schedules with what it stands on."""

    def __init__(self, database: Database, now: str) -> None:
        self.clock = Calendar(now)
        self.begun = Begun(self.clock)
        self.records = Documents(database, Schedule, "schedule", lambda _: "kept")
        self.told: list[str] = []
        self.keeper = self.fresh()

    def fresh(self) -> ScheduleKeeper:
        """One that has just been started."""
        return ScheduleKeeper(
            Surroundings(
                records=self.records,
                rearrangements=self.begun,
                clock=self.clock,
                stopping=lambda: False,
                tell=lambda kind, message, name: self.told.append(kind),
                check=self._check,
            )
        )

    def live(self, hours: float, every: float = 60.0, ends: bool = True) -> None:
        """Let so much time pass; what is begun has ended at the next look where ``ends``."""
        until = self.clock.now + hours * 3600
        while self.clock.now < until:
            self.clock.wait(every)
            if ends:
                for record in self.begun.going():
                    if record.state is RearrangementState.RUNNING:
                        self.begun.end(record.id)
            self.keeper.run_due()

    def _check(self, request: Request) -> None:
        if request.policy == "unknown":
            raise InvalidInput("there is no policy 'unknown'")


@pytest.fixture
def stage(empty_database: Path) -> Iterator[Stage]:
    database = Database(f"sqlite:///{empty_database}")
    yield Stage(database, "2026-11-19T12:00:00")  # a Thursday
    database.close()


def wanted(name: str, cron: str, policy: str | None = None, **more: object) -> ScheduleRequest:
    values = {"name": name, "policy": policy or name, "cron": cron, "approve": True, **more}
    return msgspec.convert(values, ScheduleRequest)


def test_packed_in_the_evening_and_spread_in_the_morning(stage: Stage) -> None:
    stage.keeper.create(wanted("consolidate", "0 22 * * 1-5", time_zone="Europe/Berlin"))
    stage.keeper.create(wanted("balance", "0 7 * * 1-5", time_zone="Europe/Berlin"))
    stage.live(5 * 24, every=600)
    assert stage.begun.begun() == [
        ("consolidate", "Thu 21:00"),
        ("balance", "Fri 06:00"),
        ("consolidate", "Fri 21:00"),
        ("balance", "Mon 06:00"),
        ("consolidate", "Mon 21:00"),
        ("balance", "Tue 06:00"),
    ]


def test_what_was_worth_nothing_is_recorded(stage: Stage) -> None:
    stage.keeper.create(wanted("balance", "@every 1h"))
    stage.live(1)
    stage.begun.end("r0", "the cloud already is as the policy wants it")
    stage.keeper.run_due()
    assert stage.records.get("balance").outcome == "succeeded: the cloud already is as the policy wants it"


@pytest.mark.parametrize(("missed", "runs"), [("skip", 0), ("once", 1)])
def test_what_was_missed_runs_once_or_not_at_all(stage: Stage, missed: str, runs: int) -> None:
    stage.keeper.create(wanted("balance", "0 * * * *", missed=missed))
    stage.clock.wait(10.5 * 3600)  # nothing runs
    stage.keeper = stage.fresh()
    stage.live(0.1)
    assert len(stage.begun.records) == runs
    if not runs:
        assert stage.records.get("balance").outcome == "missed: vmpath was not running"
        assert "schedule.missed" in stage.told
    stage.live(1)
    assert len(stage.begun.records) == runs + 1


def test_runs_on_the_same_hosts_take_turns(stage: Stage) -> None:
    stage.keeper.create(wanted("one", "0 13 * * *", hosts=["a", "b"]))
    stage.keeper.create(wanted("two", "0 13 * * *", hosts=["b", "c"]))
    stage.keeper.create(wanted("apart", "0 13 * * *", hosts=["d"]))
    stage.live(1.05, ends=False)
    assert sorted(policy for policy, _ in stage.begun.begun()) == ["apart", "one"]
    stage.begun.end("r0")
    stage.live(0.05, ends=False)
    assert sorted(policy for policy, _ in stage.begun.begun()) == ["apart", "one", "two"]


def test_a_plan_that_nobody_approved_gives_way_to_the_next(stage: Stage) -> None:
    stage.keeper.create(wanted("balance", "@every 1h", approve=False))
    stage.live(2.5)
    assert [each.state for each in stage.begun.records.values()] == [
        RearrangementState.CANCELLED,
        RearrangementState.AWAITING_APPROVAL,
    ]


def test_a_run_that_cannot_begin_is_told_and_the_next_one_tried(stage: Stage) -> None:
    stage.keeper.create(wanted("refused", "@every 1h"))
    stage.live(2.5)
    assert stage.records.get("refused").outcome == "could not begin: too many are going on"
    assert stage.told.count("schedule.failed") == 2


def test_disabled_it_does_not_run_and_makes_up_for_nothing(stage: Stage) -> None:
    stage.keeper.create(wanted("balance", "@every 1h", missed="once"))
    stage.keeper.disable("balance")
    stage.live(3)
    assert stage.begun.begun() == []
    stage.keeper.enable("balance")
    stage.live(0.1)
    assert stage.begun.begun() == []
    stage.live(1)
    assert len(stage.begun.begun()) == 1


def test_schedules_of_files_come_and_go_with_them(stage: Stage) -> None:
    stage.keeper.use({"a": wanted("a", "@every 1h"), "b": wanted("b", "@every 2h")})
    stage.keeper.disable("b")
    stage.keeper.use({"b": wanted("b", "@every 2h")})
    assert [(each.name, each.origin, each.enabled) for each in stage.records.list()] == [("b", "file", False)]
    stage.keeper.use({"b": wanted("b", "@every 3h")})
    assert stage.records.get("b").enabled
    with pytest.raises(Conflict, match="schedule b is in a file"):
        stage.keeper.delete("b")
    stage.keeper.create(wanted("c", "@every 1h"))
    with pytest.raises(InvalidInput, match=r"\[schedule:c\]: there is a schedule of this name"):
        stage.keeper.use({"c": wanted("c", "@every 1h")})
    assert {each.name for each in stage.records.list()} == {"b", "c"}
    stage.keeper.delete("c")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (wanted("", "@every 1h"), "name: found ''"),
        (wanted("x\ny", "@every 1h"), "name: found"),
        (wanted("x", "whenever"), "cron: found 'whenever'"),
        (wanted("x", "@every 1h", "unknown"), "there is no policy 'unknown'"),
        (wanted("x", "@every 1h", time_zone="Mars/Olympus"), "time_zone"),
    ],
)
def test_what_is_no_schedule_is_refused(stage: Stage, request_: ScheduleRequest, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        stage.keeper.create(request_)
    assert stage.records.list() == []


def test_names_are_given_once(stage: Stage) -> None:
    stage.keeper.create(wanted("x", "@every 1h"))
    with pytest.raises(Conflict, match="there is a schedule 'x' already"):
        stage.keeper.create(wanted("x", "@every 2h"))


def test_an_order_counts_only_at_the_version_that_its_sender_has_seen(stage: Stage) -> None:
    made = stage.keeper.create(wanted("balance", "@every 1h"))
    changed = stage.keeper.disable("balance", made.version)
    for order in (stage.keeper.enable, stage.keeper.disable, stage.keeper.delete):
        with pytest.raises(Conflict, match=f"it is at version {changed.version} now, not {made.version}"):
            order("balance", made.version)
    assert stage.records.get("balance") == changed
    stage.keeper.delete("balance", changed.version)
    assert stage.records.list() == []
