"""Rearrangements in a cloud where everything goes wrong, judged by the cloud's own truth.

Each walks on a real ``vmpath-service`` that is killed at random moments, while requests and migrations fail, hang and
get lost, APIs are away for a while, computes die, and others create, delete, resize, stop and move servers. The seed
decides what is attempted; when it happens also depends on how fast the machine is.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.chaos.nursery import Nursery
from tests.programs import Service, write_clouds
from vmpath_service.simulator import live_migration, server_life
from vmpath_service.simulator.chaos import Chaos
from vmpath_service.simulator.clock import ScaledClock
from vmpath_service.simulator.cloud import SimulatedCloud
from vmpath_service.simulator.faults import HttpFault
from vmpath_service.simulator.records import IN_PROGRESS, Migration, Server
from vmpath_service.simulator.sample import make_sample
from vmpath_service.simulator.settings import Settings
from vmpath_service.simulator.web import server_actions
from vmpath_service.simulator.world import World

FACTOR = 40.0
HOSTS, INSTANCES = 8, 40
RUNS_ON_A_CLOUD = 5
TURMOIL_S = 8.0
"""Real seconds for which things go wrong, at most: a rearrangement that ends earlier is judged at once."""
PEACE_S = 90.0
"""Real seconds after them within which every rearrangement must have come to an end."""
ENDED = ("succeeded", "failed", "cancelled", "rolled back")
QUICK = {
    "DEFAULT": {"enabled_policies": "drain, consolidate, balance"},
    "policy:drain": {"driver": "drain", "approval": "automatic"},
    "policy:consolidate": {"driver": "consolidate", "approval": "automatic"},
    "policy:balance": {"driver": "balance", "approval": "automatic"},
    "nova": {"attempts": 2, "read_timeout": 3},
    "executor": {
        "poll_seconds": 0.1,
        "settle_seconds": 0.3,
        "abort_settle_seconds": 3,
        "request_settle_seconds": 3,
        "start_wait_seconds": 6,
        "verify_seconds": 3,
        "stuck_seconds": 4,
        "when_stuck": "abort",
        "retry_seconds": 0.5,
        "quarantine_seconds": 5,
        "when_not_converging": "abort",
        "copy_seconds": 3,
        "stall_seconds": 2,
    },
}


@dataclass
class Tally:
    """What happened, and what should not have."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    runs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    migrations: Counter[str] = field(default_factory=Counter)
    mishaps: Counter[str] = field(default_factory=Counter)

    def wrong(self) -> list[str]:
        """One line for each violation."""
        kinds = {"lost": self.lost, "doubled": self.doubled, "stuck": self.stuck, "false report": self.false}
        return [f"{kind}: {what}" for kind, found in kinds.items() for what in found]

    def summary(self) -> str:
        """For people and for the documentation."""

        def told(counted: Counter[str]) -> str:
            return ", ".join(f"{name} {count}" for name, count in sorted(counted.items())) or "none"

        return (
            f"{self.runs} rearrangements: {told(self.outcomes)}\n"
            f"migrations: {told(self.migrations)}\n"
            f"mishaps: {told(self.mishaps)}\n"
            f"{len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.stuck)} stuck,"
            f" {len(self.false)} false reports"
        )


class Asked:
    """Counts the requests to live-migrate that reached Nova over HTTP: others do not use HTTP here."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def ask(self, world: World, server: Server, target: str | None) -> None:
        self.of[server.uuid] += 1
        live_migration.ask(world, server, target)


@contextmanager
def counted() -> Iterator[Asked]:
    """While it lasts, requests to live-migrate are counted."""
    asked = Asked()

    class Counting:
        """Stands in for the module where the web part looks for it."""

        ask = staticmethod(asked.ask)

        def __getattr__(self, name: str) -> Any:
            return getattr(live_migration, name)

    original = server_actions.live_migration
    server_actions.live_migration = Counting()  # type: ignore[assignment]
    try:
        yield asked
    finally:
        server_actions.live_migration = original


def some_chaos(chance: random.Random) -> Chaos:
    """Rates for one rearrangement; an hour of the cloud is a minute and a half here."""
    return Chaos(
        seed=chance.randrange(2**31),
        too_many=chance.uniform(0, 0.02),
        unavailable=chance.uniform(0, 0.03),
        drop_before=chance.uniform(0, 0.03),
        drop_after=chance.uniform(0, 0.06),
        slow=chance.uniform(0, 0.02),
        slow_s=0.3,
        duplicate=chance.uniform(0, 0.1),
        refuse=chance.uniform(0, 0.1),
        fail_before=chance.uniform(0, 0.1),
        fail_mid=chance.uniform(0, 0.1),
        fail_after=chance.uniform(0, 0.04),
        hang=chance.uniform(0, 0.06),
        die=chance.uniform(0, 1.0),
        create=chance.uniform(0, 0.3),
        delete=chance.uniform(0, 0.3),
        resize=chance.uniform(0, 0.3),
        stop=chance.uniform(0, 0.3),
        move=chance.uniform(0, 0.5),
    )


class Stage:
    """A cloud and a service for a few rearrangements in a row."""

    def __init__(self, directory: Path, nursery: Nursery, chance: random.Random, tally: Tally) -> None:
        self._chance = chance
        self._tally = tally
        self.cloud = SimulatedCloud(
            make_sample(HOSTS, INSTANCES, seed=chance.randrange(10**6), fill=chance.uniform(0.3, 0.7)),
            clock=ScaledClock(FACTOR),
            settings=Settings(concurrent_live_migrations=2, post_copy_permitted=chance.random() < 0.5),
        ).start()
        clouds = write_clouds(directory, self.cloud)
        self.service = Service(directory, clouds, "simulated", QUICK, nursery.bear)
        self.known = set(self.cloud.world.servers)

    def close(self) -> None:
        self.service.end()
        self.cloud.stop()

    def rearrange(self, number: int) -> None:
        """One rearrangement, from the order to the verdict."""
        chance, tally, cloud = self._chance, self._tally, self.cloud
        with counted() as asked:
            chaos = some_chaos(chance)
            body = self._order()
            identity = self._created(body)
            cloud.unsettle(chaos)
            before = Counter(cloud.world.disorder.counted)
            self._turmoil(identity)
            cloud.unsettle(Chaos())
            cloud.site.faults.clear()
            tally.mishaps.update(Counter(cloud.world.disorder.counted) - before)
            self._revive()
            record = self._ended(identity)
            tally.runs += 1
            where = f"run {number} ({body['policy']}, {identity})"
            if record is None:
                tally.stuck.append(f"{where} has not ended: {self._get(f'/v1/rearrangements/{identity}')}")
                return
            tally.outcomes[record["state"]] += 1
            self._judge(where, record, self._pages(f"/v1/rearrangements/{identity}/migrations"), asked)

    # what is done

    def _order(self) -> dict[str, Any]:
        policy = self._chance.choice(["drain", "consolidate", "balance", "drain"])
        body: dict[str, Any] = {"policy": policy, "approve": True}
        if policy == "drain":
            body["hosts"] = [self._chance.choice(sorted(self.cloud.world.hosts))]
        return body

    def _created(self, body: dict[str, Any]) -> str:
        answer = requests.post(f"{self.service.url}/v1/rearrangements", json=body, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def _turmoil(self, identity: str) -> None:
        """Kill the service and take the APIs away, again and again, until the time is over.

        It mostly begins with the walk: how long planning takes says more of the machine than of vmpath.
        """
        chance = self._chance
        if chance.random() < 0.8:
            self._until_planned(identity)
        until = time.monotonic() + TURMOIL_S
        kills = chance.choice([0, 1, 1, 2])
        deeds: list[tuple[float, Callable[[], None]]] = [
            (chance.uniform(0, TURMOIL_S), self._kill) for _ in range(kills)
        ]
        deeds += [(chance.uniform(0, TURMOIL_S * 0.8), self._outage) for _ in range(chance.choice([0, 1, 2]))]
        if chance.random() < 0.2:
            deeds.append((chance.uniform(0, TURMOIL_S), lambda: self._say(identity, "cancel")))
        for at, deed in [*sorted(deeds, key=lambda each: each[0]), (TURMOIL_S, lambda: None)]:
            while (left := until - TURMOIL_S + at - time.monotonic()) > 0:
                time.sleep(min(left, 0.25))
                if self._is_over(identity):
                    return
            deed()

    def _until_planned(self, identity: str) -> None:
        deadline = time.monotonic() + PEACE_S
        while time.monotonic() < deadline and self._get(f"/v1/rearrangements/{identity}")["state"] == "planning":
            time.sleep(0.1)

    def _is_over(self, identity: str) -> bool:
        try:
            return self._get(f"/v1/rearrangements/{identity}")["state"] in ENDED
        except requests.RequestException:
            return False

    def _kill(self) -> None:
        self._tally.mishaps["SIGKILL"] += 1
        self.service.kill()
        time.sleep(self._chance.uniform(0, 1))
        self.service.start()

    def _outage(self) -> None:
        """One of the three APIs, or all of them, is away for a while."""
        self._tally.mishaps["outage"] += 1
        kind = self._chance.choice(["503", "drop-before", "502"])
        path = self._chance.choice(["^/compute", "^/placement", "^/identity", "."])
        fault = HttpFault(kind, "*", path, count=10**9)  # type: ignore[arg-type]
        self.cloud.add_fault(fault)

        def over() -> None:
            fault.count = 0

        ending = threading.Timer(self._chance.uniform(0.5, 4), over)
        ending.daemon = True
        ending.start()

    def _say(self, identity: str, order: str) -> None:
        self._tally.mishaps["cancel"] += 1
        try:
            requests.post(f"{self.service.url}/v1/rearrangements/{identity}/{order}", timeout=10)
        except requests.RequestException:
            self._tally.mishaps["cancel"] -= 1

    def _revive(self) -> None:
        world = self.cloud.world
        with world.lock:
            world.advance()
            for host in world.hosts.values():
                if not host.alive:
                    server_life.restart_compute(world, host)

    # what came of it

    def _ended(self, identity: str) -> dict[str, Any] | None:
        deadline = time.monotonic() + PEACE_S
        while time.monotonic() < deadline:
            record = self._get(f"/v1/rearrangements/{identity}")
            if record["state"] in ENDED:
                # what others began is not ours to wait for, but the truth is to stand still
                time.sleep(1.0)
                return record
            time.sleep(0.3)
        return None

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = requests.get(self.service.url + path, timeout=60)
        except requests.ConnectionError:
            if self.service.process.poll() is None:
                raise
            self._tally.stuck.append(f"the service died by itself, when asked for {path}")
            self.service.start()
            answer = requests.get(self.service.url + path, timeout=60)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def _pages(self, path: str) -> list[dict[str, Any]]:
        return list(self._get(f"{path}?limit=1000")["migrations"])

    def _judge(
        self, where: str, record: dict[str, Any], migrations: list[dict[str, Any]], asked: Asked
    ) -> None:
        world, tally = self.cloud.world, self._tally
        with world.lock:
            world.advance()
            present, deleted = dict(world.servers), set(world.deleted)
            records = list(world.migrations.values())
        self.known |= set(present)
        for uuid in sorted(self.known - present.keys() - deleted):
            tally.lost.append(f"{where}: {uuid} is neither there nor deleted by anybody")
        attempts: Counter[str] = Counter()
        for each in migrations:
            attempts[each["instance"]] += each["attempt"]
            tally.migrations[each["state"]] += 1
        for uuid, count in asked.of.items():
            if count > attempts[uuid]:
                tally.doubled.append(f"{where}: {uuid} was asked for {count} times in {attempts[uuid]} attempts")
        for line in self._false(record, migrations, present, records):
            tally.false.append(f"{where}: {line}")

    def _false(
        self,
        record: dict[str, Any],
        migrations: list[dict[str, Any]],
        present: dict[str, Server],
        records: list[Migration],
    ) -> Iterator[str]:
        """What was told that is not so."""
        by_number = {each.number: each for each in records}
        if record["state"] == "succeeded" and any(each["state"] not in ("done", "replaced") for each in migrations):
            yield f"succeeded, with migrations that are {sorted({each['state'] for each in migrations})}"
        for each in migrations:
            what = f"step {each['step']} of {each['instance']} to {each['dest']} is called {each['state']}"
            nova = by_number.get(each["nova_migration"] or 0)
            if each["state"] in ("requested", "running", "verifying"):
                yield f"{what}, and the rearrangement is called {record['state']}"
            if each["state"] == "done" and nova is not None:
                arrived = nova.status in ("completed", "confirmed", "finished")
                if not arrived or nova.dest_compute != each["dest"] or nova.server != each["instance"]:
                    yield f"{what}, and Nova's migration {nova.number} is {nova.status} to {nova.dest_compute}"
            if each["state"] in ("failed", "skipped") and nova is not None:
                said = each["reason"] or ""
                if nova.status in IN_PROGRESS and nova.server in present and present[nova.server].task_state:
                    yield f"{what}, and Nova's migration {nova.number} goes on: {nova.status} ({said})"
                if nova.status == "completed" and "ended as completed" not in said:
                    yield f"{what} ({said}), and Nova's migration {nova.number} is completed"
        if record["state"] != "succeeded":
            reason = f"vmpath: rearrangement {record['id']}"
            for host in self.cloud.world.hosts.values():
                if host.disabled_reason == reason and host.name not in (record["explanation"] or ""):
                    yield f"{host.name} is disabled still, and nothing is said of it"


def run(runs: int, seed: int, directory: Path, tell: Callable[[str], None], first: int = 0) -> Tally:
    """So many rearrangements, from the ``first`` on; ``tell`` gets a line after each."""
    tally = Tally()
    stage: Stage | None = None
    nursery = Nursery()
    try:
        for number in range(first, first + runs):
            chance = random.Random(f"{seed}:{number}")
            if stage is None or number % RUNS_ON_A_CLOUD == 0:
                if stage is not None:
                    stage.close()
                place = directory / f"stage-{number}"
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(parents=True)
                stage = Stage(place, nursery, chance, tally)
                stage.service.start()
            stage._chance = chance
            stage.rearrange(number)
            tell(f"{number + 1}/{first + runs}: {len(tally.wrong())} violations, {dict(tally.outcomes)}")
    finally:
        if stage is not None:
            stage.close()
        nursery.close()
    return tally
