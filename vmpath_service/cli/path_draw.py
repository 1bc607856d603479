"""A picture of a plan."""

from __future__ import annotations

import argparse

from vmpath_service.cli.command import Command
from vmpath_service.model.errors import InvalidInput


class Draw(Command):
    """Draw a plan: the timeline of hosts and migrations, with the critical path."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud that the plan was made for")
        parser.add_argument("--plan", required=True, metavar="FILE", help="the plan")
        parser.add_argument(
            "-o", "--output", required=True, metavar="FILE", help="where to draw it: a name in .svg or .html"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.cli.path import plan_of
        from vmpath_service.model import files
        from vmpath_service.report import timeline

        make = {".svg": timeline.svg, ".html": timeline.html}
        ending = next((end for end in make if parsed_args.output.endswith(end)), None)
        if ending is None:
            raise InvalidInput(f"-o {parsed_args.output}: expected a name that ends in .svg or .html")
        snapshot, plan = plan_of(parsed_args.snapshot, parsed_args.plan, self)
        files.write_bytes(make[ending](snapshot, plan).encode(), parsed_args.output)
        return 0
