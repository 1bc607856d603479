"""What pages of the API cost, and how soon it answers while a large plan is computed.

usage: python benchmarks/api.py [--hosts 1000] [--instances 10000] [--items 10000] [--pages 30]

Starts ``vmpath-simulator`` and ``vmpath-service`` as processes of their own on a database with so many rearrangements,
migrations of one of them, and events. Asks for pages of 1,000 and prints the service's own CPU for each; then asks for
short things, one after the other, while the service is idle, and while it plans a consolidation, and prints how long
the answers took. Both as a ratio to the 100 ms that are asked for, too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import requests
from consolidation import cpu, free_port, program, run, wait

from vmpath_service.model.plan import Migration as Step
from vmpath_service.model.plan import Plan, Summary
from vmpath_service.model.records import Migration, RearrangementState, Request
from vmpath_service.store import Database, SqlStore

GOAL_MS = 100.0
PAGE = 1000
SHORT = ("/healthcheck", "/v1/rearrangements?limit=20", "/v1/rearrangements/{id}", "/v1/policies", "/v1/schedules")


class Clock:
    def time(self) -> float:
        return time.time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=30)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = pathlib.Path(name)
        size = ("--hosts", given.hosts, "--instances", given.instances)
        run("vmpath-simulator", "sample", *size, "-o", work / "s.json")
        clouds = work / "clouds.yaml"
        serve = ("vmpath-simulator", "serve", "--snapshot", work / "s.json", "--clouds-yaml", clouds)
        stack.enter_context(program(*serve, log=work / "simulator.log"))
        identity = fill(work / "state", given.items)
        wait(clouds.exists)
        url = f"http://127.0.0.1:{free_port()}"
        os.environ |= {"OS_CLIENT_CONFIG_FILE": str(clouds)}
        (work / "vmpath.conf").write_text(
            f"[DEFAULT]\nstate_path = {work}/state\n[api]\nbind_port = {url.rpartition(':')[2]}\n"
            "[nova]\ncloud = simulated\n"
        )
        service = stack.enter_context(
            program("vmpath-service", "--config-file", work / "vmpath.conf", log=work / "service.log")
        )
        wait(lambda: answers(url))
        with requests.Session() as session:
            pages(session, service, url, identity, given.pages)
            short(session, url, identity)


def fill(directory: pathlib.Path, items: int) -> str:
    """A database with so many of everything; the id of the rearrangement that has the migrations."""
    directory.mkdir()
    database = Database(f"sqlite:///{directory}/vmpath.sqlite")
    database.upgrade()
    store = SqlStore(database, Clock())
    with store.together():
        made = [store.create(Request("consolidate")) for _ in range(items)]
        for record in made[:-1]:
            epoch = store.claim(record.id, "benchmark")
            store.change(
                record.id, epoch, expected=(RearrangementState.PLANNING,), state=RearrangementState.SUCCEEDED
            )
        identity = made[-1].id
        epoch = store.claim(identity, "benchmark")
        steps = tuple(
            Step(number, f"00000000-0000-4000-8000-{number:012}", f"h{number % 90}", "h100", memory_mb=4096)
            for number in range(1, items + 1)
        )
        plan = Plan("found", {}, "sha256:0", migrations=steps, summary=Summary(migrations=items))
        walked = [Migration(identity, each.id, each.instance, each.source, each.dest) for each in steps]
        store.save_plan(identity, epoch, plan, walked)
        store.change(
            identity, epoch, expected=(RearrangementState.PLANNING,), state=RearrangementState.AWAITING_APPROVAL
        )
        for number in range(items):
            store.add_event("migration.done", f"migration {number} done", subject=identity, step=number)
    database.close()
    return identity


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthcheck", timeout=10).ok
    except requests.ConnectionError:
        return False


def pages(session: requests.Session, service: subprocess.Popen[bytes], url: str, identity: str, most: int) -> None:
    """The service's CPU for pages of each list. A clock of 10 ms is all there is for it: the mean counts."""
    for what, path in (
        ("rearrangements", "/v1/rearrangements"),
        ("migrations", f"/v1/rearrangements/{identity}/migrations"),
        ("events", f"/v1/rearrangements/{identity}/events"),
        ("instances", "/v1/instances"),
        ("hosts", "/v1/hosts"),
    ):
        # the cloud is read for the first page of its lists, and kept for those that follow
        first = listed(session, f"{url}{path}?limit=1", what)
        before, found, items = cpu(service), 0, 0
        while found < most:
            last = first[-1]
            while found < most and (page := listed(session, f"{url}{path}?limit={PAGE}&{after(what, last)}", what)):
                last, found, items = page[-1], found + 1, items + len(page)
        took = 1000 * (cpu(service) - before) / found
        print(f"{what}: {took:.1f} ms CPU for a page of {items / found:.0f}; {took / GOAL_MS:.2f} x {GOAL_MS:g} ms")


def listed(session: requests.Session, address: str, what: str) -> list[dict[str, Any]]:
    """The items of a page."""
    answer = session.get(address, timeout=300)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()[what]
    return found


def after(what: str, item: dict[str, Any]) -> str:
    """The query for what follows an item."""
    if what == "events":
        return f"after={item['sequence']}"
    key = {"rearrangements": "id", "migrations": "step", "instances": "uuid", "hosts": "name"}[what]
    return f"marker={item[key]}"


def short(session: requests.Session, url: str, identity: str) -> None:
    """How long short answers take, idle and while a plan is made."""
    paths = [f"{url}{path.format(id=identity)}" for path in SHORT]
    told("idle", [ask(session, path) for _ in range(20) for path in paths])
    made = session.post(f"{url}/v1/rearrangements", json={"policy": "consolidate", "dry_run": True}, timeout=60).json()
    begun, waited = time.monotonic(), []
    while session.get(f"{url}/v1/rearrangements/{made['id']}", timeout=60).json()["state"] == "planning":
        waited += [ask(session, path) for path in paths]
    record = session.get(f"{url}/v1/rearrangements/{made['id']}", timeout=60).json()
    migrations = (record["summary"] or {}).get("migrations")
    print(f"{record['state']} after {time.monotonic() - begun:.1f} s: {migrations} migrations")
    told("while planning", waited)


def ask(session: requests.Session, path: str) -> float:
    """Milliseconds until it is answered."""
    begun = time.monotonic()
    session.get(path, timeout=60).raise_for_status()
    return 1000 * (time.monotonic() - begun)


def told(when: str, took: Sequence[float]) -> None:
    ordered = sorted(took)
    median = statistics.median(ordered)
    print(
        f"{when}: {len(ordered)} short answers, median {median:.1f} ms ({median / GOAL_MS:.2f} x {GOAL_MS:g} ms), "
        f"90 % {ordered[int(0.9 * len(ordered))]:.1f} ms, most {ordered[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
