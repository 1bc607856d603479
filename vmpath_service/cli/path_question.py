"""The question of a path, as arguments: where from, where to, under which rules, how it is searched for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmpath_service.cli import arguments
from vmpath_service.cli.constraints import add_constraints, chosen_constraints
from vmpath_service.cli.policies import chosen
from vmpath_service.model.errors import InvalidInput

if TYPE_CHECKING:
    from vmpath_service.cli.app import Application
    from vmpath_service.model.compiled import CompiledCloud
    from vmpath_service.model.plan import Limits, Plan
    from vmpath_service.model.snapshot import Snapshot
    from vmpath_service.pathfinder.finder import Progress
    from vmpath_service.pathfinder.partial import Score
    from vmpath_service.pathfinder.trace import Trace


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Options that say how much may be in flight at once."""
    parser.add_argument(
        "--per-host",
        type=arguments.positive,
        metavar="N",
        help="at most N migrations out of a host and N into it at once (default: 2; no limit where the snapshot has a "
        "network)",
    )
    parser.add_argument("--in-total", type=arguments.positive, metavar="N", help="at most N migrations at once")
    parser.add_argument(
        "--per-group", type=arguments.positive, metavar="N", help="at most N members of a server group at once"
    )
    parser.add_argument(
        "--migration-mbps",
        type=arguments.rate,
        default=8000.0,
        metavar="RATE",
        help="the rate of one migration in Mbit/s (default: 8000)",
    )


def read_limits(parsed: argparse.Namespace, snapshot: Snapshot) -> Limits:
    """The limits that were asked for, completed for this snapshot."""
    from vmpath_service.model.plan import Limits

    per_host = parsed.per_host if parsed.per_host is not None else (None if snapshot.network else 2)
    return Limits(
        per_host=per_host,
        in_total=parsed.in_total,
        migration_mbps=parsed.migration_mbps,
        per_group=parsed.per_group,
    )


def add_question(parser: argparse.ArgumentParser) -> None:
    """All that ``path find`` is asked."""
    parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud as it is")
    parser.add_argument("--target", required=True, metavar="FILE", help="the placement to reach")
    parser.add_argument(
        "--objective",
        choices=("cost", "time", "balanced"),
        default="balanced",
        help="save memory moved, time until the last migration ends, or both (default: balanced)",
    )
    parser.add_argument(
        "--exchange-rate",
        type=arguments.amount,
        default=3.0,
        metavar="PERCENT",
        help="with the objective balanced, how much time has to be saved for each percent of cost (default: 3)",
    )
    parser.add_argument(
        "--strategy",
        default="layered",
        metavar="NAME",
        help="how to search: layered (default), exact (for small clouds), greedy, or a plug-in",
    )
    parser.add_argument(
        "--cost",
        default="memory",
        metavar="NAME",
        help="what a migration costs: memory (default), dirty-memory, seconds, count, weighted, or a plug-in",
    )
    parser.add_argument(
        "--cost-set",
        action="append",
        type=arguments.assignment,
        default=[],
        metavar="OPTION=VALUE",
        help="an option of the cost (may be given several times)",
    )
    add_constraints(parser)
    add_limits(parser)
    parser.add_argument(
        "--max-migrations",
        type=arguments.positive,
        metavar="N",
        help="at most N migrations in all: where the whole way takes more, the best part of it",
    )
    parser.add_argument(
        "--max-memory",
        type=arguments.positive,
        metavar="MIB",
        help="move at most this much memory in all: where the whole way takes more, the best part of it",
    )
    parser.add_argument(
        "--time-limit",
        type=arguments.amount,
        metavar="SECONDS",
        help="end the search after this time, with the best so far",
    )
    parser.add_argument(
        "--policy",
        metavar="NAME",
        help="whose score says which part of a way is the best: a configured policy, or a driver such as "
        "consolidate (default: the least misplaced memory)",
    )
    parser.add_argument("--best-effort", action="store_true", help="accept a path that goes part of the way")
    parser.add_argument(
        "--allow-departures", action="store_true", help="the target may say that instances are gone (null)"
    )


def answer(
    app: Application,
    parsed: argparse.Namespace,
    *,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
    trace: Trace | None = None,
) -> tuple[Snapshot, Plan]:
    """The cloud and the plan for a question. Raises what reading the files and finding the path raise, and
    InvalidInput for rates at which nothing arrives."""
    from vmpath_service.model import files, semantics
    from vmpath_service.model.compiled import compile_cloud
    from vmpath_service.model.costs import registry as costs
    from vmpath_service.pathfinder import find_path
    from vmpath_service.pathfinder.settings import PathSettings

    cost = costs.make(parsed.cost, dict(parsed.cost_set))
    data = files.read_bytes(parsed.snapshot)
    snapshot = files.decode_snapshot(data, parsed.snapshot)
    target = files.load_placement(parsed.target)
    settings = PathSettings(
        objective=parsed.objective,
        limits=read_limits(parsed, snapshot),
        time_limit=parsed.time_limit,
        best_effort=parsed.best_effort,
        departures=parsed.allow_departures,
        cost=cost,
        strategy=parsed.strategy,
        max_migrations=parsed.max_migrations,
        max_memory_mb=parsed.max_memory,
        exchange_rate=parsed.exchange_rate,
    )
    cloud = compile_cloud(snapshot, chosen_constraints(parsed))
    score = _score(app, parsed.policy, cloud) if parsed.policy else None
    plan = find_path(
        cloud,
        target,
        settings,
        snapshot_identity=files.identity(data),
        policy=parsed.policy,
        score=score,
        progress=progress,
        stop=stop,
        trace=trace,
    )
    for problem, uuid in semantics.endless(plan):
        label = snapshot.instances[cloud.instance_index[uuid]].label()
        where = f"--migration-mbps, or a link of the network: the migration of {label}"
        raise InvalidInput(f"{where}: {problem.text}")
    return snapshot, plan


def _score(app: Application, name: str, cloud: CompiledCloud) -> Score:
    from vmpath_service.policies.base import Scope

    policy = chosen(app, name, {})
    return lambda where: policy.score(cloud, where, Scope()).value
