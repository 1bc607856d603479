"""Emptying hosts, the commonest thing."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vmpath_service.cli import host, watching
from vmpath_service.cli.rearrangement import RearrangementCommand

_POLICY = "drain"
_NOT_EMPTY = 4
"""Exit status: all that may be migrated has left, yet the hosts are not empty. Nobody may reboot them for that."""


class Drain(RearrangementCommand):
    """Empty hosts by live migration, starting now.

    It is a rearrangement of the policy drain, approved at once because the hosts were typed by name. With --wait the
    exit status is 0 only if the hosts are empty; it is 4 if instances had to be left on them.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("hosts", metavar="HOST", nargs="+", help="a host to empty")
        parser.add_argument("--dry-run", action="store_true", help="plan only; move nothing, ever")
        parser.add_argument("--wait", action="store_true", help="follow it to its end")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        host.check(client, parsed_args.hosts)
        record: Mapping[str, Any] = client.post(
            "rearrangements",
            body={
                "policy": _POLICY,
                "hosts": parsed_args.hosts,
                "dry_run": parsed_args.dry_run,
                "approve": not parsed_args.dry_run,
            },
        )
        if not parsed_args.dry_run:
            self.tell(
                f"rearrangement {record['id']} is approved, since its hosts were named: it starts once it is planned "
                f"({self.typed('rearrangement cancel')} {record['id']} stops it)"
            )
        if parsed_args.wait:
            record = self.follow(client, record["id"], parsed_args.formatter, watching.has_settled)
            left = (record["decision"] or {}).get("leftovers", ())
            if left and not self.status:
                self.status = _NOT_EMPTY
                show = self.typed("rearrangement show")
                self.tell(f"vmpath: not empty: {len(left)} instances stay (see {show} {record['id']})")
        return self.shown(client, record, parsed_args.formatter)
