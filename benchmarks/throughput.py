"""How fast plans are walked: seconds from the first start to the last end in Nova, CPU, requests a second.

usage: python benchmarks/throughput.py [--case short|long] [--settle SECONDS] [--notify URL]

A simulated cloud and vmpath-service in processes of their own; a target placement is asked for over the HTTP API. The
cloud's own records say when the first migration began and when the last one ended, in whole seconds. With the URL of a
message broker (rabbit://...) the cloud sends Nova's notifications there, and vmpath listens. Two cases:

short: 5 migrations of 3 s and 5 of 0.3 s, two at a time; 9 s are possible
long: 2,000 migrations of 1 s, 50 at a time; 40 s are possible
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import requests
from keystoneauth1.adapter import Adapter
from openstack.config import OpenStackConfig

from vmpath_service.model import files
from vmpath_service.model.snapshot import Host, Instance, Inventory, Snapshot

MBPS = 8000
MEMORY_MB_OF_A_SECOND = MBPS // 8
STARTING_AT_MOST_S = 120.0
WALKING_AT_MOST_S = 600.0
SAMPLE_S = 1.0
TOPIC = "vmpath_throughput"


@dataclass(frozen=True, slots=True)
class Case:
    """``seconds`` of each migration; on how many pairs of hosts; how many at once; what is possible."""

    seconds: tuple[float, ...]
    pairs: int
    slots: int
    best_s: float


CASES = {
    "short": Case((3.0,) * 5 + (0.3,) * 5, 1, 2, 9.0),
    "long": Case((1.0,) * 2000, 25, 50, 40.0),
}


def before(case: Case) -> Snapshot:
    """All instances on the first host of their pair."""
    room = Inventory(total=10**7)
    cpus = Inventory(total=10**5)
    return Snapshot(
        hosts=tuple(
            Host(name=f"{side}{pair:02d}", inventories={"MEMORY_MB": room, "VCPU": cpus})
            for pair in range(case.pairs)
            for side in ("from", "to")
        ),
        instances=tuple(
            Instance(
                uuid=identity(number),
                host=f"from{number % case.pairs:02d}",
                resources={"MEMORY_MB": int(seconds * MEMORY_MB_OF_A_SECOND), "VCPU": 1},
            )
            for number, seconds in enumerate(case.seconds)
        ),
    )


def identity(number: int) -> str:
    """The uuid of an instance."""
    return f"00000000-0000-4000-8000-{number:012d}"


@contextmanager
def program(name: str, *arguments: str, environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of vmpath in this interpreter, ended with the block."""
    start = f"import sys; from vmpath_service.cmd.{name} import main; sys.exit(main())"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", start, *arguments], env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(answer: Any, what: str, seconds: float = STARTING_AT_MOST_S) -> None:
    """Return when it is true."""
    deadline = time.monotonic() + seconds
    while not answer():
        if time.monotonic() > deadline:
            raise SystemExit(f"after {seconds:g} s still not: {what}")
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether something serves there."""
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def service_configuration(
    directory: Path, case: Case, port: int, settle_s: float | None, notify: str | None
) -> Path:
    """All limits but the total are out of the way."""
    lines = [
        "[DEFAULT]",
        f"state_path = {directory / 'state'}",
        "enabled_policies = wish",
        "[policy:wish]",
        "driver = target",
        f"file = {directory / 'wish.json'}",
        "approval = automatic",
        "[api]",
        f"bind_port = {port}",
        "[nova]",
        "cloud = simulated",
        "[executor]",
        f"per_source = {case.slots}",
        f"per_destination = {case.slots}",
        f"in_total = {case.slots}",
        "poll_seconds = 0.05",
    ]
    if settle_s is not None:
        lines.append(f"settle_seconds = {settle_s}")
    if notify is not None:
        lines += ["[notifications]", f"transport_url = {notify}", f"topic = {TOPIC}"]
    path = directory / "vmpath.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


def finished(records: list[dict[str, Any]]) -> float:
    """Seconds from the first record's beginning to the last one's end."""

    def moment(stamp: str) -> float:
        return datetime.fromisoformat(stamp).timestamp()

    wrong = [each["status"] for each in records if each["status"] != "completed"]
    if wrong:
        raise SystemExit(f"{len(wrong)} migrations did not complete: {sorted(set(wrong))}")
    return max(moment(each["updated_at"]) for each in records) - min(moment(each["created_at"]) for each in records)


def records_of(clouds: Path, expected: int) -> list[dict[str, Any]]:
    """All migration records of the cloud."""
    region = OpenStackConfig(config_files=[str(clouds)], load_envvars=False).get_one("simulated")
    nova = Adapter(region.get_session(), service_type="compute", default_microversion="2.96")
    found: list[dict[str, Any]] = []
    url = "/os-migrations?limit=1000"
    while url:
        page = nova.get(url).json()
        found += page["migrations"]
        links = [each["href"] for each in page.get("migrations_links", ()) if each["rel"] == "next"]
        url = f"/os-migrations?{links[0].partition('?')[2]}" if links else ""
    if len(found) != expected:
        raise SystemExit(f"there are {len(found)} migration records, expected {expected}")
    return found


def measured(case: Case, settle_s: float | None, notify: str | None) -> dict[str, float]:
    """Walk it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        files.save(before(case), str(directory / "cloud.json"))
        wish = {identity(number): f"to{number % case.pairs:02d}" for number in range(len(case.seconds))}
        (directory / "wish.json").write_bytes(
            msgspec.json.encode({"format": "vmpath-placement/1", "placement": wish})
        )
        clouds = directory / "clouds.yaml"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        environment["OS_CLIENT_CONFIG_FILE"] = str(clouds)
        simulator = program(
            "simulator", "serve", "--snapshot", str(directory / "cloud.json"), "--clouds-yaml", str(clouds),
            "--migration-mbps", str(MBPS), "--overhead", "0.001", "--concurrent-live-migrations", str(case.slots),
            *(() if notify is None else ("--notify", notify, "--notify-topic", TOPIC)),
            environment=environment, log=directory / "simulator.log",
        )  # fmt: skip
        with simulator as cloud:
            wait_for(clouds.exists, "the simulated cloud answers")
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            configuration = service_configuration(directory, case, port, settle_s, notify)
            log = directory / "service.log"
            with program("service", "--config-file", str(configuration), environment=environment, log=log) as service:
                url = f"http://127.0.0.1:{port}"
                wait_for(lambda: answers(f"{url}/healthcheck"), "vmpath-service answers")
                return walked(case, url, clouds, service.pid, cloud.pid)


def walked(case: Case, url: str, clouds: Path, pid: int, pid_of_cloud: int) -> dict[str, float]:
    """Ask for it, and look on. ``pid`` is the service's."""
    simulator = json.loads(clouds.read_text())["clouds"]["simulated"]["auth"]["auth_url"].rpartition("/identity")[0]
    created = requests.post(f"{url}/v1/rearrangements", json={"policy": "wish", "approve": True}, timeout=60)
    created.raise_for_status()
    here = f"{url}/v1/rearrangements/{created.json()['id']}"

    def served() -> tuple[int, int]:
        """Starts, and other requests."""
        counted = requests.get(f"{simulator}/simulator", timeout=30).json()["served"]
        starts = sum(many for method, many in counted.items() if method.startswith("POST"))
        return starts, sum(counted.values()) - starts

    quiet = served()[0]
    wait_for(lambda: served()[0] > quiet, "the first migration is asked for", WALKING_AT_MOST_S)
    began, cpu, cpu_of_cloud = time.monotonic(), cpu_seconds(pid), cpu_seconds(pid_of_cloud)
    others, at, most, state = served()[1], began, 0.0, ""
    first_others = others
    walking = ended_cpu = 0.0
    while state not in ("succeeded", "failed", "cancelled"):
        if time.monotonic() - began > WALKING_AT_MOST_S:
            raise SystemExit(f"the walk takes longer than {WALKING_AT_MOST_S:g} s")
        time.sleep(SAMPLE_S)
        now, sample = time.monotonic(), served()
        # the sampling itself is one of them
        most = max(most, (sample[1] - others - 1) / (now - at))
        others, at = sample[1], now
        if sample[0] - quiet < len(case.seconds):
            walking, ended_cpu = now - began, cpu_seconds(pid) - cpu
        record = requests.get(here, timeout=60).json()
        state = record["state"]
    if state != "succeeded":
        raise SystemExit(f"it ended as {state}: {record['explanation']}")
    took = finished(records_of(clouds, len(case.seconds)))
    total = time.monotonic() - began
    used, used_by_cloud = cpu_seconds(pid) - cpu, cpu_seconds(pid_of_cloud) - cpu_of_cloud
    return {
        "migrations": len(case.seconds),
        "seconds": round(took, 2),
        "of the best possible": round(took / case.best_s, 3),
        "seconds until all was looked at again": round(total, 1),
        "cores while it starts migrations": round(ended_cpu / walking, 2) if walking else 0.0,
        "cores in all": round(used / total, 2),
        "CPU seconds": round(used, 1),
        "milliseconds of CPU for a migration": round(1000 * used / len(case.seconds), 1),
        "CPU seconds of the simulated cloud": round(used_by_cloud, 1),
        "other requests a second": round((others - first_others) / total, 1),
        "most in one second": round(most, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=sorted(CASES), help="only this one")
    parser.add_argument("--settle", type=float, metavar="SECONDS", help="[executor] settle_seconds (default: 5)")
    parser.add_argument("--notify", metavar="URL", help="a message broker for Nova's notifications")
    parsed = parser.parse_args()
    for name in (parsed.case,) if parsed.case else CASES:
        print(name, flush=True)
        for what, value in measured(CASES[name], parsed.settle, parsed.notify).items():
            print(f"  {what:40} {value:>10}")


if __name__ == "__main__":
    main()
