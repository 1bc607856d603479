"""A consolidation of a large simulated cloud, from the request to the last verified migration.

usage: python benchmarks/consolidation.py [--hosts 1000] [--instances 10000] [--clock-factor 20]

Starts ``vmpath-simulator`` and ``vmpath-service`` as processes of their own, asks for a dry run and then for the
same for real, and prints how long planning took, how long the walk took as a ratio to the plan's own prediction
(which the clock factor divides), the CPU seconds of the service per migration, and what Nova's records say: how
many migrations completed, were refused or failed, and the most that any instance was migrated.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

BIN = pathlib.Path(sys.executable).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--clock-factor", type=float, default=20.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = pathlib.Path(name)
        size = ("--hosts", given.hosts, "--instances", given.instances)
        run("vmpath-simulator", "sample", *size, "-o", work / "s.json")
        clouds = work / "clouds.yaml"
        stack.enter_context(
            program(
                *("vmpath-simulator", "serve", "--snapshot", work / "s.json", "--clouds-yaml", clouds),
                *("--clock-factor", given.clock_factor, "--concurrent-live-migrations", 2, "--threads", 12),
                log=work / "simulator.log",
            )
        )
        wait(clouds.exists)
        port = free_port()
        os.environ |= {"OS_CLIENT_CONFIG_FILE": str(clouds), "VMPATH_URL": f"http://127.0.0.1:{port}"}
        (work / "vmpath.conf").write_text(
            f"[DEFAULT]\nstate_path = {work}/state\n[api]\nbind_port = {port}\n[nova]\ncloud = simulated\n"
            "[executor]\npoll_seconds = 1\nsettle_seconds = 0.5\nin_total = 200\n"
            "[policy:consolidate]\ndriver = consolidate\nheadroom = MEMORY_MB:5%\n"
        )
        service = stack.enter_context(
            program("vmpath-service", "--config-file", work / "vmpath.conf", log=work / "service.log")
        )
        asked = command("vmpath", "policy", "list")
        wait(lambda: subprocess.run(asked, capture_output=True, check=False).returncode == 0)
        report(given.clock_factor, service)


def report(factor: float, service: subprocess.Popen[bytes]) -> None:
    """Do it and print what came of it."""
    request = ("vmpath", "rearrangement", "create", "consolidate", "--wait", "-f", "json")
    planning, planned = timed(*request, "--dry-run")
    print(f"planned in {planning:.1f} s: {planned['summary']['migrations']} migrations, {planned['state']}")
    before = cpu(service)
    walking, done = timed(*request, "--approve")
    spent, migrations = cpu(service) - before, done["summary"]["migrations"]
    predicted = done["summary"]["makespan_s"] / factor
    print(f"{done['state']}: {migrations} migrations in {walking:.1f} s with the planning")
    print(f"{(walking - planning) / predicted:.2f} x the predicted {predicted:.1f} s of the walk")
    print(f"{1000 * spent / max(migrations, 1):.1f} ms CPU of the service for each migration")
    statuses, most = records()
    print(f"Nova's records: {dict(statuses)}; at most {most} for one instance")


def records() -> tuple[collections.Counter[str], int]:
    """Nova's migration records by status, and the most of one instance."""
    import openstack

    compute = openstack.connect(cloud="simulated").compute
    statuses: collections.Counter[str] = collections.Counter()
    instances: collections.Counter[str] = collections.Counter()
    marker = ""
    while page := compute.get(f"/os-migrations?limit=1000{marker}", microversion="2.80").json()["migrations"]:
        statuses.update(each["status"] for each in page)
        instances.update(each["instance_uuid"] for each in page)
        marker = f"&marker={page[-1]['uuid']}"
    return statuses, max(instances.values(), default=0)


@contextlib.contextmanager
def program(*words: object, log: pathlib.Path) -> Iterator[subprocess.Popen[bytes]]:
    """One of vmpath's programs, while the context lasts."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command(*words), stdout=stream, stderr=stream, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def command(*words: object) -> list[str]:
    name, *rest = map(str, words)
    return [str(BIN / name), *rest]


def run(*words: object) -> str:
    quiet = subprocess.DEVNULL  # a line for each change of each migration
    return subprocess.run(command(*words), check=True, stdout=subprocess.PIPE, stderr=quiet, text=True).stdout


def timed(*words: object) -> tuple[float, Any]:
    """Seconds of a command, and what it printed as JSON."""
    begun = time.monotonic()
    printed = run(*words)
    return time.monotonic() - begun, json.loads(printed)


def cpu(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process and of its children that have ended."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(ready: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit("a program did not get ready in time")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
