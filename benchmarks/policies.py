"""How good and how fast policies are, beside their peers where these are installed.

usage: python -m benchmarks.policies [--large] [--peer watcher] [NAME ...]

NAME: balance, consolidate, drain, heal, sharing; default: all. ``--large`` adds the clouds that take minutes. Seconds
are CPU seconds of the decision with its curve, without start-up, imports and compiling of the cloud. Peers are
Ganeti's hbal (apt: ganeti-htools; on the PATH, or named by HBAL) and plain best-fit decreasing; one that is missing is
skipped, and the output says so. ``--peer watcher`` adds OpenStack Watcher (PyPI: python-watcher) to ``consolidate``:
in a virtual environment that is made for it, or by the interpreter that WATCHER_PYTHON names.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy  # noqa: F401  (start-up, not the decision, pays for it)

from benchmarks.fleets import broken_fleet, even_fleet, image_fleet, mixed_fleet, random_fleet
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
    parser.add_argument("--peer", choices=("watcher",), help="also this peer, which takes minutes to install")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    with watcher_installed() if given.peer else contextlib.nullcontext() as python:
        for name in given.names or BENCHMARKS:
            print(f"\n{name}")
            BENCHMARKS[name](given.large)
        if python is not None and "consolidate" in (given.names or BENCHMARKS):
            watcher(python)


@contextlib.contextmanager
def watcher_installed() -> Iterator[str]:
    """The interpreter that WATCHER_PYTHON names, or one of a virtual environment with python-watcher."""
    if named := os.environ.get("WATCHER_PYTHON"):
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        print("installing python-watcher", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "python-watcher"], check=True)
        yield python


def watcher(python: str) -> None:
    """Watcher's consolidation of Watcher's cloud, judged like ours."""
    print("\nWatcher, vm_workload_consolidation")
    for hosts in (100, 1000):
        snapshot = even_fleet(hosts, hosts * 10)
        columns = ("VCPU", "MEMORY_MB", "DISK_GB")
        rooms = [[host.name, *(host.inventories[name].limit() for name in columns)] for host in snapshot.hosts]
        guests = [[each.uuid, each.host, *(each.resources[name] for name in columns)] for each in snapshot.instances]
        done = subprocess.run(
            [python, str(Path(__file__).with_name("watcher_peer.py"))],
            input=json.dumps({"hosts": rooms, "instances": guests}),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(f"  {hosts}: SKIPPED, it answered {done.stderr.strip().splitlines()[-1:]}")
            continue
        outcome = json.loads(done.stdout)
        moved = len(outcome["placement"])
        in_use = len({outcome["placement"].get(each.uuid, each.host) for each in snapshot.instances})
        print(
            f"  even, {hosts} x {hosts * 10}: {in_use} hosts in use, {moved} migrations, "
            f"{moved / fewest_moves(snapshot, hosts - in_use):.4f} x the floor; "
            f"{violations(snapshot, outcome['placement'])}; {outcome['seconds']:.1f} s"
        )


def violations(snapshot: Snapshot, placement: Mapping[str, str]) -> str:
    """What a placement breaks: groups whose members share a host, instances outside of the zones of their pins."""
    where = {each.uuid: placement.get(each.uuid, str(each.host)) for each in snapshot.instances}
    zone_of = {host.name: host.availability_zone for host in snapshot.hosts}
    crossed = sum(
        each.pinned_availability_zone not in (None, zone_of[where[each.uuid]]) for each in snapshot.instances
    )
    groups = snapshot.server_groups
    broken = sum(len({where[member] for member in group.members}) < len(group.members) for group in groups)
    return f"{broken} of {len(groups)} groups broken, {crossed} instances outside of their zones"


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
        share = len(decision.placement) / fewest
        print(f"    {len(decision.placement)} migrations, {share:.4f} x the floor {fewest}")
        print(f"    {violations(snapshot, decision.placement)}")
    for hosts in (200, 1000) if large else (200,):
        snapshot = mixed_fleet(hosts)
        cloud = compile_cloud(snapshot)
        print(f"  mixed, {hosts} x {len(snapshot.instances)}")
        tried: dict[str, dict[str, OptionValue]] = {"": {"neighbourhoods": 0}}
        if available():
            # the longest search shows what the default leaves lying
            long: dict[str, OptionValue] = {"neighbourhoods": 10 * hosts, "exchanges": 200 * hosts}
            tried |= {" with OR-Tools": {}, " with OR-Tools, searched long": long}
        else:
            print("    OR-Tools: SKIPPED, not installed (pip install ortools)")
        for how, settings in tried.items():
            decision, seconds = timed("consolidate", cloud, settings)
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


def heal(large: bool) -> None:
    """A cloud in which much is broken."""
    for hosts, fill in ((200, 0.72), (200, 0.86), (1000, 0.72)) if large else ((200, 0.72), (200, 0.86)):
        cloud = compile_cloud(broken_fleet(hosts, fill=fill))
        decision, seconds = timed("heal", cloud)
        terms = ", ".join(f"{value:g} {name}" for name, value in decision.before.terms.items())
        wrong = f"{terms}; {decision.before.value:g} -> {decision.after.value:g}"
        print(f"  {hosts} x {len(cloud.home)}, filled to {fill:.0%}: {wrong}")
        print(f"    {len(decision.placement)} migrations, none goes below {fewest_repairs(cloud)}; {seconds:.2f} s")


def fewest_repairs(cloud: CompiledCloud) -> int:
    """No way to repair everything moves fewer: who is misplaced, and of each host as many of the largest, or of the
    members of groups, as are too many."""
    total = 0
    guests: dict[int, list[int]] = {}
    for guest, host in enumerate(cloud.home):
        guests.setdefault(host, []).append(guest)
    for host, there in guests.items():
        disabled = cloud.snapshot.hosts[host].status == "disabled"
        stay = [guest for guest in there if not disabled and cloud.admits(guest, host)]
        members = Counter(counter for guest in stay for counter in cloud.counters_of.get(guest, ()))
        needed = sum(max(0, count - cloud.counter_limits[counter]) for counter, count in members.items())
        for at, most in enumerate(cloud.capacity[host]):
            sizes = sorted(cloud.demand(guest)[at] for guest in stay)
            over, leaving = sum(sizes) - most, 0
            while over > 0:
                over -= sizes.pop()
                leaving += 1
            needed = max(needed, leaving)
        total += len(there) - len(stay) + needed
    return total


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
    "heal": heal,
    "sharing": sharing,
}

if __name__ == "__main__":
    main()
