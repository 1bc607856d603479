"""A directory of scenarios with expected outcomes."""

from __future__ import annotations

import argparse

from vmpath_service.cli.command import Command
from vmpath_service.model.errors import InvalidInput


class Test(Command):
    """Find the paths of a directory of scenarios, and compare what comes of them with what they expect.

    Exit status: 0 all as expected, 1 some not, 2 a file is wrong.
    """

    __test__ = False  # no test class, whatever its name

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("directory", metavar="DIR", help="where the scenarios are: files in .json")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.pathfinder import scenarios

        paths = scenarios.scenario_files(parsed_args.directory)
        if not paths:
            raise InvalidInput(f"{parsed_args.directory}: there is no scenario, expected files in .json with 'expect'")
        loaded = [(path, *scenarios.load(path)) for path in paths]
        failed = 0
        for path, scenario, snapshot, target in loaded:
            wrong = list(scenarios.differences(scenario, snapshot, target))
            failed += bool(wrong)
            self.app.stdout.write(f"{'FAILED' if wrong else 'ok':<6}  {path}\n")
            for each in wrong:
                self.app.stdout.write(f"        {each}\n")
        self.app.stdout.write(f"{len(loaded) - failed} of {len(loaded)} as expected\n")
        return 1 if failed else 0
