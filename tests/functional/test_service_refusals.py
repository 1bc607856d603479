"""What is wrong from the start: one sentence each, the right exit status, nothing started."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import Service, free_port, ini, service_on, write_clouds
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


@pytest.fixture(scope="module")
def cloud() -> Iterator[SimulatedCloud]:
    with SimulatedCloud(make_sample(4, 12), clock=ScaledClock(50)) as running:
        yield running


def refused(service: Service, *words: str, status: int = 1) -> str:
    """The one line of a service that does not start."""
    done = service.attempt(*words)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("vmpath-service: ")]
    assert len(said) == 1, done.stderr
    assert "ready" not in done.stdout
    return said[0].removeprefix("vmpath-service: ")


def test_check_says_what_can_be_done(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = service_on(tmp_path, cloud)
    done = service.attempt("--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == [
        "hosts: 4, 4 of them up and enabled",
        "instances: 12, 12 of them can be live-migrated",
    ]
    assert not (tmp_path / "state").exists()


def test_a_keystone_that_is_not_there(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = service_on(tmp_path, cloud, nova={"attempts": 1})
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(clouds.read_text().replace(cloud.auth_url, f"http://127.0.0.1:{free_port()}/v3"))
    said = refused(service, "--check")
    assert "127.0.0.1" in said
    assert "refused" in said


@pytest.mark.parametrize("words", [(), ("--check",)])
def test_a_wrong_password(cloud: SimulatedCloud, tmp_path: Path, words: tuple[str, ...]) -> None:
    service = service_on(tmp_path, cloud)
    clouds = tmp_path / "clouds.yaml"
    secret = '"password": "simulated"'
    assert secret in clouds.read_text()
    clouds.write_text(clouds.read_text().replace(secret, '"password": "guessed"'))
    said = refused(service, *words)
    assert "guessed" not in said
    assert "credentials" in said or "password" in said


def test_a_user_without_rights(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = service_on(tmp_path, cloud, nova={"cloud": "simulated-demo"})
    assert "does not allow user 'demo'" in refused(service)


def test_a_cloud_that_clouds_yaml_does_not_have(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = service_on(tmp_path, cloud, nova={"cloud": "elsewhere"})
    assert "elsewhere" in refused(service, status=2)


def test_a_port_in_use(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = service_on(tmp_path, cloud)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", service.port))
        taken.listen()
        said = refused(service)
    assert said == f"cannot listen on 127.0.0.1 port {service.port}: Address already in use"


@pytest.mark.parametrize(
    ("section", "options", "part"),
    [
        ("api", {"bind_host": "0.0.0.0"}, "only a loopback address"),
        ("api", {"bind_port": "many"}, "[api] bind_port: found 'many'"),
        ("api", {"colour": "red"}, "[api] colour: there is no such option"),
        ("policy:nightly", {"driver": "consolidte"}, "did you mean 'consolidate'?"),
    ],
)
def test_a_wrong_configuration(
    cloud: SimulatedCloud, tmp_path: Path, section: str, options: dict[str, object], part: str
) -> None:
    service = service_on(tmp_path, cloud, **{section: options})
    said = refused(service, status=2)
    assert said.startswith(str(service.configuration))
    assert part in said


def test_files_that_are_not_there(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = service_on(tmp_path, cloud)
    assert "missing.conf: cannot be read" in refused(
        service, "--config-file", str(tmp_path / "missing.conf"), status=2
    )
    assert "--colour" in refused(service, "--colour", status=2)


def test_a_state_path_that_cannot_be_made(cloud: SimulatedCloud, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    service = service_on(tmp_path, cloud, DEFAULT={"state_path": tmp_path / "file" / "state"})
    assert f"{tmp_path}/file/state: cannot be made" in refused(service)


def test_two_services_on_one_state(cloud: SimulatedCloud, tmp_path: Path) -> None:
    with service_on(tmp_path, cloud) as first:
        second = tmp_path / "second.conf"
        second.write_text(first.configuration.read_text().replace(str(first.port), str(free_port())))
        assert first.process is not None
        said = refused(first, "--config-file", str(second))
        assert said == f"another vmpath-service (process {first.process.pid}) works in {tmp_path}/state already"


def test_commands_that_ask_for_what_is_not_there(cloud: SimulatedCloud, tmp_path: Path) -> None:
    with service_on(tmp_path, cloud) as service:
        for words, status, part in [
            (("drain", "compute-01"), 2, "there is no host 'compute-01'; did you mean 'compute-001'?"),
            (("rearrangement", "create", "consolidte"), 2, "did you mean 'consolidate'?"),
            (("rearrangement", "create", "consolidate", "--set", "max_migrations=0"), 2, "expected a whole number"),
            (("rearrangement", "create", "consolidate", "--zone", "mars", "--wait"), 1, "mars"),
            (("rearrangement", "watch", "none"), 2, "there is no rearrangement none"),
            (("instance", "show", "none"), 2, "there is no instance 'none'"),
        ]:
            done = service.command(*words)
            assert done.returncode == status, (words, done.stderr)
            assert part in done.stderr
            assert "Traceback" not in done.stderr
        assert not cloud.world.migrations


def test_a_snapshot_of_the_live_cloud(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = Service(tmp_path, write_clouds(tmp_path, cloud), "simulated")
    path = tmp_path / "cloud.json.gz"
    done = service.command("snapshot", "save", "--os-cloud", "simulated", "-o", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"4 hosts and 12 instances saved in {path}\n"
    by_file = service.command("snapshot", "save", "--config-file", str(service.configuration), "-o", str(path))
    assert by_file.returncode == 0
    applied = service.command("policy", "apply", "consolidate", "--snapshot", str(path), "-f", "json")
    assert applied.returncode == 0, applied.stderr


def test_a_policy_of_the_configuration_is_applied_offline(cloud: SimulatedCloud, tmp_path: Path) -> None:
    service = Service(tmp_path, write_clouds(tmp_path, cloud), "simulated")
    path = tmp_path / "cloud.json"
    assert service.command("snapshot", "save", "--os-cloud", "simulated", "-o", str(path)).returncode == 0
    policies = tmp_path / "nightly.conf"
    policies.write_text(ini({"policy:nightly": {"driver": "balance", "max_migrations": 1}}))
    apply = ("policy", "apply", "nightly", "--snapshot", str(path))
    # one migration levels the hosts in part only
    assert len(service.answer(*apply, "--config-file", str(policies))["placement"]) == 1
    assert service.command(*apply).returncode == 2
