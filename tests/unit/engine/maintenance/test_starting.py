"""What comes before hosts are emptied: when it is looked at, when it begins, and in which rounds."""

from __future__ import annotations

import msgspec
import pytest

from tests.modelled.maintaining import HOUR, Stage
from vmpath_service.model.maintenances import MaintenanceState, Round


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
