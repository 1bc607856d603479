"""Where ``vmpath`` looks for the service, and what it says where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import host, snapshot
from tests.programs import free_port
from vmpath_service.cli import connection
from vmpath_service.cmd.vmpath import main

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


@pytest.fixture(autouse=True)
def nowhere(simulated_cloud: Factory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Nothing listens on this machine, and the catalogue of the cloud has no such service."""
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(simulated_cloud(snapshot(host("a"))).clouds_yaml_text())
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr(connection, "DEFAULT_URL", url)
    return url


ABSENT = "the service catalogue has no service of type 'rearrangement': start vmpath-service, or name its address"


def test_with_a_cloud_that_is_named_only_its_catalogue_counts(capsys: Any) -> None:
    assert main(["--os-cloud", "simulated", "host", "list"]) == 1
    assert capsys.readouterr().err.startswith(f"vmpath: {ABSENT}")


def test_with_a_cloud_of_the_environment_this_machine_comes_first(
    nowhere: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("OS_CLOUD", "simulated")
    assert main(["host", "list"]) == 1
    assert capsys.readouterr().err.startswith(f"vmpath: nothing answers at {nowhere}, and {ABSENT}")


def test_with_no_cloud_only_this_machine_is_asked(nowhere: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for name in ("OS_CLOUD", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    assert main(["host", "list"]) == 1
    assert capsys.readouterr().err.startswith(f"vmpath: nothing answers at {nowhere}: start vmpath-service")
