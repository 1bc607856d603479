"""Following a rearrangement to its end: live on a terminal, a line per change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from vmpath_service.cli.client import Client
from vmpath_service.cli.progress import ENDED, Progress, in_words, reckon

_EVERY_S = 0.5
_EVENTS = 1000
_PATIENCE_S = 20

Done = Callable[[Mapping[str, Any]], bool]


@dataclass(slots=True)
class View:
    """A rearrangement as it was last read; ``fresh`` are the events since the time before, ``frozen`` says why
    nothing starts anywhere, if that is so."""

    record: Mapping[str, Any]
    migrations: Sequence[Mapping[str, Any]] = ()
    fresh: Sequence[Mapping[str, Any]] = ()
    memory_mb: Mapping[int, int] = field(default_factory=dict)
    frozen: str | None = None

    def progress(self, now: float) -> Progress:
        """How far it has come."""
        predicted = None if has_ended(self.record) else (self.record.get("summary") or {}).get("makespan_s")
        return reckon(self.migrations, self.memory_mb, now, predicted)


class Screen(Protocol):
    """Shows what goes on while it is entered."""

    def __enter__(self) -> Screen: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, view: View) -> None: ...


def has_ended(record: Mapping[str, Any]) -> bool:
    """Nothing will happen to it any more."""
    return record["state"] in ENDED or (record["request"]["dry_run"] and record["state"] == "planned")


def has_settled(record: Mapping[str, Any]) -> bool:
    """Nothing will happen to it unless a person does something."""
    return has_ended(record) or record["state"] in ("awaiting approval", "paused")


def succeeded(record: Mapping[str, Any]) -> bool:
    """It came out as it was asked for, as far as it has come."""
    return record["state"] not in ("failed", "cancelled")


def tell_events(
    client: Client, noun: str, identity: str, stream: TextIO, goes_on: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """Write a line for everything that happens to it for as long as ``goes_on`` says of it; returns it as it is
    then."""
    after = 0
    while True:
        record: Mapping[str, Any] = client.get(noun, identity)
        wait = _PATIENCE_S if goes_on(record) else 0
        events = client.get(noun, identity, "events", after=after, limit=_EVENTS, wait=wait)["events"]
        for event in events:
            stream.write(f"{event['at'][:19]}Z {event['message']}\n")
            after = event["sequence"]
        stream.flush()
        if not wait and not events:
            return record


def every_event(client: Client, noun: str, identity: str) -> list[Mapping[str, Any]]:
    """All that has happened to it so far, in order."""
    found: list[Mapping[str, Any]] = []
    while True:
        after = found[-1]["sequence"] if found else 0
        page = client.get(noun, identity, "events", after=after, limit=_EVENTS)["events"]
        found += page
        if len(page) < _EVENTS:
            return found


def look(client: Client, view: View) -> None:
    """Read it again, but for what has happened to it."""
    identity = view.record["id"]
    view.record = client.get("rearrangements", identity)
    view.frozen = _freeze_in_words(client.get("freeze"))
    if view.record["summary"] is not None or view.migrations or has_ended(view.record):
        view.migrations = list(client.pages("rearrangements", identity, "migrations"))
    # a plan grows when the rest of it is planned anew
    if any(each["step"] not in view.memory_mb for each in view.migrations):
        plan = client.get("rearrangements", identity, "plan")
        view.memory_mb = {step["id"]: step["memory_mb"] for step in plan["migrations"]}


def follow(client: Client, identity: str, stream: TextIO, done: Done) -> View:
    """Show a rearrangement on ``stream`` until it is ``done``; returns it as it is then."""
    view = View(client.get("rearrangements", identity))
    after = 0
    with _screen(stream) as screen:
        while True:
            began = time.monotonic()
            look(client, view)
            # read after the record: an event that came before a change of state is shown before we leave
            view.fresh = client.get("rearrangements", identity, "events", after=after, limit=_EVENTS)["events"]
            after = view.fresh[-1]["sequence"] if view.fresh else after
            screen.show(view)
            if done(view.record) and len(view.fresh) < _EVENTS:
                return view
            if len(view.fresh) < _EVENTS:
                # the service shall not be busy with being watched
                time.sleep(max(_EVERY_S, 4 * (time.monotonic() - began)))


def _freeze_in_words(freeze: Mapping[str, Any]) -> str | None:
    if not freeze["frozen"]:
        return None
    reason = f": {freeze['reason']}" if freeze["reason"] else ""
    return f"nothing starts anywhere, frozen by {freeze['by']} since {freeze['since']}{reason} (vmpath thaw lifts it)"


def _screen(stream: TextIO) -> Screen:
    if not stream.isatty():
        return Lines(stream)
    from vmpath_service.cli.live import LiveScreen

    return LiveScreen(stream)


class Lines:
    """Every event, and every change of the state, in a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._state = ""
        self._frozen: str | None = None

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def show(self, view: View) -> None:
        for event in view.fresh:
            self._stream.write(f"{event['at']} {event['message']}\n")
        state = view.record["state"]
        if state != self._state:
            counts = f": {in_words(view.progress(time.time()))}" if view.migrations else ""
            self._stream.write(f"{view.record['updated_at']} {state}{counts}\n")
            self._state = state
        if view.frozen and view.frozen != self._frozen and not has_ended(view.record):
            self._stream.write(f"{view.frozen}\n")
        self._frozen = view.frozen
        self._stream.flush()
