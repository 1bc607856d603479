"""Stopping everything that is new, and lifting that again."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterable, Sequence
from typing import Any

from vmpath_service.cli.command import ShowOne


class Freeze(ShowOne):
    """Let nothing new start anywhere until thaw; what is in flight is followed to its end."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--reason", default="", help="why; shown to whoever asks")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        standing = client.put("freeze", body={"reason": parsed_args.reason, "by": _user()})
        if standing["reason"] != parsed_args.reason:
            self.tell(f"frozen already since {standing['since']}: the first reason stays")
        return self.dict2columns(standing)


class Thaw(ShowOne):
    """Lift the freeze."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        if not client.get("freeze")["frozen"]:
            self.tell("nothing was frozen")
        client.delete("freeze")
        return self.dict2columns(client.get("freeze"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
