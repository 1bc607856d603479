"""The service, in this process, on a simulated cloud that tells what happens by notifications."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import host, identity, instance, snapshot
from tests.programs import BIN, QUICK, ini, wait_until, write_clouds
from vmpath_service.rpc.transport import use_threads
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.notifier import Broker

TOPIC = "service-listening"


def test_the_service_listens_drains_and_ends(
    simulated_cloud: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_threads()
    from vmpath_service.cmd.all_in_one import AllInOne
    from vmpath_service.cmd.configuration import load

    monkeypatch.delenv("OS_CLOUD", raising=False)
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), *(instance(f"x{number}", "a") for number in range(3))),
        clock=ScaledClock(50),
        broker=Broker("fake://", TOPIC),
    )
    sections = {
        **{name: dict(options) for name, options in QUICK.items()},
        "DEFAULT": {"state_path": tmp_path / "state"},
        "api": {"bind_port": 0},
        "nova": {"cloud": "simulated", "clouds_files": write_clouds(tmp_path, cloud)},
        "notifications": {"transport_url": "fake://", "topic": TOPIC},
    }
    file = tmp_path / "vmpath.conf"
    file.write_text(ini(sections))
    service = AllInOne(load([str(file)]))
    try:
        port = service.start()
        changes = service._engine._around.happenings
        assert changes is not None
        done = subprocess.run(
            [str(BIN / "vmpath"), "drain", "a", "--wait"],
            env=os.environ | {"VMPATH_URL": f"http://127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        moved = {identity(f"x{number}") for number in range(3)}
        wait_until(lambda: moved <= (changes.since(0) or set()), "notifications of all that moved arrived")
    finally:
        service.stop()
    assert {server.host for server in cloud.world.servers.values()} == {"b"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("notifications")]
