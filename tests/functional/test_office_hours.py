"""After office hours pack and keep the freed hosts disabled; before they begin enable them and spread: a week of the
specification's own example, in a clock that leaps from one event to the next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import host, instance, snapshot
from tests.functional.test_service import servers_by_host
from tests.programs import ini, wait_until, write_clouds
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cmd.configuration import load
from vmpath_service.engine.clock import SystemClock
from vmpath_service.engine.maintenance.orders import EngineRearrangements
from vmpath_service.engine.schedules import ScheduleKeeper, Surroundings
from vmpath_service.engine.service import Engine
from vmpath_service.model.records import ENDED, Rearrangement
from vmpath_service.model.schedules import Schedule
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.store import Database, SqlStore
from vmpath_service.store.documents import Documents

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

BERLIN = ZoneInfo("Europe/Berlin")
RUN = {"time_zone": "Europe/Berlin", "approve": "yes", "missed": "once"}
OFFICE = {
    "policy:pack": {"driver": "consolidate", "disable_freed": "yes", "headroom": "MEMORY_MB:10%"},
    "policy:spread": {"driver": "balance", "wake": "pack", "aggressiveness": 5},
    "schedule:pack": {"policy": "pack", "cron": "0 22 * * 1-5", **RUN},
    "schedule:spread": {"policy": "spread", "cron": "0 7 * * 1-5", **RUN},
}


class LeapingClock(SystemClock):
    """Goes as the machine's does, from wherever it was set to."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    def leap(self, text: str) -> None:
        """To this moment in Berlin."""
        moment = datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()
        assert moment > self.time() or not self._ahead
        self._ahead = moment - super().time()


class Office:
    """An engine and its schedules on a simulated cloud."""

    def __init__(self, cloud: SimulatedCloud, directory: Path) -> None:
        file = directory / "vmpath.conf"
        quick = {"poll_seconds": 0.1, "settle_seconds": 0.1, "request_settle_seconds": 2}
        file.write_text(ini({"nova": {"cloud": "simulated"}, "executor": quick, **OFFICE}))
        configuration = load([str(file)])
        self.cloud = cloud
        self.clock = LeapingClock()
        self.database = Database(f"sqlite:///{directory}/office.sqlite")
        self.database.upgrade()
        store = SqlStore(self.database, self.clock)
        self.engine = Engine(NovaCloud(configuration.cloud), store, self.clock, configuration.engine)
        self.records: Documents[Schedule] = Documents(self.database, Schedule, "schedule", lambda _: "kept")
        self.rearrangements = EngineRearrangements(self.engine, store)
        self.keeper = ScheduleKeeper(
            Surroundings(
                records=self.records,
                rearrangements=self.rearrangements,
                clock=self.clock,
                stopping=self.engine.stopping,
                tell=self.engine.tell,
                check=self.engine.check,
            )
        )
        self.clock.leap("2026-11-20T12:00:00")  # a Friday
        self.keeper.use(configuration.schedules)

    def at(self, text: str, name: str) -> Rearrangement:
        """What the schedule ``name`` began, and how it ended, once it is so late."""
        before = self.records.get(name).last
        self.clock.leap(text)
        self.keeper.run_due()
        begun = self.records.get(name).last
        assert begun not in (None, before), f"{name} has not run"

        def ended() -> Rearrangement | None:
            record = self.rearrangements.show(str(begun))
            return record if record.state in ENDED else None

        record: Rearrangement = wait_until(ended, f"{name} has ended", 300)
        self.keeper.run_due()
        return record

    def end(self) -> None:
        assert self.engine.stop()
        self.database.close()


@pytest.fixture
def office(simulated_cloud: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    hosts = [host(name, 16384) for name in "abcd"]
    servers = [instance(f"{name}{number}", name) for name in "abcd" for number in range(2)]
    cloud = simulated_cloud(snapshot(*hosts, *servers), clock=ScaledClock(50))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(write_clouds(tmp_path, cloud)))
    office = Office(cloud, tmp_path)
    yield office
    office.end()


def closed(cloud: SimulatedCloud) -> set[str]:
    return {name for name, each in cloud.world.hosts.items() if each.disabled}


def test_packed_over_night_and_spread_by_day(office: Office) -> None:
    cloud = office.cloud
    packed = office.at("2026-11-20T22:00:01", "pack")
    assert packed.state.value == "succeeded", packed.explanation
    empty = {name for name, servers in servers_by_host(cloud).items() if not servers}
    assert len(empty) >= 2
    assert closed(cloud) == empty
    assert office.records.get("pack").outcome == "succeeded"

    # one is drained for work meanwhile: not for the schedule to wake
    drained = sorted(empty)[0]
    cloud.world.hosts[drained].disabled_reason = "vmpath: rearrangement 00000000-0000-4000-8000-000000000000"

    # nothing runs at the weekend
    office.clock.leap("2026-11-22T12:00:00")
    before = office.records.get("spread").last
    office.keeper.run_due()
    assert office.records.get("spread").last == before

    spread = office.at("2026-11-23T07:00:01", "spread")
    assert spread.state.value == "succeeded", spread.explanation
    assert closed(cloud) == {drained}
    held = {name: len(servers) for name, servers in servers_by_host(cloud).items() if name != drained}
    assert max(held.values()) - min(held.values()) <= 1

    # the evening after: what is packed again is disabled again
    again = office.at("2026-11-23T22:00:01", "pack")
    assert again.state.value == "succeeded", again.explanation
    assert closed(cloud) == {name for name, servers in servers_by_host(cloud).items() if not servers}
