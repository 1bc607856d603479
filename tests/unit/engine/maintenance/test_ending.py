"""How maintenances end, and what follows in a series."""

from __future__ import annotations

from collections.abc import Sequence

from tests.modelled.clock import BEGINNING
from tests.modelled.cloud import Server
from tests.modelled.maintaining import HOUR, Stage
from vmpath_service.model.errors import HookFailed
from vmpath_service.model.maintenances import MaintenanceState


def test_a_cancel_in_the_middle_of_a_round_puts_service_states_back(stage: Stage) -> None:
    identity = stage.make(*(f"h{at}" for at in range(6)), rolling=True)
    stage.clock.at(3 * HOUR, lambda: stage.keeper.cancel(identity))
    done = stage.live(identity)
    assert done.state is MaintenanceState.CANCELLED
    assert (done.disabled, stage.out_of_service()) == ((), {})
    assert len(done.rounds) == 1


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


def test_nothing_follows_a_maintenance_that_left_hosts_to_be_looked_at(stage: Stage) -> None:
    def fail(hosts: Sequence[str]) -> None:
        raise HookFailed("firmware refused")

    stage.hooks.work = fail
    done = stage.live(stage.make("h0", recurrence="0 2 * * 6", action="hook", hook="work"))
    assert (done.kept, done.successor) == (("h0",), None)
