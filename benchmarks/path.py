"""How fast paths are found, how many moves they take beyond what they must, and how long they last.

    python benchmarks/path.py [--quick] [--small N] [--only TEXT]

Each case of a big cloud runs in a process of its own. CPU seconds are those of compiling the cloud and finding the
path: reading files and starting up are not in it. ``--quick`` divides the sizes of the big clouds by ten.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import multiprocessing
import resource
import time
from collections.abc import Iterator

from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.plan import Limits, Objective
from vmpath_service.pathfinder import PathSettings, check_plan, find_path
from vmpath_service.pathfinder.answer import least
from vmpath_service.pathfinder.problem import pose
from vmpath_service.pathfinder.samples import Sample, sample, small_samples


@dataclasses.dataclass(frozen=True)
class Case:
    title: str
    sample: Sample
    objective: Objective
    goal: str


def big(title: str, hosts: int, fill: float, moved: float, objective: Objective, goal: str) -> Case:
    wanted = Sample(hosts=hosts, instances=10 * hosts, fill=fill, moved=moved, groups=hosts // 10)
    return Case(title, wanted, objective, goal)


CASES = (
    big("10,000 hosts, 10 % move, 90 % full", 10_000, 0.90, 0.1, "balanced", "5 s"),
    big("10,000 hosts, all move, 85 % full", 10_000, 0.85, 1.0, "balanced", "20 s"),
    big("10,000 hosts, all move, 90 % full", 10_000, 0.90, 1.0, "cost", "2 % extra"),
    big("1,000 hosts, all move, 85 % full", 1_000, 0.85, 1.0, "cost", "0.5 % extra"),
    big("1,000 hosts, all move, 90 % full", 1_000, 0.90, 1.0, "cost", "2 % extra"),
    big("1,000 hosts, all move, 95 % full", 1_000, 0.95, 1.0, "cost", "6 % extra"),
    big("1,000 hosts, all move, 70 % full", 1_000, 0.70, 1.0, "time", "1.15 x bound"),
    big("1,000 hosts, all move, 80 % full", 1_000, 0.80, 1.0, "time", "1.5 x bound"),
    big("1,000 hosts, all move, 85 % full", 1_000, 0.85, 1.0, "time", "2 x bound"),
    big("1,000 hosts, all move, 90 % full", 1_000, 0.90, 1.0, "time", "3 x bound"),
)


def measured(case: Case) -> str:
    """A row of the table."""
    snapshot, target = sample(case.sample)
    before = time.process_time()
    cloud = compile_cloud(snapshot)
    settings = PathSettings(objective=case.objective, limits=Limits(per_host=2))
    plan = find_path(cloud, target, settings, snapshot_identity="sha256:0")
    seconds = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
    summary = plan.summary
    misplaced = max(1, summary.bounds.migrations)
    ratio = summary.makespan_s / summary.bounds.makespan_s if summary.bounds.makespan_s else 0.0
    problems = check_plan(snapshot, plan, target=target).problems
    return (
        f"{case.title:36} {case.objective:9} {plan.outcome + (' BREAKS' if problems else ''):9} {seconds:7.1f}"
        f" {memory:6.2f} {summary.migrations:8} {summary.extra_migrations / misplaced:7.2%} {summary.bypasses:6}"
        f" {ratio:7.2f}  {case.goal}"
    )


def small_clouds(count: int) -> Iterator[str]:
    """How the default compares with the exhaustive search."""
    ratios: list[float] = []
    told: dict[str, int] = {}
    spent = 0.0
    for wanted, snapshot, target in itertools.islice(small_samples(1, most_hosts=4), count):
        cloud = compile_cloud(snapshot)
        problem = pose(cloud, target, Limits())
        found = {}
        for strategy in ("layered", "exact"):
            settings = PathSettings(objective="cost", strategy=strategy)
            before = time.process_time()
            found[strategy] = find_path(cloud, target, settings, snapshot_identity="sha256:0")
            spent += time.process_time() - before if strategy == "layered" else 0.0
        layered, exact = found["layered"], found["exact"]
        both = f"{layered.outcome}, exact says {exact.outcome}"
        told[both] = told.get(both, 0) + 1
        if layered.outcome == exact.outcome == "found":
            costs = [sum(each.memory_mb for each in plan.migrations) for plan in (layered, exact)]
            if least(problem):
                ratios.append(costs[0] / max(1, costs[1]))
        elif layered.outcome != exact.outcome and "undecided" not in (layered.outcome, exact.outcome):
            yield f"DISAGREEMENT for {wanted}: {both}"
    for both, number in sorted(told.items(), key=lambda each: -each[1]):
        yield f"{number:6}  {both}"
    mean = sum(ratios) / max(1, len(ratios))
    yield f"cost of {len(ratios)} paths: {mean:.4f} x optimal on average, {max(ratios, default=0.0):.3f} x at worst"
    yield f"{spent / count * 1000:.1f} ms of CPU each"


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmarks of the path finder")
    parser.add_argument("--quick", action="store_true", help="a tenth of the hosts")
    parser.add_argument("--small", type=int, default=300, help="how many small clouds (default: 300)")
    parser.add_argument("--only", default="", help="only the cases with this in their title and objective")
    options = parser.parse_args()
    if options.small:
        print(f"{options.small} small clouds, objective cost:")
        for line in small_clouds(options.small):
            print(line, flush=True)
        print()
    print(
        f"{'case':36} {'objective':9} {'outcome':9} {'CPU s':>7} {'GiB':>6} {'moves':>8} {'extra':>7} {'bypass':>6}"
        f" {'x bound':>7}  to reach"
    )
    context = multiprocessing.get_context("spawn")
    for case in CASES:
        if options.only not in f"{case.title} {case.objective}":
            continue
        if options.quick:
            smaller = dataclasses.replace(
                case.sample,
                hosts=case.sample.hosts // 10,
                instances=case.sample.instances // 10,
                groups=case.sample.groups // 10,
            )
            case = dataclasses.replace(case, sample=smaller, title=f"a tenth of {case.title}")
        with context.Pool(1) as pool:
            print(pool.apply(measured, (case,)), flush=True)


if __name__ == "__main__":
    main()
