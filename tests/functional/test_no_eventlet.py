"""vmpath works where eventlet cannot even be imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.functional.conftest import Factory
from tests.functional.running import service_on
from tests.programs import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

WITHOUT_EVENTLET = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "eventlet":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
try:
    import eventlet
except ModuleNotFoundError:
    pass
else:
    sys.exit("eventlet can be imported after all")
from vmpath_service.cmd.service import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_service_serves_without_eventlet(simulated_cloud: Factory, tmp_path: Path) -> None:
    service = service_on(tmp_path, simulated_cloud())
    log = tmp_path / "service.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", WITHOUT_EVENTLET, "--config-file", str(service.configuration)],
            env=service.environment,
            stdout=stream,
            stderr=stream,
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return requests.get(f"{service.url}/healthcheck", timeout=5).json() == {
                    "status": "ok",
                    "parts": {"database": "ok"},
                }
            except requests.ConnectionError:
                return False

        wait_until(answers, "the service answers")
        planned = service.answer("rearrangement", "create", "consolidate", "--dry-run", "--wait")
        assert planned["state"] == "planned"
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(30)
