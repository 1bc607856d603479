"""The hosts as the service sees them now."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vmpath_service.cli.abridged import in_line
from vmpath_service.cli.bars import UNITS, Fill, in_order
from vmpath_service.cli.client import Client
from vmpath_service.cli.command import BarLister, ShowOne
from vmpath_service.model.errors import NotFound
from vmpath_service.model.hints import hint


class List(BarLister):
    """List the hosts: how full they are, in which state, and why not usable."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        hosts = list(self.client().pages("hosts"))
        classes = in_order(name for host in hosts for name in host["capacity"])
        columns = ("name", "state", "status", "availability_zone", "instances", *classes, "why_not")
        rows = [
            (
                *(host[name] for name in ("name", "state", "status")),
                host["availability_zone"] or "",
                host["instances"],
                *(fill(host, name) for name in classes),
                host["why_not"] or "",
            )
            for host in hosts
        ]
        return columns, rows


class Show(ShowOne):
    """Show a host."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", help="its name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        host = self.client().get("hosts", parsed_args.host)
        if parsed_args.formatter in ("json", "yaml"):
            return self.dict2columns(host)
        shown = {name: value for name, value in host.items() if name not in ("capacity", "used")}
        listed = {name: in_line(value) for name, value in shown.items() if isinstance(value, list)}
        return self.dict2columns(shown | listed | {name: fill(host, name) for name in in_order(host["capacity"])})


class Release(ShowOne):
    """Let migrations go to and from a host again whose last ones failed (quarantine)."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("host", metavar="HOST", help="its name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        self.client().delete("hosts", parsed_args.host, "quarantine")
        return ("released",), (parsed_args.host,)


def fill(host: Mapping[str, Any], name: str) -> Fill:
    """How full a host is of one resource class."""
    return Fill(host["used"].get(name, 0), host["capacity"].get(name, 0), UNITS.get(name, ""))


def check(client: Client, names: Sequence[str]) -> None:
    """Hosts are typed by hand: find out before anything is planned. Raises NotFound with a hint."""
    if not names:
        return
    known = [host["name"] for host in client.pages("hosts")]
    for name in names:
        if name not in known:
            raise NotFound(f"there is no host {name!r}{hint(name, known)}")
