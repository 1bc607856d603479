"""How long plans last that are to be over soon, against the best lower bound, and which bound that is.

    python benchmarks/schedule.py [FOLDER] [--hosts N] [--fills 70,80,85,90] [--objectives balanced,time] [--seeds N]

FOLDER: instances with a network, as ``NAME.snapshot.json.gz`` and ``NAME.target.json.gz``, and a ``reference.csv``
with what others planned; without it that part is left out. Nearly all instances of the made-up clouds move, with two
migrations per host. CPU seconds are those of compiling the cloud and finding the path: reading files and starting up
are not in it. Each plan is checked by replaying it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator
from pathlib import Path

from vmpath_service.model import files
from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits, Objective, Plan
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.samples import Sample, sample


def planned(snapshot: Snapshot, target: Placement, objective: Objective, limits: Limits) -> tuple[Plan, float]:
    """A plan and the CPU seconds it took; ends the benchmark where the plan does not hold."""
    before = time.process_time()
    cloud = compile_cloud(snapshot)
    settings = PathSettings(objective=objective, limits=limits)
    plan = find_path(cloud, target, settings, snapshot_identity="sha256:0")
    seconds = time.process_time() - before
    for problem in check_plan(snapshot, plan, target=target).problems:
        raise SystemExit(f"the plan breaks: {problem}")
    return plan, seconds


def fills(hosts: int, shares: list[float], objectives: list[Objective], seeds: int) -> Iterator[str]:
    """A row for each fill level and objective: the mean and the worst of some clouds."""
    yield f"{'fill':>5} {'objective':9} {'x bound':>8} {'worst':>6} {'extra MiB':>9} {'CPU s':>6}  binding"
    for share in shares:
        for objective in objectives:
            ratios, extra, spent, binding = [], 0.0, 0.0, None
            for seed in range(1, seeds + 1):
                wanted = Sample(
                    hosts=hosts, instances=10 * hosts, fill=share, moved=1.0, groups=hosts // 10, seed=seed
                )
                plan, seconds = planned(*sample(wanted), objective, Limits(per_host=2))
                summary = plan.summary
                ratios.append(summary.makespan_s / summary.bounds.makespan_s)
                extra += summary.memory_mb / summary.bounds.memory_mb - 1
                spent += seconds
                binding = summary.bounds.binding
            yield (
                f"{share:5.0%} {objective:9} {sum(ratios) / seeds:8.2f} {max(ratios):6.2f} {extra / seeds:9.1%}"
                f" {spent / seeds:6.1f}  {binding}"
            )


def networks(folder: Path) -> Iterator[str]:
    """A row for each instance with a network, and the mean of all."""
    with (folder / "reference.csv").open(encoding="utf-8") as lines:
        reference = list(csv.DictReader(lines))
    yield f"{'instance':42} {'x bound':>8} {'x BtrPlace':>10} {'CPU s':>6} {'its CPU s':>9}  binding"
    ratios, spent, its = [], 0.0, 0.0
    for row in reference:
        snapshot = files.load_snapshot(str(folder / f"{row['instance']}.snapshot.json.gz"))
        target = files.load_placement(str(folder / f"{row['instance']}.target.json.gz"))
        plan, seconds = planned(snapshot, target, "time", Limits(per_host=None))
        summary = plan.summary
        ratios.append(summary.makespan_s / summary.bounds.makespan_s)
        spent, its = spent + seconds, its + float(row["btrplace_cpu_s"])
        yield (
            f"{row['instance']:42} {ratios[-1]:8.3f} {summary.makespan_s / float(row['btrplace_makespan_s']):10.3f}"
            f" {seconds:6.2f} {float(row['btrplace_cpu_s']):9.2f}  {summary.bounds.binding}"
        )
    yield f"{'mean; worst':42} {sum(ratios) / len(ratios):8.3f} {max(ratios):10.3f} {spent:6.2f} {its:9.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--fills", default="70,80,85,90")
    parser.add_argument("--objectives", default="balanced,time")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    shares = [int(each) / 100 for each in given.fills.split(",") if each]
    for row in fills(given.hosts, shares, given.objectives.split(","), given.seeds):
        print(row, flush=True)
    if given.folder is None:
        print("left out: instances with a network, since no folder is given")
        return
    for row in networks(given.folder):
        print(row, flush=True)


if __name__ == "__main__":
    main()
