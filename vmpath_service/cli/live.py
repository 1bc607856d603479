"""A rearrangement on a terminal: one line for each migration in flight, a total, the time left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vmpath_service.cli.abridged import short
from vmpath_service.cli.progress import IN_FLIGHT, in_words
from vmpath_service.cli.watching import View, has_ended
from vmpath_service.model.snapshot import label_of

_MOST_LINES = 30
_BAR = 24
_NEWS = 3


class LiveScreen:
    """Redraws itself in place; the last picture stays."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), auto_refresh=False)
        self._news: list[str] = []

    def __enter__(self) -> LiveScreen:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self, view: View) -> None:
        self._news = [*self._news, *(short(str(event["message"])) for event in view.fresh)][-_NEWS:]
        self._live.update(picture(view, self._news, time.time()), refresh=True)


def picture(view: View, news: list[str], now: float) -> RenderableType:
    """What to show of a rearrangement."""
    record = view.record
    parts: list[RenderableType] = [Text(f"{record['policy']} {record['id']}: {record['state']}", style="bold")]
    if view.frozen and not has_ended(record):
        parts.append(Text(view.frozen, style="red"))
    if view.migrations:
        progress = view.progress(now)
        total = Table.grid(padding=(0, 1))
        total.add_row(
            ProgressBar(total=max(1, progress.total), completed=progress.done, width=_BAR), Text(in_words(progress))
        )
        parts.append(total)
        parts.append(_flights(view))
    parts += [Text(message, style="dim", no_wrap=True, overflow="ellipsis") for message in news]
    return Group(*parts)


def _flights(view: View) -> Table:
    table = Table.grid(padding=(0, 1))
    flying = [each for each in view.migrations if each["state"] in IN_FLIGHT]
    for each in flying[:_MOST_LINES]:
        table.add_row(
            Text(f"  {short(label_of(each['instance'], each['instance_name']))}", no_wrap=True, overflow="ellipsis"),
            Text(f"{each['source']} → {each['dest']}"),
            ProgressBar(total=1.0, completed=_share(each), width=_BAR // 2),
            Text(each["state"] if each["progress"] is None else f"{each['state']} {each['progress']:.0%}"),
        )
    if len(flying) > _MOST_LINES:
        table.add_row(Text(f"  and {len(flying) - _MOST_LINES} more in flight"))
    return table


def _share(migration: Mapping[str, Any]) -> float:
    return 1.0 if migration["state"] == "verifying" else float(migration["progress"] or 0.0)
