"""Maintenances: hosts that are emptied, worked on, and taken into service again."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vmpath_service.cli import arguments, host, scope
from vmpath_service.cli.abridged import in_line, moment
from vmpath_service.cli.client import Client
from vmpath_service.cli.command import Lister, ShowOne
from vmpath_service.cli.policy import find_policy, typed
from vmpath_service.cli.progress import duration

_STATES = ("scheduled", "draining", "ready", "returning", "done", "failed", "cancelled")
ENDED = frozenset(("done", "failed", "cancelled"))
_FEW = 3
_LOOK_S = 120.0
_WAIT_S = 20


class MaintenanceCommand(ShowOne):
    """Shows one maintenance: in full for programs, the gist for people."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=None)
        return parser

    def follow(self, client: Client, identity: str, formatter: str | None) -> Mapping[str, Any]:
        """Tell what happens until it has ended or waits for somebody."""
        from vmpath_service.cli import maintenance_screen

        stream = self.app.stderr if formatter else self.app.stdout
        try:
            record = maintenance_screen.follow(client, identity, stream, _waits_for_nobody)
        except KeyboardInterrupt:
            self.tell(f"maintenance {identity} goes on unwatched ({self.typed('maintenance watch')} {identity})")
            raise
        if record["state"] in ("failed", "cancelled"):
            self.status = 1
        return record

    def looked_at(self, client: Client, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """It with what it is going to take, once that is known; as it is if that takes too long."""
        after, deadline = 0, time.monotonic() + _LOOK_S
        path = ("maintenances", record["id"])
        while not (_is_looked_at(record) or time.monotonic() > deadline):
            events = client.get(*path, "events", after=after, wait=_WAIT_S)["events"]
            after = events[-1]["sequence"] if events else after
            record = client.get(*path)
        return record

    def shown(self, record: Mapping[str, Any], formatter: str | None) -> tuple[Sequence[str], Iterable[Any]]:
        """Its columns."""
        if formatter in ("json", "yaml"):
            return self.dict2columns(dict(record))
        return self.dict2columns(dict(_gist(record)))


class Create(MaintenanceCommand):
    """Have hosts emptied, worked on, and taken into service again.

    It needs no further approval: the hosts were typed by name. Hosts that are empty are disabled until they come
    back.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--host", action="append", required=True, metavar="HOST", help="a host; may be repeated")
        parser.add_argument("--start", metavar="WHEN", help="when, such as 2026-11-28T02:00:00+01:00 (default: now)")
        parser.add_argument(
            "--recurrence",
            metavar="CRON",
            help="again and again, such as '0 2 * * 6': when one has ended, the next one is scheduled",
        )
        parser.add_argument("--time-zone", default="UTC", metavar="ZONE", help="whose clock --recurrence means (UTC)")
        parser.add_argument(
            "--duration", type=arguments.duration, metavar="TIME", help="how long the work may take, such as 45m or 2h"
        )
        parser.add_argument(
            "--action",
            choices=("none", "power-off", "reboot", "hook"),
            help="what is done to empty hosts: wait until somebody says that the work is done (none, the default), "
            "run the hook that --hook names (hook), or the one called reboot (reboot); power-off runs the hook called "
            "power-off, waits until somebody says that the work is done, and runs the one called power-on",
        )
        parser.add_argument("--hook", metavar="NAME", help="a hook of the service's configuration")
        parser.add_argument("--rolling", action="store_true", help="some hosts after the others, as capacity allows")
        parser.add_argument("--max-hosts", type=arguments.positive, metavar="N", help="at most so many at a time")
        parser.add_argument(
            "--accept-leftovers",
            action="store_true",
            help="a host on which instances had to stay counts as empty enough",
        )
        parser.add_argument("--restore", action="store_true", help="bring the instances back when all is done")
        parser.add_argument("--then", metavar="POLICY", help="run this policy when all is done")
        parser.add_argument("--policy", default="drain", metavar="POLICY", help="how hosts are emptied (drain)")
        scope.add_settings(parser)
        parser.add_argument("--reason", default="", help="why; shown to whoever asks, and told to the hook")
        parser.add_argument("--dry-run", action="store_true", help="only say whether it fits; move nothing, ever")
        parser.add_argument("--wait", action="store_true", help="follow it until it has ended, or waits for somebody")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        host.check(client, parsed_args.host)
        afterwards = "restore" if parsed_args.restore else "policy" if parsed_args.then else "nothing"
        record: Mapping[str, Any] = client.post(
            "maintenances",
            body={
                "hosts": parsed_args.host,
                "start": parsed_args.start,
                "recurrence": parsed_args.recurrence,
                "time_zone": parsed_args.time_zone,
                "duration_s": parsed_args.duration,
                "action": parsed_args.action or ("hook" if parsed_args.hook else "none"),
                "hook": parsed_args.hook,
                "rolling": parsed_args.rolling,
                "max_hosts": parsed_args.max_hosts,
                "leftovers": "accept" if parsed_args.accept_leftovers else "refuse",
                "policy": parsed_args.policy,
                "options": typed(find_policy(client, parsed_args.policy), dict(parsed_args.settings)),
                "afterwards": afterwards,
                "afterwards_policy": parsed_args.then,
                "reason": parsed_args.reason,
                "dry_run": parsed_args.dry_run,
            },
        )
        if parsed_args.wait:
            record = self.follow(client, record["id"], parsed_args.formatter)
        else:
            record = self.looked_at(client, record)
            if not parsed_args.formatter and record["state"] not in ENDED:
                begun = "is scheduled" if record["state"] == "scheduled" else "has begun"
                self.tell(f"it {begun}: {self.typed('maintenance watch')} {record['id']}")
        return self.shown(record, parsed_args.formatter)


class List(Lister):
    """List maintenances, the newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state", action="append", default=[], choices=_STATES, help="only those in this state; may be repeated"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        columns = ("id", "state", "start", "hosts", "back", "reason", "explanation")
        return columns, [
            (
                record["id"],
                record["state"],
                moment(record["start"]),
                in_line(record["request"]["hosts"], _FEW),
                sum(len(each["hosts"]) for each in record["rounds"] if each["done"]),
                record["request"]["reason"],
                record["explanation"] or record["warning"] or "",
            )
            for record in self.client().pages("maintenances", state=parsed_args.state)
        ]


class _Named(MaintenanceCommand):
    """A command about one maintenance."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("maintenance", metavar="ID", help="its id")
        return parser


class Show(_Named):
    """Show a maintenance."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        return self.shown(self.client().get("maintenances", parsed_args.maintenance), parsed_args.formatter)


class Watch(_Named):
    """Tell what happens to a maintenance until it has ended or waits for somebody."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        record = self.follow(client, parsed_args.maintenance, parsed_args.formatter)
        return self.shown(record, parsed_args.formatter)


class _Order(_Named):
    """One word about a maintenance."""

    word: str

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        record = self.client().post("maintenances", parsed_args.maintenance, self.word)
        return self.shown(record, parsed_args.formatter)


class Complete(_Order):
    """Say that the work on the hosts of this round is done: they are taken into service again."""

    word = "complete"


class Pause(_Order):
    """Let no further round begin for now."""

    word = "pause"


class Resume(_Order):
    """Let a paused maintenance go on."""

    word = "resume"


class Cancel(_Order):
    """End a maintenance; hosts that vmpath disabled for it are enabled again."""

    word = "cancel"


class Delete(_Named):
    """Forget a maintenance that has ended."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        self.client().delete("maintenances", parsed_args.maintenance)
        return self.dict2columns({"id": parsed_args.maintenance, "deleted": True})


def _waits_for_nobody(record: Mapping[str, Any]) -> bool:
    """Whether to go on watching."""
    waits = record["state"] == "ready" and (
        record["request"]["action"] == "none" or record["hook_lost"] or record["hook_done"]
    )
    done = set(record["completed"]) >= {name for each in record["rounds"] for name in each["hosts"]}
    return record["state"] not in ENDED and not (waits and not done) and not record["pause_requested"]


def _is_looked_at(record: Mapping[str, Any]) -> bool:
    return record["outlook"] is not None or record["warning"] is not None or record["state"] in ENDED


def _gist(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    request = record["request"]
    yield "id", record["id"]
    yield "state", _state(record)
    yield "start", moment(record["start"])
    if record["state"] in ENDED:
        yield "ended", moment(record["updated_at"])
    if request["recurrence"]:
        yield "recurrence", f"{request['recurrence']} ({request['time_zone']})"
    yield "hosts", ", ".join(request["hosts"])
    back = [name for each in record["rounds"] if each["done"] for name in each["hosts"]]
    now = [name for each in record["rounds"][-1:] if not each["done"] for name in each["hosts"]]
    for name, hosts in (("back", back), ("now", now if record["state"] not in ENDED else [])):
        if hosts:
            yield name, ", ".join(hosts)
    yield "action", f"hook {request['hook']}" if request["hook"] else request["action"]
    for name in ("disabled", "kept"):
        if record[name]:
            yield name, ", ".join(record[name])
    outlook = record["outlook"]
    if outlook is not None and record["state"] not in ENDED - {"done"}:
        yield from expected(outlook, request)
    said = {"warning"} if record["warning"] == record["explanation"] else set()
    for name in ("rearrangement", "warning", "explanation", "successor"):
        if record[name] and name not in said:
            yield name, record[name]
    if request["reason"]:
        yield "reason", request["reason"]


def expected(outlook: Mapping[str, Any], request: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What it takes, each beside what nothing could do with less."""
    work = "" if request["duration_s"] else ", without the work itself (--duration)"
    least, seconds = (duration(outlook[name]) for name in ("least_seconds", "seconds"))
    if outlook["short"]:
        # what is told beside bounds for all hosts must not be of some of them only
        yield "rounds", f"{len(outlook['rounds'])} of at least {outlook['fewest_rounds']} fit"
        yield "predicted", f"at least {least}{work}"
    else:
        yield "rounds", f"{len(outlook['rounds'])} (at least {outlook['fewest_rounds']})"
        yield "migrations", f"{outlook['migrations']} (at least {outlook['fewest_migrations']})"
        yield "predicted", f"{seconds} (at least {least}){work}"
    if request["rolling"]:
        yield (
            "expected rounds",
            "\n".join(
                f"{', '.join(each['hosts'])}: {each['migrations']} migrations, {duration(each['drain_s'])}"
                for each in outlook["rounds"]
            ),
        )


def _state(record: Mapping[str, Any]) -> str:
    """With what was asked of it and has not come about yet."""
    if record["state"] in ENDED:
        return str(record["state"])
    asked = "cancel requested" if record["cancel_requested"] else "paused" if record["pause_requested"] else ""
    return f"{record['state']} ({asked})" if asked else str(record["state"])
