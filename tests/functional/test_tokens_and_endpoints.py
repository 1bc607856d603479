"""Which endpoint is asked, and with how fresh a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import Factory
from tests.functional.small_cloud import host, identity, instance, snapshot
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.session import CloudSession
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import CloudUnreachable, InvalidInput
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


def cloud_with(simulated_cloud: Factory, lifetime: float) -> SimulatedCloud:
    parts = [host("a"), host("b"), instance("x", "a"), instance("y", "a")]
    return simulated_cloud(
        snapshot(*parts),
        clock=SteppedClock(),
        settings=Settings(token_lifetime_s=lifetime, concurrent_live_migrations=2),
    )


def settings_of(cloud: SimulatedCloud, **more: Any) -> CloudSettings:
    entry = cloud.clouds()["simulated"]
    auth = entry["auth"]
    assert isinstance(auth, dict)
    return CloudSettings(auth=auth, region=str(entry["region_name"]), **more)


def issued(cloud: SimulatedCloud) -> int:
    """How many tokens there are; none has run out in these tests."""
    return len(cloud.site.identity._tokens)


def test_a_migration_is_asked_for_with_a_token_that_lives_long_enough(simulated_cloud: Factory) -> None:
    cloud = cloud_with(simulated_cloud, lifetime=500)
    vmpath = NovaCloud(settings_of(cloud, token_margin_s=600))
    vmpath.read()
    assert issued(cloud) == 1
    vmpath.live_migrate(identity("x"), "b")
    assert issued(cloud) == 2
    # a fresh token that lives shorter than the margin is as good as one can get
    vmpath.live_migrate(identity("y"), "b")
    assert issued(cloud) == 2
    assert [cloud.world.servers[identity(name)].task_state for name in "xy"] == ["migrating", "migrating"]


@pytest.mark.parametrize("margin", [0, 400])
def test_a_token_that_lives_long_enough_is_kept(simulated_cloud: Factory, margin: float) -> None:
    cloud = cloud_with(simulated_cloud, lifetime=500)
    vmpath = NovaCloud(settings_of(cloud, token_margin_s=margin))
    vmpath.live_migrate(identity("x"), "b")
    assert issued(cloud) == 1


def test_without_a_new_token_nothing_is_asked_for(simulated_cloud: Factory) -> None:
    cloud = cloud_with(simulated_cloud, lifetime=500)
    vmpath = NovaCloud(settings_of(cloud, token_margin_s=600))
    vmpath.read()
    real, cloud.site.identity.authenticate = cloud.site.identity.authenticate, lambda *_: None  # type: ignore
    with pytest.raises(Exception, match="refused user 'admin'"):
        vmpath.live_migrate(identity("x"), "b")
    assert cloud.world.servers[identity("x")].task_state is None
    cloud.site.identity.authenticate = real  # type: ignore[method-assign]
    vmpath.live_migrate(identity("x"), "b")
    assert cloud.world.servers[identity("x")].task_state == "migrating"


def test_a_token_revoked_during_long_work_is_replaced(simulated_cloud: Factory) -> None:
    cloud = cloud_with(simulated_cloud, lifetime=3600)
    vmpath = NovaCloud(settings_of(cloud))
    vmpath.read()
    cloud.site.identity.revoke_all()
    vmpath.live_migrate(identity("x"), "b")
    cloud.site.identity.revoke_all()
    assert vmpath.read_hosts(["a"])["a"].enabled


class _Keystone(BaseHTTPRequestHandler):
    """Gives everybody a token with a catalogue of two regions, three interfaces each."""

    def do_POST(self) -> None:
        catalog = [
            {
                "type": kind,
                "id": kind,
                "name": kind,
                "endpoints": [
                    {
                        "id": f"{region}-{interface}",
                        "interface": interface,
                        "region": region,
                        "region_id": region,
                        "url": f"http://{kind}.{region}.{interface}.test",
                    }
                    for region in ("north", "south")
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind in ("compute", "placement")
        ]
        times = {"issued_at": "2026-01-01T00:00:00.000000Z", "expires_at": "2096-01-01T00:00:00.000000Z"}
        body = json.dumps({"token": {"methods": ["password"], "catalog": catalog, **times}}).encode()
        self.send_response(201)
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def keystone() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keystone)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v3"
    server.shutdown()
    server.server_close()
    thread.join()


def session_at(keystone: str, **more: Any) -> CloudSession:
    auth = {
        "auth_url": keystone,
        "username": "u",
        "password": "secret",
        "project_name": "p",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    return CloudSession(CloudSettings(auth=auth, auth_type="v3password", **more))


@pytest.mark.parametrize("region", ["north", "south"])
@pytest.mark.parametrize("interface", ["public", "internal", "admin"])
@pytest.mark.parametrize("service", ["compute", "placement"])
def test_region_and_interface_choose_the_endpoint(keystone: str, region: str, interface: str, service: str) -> None:
    session = session_at(keystone, region=region, interface=interface)
    found = session.adapter(service).get_endpoint()
    assert found == f"http://{service}.{region}.{interface}.test"


def test_a_region_that_the_catalogue_does_not_have(simulated_cloud: Factory) -> None:
    cloud = cloud_with(simulated_cloud, lifetime=3600)
    auth = settings_of(cloud).auth
    with pytest.raises(CloudUnreachable, match="catalogue"):
        NovaCloud(CloudSettings(auth=auth, region="Nowhere")).read()


def test_certificates(keystone: str, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("certificates")
    assert session_at(keystone, cacert=str(authority)).session().verify == str(authority)
    assert session_at(keystone).session().verify is True
    assert session_at(keystone, insecure=True).session().verify is False
    with pytest.raises(InvalidInput, match="no file of CA certificates"):
        session_at(keystone, cacert=str(tmp_path / "missing.pem")).session()
