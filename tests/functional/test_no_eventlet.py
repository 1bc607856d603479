"""vmpath works where eventlet cannot even be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests

from tests.functional.conftest import Factory
from tests.programs import service_on

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
    try:
        service.start([sys.executable, "-c", WITHOUT_EVENTLET])
        health = requests.get(f"{service.url}/healthcheck", timeout=60)
        assert health.json() == {"status": "ok", "parts": {"database": "ok"}}
        planned = service.answer("rearrangement", "create", "consolidate", "--dry-run", "--wait")
        assert planned["state"] == "planned"
        assert service.stop() == 0
    finally:
        service.end()
