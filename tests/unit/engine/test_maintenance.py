"""The life of maintenances over days of modelled time: what they do about everything that comes between."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.modelled.clock import BEGINNING, StepClock
from tests.modelled.cloud import HostState, ModelCloud, Server
from vmpath_service.engine.maintenance.attending import MaintenanceSettings, Surroundings
from vmpath_service.engine.maintenance.keeper import MaintenanceKeeper
from vmpath_service.engine.maintenance.maintaining import Maintaining
from vmpath_service.engine.maintenance.outlooks import RoundPlanner
from vmpath_service.engine.planning import Job, Work, job_for
from vmpath_service.engine.settings import EngineSettings
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.errors import Conflict, HookFailed, InvalidInput, NotFound, StoreError
from vmpath_service.model.maintenances import Maintenance, MaintenanceRequest, MaintenanceState, Round, scheduled
from vmpath_service.model.options import OptionValue, read_options
from vmpath_service.model.placement import Placement
from vmpath_service.model.records import Rearrangement, RearrangementState, Request
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.model.times import iso
from vmpath_service.policies import registry
from vmpath_service.policies.base import Scope
from vmpath_service.store import Database
from vmpath_service.store.documents import Documents

HOUR = 3600.0


class Diary(StepClock):
    """Things happen at their times while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self._entries.append((seconds, action))

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        assert self.now < 60 * 86400, "nothing has come of it for two months"
        for entry in [entry for entry in self._entries if entry[0] <= self.now]:
            self._entries.remove(entry)
            entry[1]()


class Planning:
    """Plans where it is asked."""

    def values(self, request: Request) -> Mapping[str, OptionValue]:
        return read_options(registry.find("drain").declared(), request.options, texts=False, where="policy drain")

    def job(self, request: Request, snapshot: Snapshot) -> Job:
        return job_for(EngineSettings("test", {}), request, "drain", self.values(request), snapshot)

    def beside(self, work: Work, make: Callable[[Work], bytes], cancelled: Callable[[], bool]) -> bytes:
        return make(work)


class Rearrangements:
    """Those that the policy decides are walked at once; ``meanwhile`` happens while the next one is."""

    def __init__(self, cloud: ModelCloud, planning: Planning) -> None:
        self._cloud = cloud
        self._planning = planning
        self.records: dict[str, Rearrangement] = {}
        self.meanwhile: list[Callable[[], object]] = []

    def create(self, request: Request) -> Rearrangement:
        policy = registry.make("drain", request.options)
        decision = policy.decide(compile_cloud(self._cloud.read()), Scope(hosts=request.hosts))
        for uuid_, host in decision.placement.items():
            if self._cloud.hosts[self._cloud.servers[uuid_].host].up:
                self._cloud.servers[uuid_].host = host
        if self.meanwhile:
            self.meanwhile.pop(0)()
        state = RearrangementState.FAILED if decision.shortage else RearrangementState.SUCCEEDED
        made = Rearrangement(f"r{len(self.records)}", request, state, 0, 0, explanation=decision.shortage)
        self.records[made.id] = made
        return made

    def show(self, identity: str) -> Rearrangement:
        return self.records[identity]

    def going(self) -> Sequence[Rearrangement]:
        return []

    def cancel(self, identity: str) -> Rearrangement:
        return self.records[identity]

    def delete(self, identity: str) -> None:
        del self.records[identity]


class Hooks:
    """``work`` is what they do; it may raise HookFailed."""

    def __init__(self) -> None:
        self.work: Callable[[Sequence[str]], object] = lambda hosts: None
        self.begun: list[tuple[str, tuple[str, ...]]] = []

    def names(self) -> Collection[str]:
        return ("work", "reboot", "power-off", "power-on")

    def run(self, name: str, occasion: Mapping[str, Any]) -> None:
        self.begun.append((name, tuple(occasion["hosts"])))
        self.work(occasion["hosts"])


class Stage:
    """Six equal hosts, each half full; what carries maintenances on, in the test's own thread."""

    def __init__(self, database: Database) -> None:
        self.clock = Diary()
        self.cloud = ModelCloud(
            self.clock,
            {f"h{at}": HostState({"MEMORY_MB": 100}) for at in range(6)},
            {f"v{at}{piece}": Server(f"h{at}", {"MEMORY_MB": 25}) for at in range(6) for piece in "ab"},
        )
        planning = Planning()
        self.records = Documents(database, Maintenance, "maintenance", lambda record: record.state.value)
        self.rearrangements = Rearrangements(self.cloud, planning)
        self.hooks = Hooks()
        self.told: list[tuple[str, float, str]] = []
        self.around = Surroundings(
            cloud=self.cloud,
            records=self.records,
            rearrangements=self.rearrangements,
            rounds=RoundPlanner(planning, self.records, self.cloud.read),
            hooks=self.hooks,
            clock=self.clock,
            settings=MaintenanceSettings(poll_seconds=300, return_seconds=1800, settle_seconds=60, late_seconds=HOUR),
            stopping=lambda: False,
            tell=lambda kind, message, _: self.told.append((kind, self.clock.now, message)),
            keep_placement=self._keep,
            turn=threading.Lock(),
        )
        self.keeper = MaintenanceKeeper(self.around, lambda request: None)

    def make(self, *hosts: str, after: float = 0.0, **wishes: Any) -> str:
        """A maintenance that begins so many seconds from now."""
        request = MaintenanceRequest(hosts, **wishes)
        now = self.clock.time()
        made = scheduled(str(uuid.uuid4()), request, now + after, now)
        self.records.create(made.id, made)
        return made.id

    def live(self, identity: str) -> Maintenance:
        """Carry it on to its end."""
        Maintaining(identity, self.around).carry_on()
        return self.records.get(identity)

    def kinds(self) -> list[str]:
        return [kind.partition(".")[2] for kind, _, _ in self.told]

    def times(self, kind: str) -> list[float]:
        return [at for told, at, _ in self.told if told == f"maintenance.{kind}"]

    def guests(self, host: str) -> list[str]:
        return sorted(name for name, server in self.cloud.servers.items() if server.host == host)

    def out_of_service(self) -> dict[str, str | None]:
        return {name: host.reason for name, host in self.cloud.hosts.items() if not host.enabled}

    def _keep(self, identity: str, placement: Placement) -> dict[str, Any]:
        raise AssertionError("nothing is to be brought back")


@pytest.fixture
def stage(empty_database: Path) -> Iterator[Stage]:
    database = Database(f"sqlite:///{empty_database}")
    yield Stage(database)
    database.close()


def test_it_is_looked_at_when_it_is_made_and_an_hour_and_ten_minutes_before(stage: Stage) -> None:
    done = stage.live(stage.make("h0", after=5 * HOUR, action="hook", hook="work"))
    assert done.state is MaintenanceState.DONE
    before = [5 * HOUR - at for at in stage.times("outlook")]
    assert before[0] == 5 * HOUR
    assert [round(each / 60) for each in before[1:3]] == [60, 10]
    assert stage.times("draining")[0] - 5 * HOUR <= 300
    assert stage.hooks.begun == [("work", ("h0",))]


def test_what_is_short_is_said_at_once_and_looked_at_again(stage: Stage) -> None:
    for server in stage.cloud.servers.values():
        server.resources = {"MEMORY_MB": 45}
    identity = stage.make("h0", after=5 * HOUR, action="hook", hook="work")
    stage.clock.at(2 * HOUR, lambda: stage.cloud.servers.pop("v1a") and stage.cloud.servers.pop("v2a"))
    done = stage.live(identity)
    assert stage.times("short") == [0.0]
    assert done.state is MaintenanceState.DONE
    assert done.warning is None


def test_one_that_never_fits_fails_at_its_start_and_touches_nothing(stage: Stage) -> None:
    for server in stage.cloud.servers.values():
        server.resources = {"MEMORY_MB": 45}
    done = stage.live(stage.make("h0", after=2 * HOUR))
    assert done.state is MaintenanceState.FAILED
    assert done.explanation is not None
    assert done.explanation.startswith("it does not fit: ")
    assert stage.rearrangements.records == {}
    assert stage.out_of_service() == {}


def test_a_little_late_it_begins_and_says_so(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")
    stage.clock.now = 30 * 60  # nobody was there to begin it
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.kinds().count("late") == 1


def test_too_late_it_does_not_begin_any_more(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")
    stage.clock.now = 2 * HOUR
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert done.explanation == "it could not begin within 7200 s of its time"
    assert stage.hooks.begun == []


def test_one_that_was_paused_over_its_start_begins_when_it_is_let_go_on(stage: Stage) -> None:
    identity = stage.make("h0", after=HOUR, action="hook", hook="work")
    stage.keeper.pause(identity)
    stage.clock.at(20 * HOUR, lambda: stage.keeper.proceed(identity))
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.times("draining")[0] >= 20 * HOUR


def test_while_the_cloud_does_not_answer_it_waits(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")
    stage.cloud.unreachable = True
    stage.clock.at(600, lambda: setattr(stage.cloud, "unreachable", False))
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.kinds().count("put_off") == 1
    assert stage.times("draining")[0] >= 600


def test_instances_that_land_meanwhile_are_drained_too(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")
    stage.rearrangements.meanwhile = [
        lambda: stage.cloud.servers.update(late=Server("h0", {"MEMORY_MB": 5})),
        lambda: stage.cloud.servers.update(later=Server("h0", {"MEMORY_MB": 5})),
    ]
    stage.hooks.work = lambda hosts: stage.guests("h0") == [] or pytest.fail("it is not empty")
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.kinds().count("again") == 2
    assert len(stage.rearrangements.records) == 3


def test_when_instances_go_on_landing_it_gives_up_and_puts_the_host_back(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")

    def land() -> None:
        stage.cloud.servers[f"late{len(stage.cloud.servers)}"] = Server("h0", {"MEMORY_MB": 5})

    stage.rearrangements.meanwhile = [land] * 5
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert "could not be emptied: h0 has 1 instances on it (late" in str(done.explanation)
    assert (len(stage.rearrangements.records), stage.hooks.begun, stage.out_of_service()) == (3, [], {})


def test_a_host_that_dies_while_it_is_emptied_stays_out_of_service(stage: Stage) -> None:
    identity = stage.make("h0", "h1", action="hook", hook="work")

    def die() -> None:
        stage.cloud.hosts["h0"].up = False
        stage.cloud.servers["v0a"].host = "h0"

    stage.rearrangements.meanwhile = [die]
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert "h0 went down while it was emptied: h0 has 1 instances on it (v0a" in str(done.explanation)
    assert done.kept == ("h0",)
    assert set(stage.out_of_service()) == {"h0"}
    assert stage.hooks.begun == []


def test_a_host_that_does_not_come_back_stays_out_of_service(stage: Stage) -> None:
    identity = stage.make("h0", "h1", action="hook", hook="work")
    stage.hooks.work = lambda hosts: setattr(stage.cloud.hosts["h1"], "up", False)
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert "h1: not up after 1800 s" in str(done.explanation)
    assert set(stage.out_of_service()) == set(done.kept) == {"h0", "h1"}


def test_what_somebody_else_disabled_stays_disabled(stage: Stage) -> None:
    identity = stage.make("h0", "h1", action="hook", hook="work")
    stage.cloud.disable_host("h0", "ticket 7")
    # and what somebody disables anew in the midst of it is theirs from then on
    stage.hooks.work = lambda hosts: stage.cloud.disable_host("h1", "ticket 8")
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.out_of_service() == {"h0": "ticket 7", "h1": "ticket 8"}
    assert any("h0, h1: somebody else disabled them" in message for _, _, message in stage.told)


def test_leftovers_are_refused_or_accepted(stage: Stage) -> None:
    stage.cloud.servers["v0a"].status = "SHUTOFF"
    refused = stage.live(stage.make("h0"))
    assert refused.state is MaintenanceState.FAILED
    assert "1 instances would stay" in str(refused.explanation)
    assert stage.out_of_service() == {}
    accepted = stage.live(stage.make("h0", action="hook", hook="work", leftovers="accept"))
    assert accepted.state is MaintenanceState.DONE
    assert stage.guests("h0") == ["v0a"]
    assert "left in place: h0 has 1 instances on it (v0a" in str(accepted.explanation)


def test_two_maintenances_do_not_send_their_instances_to_each_other(stage: Stage) -> None:
    first = stage.make("h0", "h1", action="none")
    stage.records.change(
        first,
        lambda record, version: msgspec.structs.replace(
            record, version=version, state=MaintenanceState.DRAINING, rounds=(Round(("h0", "h1")),)
        ),
    )
    second = stage.records.get(stage.make("h2", "h3", "h4"))
    # without h0 and h1 only h5 could take them
    outlook = stage.around.rounds.look(second, lambda: False)
    assert outlook.rounds == ()
    assert outlook.short is not None


def at(stage: Stage, seconds: float) -> str:
    return iso(stage.clock.time() + seconds)


def test_the_same_host_is_in_one_maintenance_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.keeper, "_start", lambda identity: None)
    stage.make("h0", "h1", after=2 * HOUR, duration_s=HOUR)
    for start, lasts in ((1.5, HOUR), (2.0, 60.0), (2.5, 60.0), (0.0, 3 * HOUR), (0.0, None)):
        request = MaintenanceRequest(("h1", "h2"), start=at(stage, start * HOUR), duration_s=lasts)
        with pytest.raises(Conflict, match=r"h1 is in maintenance .* already, which is scheduled and takes from"):
            stage.keeper.create(request)
    # before it, behind it, of other hosts, or only to see what it would take
    for start, lasts in ((0.0, 2 * HOUR), (3.0, None)):
        stage.keeper.create(MaintenanceRequest(("h1",), start=at(stage, start * HOUR), duration_s=lasts))
    stage.keeper.create(MaintenanceRequest(("h2",), start=at(stage, 2 * HOUR), duration_s=HOUR))
    stage.keeper.create(MaintenanceRequest(("h0",), start=at(stage, 2 * HOUR), duration_s=HOUR, dry_run=True))
    with pytest.raises(Conflict, match="until nobody knows when"):
        stage.keeper.create(MaintenanceRequest(("h1",), start=at(stage, 90 * HOUR), duration_s=HOUR))


@pytest.mark.parametrize(("over", "state"), [(HOUR / 2, MaintenanceState.DONE), (2 * HOUR, MaintenanceState.FAILED)])
def test_one_waits_for_the_one_before_it_that_takes_longer(stage: Stage, over: float, state: MaintenanceState) -> None:
    before = stage.make("h0", "h1", duration_s=HOUR)
    stage.records.change(
        before,
        lambda record, version: msgspec.structs.replace(
            record, version=version, state=MaintenanceState.DRAINING, rounds=(Round(("h0", "h1")),)
        ),
    )
    second = stage.make("h1", after=HOUR, duration_s=60.0, action="hook", hook="work")
    stage.clock.at(
        HOUR + over,
        lambda: stage.records.change(
            before,
            lambda record, version: msgspec.structs.replace(record, version=version, state=MaintenanceState.DONE),
        ),
    )
    ended = stage.live(second)
    assert ended.state is state, ended.explanation
    assert stage.kinds().count("waiting") == 1
    if state is MaintenanceState.FAILED:
        assert f"h1: maintenance {before}, which is draining, is not over yet" in str(ended.explanation)
        assert stage.rearrangements.records == {}
    else:
        assert stage.times("draining")[0] >= stage.times("late")[0] >= HOUR + over


def test_rolling_stops_at_the_first_bad_host(stage: Stage) -> None:
    identity = stage.make(*(f"h{at}" for at in range(6)), rolling=True, action="hook", hook="work")

    def work(hosts: Sequence[str]) -> None:
        if len(stage.hooks.begun) == 2:
            raise HookFailed("firmware refused")

    stage.hooks.work = work
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert len(stage.hooks.begun) == len(done.rounds) == 2
    assert done.rounds[0].done
    assert done.kept == done.rounds[1].hosts
    assert set(stage.out_of_service()) == set(done.kept)


def test_rolling_pauses_between_rounds(stage: Stage) -> None:
    identity = stage.make(*(f"h{at}" for at in range(6)), rolling=True, action="hook", hook="work")

    def work(hosts: Sequence[str]) -> None:
        if len(stage.hooks.begun) == 1:
            stage.keeper.pause(identity)
            stage.clock.at(stage.clock.now + 10 * HOUR, look)

    def look() -> None:
        record = stage.records.get(identity)
        assert [each.done for each in record.rounds] == [True]
        assert stage.out_of_service() == {}
        stage.keeper.proceed(identity)

    stage.hooks.work = work
    done = stage.live(identity)
    assert done.state is MaintenanceState.DONE
    first, second = stage.times("draining")[:2]
    assert second - first >= 10 * HOUR


def test_all_hosts_in_the_rounds_that_were_foretold(stage: Stage) -> None:
    before = dict(stage.cloud.servers)
    identity = stage.make(*(f"h{at}" for at in range(6)), rolling=True, duration_s=600.0, action="hook", hook="work")
    done = stage.live(identity)
    moved = [each.request for each in stage.rearrangements.records.values()]
    assert done.outlook is not None
    # half full: three hosts at once, twice
    assert [each.hosts for each in done.rounds] == [each.hosts for each in done.outlook.rounds]
    assert len(done.rounds) == done.outlook.fewest_rounds == 2
    assert [len(each.options.get("avoid_hosts", ())) for each in moved] == [3, 0]
    # of the first three hosts six instances move twice: there is no other way
    assert (done.outlook.migrations, done.outlook.fewest_migrations) == (18, 18)
    assert done.outlook.seconds >= done.outlook.least_seconds >= 1200
    assert before.keys() == stage.cloud.servers.keys()


def test_what_follows_waits_until_placement_knows_that_a_host_is_enabled(stage: Stage) -> None:
    enabled_at: dict[str, float] = {}
    read, enable = stage.cloud.read, stage.cloud.enable_host

    def enable_host(name: str) -> None:
        enable(name)
        enabled_at[name] = stage.clock.now

    def lagging() -> Snapshot:
        snapshot = read()
        late = {name for name, at in enabled_at.items() if stage.clock.now < at + 90}
        hosts = tuple(
            msgspec.structs.replace(each, status="disabled") if each.name in late else each for each in snapshot.hosts
        )
        return msgspec.structs.replace(snapshot, hosts=hosts)

    stage.cloud.enable_host, stage.cloud.read = enable_host, lagging  # type: ignore[method-assign]
    stage.around.rounds._read = lagging  # type: ignore[attr-defined]
    done = stage.live(stage.make(*(f"h{at}" for at in range(6)), rolling=True, action="hook", hook="work"))
    assert done.state is MaintenanceState.DONE
    assert len(done.rounds) == 2


def test_a_cancel_in_the_middle_of_a_round_puts_service_states_back(stage: Stage) -> None:
    identity = stage.make(*(f"h{at}" for at in range(6)), rolling=True)
    stage.clock.at(3 * HOUR, lambda: stage.keeper.cancel(identity))
    done = stage.live(identity)
    assert done.state is MaintenanceState.CANCELLED
    assert (done.disabled, stage.out_of_service()) == ((), {})
    assert len(done.rounds) == 1


def test_work_that_takes_longer_than_expected_is_told_once_a_round(stage: Stage) -> None:
    identity = stage.make("h0", "h1", "h2", "h3", rolling=True, max_hosts=2, duration_s=600.0)
    for hours in (2, 4):
        stage.clock.at(hours * HOUR, lambda: stage.keeper.complete(identity))
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.kinds().count("overdue") == 2


def test_reboot_is_the_hook_of_that_name_unless_another_is_named(stage: Stage) -> None:
    stage.live(stage.make("h0", action="reboot"))
    stage.live(stage.make("h0", action="reboot", hook="work"))
    assert [name for name, _ in stage.hooks.begun] == ["reboot", "work"]


def test_hosts_are_powered_off_until_the_work_is_done_and_on_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.keeper, "_start", lambda identity: None)
    stage.cloud.hosts["h0"].declared = Declaration(power_off_allowed="yes")

    def power(hosts: Sequence[str]) -> None:
        name = stage.hooks.begun[-1][0]
        assert stage.guests("h0") == []
        assert list(stage.out_of_service()) == ["h0"]
        stage.cloud.hosts["h0"].up = name == "power-on"

    stage.hooks.work = power
    identity = stage.keeper.create(MaintenanceRequest(("h0",), action="power-off")).id

    def stopped_and_started() -> None:
        # what waits for people is not lost when the engine ends
        assert stage.records.get(identity).hook_done
        assert not stage.cloud.hosts["h0"].up
        stage.keeper.complete(identity)

    stage.clock.at(2 * HOUR, stopped_and_started)
    done = stage.live(identity)
    assert (done.state, done.hook_lost) == (MaintenanceState.DONE, False)
    assert [name for name, _ in stage.hooks.begun] == ["power-off", "power-on"]
    assert stage.out_of_service() == {}
    assert "powered_off" in stage.kinds()


def test_a_cancel_powers_on_what_was_powered_off(stage: Stage) -> None:
    stage.cloud.hosts["h0"].declared = Declaration(power_off_allowed="yes")
    identity = stage.make("h0", action="power-off")
    stage.clock.at(2 * HOUR, lambda: stage.keeper.cancel(identity))
    assert stage.live(identity).state is MaintenanceState.CANCELLED
    assert [name for name, _ in stage.hooks.begun] == ["power-off", "power-on"]
    assert stage.out_of_service() == {}


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"action": "power-off"}, "action: h0 may not be powered off: no .* says power_off_allowed = yes"),
        ({"action": "power-off", "leftovers": "accept"}, "leftovers: only what is empty is powered off"),
        ({"action": "hook"}, "hook: expected the name of a hook"),
        ({"hook": "work"}, "hook: expected none with action = none"),
        ({"action": "hook", "hook": "wrok"}, "there is no hook 'wrok'; there are: power-off, power-on, reboot, work"),
        ({"recurrence": "61 * * * *"}, "recurrence: cron: found '61"),
        ({"recurrence": "0 2 30 2 *"}, "recurrence: cron: found '0 2 30 2"),
        ({"recurrence": "0 2 * * 6", "time_zone": "Berlin"}, "there is no 'Berlin'"),
        ({"recurrence": "0 2 * * 6", "dry_run": True}, "a dry run is not repeated"),
        ({"time_zone": "Europe/Berlin"}, "time_zone: it counts with recurrence only"),
        ({"start": "2020-01-01T00:00:00Z"}, "is in the past"),
        ({"start": "2999-01-01T00:00:00Z"}, "more than five years ahead"),
    ],
)
def test_what_makes_no_sense_is_refused(stage: Stage, wishes: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        stage.keeper.create(MaintenanceRequest(("h0",), **wishes))
    assert stage.records.list() == []


def test_one_that_is_repeated_schedules_the_next_one_when_it_has_ended(stage: Stage) -> None:
    # the modelled time begins on Friday, 2027-01-15 at 08:00 UTC
    wishes = {"recurrence": "0 2 * * *", "time_zone": "Europe/Berlin", "action": "hook", "hook": "work"}
    identity = stage.make("h0", after=17 * HOUR, **wishes)
    done = stage.live(identity)
    following = stage.records.get(str(done.successor))
    assert following.state is MaintenanceState.SCHEDULED
    assert following.request == done.request
    assert following.start - BEGINNING == 17 * HOUR + 24 * HOUR
    # it goes on after one that did not fit: that was looked into, and everything was put back
    stage.cloud.servers["stopped"] = Server("h0", {"MEMORY_MB": 5}, status="SHUTOFF")
    failed = stage.live(following.id)
    assert failed.state is MaintenanceState.FAILED
    third = stage.records.get(str(failed.successor))
    # but not after a cancel
    stage.keeper.cancel(third.id)
    assert stage.live(third.id).successor is None


def test_a_hook_that_was_running_in_a_crash_is_not_run_again(stage: Stage) -> None:
    identity = stage.make("h0", action="hook", hook="work")

    def crash(hosts: Sequence[str]) -> None:
        raise KeyboardInterrupt

    stage.hooks.work = crash
    with pytest.raises(KeyboardInterrupt):
        stage.live(identity)
    assert not stage.records.get(identity).hook_lost
    stage.clock.at(stage.clock.now + HOUR, lambda: stage.keeper.complete(identity))
    done = stage.live(identity)
    assert (done.state, done.hook_lost) == (MaintenanceState.DONE, True)
    assert len(stage.hooks.begun) == stage.kinds().count("hook_lost") == 1


def test_a_database_that_is_away_when_a_hook_ends_does_not_lose_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = stage.make("h0", action="hook", hook="work")
    maintaining = Maintaining(identity, stage.around)
    change = stage.records.change

    def away(*words: Any, **more: Any) -> Any:
        raise StoreError("the disk is full")

    stage.hooks.work = lambda hosts: monkeypatch.setattr(stage.records, "change", away)
    with pytest.raises(StoreError):
        maintaining.carry_on()
    monkeypatch.setattr(stage.records, "change", change)
    maintaining.carry_on()
    done = stage.records.get(identity)
    assert (done.state, done.hook_lost, len(stage.hooks.begun)) == (MaintenanceState.DONE, False, 1)


def test_nothing_follows_a_maintenance_that_left_hosts_to_be_looked_at(stage: Stage) -> None:
    def fail(hosts: Sequence[str]) -> None:
        raise HookFailed("firmware refused")

    stage.hooks.work = fail
    done = stage.live(stage.make("h0", recurrence="0 2 * * 6", action="hook", hook="work"))
    assert (done.kept, done.successor) == (("h0",), None)


def test_an_order_about_an_older_version_is_refused(stage: Stage) -> None:
    identity = stage.make("h0", after=HOUR)
    assert stage.keeper.pause(identity, 1).version == 2
    for order in (stage.keeper.cancel, stage.keeper.proceed, stage.keeper.complete, stage.keeper.delete):
        with pytest.raises(Conflict, match="is at version 2 now, not 1"):
            order(identity, 1)
    with pytest.raises(NotFound):
        stage.keeper.cancel("none", 1)
