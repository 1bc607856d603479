"""Who may read a cloud, how it is found, and what becomes of broken connections and old tokens."""

from __future__ import annotations

import contextlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functional.conftest import Factory
from tests.functional.reading import essence, reader
from tests.functional.small_cloud import group, host, identity, instance, snapshot
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.nova import Nova
from vmpath_service.cloud.settings import CloudSettings
from vmpath_service.model.errors import (
    CloudDenied,
    CloudUnreachable,
    InvalidInput,
    RequestRefused,
)
from vmpath_service.simulator.clock import SteppedClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

# openstacksdk says so of every cloud, whether or not it has InfluxDB
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")


def test_an_ordinary_user_is_told_what_is_missing(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts, "simulated-demo")
    with pytest.raises(CloudDenied, match=r"Nova at http.* does not allow user 'demo' .* GET /os-services"):
        vmpath.read()
    with pytest.raises((CloudDenied, RequestRefused)):
        vmpath.live_migrate(identity("x"), "b")


def test_a_partial_list_of_server_groups_is_not_believed(
    simulated_cloud: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = simulated_cloud(
        snapshot(host("a"), host("b"), instance("x", "a"), instance("y", "b"), group("g", "anti-affinity", "x", "y"))
    )
    vmpath = reader(cloud)
    assert len(vmpath.read().server_groups) == 1
    # a group that was deleted since is no sign of a partial list
    world = cloud.world
    with world.lock:
        for server in world.servers.values():
            server.hints = {"group": [identity("g")]}
        removed = world.groups.pop(identity("g"))
    assert vmpath.read().server_groups == ()
    with world.lock:
        world.groups[identity("g")] = removed
    monkeypatch.setattr(Nova, "groups", lambda self: ())
    with pytest.raises(CloudDenied, match="may not see the server groups of all projects"):
        reader(cloud).read()


def test_credentials_and_addresses_that_do_not_work_are_named(two_hosts: SimulatedCloud) -> None:
    entry = two_hosts.clouds()["simulated"]
    auth = entry["auth"]
    assert isinstance(auth, dict)

    def read(**changes: str) -> None:
        NovaCloud(CloudSettings(auth={**auth, **changes}, attempts=2, longest_wait_s=0.01)).read()

    with pytest.raises(CloudDenied, match=r"refused user 'admin' \(project 'admin'\)") as denied:
        read(password="hunter2-wrong")
    assert "hunter2" not in str(denied.value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(CloudUnreachable, match=rf"Keystone at http://127.0.0.1:{port}.* the connection was refused"):
        read(auth_url=f"http://127.0.0.1:{port}/v3")
    with pytest.raises(InvalidInput, match="no password"):
        NovaCloud(CloudSettings(auth={k: v for k, v in auth.items() if k != "password"})).read()
    with pytest.raises(CloudUnreachable, match="Mars"):
        NovaCloud(CloudSettings(auth=auth, region="Mars", attempts=2, longest_wait_s=0.01)).read()


def test_clouds_yaml_and_environment(
    two_hosts: SimulatedCloud, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(two_hosts.clouds_yaml_text())
    vmpath = NovaCloud(CloudSettings(cloud="simulated", config_files=(str(file),)))
    assert len(vmpath.read().hosts) == 2
    with pytest.raises(InvalidInput, match="no usable cloud 'elsewhere'"):
        NovaCloud(CloudSettings(cloud="elsewhere", config_files=(str(file),))).read()
    broken = tmp_path / "broken.yaml"
    broken.write_text("clouds:\n  a: {auth: {password: hunter2\n  b: [")
    with pytest.raises(InvalidInput, match=r"broken\.yaml, line \d+: this is not valid YAML") as wrong:
        NovaCloud(CloudSettings(cloud="a", config_files=(str(broken),))).read()
    assert "hunter2" not in str(wrong.value)
    empty = (str(tmp_path / "none.yaml"),)
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.delenv("OS_AUTH_URL", raising=False)
    with pytest.raises(InvalidInput, match="no cloud is configured"):
        NovaCloud(CloudSettings(config_files=empty)).read()
    auth = two_hosts.clouds()["simulated"]["auth"]
    assert isinstance(auth, dict)
    for key, value in auth.items():
        monkeypatch.setenv(f"OS_{key.upper()}", value)
    assert len(NovaCloud(CloudSettings(config_files=empty)).read().hosts) == 2


def test_tokens_that_no_longer_hold_are_renewed_and_the_request_is_sent_once(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts)
    vmpath.read()
    two_hosts.site.identity._tokens.clear()
    assert len(vmpath.read().instances) == 2
    two_hosts.site.identity._tokens.clear()
    vmpath.live_migrate(identity("x"), "b")
    clock = two_hosts.clock
    assert isinstance(clock, SteppedClock)
    clock.step(1)
    assert len(vmpath.read_migrations([identity("x")])[identity("x")]) == 1


def test_threads_may_share_it(simulated_cloud: Factory) -> None:
    given = make_sample(5, 30)
    vmpath = reader(simulated_cloud(given))
    with ThreadPoolExecutor(4) as pool:
        readings = list(pool.map(lambda _: vmpath.read(), range(8)))
    assert {essence(each) == essence(readings[0]) for each in readings} == {True}


def test_a_cloud_that_stopped_is_unreachable_and_nothing_was_sent(two_hosts: SimulatedCloud) -> None:
    vmpath = reader(two_hosts, attempts=2, longest_wait_s=0.01)
    vmpath.read()
    two_hosts.stop()
    with pytest.raises(CloudUnreachable, match="does not answer"):
        vmpath.read()
    with pytest.raises(CloudUnreachable, match="the connection was refused"):
        vmpath.live_migrate(identity("x"), "b")


def test_a_simulated_cloud_serves_from_a_process_with_many_open_files(simulated_cloud: Factory) -> None:
    # select() takes no descriptor above 1023
    with contextlib.ExitStack() as opened:
        for _ in range(1030):
            opened.enter_context(open(os.devnull))
        assert len(reader(simulated_cloud(make_sample(2, 4))).read().hosts) == 2
