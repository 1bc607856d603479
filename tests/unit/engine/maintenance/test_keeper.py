"""Orders for maintenances: which are refused, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.modelled.maintaining import HOUR, Stage
from vmpath_service.model.errors import Conflict, InvalidInput, NotFound
from vmpath_service.model.maintenances import MaintenanceRequest
from vmpath_service.model.times import iso


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


def test_an_order_about_an_older_version_is_refused(stage: Stage) -> None:
    identity = stage.make("h0", after=HOUR)
    assert stage.keeper.pause(identity, 1).version == 2
    for order in (stage.keeper.cancel, stage.keeper.proceed, stage.keeper.complete, stage.keeper.delete):
        with pytest.raises(Conflict, match="is at version 2 now, not 1"):
            order(identity, 1)
    with pytest.raises(NotFound):
        stage.keeper.cancel("none", 1)
