"""Policies that run by the clock."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vmpath_service.cli import host, scope
from vmpath_service.cli.abridged import moment
from vmpath_service.cli.command import Lister, ShowOne
from vmpath_service.cli.policy import find_policy, typed


class Create(ShowOne):
    """Have a policy run by the clock."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("policy", metavar="POLICY", help="a policy of the service (see vmpath policy list)")
        parser.add_argument("--name", metavar="NAME", help="what it is called (default: as the policy)")
        parser.add_argument(
            "--cron", required=True, metavar="EXPR", help="when: '0 22 * * 1-5', or an interval such as '@every 6h'"
        )
        parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="whose clock counts (default: UTC)")
        parser.add_argument(
            "--missed",
            choices=("skip", "once"),
            default="skip",
            help="what becomes of a run whose time passed while the service was not running (default: skip)",
        )
        scope.add_settings(parser)
        scope.add_scope(parser)
        parser.add_argument("--approve", action="store_true", help="carry runs out without asking")
        parser.add_argument("--disabled", action="store_true", help="do not let it run yet")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        policy = find_policy(client, parsed_args.policy)
        host.check(client, parsed_args.host)
        made = client.post(
            "schedules",
            body={
                "name": parsed_args.name or parsed_args.policy,
                "policy": parsed_args.policy,
                "cron": parsed_args.cron,
                "time_zone": parsed_args.time_zone,
                "missed": parsed_args.missed,
                "approve": parsed_args.approve,
                "enabled": not parsed_args.disabled,
                "options": typed(policy, dict(parsed_args.settings)),
                "zones": parsed_args.zone,
                "aggregates": parsed_args.aggregate,
                "hosts": parsed_args.host,
            },
        )
        return shown(self, made, parsed_args.formatter)


class List(Lister):
    """List schedules, the newest first."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        columns = ("name", "policy", "cron", "time_zone", "enabled", "origin", "next_at", "last_at", "outcome")
        return columns, [
            tuple(_cell(schedule, name) for name in columns) for schedule in self.client().pages("schedules")
        ]


class _Named(ShowOne):
    """A command about one schedule."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("schedule", metavar="NAME", help="its name")
        return parser


class Show(_Named):
    """Show a schedule."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return shown(self, self.client().get("schedules", parsed_args.schedule), parsed_args.formatter)


class Enable(_Named):
    """Let a schedule run; what it missed meanwhile is not made up for."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return shown(self, self.client().post("schedules", parsed_args.schedule, "enable"), parsed_args.formatter)


class Disable(_Named):
    """Let a schedule run no more for now."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return shown(self, self.client().post("schedules", parsed_args.schedule, "disable"), parsed_args.formatter)


class Delete(_Named):
    """Forget a schedule that was made here, not in a file."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        self.client().delete("schedules", parsed_args.schedule)
        return self.dict2columns({"name": parsed_args.schedule, "deleted": True})


def _cell(schedule: Mapping[str, Any], name: str) -> Any:
    value = schedule["request"][name] if name in ("policy", "cron", "time_zone") else schedule[name]
    if value is None:
        return ""
    return moment(value) if name in ("next_at", "last_at") else value


def shown(command: ShowOne, schedule: Mapping[str, Any], formatter: str | None) -> tuple[Sequence[str], Iterable[Any]]:
    """Its columns: in full for programs, without what is empty for people."""
    columns = dict(schedule)
    if formatter not in ("json", "yaml"):
        flat = {**schedule["request"], **{name: value for name, value in schedule.items() if name != "request"}}
        flat.pop("links")
        listed = {name: ", ".join(value) if isinstance(value, list) else value for name, value in flat.items()}
        columns = {
            name: moment(value) if name.endswith("_at") else value
            for name, value in listed.items()
            if value not in (None, "", {})
        }
    return command.dict2columns(columns)
