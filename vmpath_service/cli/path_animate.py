"""Plans in motion: one that was found before, or random ones."""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmpath_service.cli import arguments
from vmpath_service.cli.command import Command
from vmpath_service.model.errors import InvalidInput

if TYPE_CHECKING:
    from vmpath_service.model.plan import Plan
    from vmpath_service.model.snapshot import Snapshot
    from vmpath_service.report.frames import Frame


def add_stage(parser: argparse.ArgumentParser) -> None:
    """How frames are shown."""
    parser.add_argument("--auto", type=arguments.amount, metavar="SECONDS", help="go on by itself after this time")
    parser.add_argument("--waves", action="store_true", help="wave by wave, not one migration after the other")
    parser.add_argument("--resource-class", metavar="CLASS", help="what the bars show (default: MEMORY_MB)")


def play(
    command: Command, snapshot: Snapshot, plan: Plan, parsed: argparse.Namespace, caption: str | None = None
) -> bool:
    """Show a plan; False if the person at the terminal has had enough. Raises InvalidInput for an unknown class.

    ``caption``: what is told of it, on a terminal after the pictures, which clear the screen.
    """
    from vmpath_service.cli.stage import Stage
    from vmpath_service.report.frames import Animation, resource_class

    known = sorted({name for host in snapshot.hosts for name in host.inventories})
    chosen = parsed.resource_class or resource_class(snapshot)
    if parsed.resource_class and chosen not in known:
        raise InvalidInput(f"no host has any {chosen}; the snapshot has {', '.join(known)}")
    stage = Stage(command.app.stdout, parsed.auto)
    on_terminal = command.app.stdout.isatty()
    if caption and not on_terminal:
        command.tell(caption)

    def frames(columns: int, lines: int) -> Iterator[Frame]:
        return Animation(
            snapshot, plan, of_class=chosen, columns=columns, lines=lines, by_wave=parsed.waves
        ).frames()

    going = stage.show(frames)
    if caption and on_terminal:
        command.tell(caption)
    return going


class Animate(Command):
    """Show a plan in motion: a bar for each host, one migration per key press.

    In a pipe, the pictures come one below the other, in 80 columns.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud that the plan was made for")
        parser.add_argument("--plan", required=True, metavar="FILE", help="the plan")
        add_stage(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.cli.path import plan_of

        snapshot, plan = plan_of(parsed_args.snapshot, parsed_args.plan, self)
        explained = plan.explanation and not self.app.stdout.isatty()
        play(self, snapshot, plan, parsed_args, f"{plan.outcome}: {plan.explanation}" if explained else None)
        return 0


class Demo(Command):
    """Solve random clouds and show the plans in motion.

    Each is told with its seed, from which it can be made again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--seed", type=arguments.positive, help="of the first cloud (default: any)")
        parser.add_argument("--count", type=arguments.positive, default=1, metavar="N", help="how many clouds")
        parser.add_argument("--hosts", type=arguments.positive, default=6, metavar="N", help="at most N hosts")
        add_stage(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.model.compiled import compile_cloud
        from vmpath_service.pathfinder import PathSettings, find_path
        from vmpath_service.pathfinder.samples import small_samples

        if parsed_args.hosts < 2:
            raise InvalidInput("--hosts: a cloud to move about in has 2 hosts or more")
        seed = parsed_args.seed or random.SystemRandom().randrange(1, 1_000_000)
        pairs = small_samples(seed, parsed_args.hosts)
        for wanted, snapshot, target in itertools.islice(pairs, parsed_args.count):
            plan = find_path(compile_cloud(snapshot), target, PathSettings(), snapshot_identity="sha256:0")
            caption = (
                f"seed {wanted.seed}: {wanted.hosts} hosts, {wanted.instances} instances, {wanted.fill:.0%} full, "
                f"{len(target.placement)} to be moved: {plan.outcome}"
                + (f": {plan.explanation}" if plan.explanation else "")
            )
            if not play(self, snapshot, plan, parsed_args, caption):
                break
        return 0
