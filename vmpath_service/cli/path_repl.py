"""Moving instances by hand, line by line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vmpath_service.cli.bars import UNITS, Fill, in_order
from vmpath_service.cli.command import Command
from vmpath_service.cli.constraints import add_constraints, chosen_constraints
from vmpath_service.cli.folding import folded
from vmpath_service.model.errors import InvalidInput, VmpathError

if TYPE_CHECKING:
    from vmpath_service.pathfinder.by_hand import Table

WORDS = {
    "move INSTANCE HOST": "migrate it, or say which rule that breaks",
    "why INSTANCE HOST": "only say it",
    "show [HOST]": "all hosts, or who is on one",
    "where INSTANCE": "where it is, and where it is meant to be",
    "goal INSTANCE HOST": "where it is meant to be from now on",
    "todo": "who is not where it is meant to be",
    "undo": "take the last migration back",
    "solve": "let the path finder do the rest",
    "moves": "what was done so far",
    "save FILE": "what was done as a plan; *target*: where all are now",
    "help, quit": "",
}


class Repl(Command):
    """Move instances by hand: see which rule a migration breaks, undo, let the path finder do the rest, save.

    Reads commands from the terminal or from a pipe. Exit status: 0, or 1 if a command from a pipe failed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--snapshot", required=True, metavar="FILE", help="the cloud as it is")
        parser.add_argument("--target", metavar="FILE", help="the placement to reach")
        add_constraints(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from vmpath_service.model import files
        from vmpath_service.model.compiled import compile_cloud
        from vmpath_service.model.placement import Placement
        from vmpath_service.pathfinder.by_hand import Table
        from vmpath_service.pathfinder.settings import PathSettings
        from vmpath_service.report.cells import labels

        data = files.read_bytes(parsed_args.snapshot)
        cloud = compile_cloud(files.decode_snapshot(data, parsed_args.snapshot), chosen_constraints(parsed_args))
        target = files.load_placement(parsed_args.target) if parsed_args.target else Placement({})
        self._table: Table = Table(cloud, target, PathSettings())
        self._identity = files.identity(data)
        self._labels = labels(cloud.snapshot.instances)
        # without any input there is nothing to read commands from
        if sys.stdin is None:
            return 0
        talking = sys.stdin.isatty()
        if talking:
            import readline  # noqa: F401  (gives input() its editing)

            self._say("help shows the commands")
        failed = False
        while True:
            try:
                line = input("vmpath> " if talking else "")
            except EOFError:
                if talking:
                    self._say("")
                break
            except KeyboardInterrupt:
                if not talking:
                    raise
                # as in a shell: the line is gone, and nothing else
                self._say("")
                continue
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] in ("quit", "exit"):
                break
            try:
                self._do(words)
            except KeyboardInterrupt:
                if not talking:
                    raise
                self._say("interrupted; moves shows what was done")
            except VmpathError as error:
                failed = True
                self._say(f"no: {error}")
        return 1 if failed and not talking else 0

    def _say(self, text: str, further: int = 4) -> None:
        out = self.app.stdout
        out.write(folded(text, out, further) + "\n")

    def _do(self, words: Sequence[str]) -> None:
        verbs: dict[str, tuple[Callable[..., None], int, int]] = {
            "move": (self._move, 2, 2),
            "why": (self._why, 2, 2),
            "show": (self._show, 0, 1),
            "where": (self._where, 1, 1),
            "goal": (self._goal, 2, 2),
            "todo": (self._todo, 0, 0),
            "undo": (self._undo, 0, 0),
            "solve": (self._solve, 0, 0),
            "moves": (self._moves, 0, 0),
            "save": (self._save, 1, 1),
            "help": (self._help, 0, 0),
        }
        if words[0] not in verbs:
            raise InvalidInput(f"there is no command {words[0]!r}; help shows all")
        act, least, most = verbs[words[0]]
        if not least <= len(words) - 1 <= most:
            usage = next(each for each in WORDS if each.split()[0].strip(",") == words[0])
            raise InvalidInput(f"expected: {usage}")
        act(*words[1:])

    def _help(self) -> None:
        for usage, meaning in WORDS.items():
            self._say(f"  {usage:<20} {meaning}".rstrip())

    def _move(self, instance: str, host: str) -> None:
        table = self._table
        guest = table.guest(instance)
        before = table.where(guest)
        table.move(guest, table.host(host))
        left = len(table.misplaced())
        self._say(f"{instance}: {before} -> {host}" + (f"; {left} to go" if table.target else ""))

    def _why(self, instance: str, host: str) -> None:
        table = self._table
        self._say(table.why_not(table.guest(instance), table.host(host)) or "it may go there")

    def _show(self, host: str | None = None) -> None:
        table = self._table
        if host is not None:
            for guest in table.residents(table.host(host)):
                self._say(f"  {self._in_words(guest)}")
            return
        names = in_order(table.cloud.dimensions)
        width = max(len(each.name) for each in table.cloud.snapshot.hosts)
        for number, each in enumerate(table.cloud.snapshot.hosts):
            held = table.free(number)
            first = names[1] if "MEMORY_MB" in names[1:2] else names[0]
            fills = [Fill(*held[name], UNITS.get(name, "")) for name in (first,)]
            state = "" if each.receives() else f"  ({each.state}, {each.status})"
            people = ", ".join(self._label(guest) for guest in table.residents(number))
            line = f"{each.name:<{width}} {fills[0].human_readable()}{state}  {people}"
            self._say(line, width + 1)

    def _where(self, instance: str) -> None:
        self._say(self._in_words(self._table.guest(instance)))

    def _goal(self, instance: str, host: str) -> None:
        table = self._table
        uuid = table.cloud.snapshot.instances[table.guest(instance)].uuid
        table.host(host)
        table.target[uuid] = host
        self._say(f"{instance} is meant to be on {host}")

    def _todo(self) -> None:
        table = self._table
        misplaced = table.misplaced()
        for uuid in misplaced:
            self._say(f"  {self._in_words(table.guest(uuid))}")
        if not misplaced:
            self._say("everybody is where it is meant to be")

    def _undo(self) -> None:
        last = self._table.undo()
        self._say(f"{self._label(last.guest)} is back on {self._table.where(last.guest)}")

    def _solve(self) -> None:
        plan = self._table.solve()
        if plan.outcome != "found":
            self._say(f"{plan.outcome}: {plan.explanation}")
            return
        if plan.host_steps:
            self._say("first: " + ", ".join(f"{step.action} {step.host}" for step in plan.host_steps))
        for each in plan.migrations:
            reason = f"  ({each.reason})" if each.reason else ""
            self._say(f"  {self._label(self._table.guest(each.instance))}: {each.source} -> {each.dest}{reason}")
        self._table.follow(plan)
        self._say(f"found: {len(plan.migrations)} migrations, done")

    def _moves(self) -> None:
        hosts = self._table.cloud.snapshot.hosts
        for move in self._table.moves:
            self._say(f"  {self._label(move.guest)}: {hosts[move.source].name} -> {hosts[move.dest].name}")

    def _save(self, path: str) -> None:
        from vmpath_service.model import files
        from vmpath_service.model.placement import Placement

        table = self._table
        if "target" in path.rpartition("/")[2]:
            reached = {uuid: host for uuid, host in table.now().items() if host is not None}
            files.save(Placement(dict(reached)), path)
        else:
            files.save(table.plan(self._identity), path)
        self._say(f"saved in {path}")

    def _label(self, guest: int) -> str:
        return self._labels[self._table.cloud.snapshot.instances[guest].uuid]

    def _in_words(self, guest: int) -> str:
        table = self._table
        instance = table.cloud.snapshot.instances[guest]
        wanted = table.target.get(instance.uuid)
        goal = "" if wanted in (None, table.where(guest)) else f", meant to be on {wanted}"
        amounts = ", ".join(f"{amount} {name}" for name, amount in instance.resources.items())
        return f"{self._label(guest)} ({amounts}) on {table.where(guest) or 'no host'}{goal}"
