"""Faults at the HTTP border, and the program that serves a simulated cloud."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess

import keystoneauth1.exceptions
import openstack
import pytest
import requests

from tests.functional.conftest import Factory, connect
from tests.functional.small_cloud import Operator, host, identity, instance, snapshot
from tests.programs import BIN
from vmpath_service.cmd import simulator as program
from vmpath_service.model import files
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.faults import HttpFault, parse_fault

PROGRAM = BIN / "vmpath-simulator"
TWO = snapshot(host("h1"), host("h2"), instance("a", "h1"))


def start(simulated_cloud: Factory) -> Operator:
    cloud = simulated_cloud(TWO, clock=SteppedClock())
    return Operator(cloud, connect(cloud))


def test_an_answer_may_be_lost_after_the_deed(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud)
    cloud.cloud.add_fault(HttpFault("drop-after", "POST", "/action$"))
    with pytest.raises(keystoneauth1.exceptions.ConnectFailure):
        cloud.migrate("a", "h2")
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h2")


def test_a_request_may_be_lost_before_the_deed(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud)
    cloud.cloud.add_fault(HttpFault("drop-before", "POST", "/action$"))
    with pytest.raises(keystoneauth1.exceptions.ConnectFailure):
        cloud.migrate("a", "h2")
    cloud.step(10)
    assert cloud.where("a") == ("ACTIVE", "h1")
    assert cloud.migrate("a", "h2").status_code == 202


def test_errors_are_answered_so_many_times(simulated_cloud: Factory) -> None:
    cloud = start(simulated_cloud)
    cloud.cloud.add_fault(HttpFault("429", "*", "/servers/", count=2, retry_after_s=1))
    path = f"/servers/{identity('a')}"
    # keystoneauth would wait and try again for 503 and 429 if it were told to.
    answers = [cloud.compute.get(path) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[0].json()["overLimit"]["code"] == 429
    cloud.cloud.add_fault(HttpFault("503", "GET", "^/placement"))
    assert cloud.placement.get("/resource_providers").status_code == 503
    assert cloud.placement.get("/resource_providers").status_code == 200


def test_it_is_disturbed_from_another_process(simulated_cloud: Factory) -> None:
    cloud = simulated_cloud(
        snapshot(host("h1", cell="c"), host("h2", cell="c"), instance("a", "h1")),
        clock=SteppedClock(),
    )
    base, compute = f"{cloud.site.base_url}/simulator", connect(cloud).compute
    wrong = requests.post(f"{base}/faults", json={"fault": "418:GET:/"}, timeout=60)
    assert wrong.status_code == 400
    given = {"fault": "503:GET:/os-services"}
    assert requests.post(f"{base}/faults", json=given, timeout=60).status_code == 204
    assert compute.get("/os-services").status_code == 503

    def put(path: str, **body: bool) -> int:
        return requests.put(f"{base}/{path}", json=body, timeout=60).status_code

    assert put("computes/h9", alive=False) == put("cells/x", answers=False) == 404
    assert put("computes/h2") == 400
    assert put("computes/h2", alive=False) == put("cells/c", answers=False) == 204
    assert not cloud.world.hosts["h2"].alive
    assert [s.status for s in compute.services(binary="nova-compute")] == ["UNKNOWN"] * 2
    assert put("computes/h2", alive=True) == put("cells/c", answers=True) == 204
    assert cloud.world.hosts["h2"].alive
    compute.get("/os-keypairs")
    shown = requests.get(base, timeout=60).json()
    assert shown["unknown"] == {"GET /compute/v2.1/os-keypairs": 1}
    assert shown["served"]["GET"] >= 3
    assert shown["now"] == cloud.world.now


def test_faults_are_written_as_text() -> None:
    assert parse_fault("503:get:/servers") == HttpFault("503", "GET", "/servers")
    assert parse_fault("drop-after:*:/a:b$:3") == HttpFault("drop-after", "*", "/a:b$", 3)
    for wrong in ("503", "418:GET:/x", "503:GET:(", "503:GET:/x:0"):
        with pytest.raises(ValueError, match=r"503|418"):
            parse_fault(wrong)


def test_the_program_makes_a_sample_and_serves_it(tmp_path: pathlib.Path) -> None:
    sample, clouds = tmp_path / "sample.json.gz", tmp_path / "clouds.yaml"
    faults = tmp_path / "faults"
    faults.write_text("# the first answer about services is lost\n503:GET:/os-services$\n")
    made = [PROGRAM, "sample", "--hosts", "5", "--instances", "20", "-o", str(sample)]
    subprocess.run(made, check=True, timeout=60)
    assert len(files.load_snapshot(str(sample)).instances) == 20
    serve = [PROGRAM, "serve", "--snapshot", str(sample), "--clouds-yaml", str(clouds)]
    serve += ["--faults", str(faults), "--clock-factor", "100", "-f", "json"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            ready = json.loads(run.stdout.readline())
            assert ready["pid"] == run.pid
            assert ready["clouds"] == ["simulated", "simulated-demo"]
            config = openstack.config.OpenStackConfig(config_files=[str(clouds)], vendor_files=[])
            connection = openstack.connection.Connection(config=config.get_one("simulated"))
            assert connection.config.get_auth_args()["auth_url"] == ready["auth_url"]
            assert connection.compute.get("/os-services").status_code == 503
            assert len(list(connection.compute.hypervisors())) == 5
            assert connection.compute.get("/os-keypairs").status_code == 404
            connection.close()
        finally:
            run.send_signal(signal.SIGTERM)
            _, said = run.communicate(timeout=30)
    assert run.returncode == 0
    assert "asked for 1 times: GET /compute/v2.1/os-keypairs" in said
    assert "Traceback" not in said


def test_bad_input_is_one_sentence(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"format": "vmpath-snapshot/1", "hosts": [], "instances": [], "x": 1}')
    odd = tmp_path / "faults"
    odd.write_text("503:GET:/x\nnonsense\n")
    for arguments in (
        ["serve", "--snapshot", str(tmp_path / "none.json")],
        ["serve", "--snapshot", str(broken)],
        ["serve", "--snapshot", str(broken), "--fault", "418:GET:/"],
        ["serve", "--snapshot", str(broken), "--faults", str(odd)],
        ["sample", "--hosts", "1", "--instances", "900", "--fill", "0.99", "-o", "/dev/null"],
    ):
        assert program.main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("vmpath-simulator: ")
        assert said.count("\n") == 1
