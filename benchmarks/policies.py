"""How good and how fast policies are, beside their peers where these are installed.

usage: python -m benchmarks.policies [--large] [NAME ...]

NAME: balance, consolidate, drain, sharing; default: all. ``--large`` adds the clouds that take minutes. Seconds are
CPU seconds of the decision with its curve, without start-up, imports and compiling of the cloud. Peers are Ganeti's
hbal (apt: ganeti-htools; on the PATH, or named by HBAL) and plain best-fit decreasing; one that is missing is skipped,
and the output says so.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy  # noqa: F401  (start-up, not the decision, pays for it)

from benchmarks.fleets import even_fleet, image_fleet, mixed_fleet, random_fleet
from vmpath_service.model.compiled import CompiledCloud, compile_cloud
from vmpath_service.model.options import OptionValue
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.policies import registry
from vmpath_service.policies.base import Decision, Scope
from vmpath_service.policies.deciding import decide
from vmpath_service.policies.neighbourhoods import available

CLASSES = ("MEMORY_MB", "DISK_GB", "VCPU")


def main() -> None:
    parser = argparse.ArgumentParser(description="How good and how fast policies are.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}")
    parser.add_argument("--large", action="store_true", help="also the clouds that take minutes")
    given = parser.parse_args()
    for name in given.names or BENCHMARKS:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
        print(f"\n{name}")
        BENCHMARKS[name](given.large)


def timed(
    name: str, cloud: CompiledCloud, settings: Mapping[str, OptionValue] | None = None, hosts: Sequence[str] = ()
) -> tuple[Decision, float]:
    """A decision, and the CPU seconds that it took."""
    policy = registry.make(name, settings)
    begun = time.process_time()
    decision = decide(policy, cloud, Scope(hosts=tuple(hosts)))
    return decision, time.process_time() - begun


def balance(large: bool) -> None:
    """Judged by Ganeti's own score: the sum of the standard deviations of free memory, free disk and CPU ratio."""
    for hosts in (50, 200, 1000) if large else (50, 200):
        snapshot = random_fleet(hosts, hosts * 10)
        cloud = compile_cloud(snapshot)
        decision, seconds = timed("balance", cloud, {"classes": CLASSES, "aggressiveness": 5})
        scores = {point.migrations: point.score * len(CLASSES) / 100 for point in decision.curve}
        print(
            f"  {hosts} x {hosts * 10}: score {scores[0]:.4f} -> {scores[max(scores)]:.4f} "
            f"in {max(scores)} migrations, {seconds:.3f} s"
        )
        peer = hbal(snapshot) if hosts == 50 else None
        if peer is None:
            continue
        moves, start, score, spent = peer
        _, limited = timed("balance", cloud, {"classes": CLASSES, "aggressiveness": 5, "max_migrations": moves})
        print(f"    hbal -g 0: {start:.4f} -> {score:.4f} in {moves} migrations, {spent:.1f} s")
        print(
            f"    at {moves} migrations: {scores[min(moves, max(scores))]:.4f}, "
            f"{scores[min(moves, max(scores))] / score:.2f} x its score in 1/{spent / limited:.0f} of its CPU"
        )


def hbal(snapshot: Snapshot) -> tuple[int, float, float, float] | None:
    """Migrations, score before and after and CPU seconds of Ganeti's balancer; None where it is not installed."""
    program = os.environ.get("HBAL") or shutil.which("hbal")
    if program is None:
        print("    hbal: SKIPPED, not installed (apt: ganeti-htools)")
        return None
    used: dict[str, dict[str, int]] = {host.name: dict.fromkeys(CLASSES, 0) for host in snapshot.hosts}
    for each in snapshot.instances:
        for name in CLASSES:
            used[str(each.host)][name] += each.resources[name]
    lines = ["group|g|preferred||", ""]
    for host in snapshot.hosts:
        memory, disk, cpus = (host.inventories[name].limit() for name in CLASSES)
        free = memory - used[host.name]["MEMORY_MB"], (disk - used[host.name]["DISK_GB"]) * 1024
        lines.append(f"{host.name}|{memory}|0|{free[0]}|{disk * 1024}|{free[1]}|{cpus}|N|g|1000||N|1000|1|1.0")
    lines.append("")
    for each in snapshot.instances:
        memory, disk, cpus = (each.resources[name] for name in CLASSES)
        lines.append(f"{each.uuid}|{memory}|{disk * 1024}|{cpus}|running|Y|{each.host}||ext||1|-")
    limits = "128,1,1024,1,1,1;1,1,1024,1,1,1;1048576,64,1048576,16,8,12"
    lines += ["", f"|{limits}|plain,diskless,ext,sharedfile|4.0|32.0", ""]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.txt"
        path.write_text("\n".join(lines))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([program, "-t", path, "-g", "0", "--ignore-dynu"], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"improved from (\S+) to (\S+)\s+Solution length=(\d+)", done.stdout)
    if found is None:
        print(f"    hbal: SKIPPED, it answered {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
        return None
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(found[3]), float(found[1]), float(found[2]), spent


def consolidate(large: bool) -> None:
    """Watcher's cloud, and a harder one."""
    for hosts in (1000, 10_000) if large else (1000,):
        snapshot = even_fleet(hosts, hosts * 10)
        decision, seconds = timed("consolidate", compile_cloud(snapshot))
        fewest = fewest_moves(snapshot, int(decision.before.value - decision.after.value))
        print(f"  even, {hosts} x {hosts * 10}: {decision.notes[0]}; {seconds:.2f} s")
        print(f"    {len(decision.placement)} migrations, {len(decision.placement) / fewest:.4f} x the floor {fewest}")
    for hosts in (200, 1000) if large else (200,):
        snapshot = mixed_fleet(hosts)
        cloud = compile_cloud(snapshot)
        print(f"  mixed, {hosts} x {len(snapshot.instances)}")
        tried: dict[str, int | None] = {"": 0}
        if available():
            # the longest search shows what the default leaves lying
            tried = {"": 0, " with OR-Tools": None, " with OR-Tools, searched long": 10 * hosts}
        else:
            print("    OR-Tools: SKIPPED, not installed (pip install ortools)")
        for how, number in tried.items():
            decision, seconds = timed("consolidate", cloud, {"neighbourhoods": number})
            print(f"    {decision.notes[0]}; {decision.notes[1]}; {seconds:.2f} s{how}")
        plain, quick = timed("consolidate", cloud, {"repack": False})
        print(f"    repack = no: {plain.after.value:g} hosts, {len(plain.placement)} migrations, {quick:.2f} s")
        print(f"    best-fit decreasing, everything placed anew: {best_fit_decreasing(cloud)} hosts")


def fewest_moves(snapshot: Snapshot, freed: int) -> int:
    """No way to free so many hosts moves less: the hosts with the fewest instances."""
    counts = dict.fromkeys((host.name for host in snapshot.hosts), 0)
    for each in snapshot.instances:
        counts[str(each.host)] += 1
    return sum(sorted(counts.values())[:freed])


def best_fit_decreasing(cloud: CompiledCloud) -> int:
    """Hosts that plain best-fit decreasing uses: the largest instance first, each to the fullest host it fits on.

    Hosts are opened the largest first; groups, zones and traits are respected.
    """
    total = [sum(column) for column in zip(*cloud.capacity, strict=True)]

    def share(vector: Sequence[int]) -> float:
        return sum(amount / whole for amount, whole in zip(vector, total, strict=True) if whole)

    closed = sorted(range(len(cloud.capacity)), key=lambda host: (share(cloud.capacity[host]), -host))
    free: dict[int, list[int]] = {}
    counts: list[dict[int, int]] = [{} for _ in cloud.counter_limits]
    order = sorted(range(len(cloud.home)), key=lambda guest: (-share(cloud.demand(guest)), guest))
    for guest in order:
        demand, counters = cloud.demand(guest), cloud.counters_of.get(guest, ())

        def takes(host: int, room: Sequence[int]) -> bool:
            return (
                all(asked <= left for asked, left in zip(demand, room, strict=True))  # noqa: B023
                and cloud.admits(guest, host)  # noqa: B023
                and all(counts[each].get(host, 0) < cloud.counter_limits[each] for each in counters)  # noqa: B023
            )

        fitting = [host for host, room in free.items() if takes(host, room)]
        if fitting:
            chosen = min(fitting, key=lambda host: (share(free[host]), host))
        else:
            chosen = next(host for host in reversed(closed) if takes(host, cloud.capacity[host]))
            closed.remove(chosen)
            free[chosen] = list(cloud.capacity[chosen])
        free[chosen] = [left - asked for left, asked in zip(free[chosen], demand, strict=True)]
        for each in counters:
            counts[each][chosen] = counts[each].get(chosen, 0) + 1
    return len(free)


def drain(large: bool) -> None:
    """One host of a thousand, and fifty at once."""
    snapshot = even_fleet(1000, 10_000, fill=0.7)
    cloud = compile_cloud(snapshot)
    for number in (1, 50):
        names = [host.name for host in snapshot.hosts[:number]]
        decision, seconds = timed("drain", cloud, hosts=names)
        done = f"{len(decision.emptied)} emptied, {len(decision.placement)} migrations"
        print(f"  {number} of 1000: {done}, {seconds:.3f} s")


def sharing(large: bool) -> None:
    """Against packing that knows of no sharing; the paper reports 32 to 50 % fewer servers."""
    some = {"os": 0.1, "distribution": 0.05, "version": 0.1, "application": 0.1, "image": 0.05}
    much = {"os": 0.2, "distribution": 0.1, "version": 0.1, "application": 0.15, "image": 0.05}
    for hosts in (50, 200):
        snapshot = image_fleet(hosts)
        cloud = compile_cloud(snapshot)
        for name, shares in (("40 % common", some), ("60 % common", much)):
            decision, seconds = timed("sharing", cloud, {"shares": shares})
            aware, blind = map(int, re.findall(r"\d+", decision.notes[0]))
            print(f"  {hosts} x {len(snapshot.instances)}, {name}: {aware} hosts, {blind} blind: "
                  f"{1 - aware / blind:.0%} fewer; {decision.notes[1]}; {seconds:.2f} s")  # fmt: skip


BENCHMARKS: dict[str, Callable[[bool], None]] = {
    "balance": balance,
    "consolidate": consolidate,
    "drain": drain,
    "sharing": sharing,
}

if __name__ == "__main__":
    main()
