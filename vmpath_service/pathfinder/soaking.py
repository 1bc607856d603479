"""One trial of a long test: a random pair, solved, replayed, and judged by the exhaustive search where it is small."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import msgspec

from vmpath_service.model.compiled import compile_cloud
from vmpath_service.model.placement import Placement
from vmpath_service.model.plan import Limits, Plan, Summary
from vmpath_service.model.snapshot import Snapshot
from vmpath_service.pathfinder.finder import find_path
from vmpath_service.pathfinder.replay import check_plan
from vmpath_service.pathfinder.samples import Sample, sample, small_samples
from vmpath_service.pathfinder.settings import PathSettings

# Hosts times instances up to which the exhaustive search is asked, too.
SMALL = 64
# How much dearer than the cheapest a path may be with the objective cost.
DEARER = 1.25
# How much of the trials are bigger clouds, and how big.
BIGGER = 0.1
HOSTS = 40


@dataclass(frozen=True, slots=True)
class Trial:
    """``disagreements``: what does not fit together, each one sentence; ``seconds`` of CPU for all of it."""

    seed: int
    wanted: Sample
    settings: PathSettings
    snapshot: Snapshot
    target: Placement
    plan: Plan
    seconds: float
    judged: bool
    disagreements: tuple[str, ...]

    def in_words(self) -> str:
        """What it was, on one line."""
        limits = self.settings.limits
        return (
            f"seed {self.seed}: {self.wanted.hosts} hosts, {self.wanted.instances} instances, {self.wanted.fill:.0%}"
            f" full, {self.settings.objective}, {limits.per_host or 'any'} per host: {self.plan.outcome},"
            f" {len(self.plan.migrations)} migrations, {self.seconds:.2f} s"
        )


def trial(seed: int, most_hosts: int) -> Trial:
    """The trial of this seed: the same every time, but for its ``seconds``."""
    chance = random.Random(f"vmpath soak {seed}")
    if chance.random() < BIGGER:
        hosts = chance.randint(most_hosts, max(most_hosts, HOSTS))
        fill = chance.choice((0.7, 0.85, 0.9))
        wanted = Sample(hosts, hosts * chance.randint(4, 10), fill, chance.choice((0.2, 1.0)), hosts // 5, seed=seed)
    else:
        wanted, _, _ = next(small_samples(seed, most_hosts))
    snapshot, target = sample(wanted)
    settings = PathSettings(
        objective=chance.choice(("cost", "time", "balanced")),
        limits=Limits(per_host=chance.choice((None, 1, 2)), in_total=chance.choice((None, None, 3))),
        best_effort=chance.random() < 0.2,
        max_migrations=chance.choice((None, None, None, 3)),
    )
    began = time.process_time()
    plan = Plan(outcome="undecided", target=target.placement, snapshot="sha256:0")
    wrong: list[str] = []
    try:
        plan, wrong = _tried(snapshot, target, settings)
    except Exception as error:  # noqa: BLE001  (that is what is looked for)
        wrong = [f"it broke: {type(error).__name__}: {error}"]
    seconds = time.process_time() - began
    return Trial(seed, wanted, settings, snapshot, target, plan, seconds, _judged(snapshot, settings), tuple(wrong))


def _judged(snapshot: Snapshot, settings: PathSettings) -> bool:
    """Whether the exhaustive search is asked, too."""
    return len(snapshot.hosts) * len(snapshot.instances) <= SMALL and not settings.max_migrations


def _tried(snapshot: Snapshot, target: Placement, settings: PathSettings) -> tuple[Plan, list[str]]:
    """The plan, and what does not fit together."""
    cloud = compile_cloud(snapshot)
    plan = find_path(cloud, target, settings, snapshot_identity="sha256:0")
    wrong = [f"the replay says: {problem}" for problem in check_plan(snapshot, plan, target=target).problems]
    if _timeless(plan) != _timeless(find_path(cloud, target, settings, snapshot_identity="sha256:0")):
        wrong.append("the same question has another answer the second time")
    if _judged(snapshot, settings):
        judge = PathSettings(limits=settings.limits, strategy="exact", objective="cost")
        exact = find_path(cloud, target, judge, snapshot_identity="sha256:0")
        outcomes = {plan.outcome, exact.outcome} - {"undecided", "partial"}
        if len(outcomes) > 1:
            wrong.append(f"the outcome is {plan.outcome}, the exhaustive search says {exact.outcome}")
        elif settings.best_effort and plan.outcome == "partial" and exact.outcome == "found":
            wrong.append("only a part of the way was found, the exhaustive search finds all of it")
        elif outcomes == {"found"} and settings.objective == "cost":
            cost, least = plan.summary.memory_mb, exact.summary.memory_mb
            if cost < least or cost > DEARER * least:
                wrong.append(f"{cost} MiB are moved, the exhaustive search moves {least} MiB")
    return plan, wrong


def _timeless(plan: Plan) -> Plan:
    summary = Summary(**{**msgspec.structs.asdict(plan.summary), "seconds": 0.0})
    return msgspec.structs.replace(plan, summary=summary)
