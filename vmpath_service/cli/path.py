"""Finding and checking a path between two files: no cloud, no database, no broker."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vmpath_service.cli import arguments
from vmpath_service.cli.abridged import lines
from vmpath_service.cli.command import DocumentLister, ShowOne
from vmpath_service.cli.constraints import add_constraints, chosen_constraints
from vmpath_service.cli.interrupt import FirstInterrupt
from vmpath_service.cli.ticker import Ticker

if TYPE_CHECKING:
    from vmpath_service.model.compiled import CompiledCloud
    from vmpath_service.model.plan import Limits, Plan
    from vmpath_service.model.snapshot import Snapshot
    from vmpath_service.pathfinder.partial import Score

_STATUS = {"found": 0, "infeasible": 3, "partial": 4, "undecided": 4}


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
        type=arguments.amount,
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


class Find(DocumentLister):
    """Find a path from a snapshot to a target placement.

    An interrupt (Ctrl-C) ends the search with the best so far, a second one at once and without a plan.

    Exit status: 0 a path was found, 2 bad input, 3 it is proved that there is none, 4 partial or undecided.
    """

    columns = (
        *("id", "wave", "instance", "source", "dest", "bypass"),
        *("after", "start_s", "end_s", "memory_mb", "reason"),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud as it is")
        parser.add_argument("--target", required=True, metavar="FILE", help="the placement to reach")
        parser.add_argument(
            "--objective",
            choices=("cost", "time", "balanced"),
            default="balanced",
            help="save memory moved, time until the last migration ends, or both (default: balanced)",
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
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        with FirstInterrupt(self.tell) as self._interrupt:
            return super().take_action(parsed_args)

    def make(self, parsed_args: argparse.Namespace) -> Plan:
        plan = self._find(parsed_args)
        self.status = _STATUS[plan.outcome]
        return plan

    def rows(self, document: Plan) -> Iterator[tuple[Any, ...]]:
        return _rows(document)

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        result = super().produce_output(parsed_args, column_names, data)
        for line in _in_words(self._document):
            self.tell(line)
        return result

    def _find(self, parsed: argparse.Namespace) -> Plan:
        from vmpath_service.model import files
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
        )
        cloud = compile_cloud(snapshot, chosen_constraints(parsed))
        score = self._score(parsed.policy, cloud) if parsed.policy else None
        with Ticker(self.app.stderr) as ticker:
            return find_path(
                cloud,
                target,
                settings,
                snapshot_identity=files.identity(data),
                policy=parsed.policy,
                score=score,
                progress=ticker.show,
                stop=self._interrupt.asked,
            )

    def _score(self, name: str, cloud: CompiledCloud) -> Score:
        from vmpath_service.cli.policies import chosen
        from vmpath_service.policies.base import Scope

        policy = chosen(self.app, name, {})
        return lambda where: policy.score(cloud, where, Scope()).value


def _rows(plan: Plan) -> Iterator[tuple[Any, ...]]:
    for move in plan.migrations:
        yield (
            move.id,
            move.wave,
            move.instance,
            move.source,
            move.dest,
            move.bypass,
            ",".join(map(str, move.after)),
            move.start_s,
            move.end_s,
            move.memory_mb,
            move.reason or "",
        )


def _in_words(plan: Plan) -> Iterator[str]:
    """What came of it, for a person."""
    summary = plan.summary
    if plan.explanation:
        yield f"{plan.outcome}: {plan.explanation}"
    if plan.outcome in ("found", "partial"):
        yield (
            f"{plan.outcome}: {summary.migrations} migrations ({summary.extra_migrations} extra, "
            f"{summary.bypasses} bypasses), {summary.memory_mb} MiB, {summary.waves} waves, "
            f"{summary.makespan_s:.1f} s (at least {summary.bounds.makespan_s:.1f} s)"
        )
    if plan.time_limited:
        yield "the time limit ended the search"
    if plan.extra.get("interrupted"):
        yield "an interrupt ended the search"


class Check(ShowOne):
    """Replay a plan, independently of the code that made it, and say where it breaks.

    Exit status: 0 it holds, 1 it breaks, 2 bad input.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud that the plan was made for")
        parser.add_argument("--plan", required=True, metavar="FILE", help="the plan")
        add_constraints(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from vmpath_service.model import files
        from vmpath_service.pathfinder import check_plan

        data = files.read_bytes(parsed_args.snapshot)
        snapshot = files.decode_snapshot(data, parsed_args.snapshot)
        plan = files.load_plan(parsed_args.plan)
        if plan.snapshot != files.identity(data):
            self.tell(f"note: the plan was made from another snapshot than {parsed_args.snapshot} ({plan.snapshot})")
        problems = check_plan(snapshot, plan, chosen_constraints(parsed_args)).problems
        self.status = 1 if problems else 0
        hint = "-f json shows all"
        for line in lines([f"the plan breaks: {problem}" for problem in problems], hint):
            self.tell(line)
        columns = ("holds", "outcome", "migrations", "makespan_s", "problems")
        listed = list(problems) if parsed_args.formatter in ("json", "yaml") else "\n".join(lines(problems, hint))
        return columns, (not problems, plan.outcome, len(plan.migrations), plan.summary.makespan_s, listed)
