"""Hosts that are rebooted, powered off and woken by the hook of the documentation, whose ipmitool is one that acts on
the simulated cloud."""

from __future__ import annotations

import os
import pathlib
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.functional.conftest import Factory
from tests.functional.test_service import servers_by_host
from tests.programs import BIN, Service, service_on, wait_until
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.sample import make_sample

POWER = pathlib.Path(__file__).parents[2] / "doc" / "source" / "examples" / "vmpath-power"
IPMITOOL = """#!{python}
import json, pathlib, sys, urllib.request
bmc, word = sys.argv[sys.argv.index("-H") + 1], sys.argv[-1]
host = bmc.removesuffix("-bmc")
state = pathlib.Path("{directory}") / host
if word in ("soft", "on"):
    wanted = "on" if word == "on" else "off"
    body = json.dumps({{"alive": wanted == "on"}}).encode()
    headers = {{"Content-Type": "application/json"}}
    address = "{address}/simulator/computes/" + host
    urllib.request.urlopen(urllib.request.Request(address, body, headers, method="PUT"), timeout=30)
    state.write_text(wanted)
    with open("{directory}/asked", "a") as asked:
        asked.write(f"{{host}} {{word}}\\n")
print(f"Chassis Power is {{state.read_text() if state.exists() else 'on'}}")
"""
SECTIONS: Mapping[str, Mapping[str, object]] = {
    "maintenance": {"settle_seconds": 0.3, "return_seconds": 60},
    "aggregate:*": {"power_off_allowed": "yes"},
    "hook:reboot": {"driver": "command", "command": f"{POWER} reboot"},
    "hook:power-off": {"driver": "command", "command": f"{POWER} off"},
    "hook:power-on": {"driver": "command", "command": f"{POWER} on"},
    "hook:freed": {"driver": "command", "command": f"{POWER} off-freed", "events": "rearrangement.succeeded"},
    "policy:pack": {"driver": "consolidate", "disable_freed": "yes"},
    "policy:spread": {"driver": "balance", "wake": "pack", "aggressiveness": 5},
}


@pytest.fixture
def cloud(simulated_cloud: Factory) -> SimulatedCloud:
    return simulated_cloud(make_sample(5, 15), clock=ScaledClock(50))


@pytest.fixture
def service(cloud: SimulatedCloud, tmp_path: Path) -> Iterator[Service]:
    programs = tmp_path / "bin"
    programs.mkdir()
    tool = programs / "ipmitool"
    tool.write_text(IPMITOOL.format(python=sys.executable, directory=tmp_path, address=cloud.site.base_url))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    running = service_on(tmp_path, cloud, **SECTIONS)
    running.environment["PATH"] = os.pathsep.join((str(programs), str(BIN), running.environment["PATH"]))
    running.environment["VMPATH_FREED"] = str(tmp_path / "freed")
    with running:
        yield running


def asked(service: Service) -> list[str]:
    """What was asked of BMCs."""
    return (service.directory / "asked").read_text().splitlines()


def test_a_host_is_rebooted_and_another_one_powered_off_while_people_work(
    cloud: SimulatedCloud, service: Service
) -> None:
    first, second = sorted(servers_by_host(cloud), key=lambda name: len(servers_by_host(cloud)[name]))[-2:]
    rebooted = service.answer("maintenance", "create", "--host", first, "--action", "reboot", "--wait")
    assert rebooted["state"] == "done", rebooted
    assert asked(service) == [f"{first} soft", f"{first} on"]
    off = service.answer("maintenance", "create", "--host", second, "--action", "power-off", "--wait")
    assert (off["state"], off["hook_done"]) == ("ready", True), off
    assert not cloud.world.hosts[second].alive
    assert servers_by_host(cloud)[second] == set()
    service.answer("maintenance", "complete", off["id"])
    done = service.answer("maintenance", "watch", off["id"])
    assert done["state"] == "done", done
    assert asked(service)[2:] == [f"{second} soft", f"{second} on"]
    assert all(host.alive and not host.disabled for host in cloud.world.hosts.values())


def test_what_is_freed_is_powered_off_and_woken_before_it_is_needed(cloud: SimulatedCloud, service: Service) -> None:
    packed = service.answer("rearrangement", "create", "pack", "--approve", "--wait")
    freed = packed["disabled"]
    assert freed
    wait_until(lambda: not any(cloud.world.hosts[name].alive for name in freed), "what is free is powered off")
    kept = service.directory / "freed"
    wait_until(lambda: kept.exists() and sorted(kept.read_text().split()) == sorted(freed), "its names are kept")
    subprocess.run([POWER, "on-freed"], env=service.environment, check=True, timeout=60)
    assert all(cloud.world.hosts[name].alive for name in freed)
    spread = service.answer("rearrangement", "create", "spread", "--approve", "--wait")
    assert spread["state"] == "succeeded", spread
    assert not any(host.disabled for host in cloud.world.hosts.values())
    assert all(servers_by_host(cloud)[name] for name in freed)
