"""Placement's books against reality: what is wrong, and setting it right. Talks to the cloud itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vmpath_service.cli.asking import consents
from vmpath_service.cli.command import Lister

if TYPE_CHECKING:
    from vmpath_service.cloud.audit import Audit
    from vmpath_service.cloud.books import Finding

_COLUMNS = ("kind", "host", "consumer", "instance", "resources", "remedy", "why")
_WRONG = 1
"""Exit status: something is wrong, or stayed wrong."""


class _AllocationCommand(Lister):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--pause",
            type=_seconds,
            default=5.0,
            metavar="SECONDS",
            help="how long after the first look the second one is taken (5)",
        )
        return parser

    def audit(self, parsed_args: argparse.Namespace) -> Audit:
        options = self.app.options
        cloud = self.app.wiring.cloud(options.os_cloud, options.config_file, options.config_dir)
        return cloud.audit(parsed_args.pause)

    def row(self, finding: Finding, machine: bool) -> tuple[Any, ...]:
        amounts = dict(sorted(finding.resources.items()))
        resources = amounts if machine else ", ".join(f"{name} {amount}" for name, amount in amounts.items())
        return (
            finding.kind.value,
            finding.host,
            finding.consumer,
            finding.instance,
            resources,
            finding.remedy.value or "look at it",
            finding.why,
        )


class Check(_AllocationCommand):
    """Compare what Placement counts with what Nova says: leaked, misplaced and missing allocations.

    Read twice: what is told has been wrong both times. Exit status 1 if anything is wrong. Nothing is changed.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        findings = self.audit(parsed_args).check()
        self.status = _WRONG if findings else 0
        if not findings:
            self.tell("nothing is wrong with the allocations")
        machine = parsed_args.formatter in ("json", "yaml")
        return _COLUMNS, [self.row(finding, machine) for finding in findings]


class Heal(_AllocationCommand):
    """Set right what is provably wrong with Placement's allocations.

    Only what was wrong on two looks and still is right before it is changed, of servers that nothing moves. What
    somebody has to look at first is listed and left alone. Exit status 1 if anything stays wrong.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--yes", action="store_true", help="do not ask")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        audit = self.audit(parsed_args)
        findings = audit.check()
        curable = [finding for finding in findings if finding.remedy.value]
        left: list[tuple[Finding, str]] = [
            (finding, "left alone: somebody has to look at it") for finding in findings if not finding.remedy.value
        ]
        if not findings:
            self.tell("nothing is wrong with the allocations")
        if curable and not parsed_args.yes:
            for finding in curable:
                self.tell(f"{finding.kind.value} on {finding.host}: {finding.why}: {finding.remedy.value}")
            if not consents(f"change {len(curable)} allocations?", self.app.stdin, self.app.stderr):
                left += [(finding, "left alone") for finding in curable]
                curable = []
        outcomes = [(each.finding, each.error or "healed") for each in audit.heal(curable)]
        self.status = _WRONG if left or any(outcome != "healed" for _, outcome in outcomes) else 0
        machine = parsed_args.formatter in ("json", "yaml")
        rows = [(*self.row(finding, machine), outcome) for finding, outcome in (*outcomes, *left)]
        return (*_COLUMNS, "outcome"), rows


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= number <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 3600 seconds")
    return number
