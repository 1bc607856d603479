"""What the path finder tries, and why."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmpath_service.cli.command import Command
from vmpath_service.cli.folding import folded
from vmpath_service.cli.interrupt import FirstInterrupt
from vmpath_service.cli.path_question import add_question

if TYPE_CHECKING:
    from vmpath_service.model.plan import Plan
    from vmpath_service.model.snapshot import Snapshot


class Debug(Command):
    """Find a path and tell what is tried and why, one line for each attempt, indented by what it is a part of.

    An interrupt ends the search with the best so far. Exit status: that of path find.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_question(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.cli.path import STATUS, in_words
        from vmpath_service.cli.path_question import answer
        from vmpath_service.pathfinder.trace import Trace

        out = self.app.stdout

        def write(depth: int, text: str) -> None:
            out.write(folded(f"{'  ' * depth}{text}", out) + "\n")
            out.flush()

        with FirstInterrupt(self.tell) as interrupt:
            snapshot, plan = answer(self.app, parsed_args, stop=interrupt.asked, trace=Trace(write))
        for line in in_words(plan):
            write(0, line)
        for line in _steps(snapshot, plan):
            write(1, line)
        return STATUS[plan.outcome]


def _steps(snapshot: Snapshot, plan: Plan) -> Iterator[str]:
    """All that the plan does, in its order."""
    from vmpath_service.report.cells import labels

    called = labels(snapshot.instances)
    for uuid in plan.departures:
        yield f"first {called[uuid]} is deleted or shelved"
    done = {step.id: f"{step.action} {step.host}" for step in plan.host_steps}
    after = {step.id: step.after for step in plan.host_steps}
    for move in plan.migrations:
        after[move.id] = move.after
        done[move.id] = f"{called[move.instance]} {move.source} -> {move.dest}"
    reasons = {move.id: f"  ({move.reason})" for move in plan.migrations if move.reason}
    for identity in sorted(done):
        waits = f", after {', '.join(map(str, after[identity]))}" if after[identity] else ""
        yield f"{identity}: {done[identity]}{waits}{reasons.get(identity, '')}"
    for arrival in plan.arrivals:
        yield f"last {called[arrival.instance]} is placed on {arrival.host}"
