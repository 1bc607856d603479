"""A maintenance on a terminal: what has happened line by line, and below it what goes on at the moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from vmpath_service.cli.abridged import short
from vmpath_service.cli.client import Client
from vmpath_service.cli.live import picture
from vmpath_service.cli.progress import duration, maintenance_left
from vmpath_service.cli.watching import View, look, tell_events

_EVERY_S = 1.0
_EVENTS = 1000


def follow(
    client: Client, identity: str, stream: TextIO, goes_on: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """Tell what happens to it for as long as ``goes_on`` says of it; returns it as it is then."""
    if not stream.isatty():
        return tell_events(client, "maintenances", identity, stream, goes_on)
    after, view = 0, None
    console = Console(file=stream)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            began = time.monotonic()
            record: Mapping[str, Any] = client.get("maintenances", identity)
            events = client.get("maintenances", identity, "events", after=after, limit=_EVENTS)["events"]
            for event in events:
                console.print(Text(short(f"{event['at'][:19]}Z {event['message']}")))
                after = event["sequence"]
            view = _drain(client, record, view)
            live.update(screen(record, view, time.time()), refresh=True)
            if not events and not goes_on(record):
                return record
            # the service shall not be busy with being watched
            time.sleep(max(_EVERY_S, 4 * (time.monotonic() - began)))


def screen(record: Mapping[str, Any], view: View | None, now: float) -> RenderableType:
    """What to show below the lines; ``view``: the rearrangement that is under way for it."""
    hosts = record["request"]["hosts"]
    back = sum(len(each["hosts"]) for each in record["rounds"] if each["done"])
    parts = [record["state"], f"{back} of {len(hosts)} hosts back"]
    left = maintenance_left(record, now, None if view is None else view.progress(now).left_s)
    if left:
        parts.append(f"about {duration(left)} left" + ("" if record["request"]["duration_s"] else ", and the work"))
    lines: list[RenderableType] = [Text(f"maintenance {record['id']}: {', '.join(parts)}", style="bold")]
    if view is not None:
        lines.append(picture(view, [], now))
    return Group(*lines)


def _drain(client: Client, record: Mapping[str, Any], view: View | None) -> View | None:
    identity = record["rearrangement"]
    if identity is None:
        return None
    if view is None or view.record["id"] != identity:
        view = View(client.get("rearrangements", identity))
    look(client, view)
    return view
