"""Snapshots: the live cloud to a file, a file as bars, the difference of two files."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vmpath_service.cli.abridged import MOST
from vmpath_service.cli.bars import UNITS, Fill, in_order
from vmpath_service.cli.command import BarLister, Command, Lister

if TYPE_CHECKING:
    from vmpath_service.model.snapshot import Host, Snapshot


class Save(Command):
    """Read the live cloud into a file."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write it (.gz by name)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.model import files

        options = self.app.options
        cloud = self.app.wiring.cloud(options.os_cloud, options.config_file, options.config_dir)
        snapshot = cloud.read()
        files.save(snapshot, parsed_args.output)
        self.tell(f"{len(snapshot.hosts)} hosts and {len(snapshot.instances)} instances saved in {parsed_args.output}")
        return 0


class Show(BarLister):
    """Show how full every host of a snapshot is."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="a snapshot")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from vmpath_service.model import files

        snapshot = files.load_snapshot(parsed_args.file)
        classes = in_order(name for host in snapshot.hosts for name in host.inventories)
        return ("host", "state", "instances", *classes), list(_host_rows(snapshot, classes))


class Diff(Lister):
    """Show what differs between two snapshots."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("before", metavar="BEFORE", help="a snapshot")
        parser.add_argument("after", metavar="AFTER", help="a later one")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from vmpath_service.cli.difference import differences
        from vmpath_service.model import files

        before = files.load_snapshot(parsed_args.before)
        after = files.load_snapshot(parsed_args.after)
        most = MOST if parsed_args.formatter == "table" else None
        found = [
            (each.what, each.name, each.aspect, each.before, each.after) for each in differences(before, after, most)
        ]
        if not found:
            self.tell("the two snapshots do not differ")
        return ("what", "name", "aspect", "before", "after"), found


def _state(host: Host) -> str:
    return f"{host.state}, disabled" if host.status == "disabled" else host.state


def _host_rows(snapshot: Snapshot, classes: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    used: dict[str, dict[str, int]] = {host.name: dict(host.used_by_others) for host in snapshot.hosts}
    counts = dict.fromkeys(used, 0)
    for instance in snapshot.instances:
        if instance.host is None:
            continue
        counts[instance.host] += 1
        there = used[instance.host]
        for name, amount in instance.resources.items():
            there[name] = there.get(name, 0) + amount
    for host in snapshot.hosts:
        fills = (
            Fill(used[host.name].get(name, 0), limit.limit() if limit else 0, UNITS.get(name, ""))
            for name in classes
            for limit in [host.inventories.get(name)]
        )
        yield (host.name, _state(host), counts[host.name], *fills)
