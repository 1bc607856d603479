"""Rearrangements: asking for them, watching them, deciding about them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from vmpath_service.cli import host, scope, watching
from vmpath_service.cli.abridged import lines, moment
from vmpath_service.cli.client import Client
from vmpath_service.cli.command import Command, Lister, ShowOne
from vmpath_service.cli.policy import find_policy, typed
from vmpath_service.cli.progress import ENDED, in_words, reckon
from vmpath_service.model.errors import InvalidInput
from vmpath_service.model.snapshot import label_of

_STATES = (
    *("planning", "planned", "awaiting approval", "running", "paused"),
    *("rolling back", "succeeded", "failed", "cancelled", "rolled back"),
)


class RearrangementCommand(ShowOne):
    """Shows one rearrangement: in full for programs, the gist for people."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=None)
        return parser

    def follow(self, client: Client, identity: str, formatter: str | None, done: watching.Done) -> Mapping[str, Any]:
        """Watch it until it is ``done``; the output is for the result alone where a format was asked for."""
        stream = self.app.stderr if formatter else self.app.stdout
        try:
            record = watching.follow(client, identity, stream, done).record
        except KeyboardInterrupt:
            self.tell(f"rearrangement {identity} goes on unwatched ({self.typed('rearrangement watch')} {identity})")
            raise
        if not watching.succeeded(record):
            self.status = 1
            why = f": {record['explanation']}" if record["explanation"] else ""
            self.tell(f"vmpath: rearrangement {identity} {record['state']}{why}")
        return record

    def shown(
        self, client: Client, record: Mapping[str, Any], formatter: str | None
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Its columns."""
        migrations = list(client.pages("rearrangements", record["id"], "migrations"))
        if formatter in ("json", "yaml"):
            return self.dict2columns(dict(record) | {"migrations": migrations})
        return self.dict2columns(dict(_gist(record, migrations)))


class Create(RearrangementCommand):
    """Ask for a rearrangement: a policy decides, a path is found, and it is walked once it is approved."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("policy", metavar="POLICY", help="a policy of the service (see vmpath policy list)")
        scope.add_settings(parser)
        scope.add_scope(parser)
        parser.add_argument("--dry-run", action="store_true", help="plan only; move nothing, ever")
        parser.add_argument(
            "--rehearse",
            action="store_true",
            help="replay the plan first, step by step and in any timing that it allows; one that breaks is not walked",
        )
        parser.add_argument("--approve", action="store_true", help="walk the plan without asking again")
        parser.add_argument(
            "--wait", action="store_true", help="follow it until it has ended, or waits for somebody's approval"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        request = {
            "policy": parsed_args.policy,
            "options": typed(find_policy(client, parsed_args.policy), dict(parsed_args.settings)),
            "zones": parsed_args.zone,
            "aggregates": parsed_args.aggregate,
            "hosts": parsed_args.host,
            "dry_run": parsed_args.dry_run,
            "approve": parsed_args.approve,
            "rehearse": parsed_args.rehearse,
        }
        host.check(client, parsed_args.host)
        record: Mapping[str, Any] = client.post("rearrangements", body=request)
        if parsed_args.wait:
            record = self.follow(client, record["id"], parsed_args.formatter, watching.has_settled)
            if record["state"] == "awaiting approval":
                self.tell(f"it waits for approval: {self.typed('rearrangement approve')} {record['id']}")
        elif not parsed_args.formatter:
            self.tell(f"it is being planned: {self.typed('rearrangement watch')} {record['id']}")
        return self.shown(client, record, parsed_args.formatter)


class List(Lister):
    """List rearrangements, the newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--state",
            action="append",
            default=[],
            type=_state_named,
            choices=_STATES,
            help="only those in this state (awaiting-approval will do for 'awaiting approval'); may be repeated",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        records = self.client().pages("rearrangements", state=parsed_args.state)
        columns = ("id", "policy", "state", "dry_run", "migrations", "created_at", "explanation")
        return columns, [
            (
                record["id"],
                record["policy"],
                record["state"],
                record["request"]["dry_run"],
                (record["summary"] or {}).get("migrations"),
                moment(record["created_at"]),
                record["explanation"] or "",
            )
            for record in records
        ]


class _Named(RearrangementCommand):
    """A command about one rearrangement."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("rearrangement", metavar="ID", help="its id")
        return parser


class Show(_Named):
    """Show a rearrangement and how its migrations stand."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        return self.shown(client, client.get("rearrangements", parsed_args.rearrangement), parsed_args.formatter)


class Watch(_Named):
    """Follow a rearrangement to its end.

    Exit status: 0 it succeeded, 1 it failed or was cancelled. An interrupt ends the watching only.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        record = self.follow(client, parsed_args.rearrangement, parsed_args.formatter, watching.has_ended)
        return self.shown(client, record, parsed_args.formatter)


class Approve(_Named):
    """Let a plan be carried out."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--wait", action="store_true", help="follow it to its end")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        record: Mapping[str, Any] = client.post("rearrangements", parsed_args.rearrangement, "approve")
        if parsed_args.wait:
            record = self.follow(client, record["id"], parsed_args.formatter, watching.has_ended)
        return self.shown(client, record, parsed_args.formatter)


class Pause(_Named):
    """Start nothing more of a rearrangement for now; what is in flight is followed to its end."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        record: Mapping[str, Any] = client.post("rearrangements", parsed_args.rearrangement, "pause")
        return self.shown(client, record, parsed_args.formatter)


class Resume(_Named):
    """Let a paused rearrangement go on."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        record: Mapping[str, Any] = client.post("rearrangements", parsed_args.rearrangement, "resume")
        return self.shown(client, record, parsed_args.formatter)


class _Ending(_Named):
    """A word to the service that may also end what is in flight."""

    word: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--abort",
            action="store_true",
            help="abort what is in flight; this may cost an instance its ACTIVE state in Nova, though it runs on",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        client = self.client()
        given = {"abort": "true"} if parsed_args.abort else {}
        record: Mapping[str, Any] = client.post("rearrangements", parsed_args.rearrangement, self.word, **given)
        if getattr(parsed_args, "wait", False):
            record = self.follow(client, record["id"], parsed_args.formatter, watching.has_ended)
        return self.shown(client, record, parsed_args.formatter)


class Cancel(_Ending):
    """Start nothing more of a rearrangement; what is in flight is followed to its end."""

    word = "cancel"


class Rollback(_Ending):
    """Bring back what a rearrangement has moved, as far as that is possible by now; also after it has ended."""

    word = "rollback"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--wait", action="store_true", help="follow it to its end")
        return parser


class Report(Command):
    """Write a rearrangement as one page: hosts, timeline, score, why each instance moves, and what went wrong."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("rearrangement", metavar="ID", help="its id")
        parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the page: a name in .html")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        import msgspec

        from vmpath_service.model import files
        from vmpath_service.model.plan import Plan
        from vmpath_service.report import rearrangement

        if not parsed_args.output.endswith(".html"):
            raise InvalidInput(f"-o {parsed_args.output}: expected a name that ends in .html")
        client, identity = self.client(), parsed_args.rearrangement
        record = client.get("rearrangements", identity)
        subject = rearrangement.Subject(
            record=record,
            plan=msgspec.convert(client.get("rearrangements", identity, "plan"), Plan) if record["summary"] else None,
            migrations=list(client.pages("rearrangements", identity, "migrations")),
            events=watching.every_event(client, "rearrangements", identity),
            hosts=list(client.pages("hosts")),
            instances=list(client.pages("instances")),
        )
        files.write_bytes(rearrangement.html(subject).encode(), parsed_args.output)
        return 0


class Delete(_Named):
    """Forget a rearrangement that has ended."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        self.client().delete("rearrangements", parsed_args.rearrangement)
        return ("deleted",), (parsed_args.rearrangement,)


def _gist(record: Mapping[str, Any], migrations: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What a person wants to know first."""
    for name in ("id", "policy"):
        yield name, record[name]
    yield "state", _state(record)
    for name in ("created_at", "updated_at"):
        yield name, moment(record[name])
    if record["explanation"]:
        yield "explanation", record["explanation"]
    summary, decision = record["summary"], record["decision"]
    if decision:
        for name in ("before", "after"):
            if score := decision.get(name):
                yield f"score_{name}", f"{score['value']:.6g} {score['unit']}"
        for name in ("emptied", "disable", "notes"):
            if decision.get(name):
                yield name, _lines(decision[name])
        if decision.get("rehearsal"):
            yield "rehearsal", _rehearsed(decision["rehearsal"])
        if decision.get("shortage"):
            yield "shortage", decision["shortage"]
        if decision.get("in_use"):
            yield "in_use", _lines([f"{name}: {reason}" for name, reason in decision["in_use"].items()])
        if decision.get("leftovers"):
            yield "leftovers", _lines(
                [f"{_label(each)} on {each['host']}: {each['reason']}" for each in decision["leftovers"]]
            )
    if summary:
        yield (
            "plan",
            f"{summary['migrations']} migrations, {summary['memory_mb']} MiB, about {summary['makespan_s']:.0f} s",
        )
    if migrations:
        yield "migrations", in_words(reckon(migrations, {}, 0.0))
        troubled = [each for each in migrations if each["state"] in ("failed", "skipped")]
        if troubled:
            yield "not_done", _lines(
                [
                    f"{_label(each)} {each['source']} to {each['dest']}: {each['state']}: {each['reason'] or ''}"
                    for each in troubled
                ]
            )


def _label(about: Mapping[str, Any]) -> str:
    """Of the instance; what an older service has written down knows no name."""
    return label_of(about["instance"], about.get("instance_name"))


def _state_named(text: str) -> str:
    """As it is called, also where it was typed as one word."""
    return text.replace("-", " ")


def _rehearsed(rehearsal: Mapping[str, Any]) -> str:
    if problems := rehearsal["problems"]:
        return _lines([f"it breaks: {problem}" for problem in problems])
    said = f"{rehearsal['migrations']} migrations replayed: it holds, step by step and in any timing"
    if rehearsal["unproved"]:
        said += f" (of {rehearsal['unproved']} arrivals shown by {rehearsal['runs']} timings only)"
    return said


def _state(record: Mapping[str, Any]) -> str:
    """With what was asked of it and has not come about yet."""
    waits = record["cancel_requested"] and record["state"] not in ENDED
    return f"{record['state']} (cancel requested)" if waits else str(record["state"])


def _lines(items: Sequence[str]) -> str:
    return "\n".join(lines(items, "-f json shows all"))
