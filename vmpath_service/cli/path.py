"""Finding and checking a path between two files: no cloud, no database, no broker."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vmpath_service.cli.abridged import lines
from vmpath_service.cli.command import Command, DocumentLister, ShowOne
from vmpath_service.cli.constraints import add_constraints, chosen_constraints
from vmpath_service.cli.interrupt import FirstInterrupt
from vmpath_service.cli.path_question import add_question, answer
from vmpath_service.cli.ticker import Ticker
from vmpath_service.model.errors import InvalidFile

if TYPE_CHECKING:
    from vmpath_service.model.plan import Plan
    from vmpath_service.model.snapshot import Snapshot

# How wide a name may be in a table on a terminal.
_LONGEST = 16
# What stands around each cell, and what is left out first where a terminal is narrow: animate and debug tell it, too.
_EDGES = " | "
_SPARED = ("reason", "bypass", "after", "memory_mb", "start_s")
STATUS = {"found": 0, "infeasible": 3, "partial": 4, "undecided": 4}


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
        add_question(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        self._ticker = Ticker(self.app.stderr, parsed_args.time_limit)
        with self._ticker, FirstInterrupt(self._tell_of_interrupt) as self._interrupt:
            return super().take_action(parsed_args)

    def _tell_of_interrupt(self, text: str) -> None:
        self._ticker.clear()
        self.tell(text)

    def make(self, parsed_args: argparse.Namespace) -> Plan:
        asked = self._interrupt.asked
        self._snapshot, plan = answer(self.app, parsed_args, progress=self._ticker.show, stop=asked)
        self.status = STATUS[plan.outcome]
        return plan

    def rows(self, document: Plan) -> Iterator[tuple[Any, ...]]:
        return _rows(document)

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        if parsed_args.formatter in (None, "table") and not parsed_args.columns:
            room = shutil.get_terminal_size().columns if self.app.stdout.isatty() else None
            column_names, data = _for_people(self._snapshot, column_names, data, room)
        result = super().produce_output(parsed_args, column_names, data)
        for line in in_words(self._document):
            self.tell(line)
        return result


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


def _for_people(
    snapshot: Snapshot, columns: Sequence[str], rows: Iterable[Sequence[Any]], room: int | None
) -> tuple[Sequence[str], list[list[Any]]]:
    """The table as a person reads it: instances by their names, and no columns that say nothing. ``room``: the columns
    of a terminal, for which names are made shorter, and what can be spared is left out."""
    from vmpath_service.report.cells import labels, short_names, width

    called = labels(snapshot.instances)
    hosts = {host.name: host.name for host in snapshot.hosts}
    if room is not None:
        called = {uuid: short_names([label], _LONGEST)[label] for uuid, label in called.items()}
        hosts = dict(short_names(list(hosts), _LONGEST))
    names = {"instance": called, "source": hosts, "dest": hosts}
    listed = [
        [names[column][cell] if column in names else cell for column, cell in zip(columns, row, strict=True)]
        for row in rows
    ]
    every = list(range(len(columns)))
    told = [each for each in every if any(row[each] != "" and row[each] is not False for row in listed)] or every
    wide = [max(len(columns[each]), *(width(str(row[each])) for row in listed), 0) + len(_EDGES) for each in every]
    for spared in _SPARED:
        if room is not None and sum(wide[each] for each in told) >= room:
            told = [each for each in told if columns[each] != spared]
    return [columns[number] for number in told], [[row[number] for number in told] for row in listed]


def in_words(plan: Plan) -> Iterator[str]:
    """What came of it, for a person."""
    summary = plan.summary
    if plan.explanation:
        yield f"{plan.outcome}: {plan.explanation}"
    if plan.outcome in ("found", "partial"):
        whole = "" if plan.outcome == "found" else "the whole way "
        yield (
            f"{plan.outcome}: {summary.migrations} migrations ({summary.extra_migrations} extra, "
            f"{summary.bypasses} bypasses), {summary.memory_mb} MiB, {summary.waves} waves, "
            f"{summary.makespan_s:.1f} s ({whole}at least {summary.bounds.makespan_s:.1f} s)"
        )
    if plan.time_limited:
        yield "the time limit ended the search"
    if plan.extra.get("interrupted"):
        yield "an interrupt ended the search"


def plan_of(snapshot_file: str, plan_file: str, command: Command) -> tuple[Snapshot, Plan]:
    """A snapshot and a plan for it; says so where the plan was made from another. Raises InvalidFile, and InvalidInput
    where the plan names what the snapshot does not have."""
    from vmpath_service.model import files, semantics

    data = files.read_bytes(snapshot_file)
    snapshot = files.decode_snapshot(data, snapshot_file)
    plan = files.load_plan(plan_file)
    if plan.snapshot != files.identity(data):
        command.tell(f"note: the plan was made from another snapshot than {snapshot_file} ({plan.snapshot})")
    for problem in semantics.foreign_names(snapshot, plan):
        raise InvalidFile(plan_file, problem.pointer, f"{problem.text}, which {snapshot_file} does not have")
    return snapshot, plan


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
        from vmpath_service.model.plan import PARTS, part_made_from
        from vmpath_service.pathfinder import check_plan

        data = files.read_bytes(parsed_args.snapshot)
        snapshot = files.decode_snapshot(data, parsed_args.snapshot)
        whole = files.load_plan(parsed_args.plan)
        plan = part_made_from(whole, files.identity(data))
        if plan.snapshot != files.identity(data):
            self.tell(f"note: the plan was made from another snapshot than {parsed_args.snapshot} ({plan.snapshot})")
        if later := whole.extra.get(PARTS):
            self.tell(
                f"note: the plan was made longer under way, {len(later)} times, each time from a snapshot of its own;"
                f" {len(plan.migrations)} of its {len(whole.migrations)} migrations are checked"
            )
        problems = check_plan(snapshot, plan, chosen_constraints(parsed_args)).problems
        self.status = 1 if problems else 0
        hint = "-f json shows all"
        for line in lines([f"the plan breaks: {problem}" for problem in problems], hint):
            self.tell(line)
        columns = ("holds", "outcome", "migrations", "makespan_s", "problems")
        listed = list(problems) if parsed_args.formatter in ("json", "yaml") else "\n".join(lines(problems, hint))
        return columns, (not problems, plan.outcome, len(plan.migrations), plan.summary.makespan_s, listed)
