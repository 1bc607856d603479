"""The instances as the service sees them now."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vmpath_service.cli.abridged import lines, moment
from vmpath_service.cli.command import Lister, ShowOne


class List(Lister):
    """List the instances: where they are, how large, movable or why not."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--host", help="only those on this host")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        query = {"host": parsed_args.host} if parsed_args.host else {}
        columns = ("uuid", "name", "host", "status", "VCPU", "MEMORY_MB", "DISK_GB", "movable", "why_not")
        return columns, [
            (
                each["uuid"],
                each["name"] or "",
                each["host"] or "",
                each["status"],
                *(each["resources"].get(name, 0) for name in ("VCPU", "MEMORY_MB", "DISK_GB")),
                each["movable"],
                each["why_not"] or "",
            )
            for each in self.client().pages("instances", **query)
        ]


class Show(ShowOne):
    """Show an instance, with its migrations by vmpath so far."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("instance", metavar="INSTANCE", help="its uuid, or its name where only one has it")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        instance = client.get("instances", parsed_args.instance)
        migrations = client.get("instances", instance["uuid"], "migrations")["migrations"]
        if parsed_args.formatter in ("json", "yaml"):
            return self.dict2columns({**instance, "migrations": migrations})
        shown = {name: _text(value) for name, value in instance.items()}
        told = lines([_migration_in_words(each) for each in migrations], "-f json shows all")
        return self.dict2columns({**shown, "migrations": "\n".join(told)})


def _migration_in_words(migration: Mapping[str, Any]) -> str:
    why = f": {migration['reason']}" if migration["reason"] else ""
    return f"{moment(migration['intended_at'])} {migration['source']} to {migration['dest']} {migration['state']}{why}"


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{key} {amount}" for key, amount in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
