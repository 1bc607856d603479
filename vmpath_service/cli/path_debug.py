"""What the path finder tries, and why."""

from __future__ import annotations

import argparse

from vmpath_service.cli.command import Command
from vmpath_service.cli.folding import folded
from vmpath_service.cli.interrupt import FirstInterrupt
from vmpath_service.cli.path_question import add_question


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
            plan = answer(self.app, parsed_args, stop=interrupt.asked, trace=Trace(write))
        for line in in_words(plan):
            out.write(f"{line}\n")
        for step in sorted(plan.migrations, key=lambda each: each.id):
            after = f", after {', '.join(map(str, step.after))}" if step.after else ""
            reason = f"  ({step.reason})" if step.reason else ""
            out.write(f"  {step.id}: {step.instance} {step.source} -> {step.dest}{after}{reason}\n")
        return STATUS[plan.outcome]
