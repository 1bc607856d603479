"""A rolling maintenance of a whole large cloud, planned and applied round by round, in simulated time.

usage: python benchmarks/rolling.py [--hosts 1000] [--instances 10000] [--fill 0.7] [--max-hosts N] [--seed 1]

All hosts are emptied once. Rounds and paths are worked out by the functions that the service uses, each round from the
state that the plan of the one before leaves; every plan is replayed against its constraints, and the members of groups
are counted after each round. Prints rounds, migrations for each instance and the predicted duration, each beside what
no choice of rounds could beat, and the CPU seconds.
"""

from __future__ import annotations

import argparse
import collections
import random
import time
from collections.abc import Iterator, Mapping

import msgspec

from benchmarks.fleets import FLAVORS
from vmpath_service.engine.maintenance import rounds
from vmpath_service.engine.planning import Job
from vmpath_service.model import files
from vmpath_service.model.constraints import registry as constraints
from vmpath_service.model.options import read_options
from vmpath_service.model.plan import Limits
from vmpath_service.model.snapshot import Host, Instance, Inventory, Rules, ServerGroup, Snapshot
from vmpath_service.pathfinder import check_plan
from vmpath_service.policies import registry as policies
from vmpath_service.policies.base import Scope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--fill", type=float, default=0.7, help="share of the memory that is taken")
    parser.add_argument("--max-hosts", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-replay", action="store_true", help="leave out the check of every plan")
    given = parser.parse_args()
    snapshot = fleet(given.hosts, given.instances, given.fill, given.seed)
    began = time.process_time()
    moves: collections.Counter[str] = collections.Counter()
    seconds, found = 0.0, []
    look = look_at(snapshot, given.max_hosts)
    for step in rounds.roll(look, snapshot):
        if isinstance(step, str):
            raise SystemExit(f"does not fit: {step}")
        found.append(step)
        moves.update(each.instance for each in step.plan.migrations)
        seconds += step.plan.summary.makespan_s
        print(
            f"round {len(found)}: {len(step.hosts)} hosts, {len(step.plan.migrations)} migrations, "
            f"{step.plan.summary.makespan_s:.0f} s; {time.process_time() - began:.0f} s CPU so far",
            flush=True,
        )
    spent = time.process_time() - began
    bound = rounds.bounds(look, snapshot, found)
    total, guests = sum(moves.values()), len(snapshot.instances)
    print(f"{given.hosts} hosts, {guests} instances, {fill_of(snapshot):.1%} of the memory taken")
    print(f"rounds: {len(found)} (at least {bound.rounds})")
    print(f"moves of an instance: {total / guests:.3f} on average, {max(moves.values())} at most")
    print(f"(at least {bound.migrations / guests:.3f} on average in {len(found)} rounds, 1 in any number)")
    print(f"draining: {seconds:.0f} s of simulated time (at least {bound.seconds:.0f} s)")
    print(f"{spent:.0f} s CPU for rounds and paths")
    broken = list(problems(snapshot, found, replay=not given.no_replay))
    for sentence in broken:
        print(sentence)
    if broken:
        raise SystemExit(1)
    checked = "" if given.no_replay else "every plan holds in the replay, "
    print(f"{checked}every host was empty once, no group was ever broken")


def fleet(hosts: int, instances: int, fill: float, seed: int) -> Snapshot:
    """Equal hosts in three zones, each about equally full; a tenth of the instances in groups of three that have to be
    apart, a tenth pinned to their zone."""
    chance = random.Random(f"rolling:{seed}")
    shapes = chance.choices(FLAVORS, [each[3] for each in FLAVORS], k=instances)
    memory = round(sum(shape[1] for shape in shapes) / fill / hosts)
    used = [0] * hosts
    homes: list[int] = []
    for shape in shapes:
        # the less full of some: as a scheduler that spreads leaves it
        home = min(chance.sample(range(hosts), min(8, hosts)), key=used.__getitem__)
        used[home] += shape[1]
        homes.append(home)
    capacity = max(memory, *used)
    guests = tuple(
        Instance(
            uuid=f"vm-{number:06}",
            host=f"node-{home:05}",
            resources={"VCPU": shape[0], "MEMORY_MB": shape[1], "DISK_GB": shape[2]},
            pinned_availability_zone=f"az{home % 3}" if chance.random() < 0.1 else None,
        )
        for number, (shape, home) in enumerate(zip(shapes, homes, strict=True))
    )
    room = {"VCPU": 1024, "MEMORY_MB": capacity, "DISK_GB": 100_000}
    made = tuple(
        Host(
            name=f"node-{at:05}",
            inventories={name: Inventory(capacity=amount) for name, amount in room.items()},
            availability_zone=f"az{at % 3}",
        )
        for at in range(hosts)
    )
    members = chance.sample(range(instances), instances // 10)
    groups = []
    for at in range(0, len(members) - 2, 3):
        three = members[at : at + 3]
        if len({homes[each] for each in three}) == 3:
            groups.append(
                ServerGroup(f"g-{at}", "anti-affinity", tuple(guests[each].uuid for each in three), rules=Rules(1))
            )
    return Snapshot(hosts=made, instances=guests, server_groups=tuple(groups))


def look_at(snapshot: Snapshot, max_hosts: int | None = None) -> rounds.Look:
    """The policy drain with its defaults, all hosts of the cloud."""
    settings = read_options(policies.find("drain").declared(), {}, texts=False, where="policy drain")
    job = Job(
        snapshot=files.encode(snapshot),
        policy="drain",
        driver="drain",
        settings=settings,
        scope=Scope(),
        limits=Limits(),
        constraints=constraints.make(),
    )
    terms = rounds.Terms(rolling=True, max_hosts=max_hosts)
    return rounds.Look(job, tuple(host.name for host in snapshot.hosts), terms)


def fill_of(snapshot: Snapshot) -> float:
    room = sum(host.inventories["MEMORY_MB"].capacity or 0 for host in snapshot.hosts)
    return sum(each.memory_mb() for each in snapshot.instances) / room


def problems(snapshot: Snapshot, steps: list[rounds.Step], *, replay: bool = True) -> Iterator[str]:
    """What is wrong with the rounds, judged without what made them."""
    where = {each.uuid: each.host for each in snapshot.instances}
    done: set[str] = set()
    for number, step in enumerate(steps, 1):
        if replay:
            check = check_plan(closed(step), step.plan)
            yield from (f"round {number}: {problem}" for problem in check.problems[:5])
        for migration in step.plan.migrations:
            if where[migration.instance] != migration.source:
                yield f"round {number}: {migration.instance} is not on {migration.source}"
            where[migration.instance] = migration.dest
        left = [uuid for uuid, host in where.items() if host in step.hosts]
        if left:
            yield f"round {number}: {len(left)} instances are left on its hosts"
        done.update(step.hosts)
        yield from (f"round {number}: group {name} is broken" for name in broken_groups(snapshot, where))
    if missed := {host.name for host in snapshot.hosts} - done:
        yield f"{len(missed)} hosts were in no round"


def closed(step: rounds.Step) -> Snapshot:
    """The cloud as the plan of a round finds it: the hosts of the round are disabled."""
    hosts = tuple(
        msgspec.structs.replace(host, status="disabled") if host.name in step.hosts else host
        for host in step.before.hosts
    )
    return msgspec.structs.replace(step.before, hosts=hosts)


def broken_groups(snapshot: Snapshot, where: Mapping[str, str | None]) -> Iterator[str]:
    for group in snapshot.server_groups:
        counts = collections.Counter(where[member] for member in group.members)
        if max(counts.values()) > group.max_per_host():
            yield group.uuid


if __name__ == "__main__":
    main()
