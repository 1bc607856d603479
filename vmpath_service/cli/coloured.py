"""Tables of bars on a terminal, in colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vmpath_service.cli.bars import Fill, bar

_WARM = 0.75
_HOT = 0.9


def print_bars(stream: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table whose fills are green, yellow or red bars."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(file=stream).print(table)


def _cell(value: Any) -> Text:
    if not isinstance(value, Fill):
        return Text(str(value))
    colour = "red" if value.share() > _HOT else "yellow" if value.share() > _WARM else "green"
    cell = Text(bar(value.share(), "█", "░"), style=colour)
    cell.append(f" {value.share():4.0%}  {value.amounts()}", style="default")
    return cell
