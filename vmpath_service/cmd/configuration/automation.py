"""Sections of what runs by itself: ``[hook:NAME]`` and ``[schedule:NAME]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmpath_service.cmd.configuration.files import Written
from vmpath_service.cmd.configuration.sections import Section, named, read_section
from vmpath_service.hooks import registry as hooks
from vmpath_service.hooks.registry import HookSection
from vmpath_service.model.errors import InvalidFile, InvalidInput
from vmpath_service.model.options import Option
from vmpath_service.model.schedules import ScheduleRequest, Times

DRIVER = "driver"
EVENTS = Option(
    "events",
    "list",
    "Kinds of events that the hook is told of, with * for any text, such as maintenance.*, rearrangement.failed. "
    "Without any it runs only where a maintenance names it.",
    (),
)
SCHEDULE = (
    Option("policy", "string", "The policy that runs."),
    Option("cron", "string", "When: five fields as of cron, such as 0 22 * * 1-5, or an interval such as @every 6h."),
    Option("time_zone", "string", "Whose clock counts, through daylight saving, such as Europe/Berlin.", "UTC"),
    Option(
        "missed",
        "string",
        "What becomes of a run whose time passed while vmpath was not running: left out, or run once when it is "
        "back, however many were missed.",
        "skip",
        choices=("skip", "once"),
    ),
    Option("approve", "boolean", "Whether a run is carried out without asking; else as the policy says.", False),
    Option("enabled", "boolean", "Whether it runs.", True),
    Option("availability_zones", "list", "Only hosts in these zones.", ()),
    Option("aggregates", "list", "Only hosts in these aggregates.", ()),
    Option("hosts", "list", "The hosts to empty (drain), else the only ones to touch.", ()),
)


def read_hooks(written: Written) -> Mapping[str, HookSection]:
    """The hooks by name; raises InvalidInput."""
    return {name: _hook(name, section) for name, section in named(written, "hook").items()}


def read_schedules(written: Written) -> Mapping[str, ScheduleRequest]:
    """The schedules of the files by name; raises InvalidInput."""
    return {name: _schedule(name, section) for name, section in named(written, "schedule").items()}


def _hook(name: str, section: Section) -> HookSection:
    heading = f"[hook:{name}]"
    chosen = next((line for line in reversed(section.assignments) if line.option == DRIVER), None)
    if chosen is None:
        raise InvalidFile(
            section.file, heading, f"option driver is missing; there are: {', '.join(hooks.available())}"
        )
    driver = chosen.text.strip()
    try:
        kind = hooks.find(driver)
    except InvalidInput as error:
        raise chosen.wrong(str(error)) from error
    lines = [line for line in section.assignments if line.option != DRIVER]
    values: dict[str, Any] = read_section((EVENTS, *kind.declared()), lines, heading)
    events = values.pop(EVENTS.name)
    made = HookSection(driver, values, tuple(events))
    try:
        made.make(name)
    except InvalidInput as error:
        raise InvalidFile(section.file, heading, str(error)) from error
    return made


def _schedule(name: str, section: Section) -> ScheduleRequest:
    heading = f"[schedule:{name}]"
    values: dict[str, Any] = read_section(SCHEDULE, section.assignments, heading)
    for needed in ("policy", "cron"):
        if not values[needed]:
            raise InvalidFile(section.file, heading, f"option {needed} is missing")
    try:
        Times(values["cron"], values["time_zone"])
    except InvalidInput as error:
        raise InvalidFile(section.file, heading, str(error)) from error
    zones = values.pop("availability_zones")
    return ScheduleRequest(name=name, zones=zones, **values)
