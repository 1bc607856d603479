"""Ports with devices, as a Neutron tells of them, in what vmpath reads and checks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.functional.conftest import Factory
from tests.functional.reading import reader
from tests.functional.small_cloud import host, identity, instance, snapshot
from tests.programs import free_port
from vmpath_service.cloud.examination import Examination
from vmpath_service.cloud.rights import Finding, Verdict
from vmpath_service.cloud.session import CloudSession
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudUnreachable
from vmpath_service.simulator.cloud import SimulatedCloud

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")

PORTS = [
    {"id": "1", "device_id": identity("x"), "network_id": "n1", "binding:vnic_type": "direct", "project_id": "p"},
    {"id": "2", "device_id": identity("x"), "network_id": "n2", "binding:vnic_type": "normal", "project_id": "p"},
    {"id": "3", "device_id": identity("y"), "network_id": "n2", "binding:vnic_type": "direct-physical"},
    {"id": "4", "device_id": "", "network_id": "n2", "binding:vnic_type": "direct"},
]
NETWORKS = [{"id": "n1", "provider:physical_network": "physnet1"}, {"id": "n2", "provider:physical_network": None}]

ORDINARY = [
    {"id": "5", "device_id": identity("z"), "network_id": "n3", "binding:vnic_type": "normal"},
    {"id": "6", "device_id": identity("y"), "network_id": "n4", "binding:vnic_type": "normal"},
]
SEGMENTS = [{"id": "n3", "provider:physical_network": "rack1"}, {"id": "n4", "provider:physical_network": "all"}]
# as the agents of Open vSwitch, of OVN and of DHCP describe themselves
AGENTS = [
    {"id": "1", "host": "a", "configurations": {"bridge_mappings": {"all": "br-ex", "rack1": "br-rack"}}},
    {"id": "2", "host": "b", "configurations": {"bridge-mappings": "all:br-ex"}},
    {"id": "3", "host": "network-node", "configurations": {"dhcp_driver": "dnsmasq"}},
]


class Neutron(BaseHTTPRequestHandler):
    """Lists ports two by two, and as Neutron may do takes no notice of the kind asked for."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        body: dict[str, Any]
        if url.path == "/v2.0/agents":
            body = {"agents": AGENTS}
        elif url.path == "/v2.0/networks":
            listed = [*NETWORKS, *SEGMENTS]
            body = {"networks": [each for each in listed if each["id"] in query.get("id", [each["id"]])]}
        elif "network_id" in query:
            body = {"ports": [each for each in ORDINARY if each["network_id"] in query["network_id"]]}
        else:
            assert url.path == "/v2.0/ports"
            after = [each for each in PORTS if str(each["id"]) > query.get("marker", [""])[0]]
            body = {"ports": after[:2]}
            if len(after) > 2:
                body["ports_links"] = [{"rel": "next", "href": f"http://n/v2.0/ports?marker={after[1]['id']}"}]
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def neutron(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Neutron)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    put_into_catalogue(monkeypatch, server.server_port)
    yield
    server.shutdown()
    server.server_close()
    thread.join()


def put_into_catalogue(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """The simulated catalogue has no Neutron."""
    found = CloudSession.adapter

    def adapter(self: CloudSession, service: str) -> Any:
        made = found(self, service)
        if service == "network":
            made.endpoint_override = f"http://127.0.0.1:{port}"
        return made

    monkeypatch.setattr(CloudSession, "adapter", adapter)


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(snapshot(host("a"), host("b"), *(instance(name, "a") for name in "xyz")))


def finding(cloud: SimulatedCloud, name: str, **settings: Any) -> Finding:
    entry = cloud.clouds()["simulated"]
    auth = entry["auth"]
    assert isinstance(auth, dict)
    found = Examination(CloudSettings(auth=auth, region=str(entry["region_name"]), **settings)).findings()
    return next(each for each in found if each.name == name)


@pytest.mark.usefixtures("neutron")
def test_ports_with_devices_are_told(cloud: SimulatedCloud) -> None:
    found = {each.name: each for each in reader(cloud, read_ports=True, page=2).read().instances}
    assert found["x"].movable == "live"
    assert found["x"].extra["scheduler_decides"] == ["a port with a device (direct) on physical network physnet1"]
    assert found["y"].why_not == "it has a port with a device (direct-physical), which stays on its host"
    assert found["z"].movable == "live"
    assert found["z"].extra["scheduler_decides"] == ["a port on physical network rack1, which 1 hosts lack"]
    assert finding(cloud, "see the ports of all projects", read_ports=True).verdict is Verdict.OK


def test_a_neutron_that_is_to_be_asked_and_does_not_answer(
    cloud: SimulatedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_into_catalogue(monkeypatch, free_port())
    with pytest.raises(CloudUnreachable, match="Neutron"):
        reader(cloud, read_ports=True, attempts=1).read()
    assert finding(cloud, "ports with devices", read_ports=True, attempts=1).verdict is Verdict.MISSING


def test_nobody_is_asked_unless_it_is_wished(cloud: SimulatedCloud) -> None:
    assert {each.movable for each in reader(cloud).read().instances} == {"live"}
    unasked = finding(cloud, "ports with devices")
    assert (unasked.verdict, "unknown" in unasked.details) == (Verdict.OK, True)
