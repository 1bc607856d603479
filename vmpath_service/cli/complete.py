"""Completion for shells."""

from __future__ import annotations

import argparse

from vmpath_service.cli.command import Command, load
from vmpath_service.cli.completing import completion, script


class Complete(Command):
    """Write what a shell needs to complete the commands of vmpath, their options, and names that the service knows.

    For bash, in ~/.bashrc:  source <(vmpath complete bash)
    For zsh, in ~/.zshrc:    source <(vmpath complete zsh)
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("shell", choices=("bash", "zsh"), nargs="?", default="bash", help="which (default: bash)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.cli.commands import COMMANDS

        known = {
            name: completion(name, load(place)(self.app, None, cmd_name=name).get_parser(f"vmpath {name}"))
            for name, place in COMMANDS.items()
        }
        self.app.stdout.write(script(parsed_args.shell, known, completion("vmpath", self.app.parser)))
        return 0
