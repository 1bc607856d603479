"""Tables of bars on a terminal, in colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vmpath_service.cli.bars import WIDTH, Fill, bar
from vmpath_service.report.cells import short_names

_WARM = 0.75
_HOT = 0.9
_SHARE = 5
_GAP = 2
_LONG = 30
_SHORTEST_BAR = 4


def print_bars(stream: TextIO, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table whose fills are green, yellow or red bars, as long as the terminal is wide enough for.

    Columns without any content are left out; amounts give way first, then the bars get shorter. What stands in the
    first column are names: long ones lose their middle.
    """
    console = Console(file=stream)
    listed = list(rows)
    names = short_names([str(row[0]) for row in listed], _LONG)
    listed = [(names[str(row[0])], *row[1:]) for row in listed]
    shown = [number for number in range(len(columns)) if any(str(row[number]) for row in listed)]
    fills = [number for number in shown if listed and isinstance(listed[0][number], Fill)]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    taken = 0
    for number in shown:
        widest = max([len(columns[number]), *(len(str(row[number])) for row in listed)])
        if number in fills:
            table.add_column(columns[number], no_wrap=True)
            continue
        table.add_column(columns[number], no_wrap=widest <= _LONG, min_width=min(widest, _LONG))
        taken += min(widest, _LONG) + _GAP
    amounts = max([len(row[number].amounts()) for row in listed for number in fills], default=0) + _GAP
    room = (console.width - taken) // max(1, len(fills)) - _GAP - _SHARE
    if room < WIDTH // 2 + amounts:
        amounts = 0
    length = max(_SHORTEST_BAR, min(WIDTH, room - amounts))
    for row in listed:
        table.add_row(*(_cell(row[number], length, amounts) for number in shown))
    console.print(table)


def _cell(value: Any, length: int, amounts: int) -> Text:
    if not isinstance(value, Fill):
        return Text(str(value))
    colour = "red" if value.share() > _HOT else "yellow" if value.share() > _WARM else "green"
    cell = Text(bar(value.share(), "█", "░", length), style=colour)
    cell.append(f" {value.share():4.0%}", style="default")
    if amounts:
        cell.append(f"  {value.amounts()}", style="default")
    return cell
