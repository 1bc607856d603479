"""What all commands share: one-line usage errors, output formats, exit statuses of their own.

cliff looks for hooks and output formats among the entry points of every installed package, which costs more
than most commands take; here both are tables.
"""

from __future__ import annotations

import abc
import argparse
import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from cliff import command, lister, show

from vmpath_service.cli.folding import folded
from vmpath_service.model.errors import InvalidFile, InvalidInput

if TYPE_CHECKING:
    from vmpath_service.cli.app import Application
    from vmpath_service.cli.client import Client
    from vmpath_service.model.placement import Placement
    from vmpath_service.model.plan import Plan
    from vmpath_service.model.snapshot import Snapshot

_FORMATS = {
    "table": "cliff.formatters.table:TableFormatter",
    "json": "cliff.formatters.json_format:JSONFormatter",
    "yaml": "cliff.formatters.yaml_format:YAMLFormatter",
    "csv": "vmpath_service.cli.csv_format:CSVFormatter",
    "value": "cliff.formatters.value:ValueFormatter",
}


def load(place: str) -> Any:
    """The object behind ``module:name``."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line; option names are not guessed, so that scripts stay right."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**(keywords | {"allow_abbrev": False}))

    def error(self, message: str) -> NoReturn:
        program, _, words = self.prog.partition(" ")
        where = f"{words}: " if words else ""
        self.exit(2, f"{program}: {where}{message} (see {self.prog} --help)\n")


class Formatters:
    """The output formats, in the shape that cliff expects of its plug-ins."""

    def __init__(self) -> None:
        self._made = {name: SimpleNamespace(obj=load(place)()) for name, place in _FORMATS.items()}

    def names(self) -> list[str]:
        return list(self._made)

    def __getitem__(self, name: str) -> SimpleNamespace:
        return self._made[name]

    def __iter__(self) -> Iterator[SimpleNamespace]:
        return iter(self._made.values())


class Command(command.Command):
    """A command; ``take_action`` returns the exit status, or None for 0."""

    app: Application

    def _load_hooks(self) -> None:
        self._hooks = []

    def get_epilog(self) -> str:
        return self._epilog or ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return Parser(
            description=self.get_description(),
            epilog=self.get_epilog(),
            prog=prog_name,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def client(self) -> Client:
        """The service; raises VmpathError."""
        # the openstack client keeps the clients of all services, and knows their credentials
        manager = getattr(self.app, "client_manager", None)
        if manager is not None:
            return manager.vmpath  # type: ignore[no-any-return]
        from vmpath_service.cli.connection import connect

        return connect(self.app.options.vmpath_url, self.app.options.os_cloud)

    def typed(self, words: str) -> str:
        """A command as whoever is asked for it would type it: with the openstack client, if that is what runs."""
        inside = getattr(self.app, "client_manager", None) is not None
        return f"{'openstack' if inside else 'vmpath'} {words}"

    def tell(self, message: str) -> None:
        """Say something to the person at the terminal, away from the output."""
        self.app.stderr.write(folded(message, self.app.stderr, further=0) + "\n")


class _Display:
    """``take_action`` returns columns and data; ``status`` is the exit status."""

    status = 0

    def _load_formatter_plugins(self) -> Any:
        return Formatters()

    def run(self, parsed_args: argparse.Namespace) -> int:
        self.formatter = self._formatter_plugins[parsed_args.formatter or "table"].obj  # type: ignore[attr-defined]
        columns, data = self.take_action(parsed_args)  # type: ignore[attr-defined]
        if parsed_args.columns:
            self._check_columns(parsed_args, columns)
        self.produce_output(parsed_args, columns, data)  # type: ignore[attr-defined]
        return self.status

    def _check_columns(self, parsed_args: argparse.Namespace, columns: Sequence[str]) -> None:
        known = {name.lower().replace(" ", "_") for name in columns}
        for name in parsed_args.columns:
            if name.strip().lower().replace(" ", "_") not in known:
                raise InvalidInput(f"there is no column {name!r}; columns are {', '.join(columns)}")


class Lister(_Display, lister.Lister, Command):
    """A command that shows a list."""


class BarLister(Lister):
    """A list with fills, which are coloured bars on a terminal."""

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        plain = parsed_args.formatter != "table" or parsed_args.columns or parsed_args.sort_columns
        if plain or not self.app.stdout.isatty():
            return super().produce_output(parsed_args, column_names, data)
        from vmpath_service.cli.coloured import print_bars

        print_bars(self.app.stdout, column_names, data)
        return 0


class ShowOne(_Display, show.ShowOne, Command):
    """A command that shows one thing; in a table for people, what it has not is left empty."""

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]
    ) -> int:
        if parsed_args.formatter in (None, "table"):
            data = ["" if value is None else value for value in data]
        return super().produce_output(parsed_args, column_names, data)


class DocumentLister(Lister):
    """A list that is a file format at the same time.

    ``-f json`` and ``-f yaml`` give the document, other formats its rows; ``-o`` writes it to a file, and then
    nothing goes to the output unless a format is asked for.
    """

    columns: tuple[str, ...] = ()
    _document: Any

    @abc.abstractmethod
    def make(self, parsed_args: argparse.Namespace) -> Snapshot | Placement | Plan:
        """The document; sets ``status``."""

    @abc.abstractmethod
    def rows(self, document: Any) -> Iterable[Sequence[Any]]:
        """The document's rows under ``columns``."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("-o", "--output", metavar="FILE", help="write the JSON document to this file")
        parser.set_defaults(formatter=None)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        from vmpath_service.model import files

        if parsed_args.output:
            _check_directory(parsed_args.output)
        self._document = self.make(parsed_args)
        if parsed_args.output:
            files.save(self._document, parsed_args.output)
        return self.columns, self.rows(self._document)

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        kind = parsed_args.formatter
        if kind is None and parsed_args.output:
            return 0
        if kind in ("json", "yaml") and not parsed_args.columns:
            self._write_document(kind)
            return 0
        return super().produce_output(parsed_args, column_names, list(data))

    def _write_document(self, kind: str) -> None:
        from vmpath_service.model import files

        data = files.encode(self._document)
        if kind == "json":
            self.app.stdout.write(data.decode())
            return
        import msgspec
        import yaml

        yaml.safe_dump(msgspec.json.decode(data), self.app.stdout, default_flow_style=False, sort_keys=False)


def _check_directory(path: str) -> None:
    """Find out before a long search, not after it, that its result cannot be kept; raises InvalidFile."""
    directory = os.path.dirname(path) or "."
    if not os.path.isdir(directory):
        raise InvalidFile(path, "", f"cannot be written: there is no directory {directory}")
