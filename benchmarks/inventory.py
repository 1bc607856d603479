"""What it takes to read a whole cloud: requests, CPU seconds of ours, memory.

usage: python benchmarks/inventory.py [--hosts 1000] [--instances 10000] [--listening]

Serves a simulated cloud in a process of its own and reads it twice with the reader that vmpath-service uses: the first
time inventories are unknown, the second time known; when listening, the list of servers is kept, too, as if
notifications had told of nothing. Ratios are per 1,000 instances.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmpath_service.cloud.changes import Changes
from vmpath_service.cloud.live import NovaCloud
from vmpath_service.cloud.settings import CloudSettings

STARTING_AT_MOST_S = 600.0


def program(*arguments: str) -> list[str]:
    """The command line of vmpath-simulator in this interpreter."""
    return [
        sys.executable,
        "-c",
        "import sys; from vmpath_service.cmd.simulator import main; sys.exit(main())",
        *arguments,
    ]


@contextmanager
def served(hosts: int, instances: int, directory: Path) -> Iterator[dict[str, Any]]:
    """The clouds.yaml entry of a simulated cloud with a made-up content, in a process that ends with the block."""
    sample, clouds = directory / "cloud.json", directory / "clouds.yaml"
    subprocess.run(
        program("sample", "--hosts", str(hosts), "--instances", str(instances), "-o", str(sample)), check=True
    )
    process = subprocess.Popen(
        program("serve", "--snapshot", str(sample), "--clouds-yaml", str(clouds)), stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + STARTING_AT_MOST_S
        while not clouds.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the simulated cloud did not start")
            time.sleep(0.2)
        # written in one go, after the cloud listens (JSON is YAML)
        entry: dict[str, Any] = json.loads(clouds.read_text())["clouds"]["simulated"]
        yield entry
    finally:
        process.terminate()
        process.wait(60)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(cloud: NovaCloud, title: str, instances: int) -> None:
    """One reading and what it took."""
    gc.collect()
    sent, cpu, begun = cloud.requests_sent(), time.process_time(), time.monotonic()
    snapshot = cloud.read()
    cpu, real = time.process_time() - cpu, time.monotonic() - begun
    sent = cloud.requests_sent() - sent
    if len(snapshot.instances) != instances:
        raise SystemExit(f"{len(snapshot.instances)} instances were read, {instances} are there")
    share = instances / 1000
    print(
        f"{title:<20} {sent:>6} requests  {cpu:7.2f} s CPU  {real:7.2f} s  {peak_mib():6.0f} MiB at most;"
        f" per 1,000 instances: {sent / share:.1f} requests, {cpu / share:.3f} s CPU",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--listening", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, served(given.hosts, given.instances, Path(directory)) as entry:
        settings = CloudSettings(auth=entry["auth"], region=entry["region_name"])
        cloud = NovaCloud(settings, Changes() if given.listening else None)
        print(f"{given.hosts} hosts, {given.instances} instances; {peak_mib():.0f} MiB before", flush=True)
        read(cloud, "inventories unknown", given.instances)
        read(cloud, "servers kept" if given.listening else "inventories known", given.instances)


if __name__ == "__main__":
    main()
