"""What the service tells the world while it works: hooks, the message broker, and a broker that is not there."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import requests

from tests.functional.conftest import Factory
from tests.programs import free_port, service_on, wait_until
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(4, 16), clock=ScaledClock(50))


def test_hooks_are_told_while_the_broker_is_away(cloud: SimulatedCloud, tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = tmp_path / "tell"
    program.write_text(f"#!/bin/sh\ncat >> {told}\necho >> {told}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    sections = {
        "hook:tell": {"driver": "command", "command": program, "events": "migration.done, rearrangement.*"},
        "oslo_messaging_notifications": {
            "driver": "messagingv2",
            "transport_url": f"rabbit://vmpath:sekret@127.0.0.1:{free_port()}/",
        },
    }
    with service_on(tmp_path, cloud, **sections) as service:
        host = max(service.answer("host", "list"), key=lambda each: each["instances"])["name"]
        done = service.answer("drain", host, "--wait")
        assert done["state"] == "succeeded"

        def messages() -> list[dict[str, object]]:
            return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []

        wait_until(lambda: any(each["event"] == "rearrangement.succeeded" for each in messages()), "the end is told")
        found = messages()
        numbers = [each["sequence"] for each in found]
        assert numbers == sorted(numbers)
        moved = [each["subject"] for each in found if each["event"] == "migration.done"]
        assert {(each["instance"], each["source"], each["dest"]) for each in moved} == {
            (each["instance"], each["source"], each["dest"]) for each in done["migrations"]
        }
        assert {each["version"] for each in found} == {"1.1"}

        def figures() -> dict[str, float]:
            lines = requests.get(f"{service.url}/metrics", timeout=60).text.splitlines()
            pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            return {name: float(value) for name, value in pairs}

        # counted when the hook has ended, a moment after it has written
        hooks = 'vmpath_notifications_delivered_total{queue="hooks"}'
        wait_until(lambda: figures()[hooks] == len(found), "all that was told is counted")
        shown = figures()
        assert shown['vmpath_notifications_delivered_total{queue="broker"}'] == 0
        assert shown['vmpath_notifications_waiting{queue="broker"}'] >= len(found)
        assert shown['vmpath_notifications_dropped_total{queue="broker"}'] == 0
        assert service.stop() == 0
        assert "sekret" not in service.log.read_text()


def test_the_log_may_be_told(cloud: SimulatedCloud, tmp_path: Path) -> None:
    with service_on(tmp_path, cloud, oslo_messaging_notifications={"driver": "log"}) as service:
        service.command("freeze", "--reason", "storage is being moved")
        wait_until(
            lambda: any(
                "oslo.messaging.notification.engine.frozen" in line and '"next": "Nothing new starts' in line
                for line in service.log.read_text().splitlines()
            ),
            "the freeze is in the log",
        )
        assert service.stop() == 0
