"""Hosts come back, or do not, and the next round begins."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tests.modelled.maintaining import HOUR, Stage
from vmpath_service.model.maintenances import MaintenanceState
from vmpath_service.model.snapshot import Snapshot


def test_a_host_that_does_not_come_back_stays_out_of_service(stage: Stage) -> None:
    identity = stage.make("h0", "h1", action="hook", hook="work")
    stage.hooks.work = lambda hosts: setattr(stage.cloud.hosts["h1"], "up", False)
    done = stage.live(identity)
    assert done.state is MaintenanceState.FAILED
    assert "h1: not up after 1800 s" in str(done.explanation)
    assert set(stage.out_of_service()) == set(done.kept) == {"h0", "h1"}


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
