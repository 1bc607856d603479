"""Work on empty hosts: by hooks that fail, crash or power hosts off, and by people who take their time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.modelled.maintaining import HOUR, Stage
from vmpath_service.engine.maintenance.maintaining import Maintaining
from vmpath_service.model.declarations import Declaration
from vmpath_service.model.errors import HookFailed, StoreError
from vmpath_service.model.maintenances import MaintenanceRequest, MaintenanceState


def test_reboot_is_the_hook_of_that_name_unless_another_is_named(stage: Stage) -> None:
    stage.live(stage.make("h0", action="reboot"))
    stage.live(stage.make("h0", action="reboot", hook="work"))
    assert [name for name, _ in stage.hooks.begun] == ["reboot", "work"]


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


def test_work_that_takes_longer_than_expected_is_told_once_a_round(stage: Stage) -> None:
    identity = stage.make("h0", "h1", "h2", "h3", rolling=True, max_hosts=2, duration_s=600.0)
    for hours in (2, 4):
        stage.clock.at(hours * HOUR, lambda: stage.keeper.complete(identity))
    assert stage.live(identity).state is MaintenanceState.DONE
    assert stage.kinds().count("overdue") == 2


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
